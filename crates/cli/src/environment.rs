//! The variables that huggingface_hub, requests and curl know, with the same meaning.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tagsmith_hub::{Settings, Token};

const ENDPOINT: &str = "https://huggingface.co";

/// Seconds in which nothing comes before a connection counts as broken.
const TIMEOUT_SECONDS: u64 = 10;

/// The pause before a request is repeated.
const PAUSE: Duration = Duration::from_secs(1);

/// Each of these forbids connections.
const OFFLINE: [&str; 3] = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"];

/// What the environment says; `variable` gives what is set and not empty.
pub fn settings(variable: &dyn Fn(&str) -> Option<String>, home: Option<&Path>, cache_dir: Option<&str>) -> Settings {
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
    let is_true = |name: &str| variable(name).is_some_and(|value| is_yes(&value));
    let path = |text: String| expanded(&text, home);
    let folder = hugging_face(variable, home);
    let cache = cache_dir.map(str::to_owned).or_else(|| first(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]));
    let token_file = variable("HF_TOKEN_PATH").map_or_else(|| folder.join("token"), path);
    let token = first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]).or_else(|| fs::read_to_string(token_file).ok());
    let token = token.filter(|_| !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"));
    let proxy = |names: [&str; 2]| first(&names).or_else(|| first(&["all_proxy", "ALL_PROXY"]));
    let no_proxy = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let seconds =
        variable("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|text| text.parse::<u64>().ok()).filter(|&seconds| seconds > 0);
    let endpoint = variable("HF_ENDPOINT");
    Settings {
        endpoint: endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/').to_owned(),
        cache: cache.map_or_else(|| folder.join("hub"), path),
        token: token.as_deref().and_then(Token::new),
        offline: OFFLINE.iter().find(|name| is_true(name)).map(|name| format!("{name} forbids connections")),
        http_proxy: proxy(["http_proxy", "HTTP_PROXY"]),
        https_proxy: proxy(["https_proxy", "HTTPS_PROXY"]),
        no_proxy: no_proxy.split(',').map(|host| host.trim().to_owned()).collect(),
        certificates: first(&["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]).map(PathBuf::from),
        timeout: Duration::from_secs(seconds.unwrap_or(TIMEOUT_SECONDS)),
        pause: PAUSE,
    }
}

/// The folder of all that Hugging Face's programs keep.
fn hugging_face(variable: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> PathBuf {
    let path = |text: String| expanded(&text, home);
    let cached = variable("XDG_CACHE_HOME").map(path);
    let cached = cached.unwrap_or_else(|| home.unwrap_or(Path::new("")).join(".cache")).join("huggingface");
    variable("HF_HOME").map_or(cached, path)
}

/// The files in which `accelerate config` may have left its answers, as accelerate 1.15 looks for them.
pub fn accelerate_defaults() -> Vec<PathBuf> {
    let folder = hugging_face(&variable, std::env::home_dir().as_deref()).join("accelerate");
    ["default_config.yaml", "default_config.json"].map(|name| folder.join(name)).into()
}

/// The value of a variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn is_yes(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
}

/// A leading `~` is the home folder.
fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(variables: &[(&str, &str)], cache_dir: Option<&str>, want: Expect) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let got = settings(&variable, Some(Path::new("/home/jo")), cache_dir);
        want.assert_eq(&format!(
            "{} {} {:?} {:?} {:?}",
            got.endpoint,
            got.cache.display(),
            got.token,
            got.offline,
            got.timeout
        ));
    }

    // The places are those of huggingface_hub/constants.py 2.4.
    #[test]
    fn places_and_switches() {
        check(&[], None, expect!["https://huggingface.co /home/jo/.cache/huggingface/hub None None 10s"]);
        check(&[("XDG_CACHE_HOME", "/x")], None, expect!["https://huggingface.co /x/huggingface/hub None None 10s"]);
        check(
            &[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf"), ("HF_TOKEN", " hf_a\n")],
            None,
            expect!["https://huggingface.co /home/jo/hf/hub Some(Token(…)) None 10s"],
        );
        check(
            &[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_OFFLINE", "no")],
            None,
            expect!["https://huggingface.co /old None None 10s"],
        );
        check(
            &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new"), ("TRANSFORMERS_OFFLINE", "on")],
            None,
            expect![[r#"https://huggingface.co /new None Some("TRANSFORMERS_OFFLINE forbids connections") 10s"#]],
        );
        check(
            &[("HF_HUB_CACHE", "/new"), ("HF_ENDPOINT", "http://mirror/"), ("HF_HUB_DOWNLOAD_TIMEOUT", "30")],
            Some("~/mine"),
            expect!["http://mirror /home/jo/mine None None 30s"],
        );
        check(
            &[("HF_TOKEN", "hf_a"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"), ("HF_DATASETS_OFFLINE", "1")],
            None,
            expect![[
                r#"https://huggingface.co /home/jo/.cache/huggingface/hub None Some("HF_DATASETS_OFFLINE forbids connections") 10s"#
            ]],
        );
    }

    #[test]
    fn proxies() {
        let of = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let Settings { http_proxy, https_proxy, no_proxy, .. } = settings(&variable, None, None);
            format!("{http_proxy:?} {https_proxy:?} {no_proxy:?}")
        };
        expect![[r#"Some("a") Some("b") ["x", ".y"]"#]].assert_eq(&of(&[
            ("http_proxy", "a"),
            ("HTTPS_PROXY", "b"),
            ("no_proxy", "x, .y"),
        ]));
        expect![[r#"Some("c") Some("b") [""]"#]].assert_eq(&of(&[("ALL_PROXY", "c"), ("https_proxy", "b")]));
    }
}
