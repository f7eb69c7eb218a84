//! The name that a misspelled one is probably meant to be.

/// The longest name, in bytes, for which a close one is looked for.
const NAME_BYTES_MAX: usize = 200;

/// Returns the candidate that `name` is most likely a slip for, if any is near. Case does not matter, nor whether
/// hyphens or underscores part words.
///
/// A slip is a few edits (`cosin`), words left out (`num_epochs`) or nothing but first letters (`lr`), in this order. Of
/// several that are equally near, the first counts.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let name = plain(name);
    let candidates: Vec<(&str, String)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_BYTES_MAX)
        .map(|candidate| (candidate, plain(candidate)))
        .collect();
    let allowed = 1 + name.chars().count() / 4;
    let edited = candidates.iter().map(|(candidate, plain)| (edits(&name, plain), *candidate));
    if let Some((_, near)) = edited.filter(|&(edits, _)| edits <= allowed).min_by_key(|&(edits, _)| edits) {
        return Some(near);
    }
    let of_words = candidates.iter().filter(|(_, plain)| has_words(plain, &name));
    let shortest = of_words.min_by_key(|(_, plain)| plain.split('_').count()).map(|&(candidate, _)| candidate);
    let initials = |plain: &str| plain.split('_').filter_map(|word| word.chars().next()).collect::<String>();
    let by_initials = || candidates.iter().find(|(_, plain)| name.len() > 1 && initials(plain) == name);
    shortest.or_else(|| by_initials().map(|&(candidate, _)| candidate))
}

/// Returns whether a name has all words of another, in their order.
fn has_words(whole: &str, part: &str) -> bool {
    const LETTERS_MIN: usize = 3;
    let mut words = whole.split('_');
    part.len() >= LETTERS_MIN && part.split('_').all(|word| words.any(|other| other == word))
}

/// Returns how many edits lead from one name to the other: insertions, deletions, substitutions and swaps of neighbors.
///
/// No part of a name is edited twice (optimal string alignment).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut cost = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (i, row) in cost.iter_mut().enumerate() {
        row[0] = i;
    }
    cost[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let same = from[i - 1] == to[j - 1];
            let kept = cost[i - 1][j - 1] + usize::from(!same);
            cost[i][j] = kept.min(cost[i - 1][j] + 1).min(cost[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                cost[i][j] = cost[i][j].min(cost[i - 2][j - 2] + 1);
            }
        }
    }
    cost[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        // Textbook pairs.
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("saturday", "sunday"), 3);
        assert_eq!(edits("from", "form"), 1);
        assert_eq!(edits("ca", "abc"), 3);
        assert_eq!(closest("Tokens", ["ner", "tokens"]), Some("tokens"));
        assert_eq!(closest("x", ["tokens"]), None);
    }

    #[test]
    fn words_left_out_and_first_letters() {
        let options = ["lr_scheduler_type", "learning_rate", "num_train_epochs", "per_device_train_batch_size", "seed"];
        let meant = |name: &str| closest(name, options);
        assert_eq!(meant("num_epochs"), Some("num_train_epochs"));
        assert_eq!(meant("epochs"), Some("num_train_epochs"));
        assert_eq!(meant("batch-size"), Some("per_device_train_batch_size"));
        assert_eq!(meant("LR"), Some("learning_rate"));
        assert_eq!(meant("learnig-rate"), Some("learning_rate"));
        assert_eq!(meant("epochs_num"), None);
        assert_eq!(meant("l"), None);
    }
}
