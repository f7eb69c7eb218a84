//! The name that a misspelled one is probably meant to be.

/// The longest name, in bytes, for which a close one is looked for.
const NAME_BYTES_MAX: usize = 200;

/// Returns the candidate that `name` is most likely a slip for, if any is near. Case does not matter; of several that
/// are equally near, the first counts.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let allowed = 1 + name.chars().count() / 4;
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= NAME_BYTES_MAX)
        .map(|candidate| (edits(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .min_by_key(|&(edits, _)| edits)
        .filter(|&(edits, _)| edits <= allowed)
        .map(|(_, candidate)| candidate)
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
}
