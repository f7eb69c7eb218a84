//! The page in a real browser: what it shows is what the server answers, for every hand, eye and scheme.

use crate::browser::Browser;
use crate::harness::{Kit, kit, run, settings, spans, tokens_by};
use serde_json::{Value, json};
use std::thread::{self, JoinHandle};
use tagsmith_app::predict::tagger::TaggerOptions;
use tagsmith_serve::server::{self, Stop};
use tagsmith_serve::settings::Limits;
use tagsmith_testkit::scratch::Scratch;

const TEXT: &str = "🎉 jo lives in millville\n\nשרה gardens in zürich, 👩‍👩‍👧 jo\n<img src=x onerror=alert(1)> & jo";

/// Markup that would run a script, were it taken for markup.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// A server on the loopback.
struct Served {
    kit: Kit,
    url: String,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// A token classifier that finds many entities of two types, and leaves words between them.
fn many() -> Kit {
    let scratch = Scratch::empty();
    scratch.put_tagger("distilbert", "model");
    kit(scratch, "model", TaggerOptions::default(), settings())
}

fn served(kit: Kit) -> Served {
    let listener = server::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (app, stop) = (kit.app.clone(), Stop::new());
    let heard = stop.clone();
    let thread = thread::spawn(move || server::run(app, listener, &heard).expect("it serves"));
    Served { kit, url, stop, thread: Some(thread) }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.begin();
        self.thread.take().map(JoinHandle::join);
    }
}

impl Served {
    /// The router's own answer about a text.
    fn answer(&self, body: &Value) -> Value {
        let mut answer = Value::Null;
        run(async {
            let response = self.kit.post("/v1/tag", body).await;
            assert_eq!(response.status, 200, "{}", response.text);
            answer = response.json();
        });
        answer
    }

    /// The entities that the router finds, in a unit.
    fn entities(&self, text: &str, unit: &str) -> Vec<Value> {
        let answer = self.answer(&json!({"inputs": text, "parameters": {"offset_unit": unit}}));
        answer["results"][0]["entities"].as_array().expect("entities").clone()
    }
}

impl Browser {
    /// Writes into the text's field, as a person does, and waits for the answer.
    #[track_caller]
    fn tag(&mut self, text: &str) {
        self.value("document.querySelector('#text').select()");
        self.write(text);
        self.wait(&format!("last?.text === {}", json!(text)));
        self.wait("document.querySelector('#tagged').dataset.drawn === 'whole'");
    }

    /// What the page marks: the letters of each entity by its number.
    fn marked(&mut self) -> Value {
        self.value(
            "(() => { const all = {}; for (const mark of document.querySelectorAll('#tagged mark'))
                for (const number of mark.dataset.entities.split(' ')) all[number] = (all[number] ?? '') + mark.textContent;
              return all; })()",
        )
    }

    /// The text that the page shows, without the names of labels.
    fn shown(&mut self) -> Value {
        self.value(
            "(() => { const copy = document.querySelector('#tagged').cloneNode(true);
                copy.querySelectorAll('.name').forEach((name) => name.remove()); return copy.textContent; })()",
        )
    }

    /// The table's rows: label, text, score, place.
    fn rows(&mut self) -> Value {
        self.value(
            "[...document.querySelectorAll('#rows tr')].map((row) => [...row.cells].map((cell) => cell.textContent))",
        )
    }
}

/// The rows that a table of these entities has.
fn rows_of(entities: &[Value]) -> Value {
    let row = |it: &Value| {
        let score = it["score"].to_string().parse::<f64>().expect("a number");
        json!([it["label"], it["text"], format!("{score:.3}"), format!("{}–{}", it["start"], it["end"])])
    };
    entities.iter().map(row).collect()
}

