//! How a shape becomes a sentence: choices are made, slots are filled, and each filled name carries its type.

use super::names::{self, Pool};
use super::shapes;

/// Entity types, in the order their tags are numbered.
pub const TYPES: [&str; 5] = ["DATE", "LOC", "ORG", "PER", "PRODUCT"];

/// Which part of every name list may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Names of the training and validation sentences.
    Seen,
    /// Names of the test sentences.
    HeldOut,
}

/// Words, each with its tag's number: 0 is `O`, 1 + 2t begins type t, 2 + 2t continues it.
pub type Tagged = Vec<(String, u32)>;

/// A stream of random numbers (SplitMix64), a function of its seed alone.
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Draw {
        Draw { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// One of `texts`.
    pub fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    /// The index of one of `shares`, drawn in proportion.
    fn share(&mut self, shares: &[usize]) -> usize {
        let mut left = self.below(shares.iter().sum());
        for (index, &share) in shares.iter().enumerate() {
            if left < share {
                return index;
            }
            left -= share;
        }
        unreachable!("the draw is below the sum of the shares")
    }
}

/// Fills shapes from one part of the name lists.
pub struct Grammar {
    given: Vec<&'static str>,
    given_common: Vec<&'static str>,
    given_place: Vec<&'static str>,
    surname: Vec<&'static str>,
    surname_particle: Vec<&'static str>,
    surname_place: Vec<&'static str>,
    place: Vec<&'static str>,
    river: Vec<&'static str>,
    firm: Vec<&'static str>,
    acronym: Vec<&'static str>,
    product: Vec<&'static str>,
    stem: Vec<&'static str>,
    brand_stem: Vec<&'static str>,
}

const ROLES: [&str; 20] = [
    "baker",
    "carpenter",
    "chemist",
    "dancer",
    "doctor",
    "driver",
    "engineer",
    "farmer",
    "gardener",
    "judge",
    "lawyer",
    "nurse",
    "painter",
    "pianist",
    "pilot",
    "plumber",
    "sculptor",
    "tailor",
    "teacher",
    "writer",
];
const THINGS: [&str; 22] = [
    "airport",
    "bakery",
    "bridge",
    "cinema",
    "factory",
    "garden",
    "harbour",
    "hospital",
    "hotel",
    "laboratory",
    "library",
    "market",
    "mill",
    "museum",
    "office",
    "park",
    "school",
    "shop",
    "stadium",
    "station",
    "theatre",
    "warehouse",
];
const FOODS: [&str; 12] =
    ["beer", "bread", "cake", "cheese", "coffee", "fish", "fruit", "ice cream", "rice", "soup", "tea", "wine"];
const GOODS: [&str; 12] = [
    "bicycles",
    "carpets",
    "cars",
    "clocks",
    "furniture",
    "glass",
    "lamps",
    "paper",
    "shoes",
    "steel pipes",
    "tools",
    "toys",
];
const SUBJECTS: [&str; 9] =
    ["architecture", "biology", "chemistry", "history", "law", "mathematics", "medicine", "music", "physics"];
const NATIONS: [&str; 14] = [
    "Austrian",
    "Brazilian",
    "British",
    "Canadian",
    "Danish",
    "Dutch",
    "French",
    "German",
    "Greek",
    "Indian",
    "Italian",
    "Japanese",
    "Polish",
    "Spanish",
];
const TITLES: [&str; 6] = ["Dr", "Miss", "Mr", "Mrs", "Ms", "Professor"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const INITIALS: [&str; 8] = ["A.", "B.", "D.", "E.", "J.", "K.", "M.", "T."];
const TRADES: [&str; 16] = [
    "Airlines",
    "Bank",
    "Brothers",
    "Energy",
    "Foods",
    "Foundation",
    "Group",
    "Insurance",
    "Media",
    "Motors",
    "Pharma",
    "Press",
    "Shipping",
    "Software",
    "Steel",
    "Textiles",
];
const OFFICES: [&str; 3] = ["City Council", "Institute of Technology", "Chamber of Commerce"];
const CLUBS: [&str; 6] = ["Athletic", "City", "Rangers", "Rovers", "United", "Wanderers"];
const MODELS: [&str; 14] = ["2", "3", "5", "7", "9", "300", "500", "3000", "GT", "Max", "Mini", "Plus", "Pro", "X2"];

impl Grammar {
    /// The grammar over one part of the names.
    pub fn new(part: Part) -> Grammar {
        let list = |pool: &Pool| -> Vec<&'static str> {
            match part {
                Part::Seen => pool.seen,
                Part::HeldOut => pool.held_out,
            }
            .split_whitespace()
            .collect()
        };
        Grammar {
            given: list(&names::GIVEN),
            given_common: list(&names::GIVEN_COMMON),
            given_place: list(&names::GIVEN_PLACE),
            surname: list(&names::SURNAME),
            surname_particle: list(&names::SURNAME_PARTICLE),
            surname_place: list(&names::SURNAME_PLACE),
            place: list(&names::PLACE),
            river: list(&names::RIVER),
            firm: list(&names::FIRM),
            acronym: list(&names::ACRONYM),
            product: list(&names::PRODUCT),
            stem: list(&names::STEM),
            brand_stem: list(&names::BRAND_STEM),
        }
    }

    /// One sentence around a shape: alone, after an opener, before a tail, or joined to another of `shapes`. So a
    /// name's place in the sentence says little about it. No two slots of a sentence say the same.
    pub fn sentence(&self, shape: &str, shapes: &[&str], draw: &mut Draw) -> Tagged {
        let shape = match statement(shape) {
            None => shape.to_owned(),
            Some(body) => match draw.share(&[45, 22, 18, 15]) {
                0 => shape.to_owned(),
                1 => format!("{} {} .", draw.pick(shapes::OPENERS), inner(body)),
                2 => format!("{body} {} .", draw.pick(shapes::TAILS)),
                _ => match statement(draw.pick(shapes)) {
                    None => shape.to_owned(),
                    Some(second) => format!("{body} {} {} .", draw.pick(shapes::JOINTS), inner(second)),
                },
            },
        };
        self.expand(&shape, draw)
    }

    fn expand(&self, shape: &str, draw: &mut Draw) -> Tagged {
        let mut sentence = Tagged::new();
        let mut filled: Vec<String> = Vec::new();
        for token in choose(shape, draw).split_whitespace() {
            let Some(slot) = token.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                sentence.push((token.to_owned(), 0));
                continue;
            };
            let (entity, text) = loop {
                let (entity, text) = self.fill(slot, draw);
                if !filled.contains(&text) {
                    break (entity, text);
                }
            };
            // An article stays outside the name: `the` in `the Isle of Brandt` is O.
            let name = text.strip_prefix("the ").inspect(|_| sentence.push(("the".to_owned(), 0))).unwrap_or(&text);
            for (position, word) in name.split(' ').enumerate() {
                let tag = entity.map_or(0, |entity| 1 + 2 * entity + u32::from(position > 0));
                sentence.push((word.to_owned(), tag));
            }
            filled.push(text);
        }
        agree(&mut sentence);
        sentence
    }

    /// Returns what stands in a slot, with its type's number if it is a name.
    fn fill(&self, slot: &str, draw: &mut Draw) -> (Option<u32>, String) {
        let entity = match slot {
            "day" | "period" | "earlier" => Some(0),
            "loc" | "site" => Some(1),
            "org" | "club" => Some(2),
            "per" | "given" | "surname" => Some(3),
            "product" => Some(4),
            _ => None,
        };
        let text = match slot {
            "day" => day(draw),
            "period" => period(draw),
            "earlier" => (1900 + draw.below(60)).to_string(),
            "loc" => self.location(draw),
            "site" => format!("{} {}", self.family(draw), draw.pick(&["Street", "Square", "Park", "Lane"])),
            "org" => self.organization(draw),
            "club" => self.club(draw),
            "per" => self.person(draw),
            "given" => self.given(draw).to_owned(),
            "surname" => self.surname(draw),
            "product" => self.product(draw),
            "role" => draw.pick(&ROLES).to_owned(),
            "roles" => draw.pick(&ROLES).to_owned() + "s",
            "thing" => draw.pick(&THINGS).to_owned(),
            "food" => draw.pick(&FOODS).to_owned(),
            "goods" => draw.pick(&GOODS).to_owned(),
            "subject" => draw.pick(&SUBJECTS).to_owned(),
            "nation" => draw.pick(&NATIONS).to_owned(),
            "title" => draw.pick(&TITLES).to_owned(),
            "few" => (2 + draw.below(96)).to_string(),
            "n" => number(draw),
            "more" => (3 + draw.below(4)).to_string(),
            "fewer" => draw.below(3).to_string(),
            unknown => unreachable!("no slot is called `{unknown}`"),
        };
        (entity, text)
    }

    fn given(&self, draw: &mut Draw) -> &'static str {
        let list = draw.share(&[70, 15, 15]);
        draw.pick([&self.given, &self.given_common, &self.given_place][list])
    }

    /// A surname as people bear it, at times with a lower-case particle.
    fn surname(&self, draw: &mut Draw) -> String {
        match draw.share(&[92, 8]) {
            0 => self.family(draw),
            _ => draw.pick(&self.surname_particle).replace('~', " "),
        }
    }

    /// A surname as firms, streets and lakes bear it; every third or so is a town's name too.
    fn family(&self, draw: &mut Draw) -> String {
        match draw.share(&[36, 18, 28, 18]) {
            0 => draw.pick(&self.surname).to_owned(),
            1 => draw.pick(&self.surname_place).to_owned(),
            2 => draw.pick(&self.stem).to_owned() + draw.pick(&names::SURNAME_ENDINGS),
            _ => draw.pick(&self.stem).to_owned() + draw.pick(&names::SURNAME_PLACE_ENDINGS),
        }
    }

    /// A town or country; every third or so is a surname or given name too.
    fn place(&self, draw: &mut Draw) -> String {
        match draw.share(&[44, 12, 8, 20, 16]) {
            0 => draw.pick(&self.place).to_owned(),
            1 => draw.pick(&self.surname_place).to_owned(),
            2 => draw.pick(&self.given_place).to_owned(),
            3 => draw.pick(&self.stem).to_owned() + draw.pick(&names::PLACE_ENDINGS),
            _ => draw.pick(&self.stem).to_owned() + draw.pick(&names::SURNAME_PLACE_ENDINGS),
        }
    }

    /// A name of `list` or one coined for a firm or product.
    fn brand(&self, list: &[&'static str], draw: &mut Draw) -> String {
        match draw.share(&[45, 55]) {
            0 => draw.pick(list).to_owned(),
            _ => draw.pick(&self.brand_stem).to_owned() + draw.pick(&names::BRAND_ENDINGS),
        }
    }

    fn person(&self, draw: &mut Draw) -> String {
        match draw.share(&[78, 10, 8, 4]) {
            0 => format!("{} {}", self.given(draw), self.surname(draw)),
            1 => format!("{} {} {}", self.given(draw), draw.pick(&INITIALS), self.surname(draw)),
            2 => self.family(draw),
            _ => self.given(draw).to_owned(),
        }
    }

    fn location(&self, draw: &mut Draw) -> String {
        match draw.share(&[85, 4, 4, 4, 3]) {
            0 => self.place(draw),
            1 => format!("Port {}", self.family(draw)),
            2 => format!("{} upon {}", self.place(draw), draw.pick(&self.river)),
            3 => format!("the Isle of {}", self.family(draw)),
            _ => format!("New {}", self.place(draw)),
        }
    }

    fn organization(&self, draw: &mut Draw) -> String {
        match draw.share(&[24, 10, 18, 6, 4, 12, 8, 6, 4, 8]) {
            0 => self.brand(&self.firm, draw),
            1 => draw.pick(&self.acronym).to_owned(),
            2 => format!("{} {}", self.family(draw), draw.pick(&TRADES)),
            3 => format!("{} {}", self.family(draw), draw.pick(&["& Sons", "and Partners", "& Co"])),
            4 => format!("{} & {}", self.family(draw), self.family(draw)),
            5 => format!("the {} of {}", draw.pick(&["University", "Museum", "Port Authority"]), self.place(draw)),
            6 => format!("the Bank of {}", self.place(draw)),
            7 => format!("{} {}", self.place(draw), draw.pick(&OFFICES)),
            8 => format!("the Friends of the {}", draw.pick(&self.river)),
            _ => self.family(draw),
        }
    }

    /// A team: often nothing but the name of its town.
    fn club(&self, draw: &mut Draw) -> String {
        match draw.share(&[55, 45]) {
            0 => self.place(draw),
            _ => format!("{} {}", self.place(draw), draw.pick(&CLUBS)),
        }
    }

    fn product(&self, draw: &mut Draw) -> String {
        match draw.share(&[36, 36, 12, 16]) {
            0 => self.brand(&self.product, draw),
            1 => format!("{} {}", self.brand(&self.product, draw), draw.pick(&MODELS)),
            2 => format!("{} {}", self.brand(&self.firm, draw), draw.pick(&self.product)),
            _ => format!("{} {}", self.family(draw), draw.pick(&MODELS)),
        }
    }
}

