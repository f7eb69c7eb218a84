//! Keys, and the origins of other pages.

use axum::http::{HeaderMap, header};
use subtle::{Choice, ConstantTimeEq};

/// Returns whether a request has one of the keys. The comparison takes as long whatever differs.
pub fn is_known(headers: &HeaderMap, keys: &[String]) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
    });
    let given = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()));
    let Some(given) = given else { return false };
    let known = keys.iter().fold(Choice::from(0), |known, key| known | key.as_bytes().ct_eq(given));
    known.into()
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
        for wrong in ["Bearer secon", "Bearer second2", "Bearer ", "Basic second", "second", ""] {
            assert!(!known("authorization", wrong), "{wrong}");
        }
        assert!(!known("x-api-key", "") && !is_known(&HeaderMap::new(), &keys));
    }
}