#[test]
fn the_page_marks_what_the_server_finds() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(many());
    browser.open(&served.url);
    browser.value("document.querySelector('#text').focus()");
    browser.tag(TEXT);
    let points = served.entities(TEXT, "code_point");
    assert!(points.len() > 5, "the model names something");
    assert_eq!(browser.shown(), TEXT, "letter by letter");
    let marked: Value = points
        .iter()
        .enumerate()
        .map(|(number, it)| (number.to_string(), it["text"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(browser.marked(), marked);
    for unit in ["code_point", "utf16", "byte"] {
        browser.value(&format!("document.querySelector('[value={unit}]').click()"));
        let entities = served.entities(TEXT, unit);
        assert_eq!(entities == points, unit == "code_point", "the emoji counts more than once elsewhere");
        assert_eq!(browser.rows(), rows_of(&entities), "{unit}");
        // The JSON that is shown is what the command that is shown gets.
        browser.value("for (const name of ['json', 'curl']) document.querySelector(`#${name}-pane`).open = true");
        browser.wait("document.querySelector('#json').textContent && document.querySelector('#curl').textContent");
        let command = browser.value("document.querySelector('#curl').textContent");
        let command = command.as_str().expect("a text");
        assert!(command.starts_with(&format!("curl -s '{}v1/tag' ", served.url)), "{command}");
        let body = command.rsplit_once("-d '").expect("a body").1.strip_suffix('\'').expect("its end");
        let body: Value = serde_json::from_str(&body.replace("'\\''", "'")).expect("the body is JSON");
        let shown = browser.value("answerAsJson()");
        let shown: Value = serde_json::from_str(shown.as_str().expect("a text")).expect("it is JSON");
        assert_eq!(shown, served.answer(&body), "{unit}");
        browser.wait(&format!("document.querySelector('#json').textContent === {}", json!(format!("{shown:#}"))));
    }
    assert_eq!(browser.value("document.querySelectorAll('#tagged img').length"), 0);
    assert!(
        browser
            .asked()
            .iter()
            .all(|url| url.starts_with(&served.url) || url.starts_with("data:") || url == "about:blank"),
        "{:?}",
        browser.asked()
    );
    assert_eq!(browser.wrongs(), [""; 0]);
}

#[test]
fn the_slider_and_the_switches_choose_what_is_marked() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(many());
    browser.open(&served.url);
    browser.value("document.querySelector('#text').focus()");
    browser.tag(TEXT);
    let all = served.entities(TEXT, "utf16");
    let score = |it: &Value| it["score"].as_f64().expect("a score");
    let mut scores: Vec<f64> = all.iter().map(score).collect();
    scores.sort_by(f64::total_cmp);
    let least = (scores[all.len() / 2] * 100.0).ceil() / 100.0;
    browser.value(&format!("{{ const it = document.querySelector('#threshold'); it.value = {least}; it.dispatchEvent(new Event('input')); }}"));
    let above: Vec<Value> = all.iter().filter(|it| score(it) >= least).cloned().collect();
    assert!(above.len() < all.len());
    let count = |browser: &mut Browser| browser.marked().as_object().expect("an object").len();
    browser.wait("document.querySelector('#tagged').dataset.drawn === 'whole'");
    assert_eq!(count(&mut browser), above.len());
    let label = all[0]["label"].as_str().expect("a label").to_owned();
    browser.value(
        "{ const it = document.querySelector('#threshold'); it.value = 0; it.dispatchEvent(new Event('input')); }",
    );
    browser.value(&format!("document.querySelector('#labels input[value={label}]').click()"));
    let others = all.iter().filter(|it| it["label"] != label.as_str()).count();
    assert_eq!(count(&mut browser), others);
    // Without `O` the server would give what is outside of entities as well.
    assert_eq!(browser.value("JSON.parse(request()).parameters.ignore_labels"), json!(["O", label]));
    browser.value("document.querySelector('#none').click()");
    assert_eq!(count(&mut browser), 0);
    assert_eq!(browser.shown(), TEXT);
    browser.value("document.querySelector('#all').click()");
    assert_eq!(count(&mut browser), all.len());
    assert_eq!(browser.wrongs(), [""; 0]);
}

#[test]
fn all_can_be_done_from_the_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(many());
    browser.open(&served.url);
    browser.value("document.querySelector('#text').focus()");
    browser.write(TEXT);
    browser.press("Enter", 2);
    browser.wait("document.querySelectorAll('mark').length");
    let wanted = browser.value(
        "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
            .filter((it) => it.checkVisibility() && !it.disabled && (it.type !== 'radio' || it.checked)).length",
    );
    browser.value("document.querySelector('.skip').focus()");
    let (mut seen, mut names) = (1, vec![json!("To the text")]);
    while seen < 200 {
        browser.press("Tab", 0);
        if browser.value("document.activeElement === document.body || !document.hasFocus()") == true {
            break;
        }
        let name = browser
            .value("document.activeElement.id || document.activeElement.textContent || document.activeElement.value");
        if names.first() == Some(&name) {
            break;
        }
        assert_eq!(
            browser.value("getComputedStyle(document.activeElement).outlineStyle"),
            "solid",
            "the focus shows: {name}"
        );
        names.push(name);
        seen += 1;
    }
    assert_eq!(json!(seen), wanted, "{names:?}");
    let place = |name: &str| names.iter().position(|it| it == name).unwrap_or_else(|| panic!("{name} has no focus"));
    let order = ["text", "tag", "link", "tagged", "threshold", "file"].map(place);
    assert!(order.is_sorted(), "the order is that of reading: {names:?}");
    // A switch, an entity, the slider.
    browser.value("document.querySelector('#labels input').focus()");
    let before = browser.value("document.querySelectorAll('mark').length");
    let off = browser.value("document.querySelector('#labels input').value");
    browser.press(" ", 0);
    assert_eq!(browser.value("[...off]"), json!([off]));
    browser.press(" ", 0);
    assert_eq!(browser.value("document.querySelectorAll('mark').length"), before);
    browser.value("document.querySelector('#rows button').focus()");
    browser.press("Enter", 0);
    assert_eq!(
        browser.value(
            "document.querySelector('mark.chosen').textContent === document.querySelector('tr.chosen bdi').textContent"
        ),
        true
    );
    browser.value("document.querySelector('#threshold').focus()");
    browser.press("End", 0);
    browser.wait("document.querySelector('#threshold-shown').textContent === '1.00'");
    assert_eq!(browser.wrongs(), [""; 0]);
}