fn year(draw: &mut Draw) -> usize {
    1960 + draw.below(65)
}

/// A day, as it follows `on`.
fn day(draw: &mut Draw) -> String {
    let number = 1 + draw.below(28);
    let month = draw.pick(&MONTHS);
    let weekday = draw.pick(&WEEKDAYS);
    match draw.share(&[35, 20, 25, 10, 10]) {
        0 => weekday.to_owned(),
        1 => format!("{number} {month}"),
        2 => format!("{number} {month} {}", year(draw)),
        3 => format!("{month} {number}"),
        _ => format!("{weekday} {}", draw.pick(&["morning", "evening"])),
    }
}

/// A stretch of time, as it follows `in`.
fn period(draw: &mut Draw) -> String {
    match draw.share(&[45, 20, 20, 10, 5]) {
        0 => year(draw).to_string(),
        1 => draw.pick(&MONTHS).to_owned(),
        2 => format!("{} {}", draw.pick(&MONTHS), year(draw)),
        3 => format!("the {} of {}", draw.pick(&["spring", "summer", "autumn", "winter"]), year(draw)),
        _ => format!("the {}0s", 196 + draw.below(6)),
    }
}

/// A count; one in ten could be mistaken for a year.
fn number(draw: &mut Draw) -> String {
    match draw.share(&[40, 40, 10, 10]) {
        0 => (2 + draw.below(96)).to_string(),
        1 => (10 * (10 + draw.below(90))).to_string(),
        2 => (1900 + draw.below(150)).to_string(),
        _ => format!("{},{}00", 1 + draw.below(30), draw.below(10)),
    }
}

