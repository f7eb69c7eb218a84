//! Keys, and the origins of other pages.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};

/// Returns whether a request has one of the keys, which is also the password of whatever user Label Studio sends. The
/// comparison takes as long whatever differs.
pub fn is_known(headers: &HeaderMap, keys: &[String]) -> bool {
    let authorized = headers.get(header::AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes();
        let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
        match scheme.to_ascii_lowercase().as_slice() {
            b"bearer" => Some(rest.trim_ascii().to_vec()),
            b"basic" => password(rest.trim_ascii()),
            _ => None,
        }
    });
    let given = authorized.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().to_vec()));
    let Some(given) = given else { return false };
    let known = keys.iter().fold(Choice::from(0), |known, key| known | key.as_bytes().ct_eq(&given));
    known.into()
}

/// Returns the password of `user:password` in base64 (RFC 7617).
fn password(encoded: &[u8]) -> Option<Vec<u8>> {
    let plain = STANDARD.decode(encoded).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    Some(plain[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_bearer_s_or_a_header_s() {
        let keys = ["first".to_owned(), "second".to_owned()];
        let known = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header's value"));
            is_known(&headers, &keys)
        };
        assert!(known("authorization", "Bearer second") && known("authorization", "bearer first"));
        assert!(known("x-api-key", "first"));
        // As `curl --user` and RFC 7617 write `studio:second`, and `a:b:first`, whose password has a colon.
        assert!(known("authorization", "Basic c3R1ZGlvOnNlY29uZA==") && !known("authorization", "Basic YTpiOmZpcnN0"));
        for wrong in
            ["Bearer secon", "Bearer second2", "Bearer ", "Basic second", "Basic c2Vjb25k", "Basic", "second", ""]
        {
            assert!(!known("authorization", wrong), "{wrong}");
        }
        assert!(!known("x-api-key", "") && !is_known(&HeaderMap::new(), &keys));
    }
}