/// Texts whose contrast with what is behind them is below WCAG's 4.5, and lines under letters below 3.
const FAINT: &str = r"(() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r, g, b].map((top, i) => (top * a + [x, y, z][i] * (255 - a)) / 255);
  const behind = (node) => {
    if (!node) return [255, 255, 255];
    const color = rgba(getComputedStyle(node).backgroundColor);
    return color[3] === 255 ? color.slice(0, 3) : over(color, behind(node.parentElement));
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest(':disabled')) continue;
    count += 1;
    const back = behind(node);
    const is = ratio(over(rgba(getComputedStyle(node).color), back), back);
    if (is < 4.5) bad.push(`${walker.currentNode.data.trim().slice(0, 20)}: ${is.toFixed(2)}`);
  }
  for (const mark of document.querySelectorAll('mark')) {
    const line = getComputedStyle(mark).backgroundImage.match(/rgba?\([^)]*\)/g).map(rgba).find((color) => color[3] === 255);
    const is = ratio(line, behind(mark.parentElement));
    if (is < 3) bad.push(`the line under ${mark.textContent}: ${is.toFixed(2)}`);
  }
  for (const field of document.querySelectorAll('input[type=text], textarea, button')) {
    if (!field.checkVisibility()) continue;
    const style = getComputedStyle(field);
    if (style.borderTopWidth !== '0px' && ratio(over(rgba(style.borderTopColor), behind(field.parentElement)), behind(field.parentElement)) < 3)
      bad.push(`the edge of ${field.id}`);
  }
  return count < 20 ? ['nothing was looked at'] : bad;
})()";