/// A shape that states something and can stand anywhere, without its full stop.
fn statement(shape: &str) -> Option<&str> {
    const ALONE: [&str; 6] = ["\"", "[", "In ", "Mark ", "On ", "Since "];
    shape.strip_suffix(" .").filter(|body| !ALONE.iter().any(|start| body.starts_with(start)))
}

/// A statement as it reads inside a sentence: only a name, a nationality or `I` keeps its capital.
fn inner(body: &str) -> String {
    if body.starts_with("{") || body.starts_with("I ") {
        return body.to_owned();
    }
    body[..1].to_lowercase() + &body[1..]
}

/// Makes `a` before a vowel `an`, and the sentence's first letter a capital.
fn agree(sentence: &mut Tagged) {
    for at in 1..sentence.len() {
        if matches!(&*sentence[at - 1].0, "a" | "A")
            && sentence[at].0.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O'])
        {
            sentence[at - 1].0.push('n');
        }
    }
    let first = sentence[0].0.get_mut(..1).expect("shapes and names are ASCII");
    first.make_ascii_uppercase();
}

/// Decides every `[a|b|c]` of a shape.
fn choose(shape: &str, draw: &mut Draw) -> String {
    let mut text = String::new();
    let mut rest = shape;
    while let Some((before, after)) = rest.split_once('[') {
        let (options, after) = after.split_once(']').expect("a shape's `[` has its `]`");
        let options: Vec<&str> = options.split('|').collect();
        text.push_str(before);
        text.push_str(draw.pick(&options));
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_only_known_slots_and_closed_choices() {
        let mut draw = Draw::new(1);
        let grammar = Grammar::new(Part::Seen);
        for shape in shapes::SEEN.iter().chain(shapes::HELD_OUT) {
            assert_eq!(shape.matches('[').count(), shape.matches(']').count(), "{shape}");
            for _ in 0..20 {
                for (word, tag) in grammar.sentence(shape, shapes::SEEN, &mut draw) {
                    assert!(!word.is_empty() && !word.contains(['{', '}', '[', ']', '|']), "{shape}: `{word}`");
                    assert!((tag as usize) < 1 + 2 * TYPES.len(), "{shape}: tag {tag}");
                }
            }
        }
    }

    /// Rosetta Code's table for SplitMix64 with seed 1234567.
    #[test]
    fn draws_follow_the_published_generator() {
        let mut draw = Draw::new(1_234_567);
        let first = [draw.next(), draw.next(), draw.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn shares_are_drawn_in_proportion() {
        let mut draw = Draw::new(7);
        let mut counts = [0usize; 3];
        for _ in 0..30_000 {
            counts[draw.share(&[1, 2, 3])] += 1;
        }
        // Binomial with n = 30,000: five standard deviations are at most 5 · √(n/4) = 433.
        for (count, expected) in counts.into_iter().zip([5_000, 10_000, 15_000usize]) {
            assert!(count.abs_diff(expected) < 433, "{counts:?}");
        }
    }
}
