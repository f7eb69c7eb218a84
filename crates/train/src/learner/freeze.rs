//! Parameters that stay as they are.

use crate::error::Error;
use tagsmith_kernel::params::Params;

/// Freezes the parameters whose names a pattern matches: a glob, or `embeddings` for every embedding table and their norm.
/// Returns notes: which pattern froze how many parameters.
///
/// # Errors
/// A pattern that matches nothing.
pub fn freeze(params: &mut Params, patterns: &[String]) -> Result<Vec<String>, Error> {
    patterns.iter().map(|pattern| freeze_one(params, pattern)).collect()
}

fn freeze_one(params: &mut Params, pattern: &str) -> Result<String, Error> {
    let mut parameters = 0;
    for slot in &mut params.slots {
        let matches = match pattern {
            "embeddings" => slot.name.split('.').any(|part| part == "embeddings"),
            _ => glob_matches(pattern.as_bytes(), slot.name.as_bytes()),
        };
        if matches {
            slot.frozen = true;
            parameters += slot.len();
        }
    }
    if parameters == 0 {
        let example = params.slots[params.slots.len() / 2].name.clone();
        return Err(Error::Freeze { pattern: pattern.into(), example });
    }
    Ok(format!("frozen by `{pattern}`: {parameters} of {} parameters do not learn", params.len()))
}

/// `*` stands for any characters, `?` for one; the pattern covers the whole name. Linear in name × stars.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_cover_whole_names() {
        let check = |pattern: &str, name: &str, want| {
            assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} on {name}");
        };
        check("bert.encoder.layer.0.*", "bert.encoder.layer.0.output.dense.bias", true);
        check("bert.encoder.layer.0.*", "bert.encoder.layer.10.output.dense.bias", false);
        check("*.bias", "classifier.bias", true);
        check("*.bias", "classifier.bias.more", false);
        check("*layer.?.*LayerNorm*", "bert.encoder.layer.3.output.LayerNorm.weight", true);
        check("classifier", "classifier.weight", false);
    }
}