/// Controls without a name, by what the browser tells a screen reader.
fn nameless(browser: &mut Browser) -> Vec<String> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let roles = [
        "button",
        "textbox",
        "checkbox",
        "radio",
        "slider",
        "link",
        "combobox",
        "table",
        "region",
        "article",
        "DisclosureTriangle",
        "complementary",
        "navigation",
    ];
    let nodes = tree["nodes"].as_array().expect("nodes").iter();
    let nodes: Vec<&Value> = nodes
        .filter(|node| node["ignored"] != true && roles.contains(&node["role"]["value"].as_str().unwrap_or_default()))
        .collect();
    assert!(nodes.len() > 15, "{} controls", nodes.len());
    let is_nameless = |node: &&&Value| node["name"]["value"].as_str().is_none_or(|name| name.trim().is_empty());
    nodes.iter().filter(is_nameless).map(|node| node["role"].to_string()).collect()
}

#[test]
fn everything_has_a_name_and_can_be_read_in_both_schemes() {
    let Some(mut browser) = Browser::start() else { return };
    for (name, served) in [("tokens", served(many())), ("spans", served(spans("bi_encoder")))] {
        for scheme in ["light", "dark"] {
            for width in [1280, 400] {
                browser.scheme(scheme);
                browser.width(width);
                browser.open(&served.url);
                browser.value("{ const it = document.querySelector('#wanted'); it.value = 'a, b, c, d, e, f, g, h'; }");
                browser.value("if (scoresSpans()) { document.querySelector('#own').checked = false; document.querySelector('#threshold').value = 0; }");
                browser.value("document.querySelector('#text').focus()");
                browser.tag(TEXT);
                browser.value("document.querySelectorAll('details').forEach((it) => (it.open = true)); document.querySelector('mark').click(); say('An error.')");
                let place = format!("{name} {scheme} {width}");
                browser.picture(&place.replace(' ', "-"));
                assert_eq!(browser.value(FAINT), json!([]), "{place}");
                assert_eq!(nameless(&mut browser), [""; 0], "{place}");
                let wide = browser.value("document.documentElement.scrollWidth - innerWidth");
                assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{place}: the page is {wide} pixels too wide");
            }
        }
    }
    // What a careless change would bring is found.
    browser.value("document.querySelector('#hint').style.color = '#777'");
    assert_ne!(browser.value(FAINT), json!([]));
    browser
        .value("document.querySelector('label[for=text]').remove(); document.querySelector('#text').placeholder = ''");
    assert_eq!(nameless(&mut browser), ["textbox"].map(|role| json!({"type": "role", "value": role}).to_string()));
}

#[test]
fn the_server_s_line_is_shown_and_a_key_is_asked_for() {
    let Some(mut browser) = Browser::start() else { return };
    let limits = Limits { characters: 40, ..settings().limits };
    let served = served(tokens_by(settings_with(limits)));
    browser.open(&served.url);
    assert_eq!(browser.value("document.querySelector('#key-part').open"), true);
    let said = browser.value("document.querySelector('#error').textContent");
    assert!(said.as_str().is_some_and(|said| said.starts_with("a key is needed")), "{said}");
    browser.value(
        "{ const it = document.querySelector('#key'); it.value = 'a secret'; it.dispatchEvent(new Event('change')); }",
    );
    browser.wait("model");
    browser.value("document.querySelector('#text').focus()");
    browser.tag("jo lives in millville");
    assert_eq!(browser.value("document.querySelector('#error').hidden"), true);
    assert!(!browser.value("command()").to_string().contains("a secret"), "the key stays here");
    assert!(!browser.value("linkTo()").to_string().contains("secret"));
    browser.value("document.querySelector('#text').select()");
    browser.write(&"jo ".repeat(20));
    browser.wait("!document.querySelector('#error').hidden");
    let said = browser.value("document.querySelector('#error').textContent");
    assert_eq!(said, "`inputs[0]` has 60 characters, and 40 are the most: send it in parts");
    assert_eq!(browser.value("document.querySelector('#error').getAttribute('role')"), "alert");
    assert_eq!(browser.value("document.querySelectorAll('mark').length"), 0, "nothing old stands beside an error");
    assert_eq!(browser.value("[localStorage.length, sessionStorage.length, document.cookie]"), json!([0, 0, ""]));
    assert_eq!(browser.wrongs(), [""; 0]);
}

fn settings_with(limits: Limits) -> tagsmith_serve::settings::Settings {
    tagsmith_serve::settings::Settings { api_keys: vec!["a secret".into()], limits, ..settings() }
}

#[test]
fn a_dropped_file_comes_back_tagged() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(many());
    browser.open(&served.url);
    let lines = ["jo lives in millville", "", "🎉 zürich"];
    let scratch = &served.kit.scratch;
    scratch.write("notes.txt", lines.map(|line| format!("{line}\r\n")).concat());
    browser.drop_file(&scratch.path("notes.txt"));
    browser.wait("!document.querySelector('#download').hidden");
    let parse = |bytes: Vec<u8>| -> Vec<Value> {
        String::from_utf8(bytes).expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let tagged = parse(browser.download("#download"));
    let expected: Vec<Value> = lines.iter().map(|line| json!(served.entities(line, "code_point"))).collect();
    assert_eq!(tagged.iter().map(|it| it["text"].as_str().expect("a text")).collect::<Vec<_>>(), lines);
    assert_eq!(tagged.iter().map(|it| it["entities"].clone()).collect::<Vec<_>>(), expected);
    let status = browser.value("document.querySelector('#file-status').textContent");
    assert!(status.as_str().is_some_and(|said| said.starts_with("3 documents, ")), "{status}");
    // Other keys stay; a line that is wrong becomes one that says so. More lines than are sent at once.
    let many: String =
        (0..3000).map(|number| json!({"text": "jo lives in millville", "id": number}).to_string() + "\n").collect();
    scratch.write(
        "many.jsonl",
        format!("{{\"tokens\": [\"jo\", \"lives\"], \"kept\": true}}\n{{\n{{\"text\": 7}}\n{many}"),
    );
    browser.drop_file(&scratch.path("many.jsonl"));
    browser.wait("document.querySelector('#download').download === 'many.tagged.jsonl' && !document.querySelector('#download').hidden");
    let tagged = parse(browser.download("#download"));
    assert_eq!(tagged.len(), 3003);
    assert_eq!((&tagged[0]["kept"], &tagged[0]["tokens"]), (&json!(true), &json!(["jo", "lives"])));
    assert_eq!(tagged[1], json!({"line": 2, "error": "This line is not JSON."}));
    assert_eq!(tagged[2], json!({"line": 3, "error": "This line has neither `text` nor `tokens`."}));
    for (number, it) in tagged[3..].iter().enumerate() {
        assert_eq!((&it["id"], &it["entities"]), (&json!(number), &expected[0]));
    }
    let status = browser.value("document.querySelector('#file-status').textContent");
    assert!(
        status
            .as_str()
            .is_some_and(|said| said.contains("2 documents could not be tagged: This line is not JSON. (document 2)")),
        "{status}"
    );
    scratch.write("latin.txt", b"z\xFCrich\n");
    browser.drop_file(&scratch.path("latin.txt"));
    browser.wait("document.querySelector('#file-status').textContent.startsWith('latin.txt is not text in UTF-8.')");
    assert_eq!(browser.wrongs(), [""; 0]);
}

#[test]
fn a_span_tagger_is_asked_for_labels_and_marks_entities_in_entities() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(spans("bi_encoder"));
    browser.open(&served.url);
    browser.value("document.querySelector('#text').focus()");
    browser.write(TEXT);
    browser.wait("document.querySelector('#status').textContent === 'Name the labels to look for.'");
    browser.value("document.querySelector('#wanted').focus()");
    browser.write(&format!("person, {MARKUP}, place"));
    browser.wait("last");
    browser.value("{ document.querySelector('#own').click(); const it = document.querySelector('#threshold'); it.value = 0; it.dispatchEvent(new Event('input')); }");
    browser.value("{ const it = document.querySelector('#decoding'); it.value = 'nested'; it.dispatchEvent(new Event('change')); }");
    browser.wait("last?.parameters.decoding === 'nested' && last.parameters.threshold === 0 && document.querySelector('#tagged').dataset.drawn === 'whole'");
    let parameters =
        json!({"labels": ["person", MARKUP, "place"], "threshold": 0, "decoding": "nested", "offset_unit": "utf16"});
    let answer = served.answer(&json!({"inputs": TEXT, "parameters": parameters}));
    let entities = answer["results"][0]["entities"].as_array().expect("entities");
    let marked: Value = entities
        .iter()
        .enumerate()
        .map(|(number, it)| (number.to_string(), it["text"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(browser.marked(), marked);
    assert_eq!(browser.shown(), TEXT);
    let nested = browser
        .value("[...document.querySelectorAll('mark')].filter((it) => it.dataset.entities.includes(' ')).length");
    assert!(nested.as_u64() > Some(0), "at threshold 0 entities lie in others");
    let lines = browser.value(
        "[...document.querySelectorAll('mark')].every((it) => new Set([0, 1, 2, 3].map((lane) => it.style.getPropertyValue(`--l${lane}`)).filter(Boolean)).size
            && [0, 1, 2, 3].filter((lane) => it.style.getPropertyValue(`--l${lane}`)).length === Math.min(4, it.dataset.entities.split(' ').length))",
    );
    assert_eq!(lines, true, "a line for each entity");
    assert_eq!(browser.value("document.querySelectorAll('main img').length"), 0);
    // A link holds all of it, and only who copies it has it.
    assert_eq!(browser.value("location.href"), served.url.as_str());
    let link = browser.value("linkTo()");
    browser.open(link.as_str().expect("an address"));
    browser.wait("last && document.querySelector('#tagged').dataset.drawn === 'whole'");
    browser.wait("last.parameters.decoding === 'nested'");
    assert_eq!(
        browser.value("[text.value, document.querySelector('#wanted').value]"),
        json!([TEXT, format!("person, {MARKUP}, place")])
    );
    assert_eq!(browser.marked(), marked);
    assert!(browser.asked().iter().all(|url| !url.contains('#')), "no fragment travels");
    assert_eq!(browser.wrongs(), [""; 0]);
}

#[test]
fn a_mebibyte_is_drawn_while_the_page_answers() {
    let Some(mut browser) = Browser::start() else { return };
    let served = served(many());
    browser.open(&served.url);
    // What a server may answer about 1 MiB: an entity every hundred letters.
    browser.value(
        "{ const whole = ('Jo lives in Millville. '.repeat(4) + '\\n').repeat(12_000).slice(0, 1 << 20);
           const entities = Array.from({ length: 10_000 }, (_, i) => ({ label: 'PER', score: 0.9, start: 93 * i, end: 93 * i + 2, text: 'Jo' }));
           globalThis.fetch = async () => new Response(JSON.stringify({ model: {}, results: [{ entities }] }));
           globalThis.beats = 0; setInterval(() => (beats += 1), 5);
           text.value = whole; }",
    );
    browser.value("document.querySelector('#tag').click()");
    browser.wait("document.querySelector('#tagged').dataset.drawn === 'part'");
    let early = browser.value("beats").as_u64().expect("a count");
    browser.wait("document.querySelector('#tagged').dataset.drawn === 'whole'");
    assert!(browser.value("beats").as_u64() > Some(early + 3), "the page answered while it drew");
    assert_eq!(browser.value("document.querySelectorAll('mark').length"), 10_000);
    assert_eq!(browser.value("document.querySelector('#tagged').textContent.length"), (1 << 20) + 3 * 10_000);
    assert_eq!(browser.value("document.querySelectorAll('#rows tr').length"), 200);
    assert_eq!(browser.wrongs(), [""; 0]);
}
