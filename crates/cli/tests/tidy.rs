//! Rules of the house that a machine can check, over every file that git tracks.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every tracked file, with its bytes. Without git (a source archive) there is nothing to check against.
fn tracked() -> Vec<(String, Vec<u8>)> {
    let listing = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    let names = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    let files: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| Some((name.to_owned(), std::fs::read(root().join(name)).ok()?)))
        .collect();
    assert!(files.len() > 50, "git lists {} files", files.len());
    files
}

fn texts(extension: &str) -> Vec<(String, String)> {
    let text = |(name, bytes): (String, Vec<u8>)| (name, String::from_utf8(bytes).expect("sources are UTF-8"));
    tracked().into_iter().filter(|(name, _)| name.ends_with(extension)).map(text).collect()
}

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// Lines of a source file that match, as `file:line: text`.
fn lines(files: &[(String, String)], matches: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let in_file = |(name, text): &(String, String)| -> Vec<String> {
        let hits = text.lines().enumerate().filter(|(_, line)| matches(name, line));
        hits.map(|(i, line)| format!("{name}:{}: {}", i + 1, line.trim())).collect()
    };
    files.iter().flat_map(in_file).collect()
}

#[test]
fn words_that_do_not_stay() {
    let banned =
        ["to\u{64}o!", "unimplemente\u{64}!", "db\u{67}!(", "#[ign\u{6f}re", "FIX\u{4d}E", "allow(dead_c\u{6f}de"];
    none("these do not stay", lines(&texts(".rs"), |_, line| banned.iter().any(|word| line.contains(word))));
}

#[test]
fn unsafe_code_lives_in_the_kernel_and_argues_its_case() {
    let opens = |line: &str| !line.trim_start().starts_with("//") && line.contains("unsafe {");
    let outside = lines(&texts(".rs"), |name, line| {
        !name.starts_with("crates/kernel/") && opens(line) && !line.contains("contains(")
    });
    none("unsafe outside the kernel", outside);
    let mut silent = Vec::new();
    for (name, text) in texts(".rs").iter().filter(|(name, _)| name.starts_with("crates/kernel/src")) {
        let all: Vec<&str> = text.lines().collect();
        for (i, line) in all.iter().enumerate().filter(|(_, line)| opens(line)) {
            // One-line instructions and macro bodies are argued once, above the block they stand in.
            let argued =
                all[i.saturating_sub(12)..=i].iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"));
            let instruction = name.ends_with("simd.rs");
            if !argued && !instruction {
                silent.push(format!("{name}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    none("unsafe blocks without a reason", silent);
}

#[test]
fn files_hold_one_idea() {
    let before_tests = |text: &str| text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let long = texts(".rs").into_iter().filter(|(name, text)| !name.contains("/tests") && before_tests(text) > 600);
    none(
        "files longer than 600 lines before their tests",
        long.map(|(name, text)| format!("{name}: {}", before_tests(&text))).collect(),
    );
    let names = ["utils", "util", "common", "helpers", "core", "misc", "manager", "base"];
    let vague = tracked()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.split('/').any(|part| names.contains(&part.split('.').next().unwrap_or(part))));
    none("names that say nothing", vague.collect());
}

#[test]
fn nothing_large_is_tracked() {
    let large = tracked().into_iter().filter(|(name, bytes)| bytes.len() > 300_000 && name != "Cargo.lock");
    none("files over 300 kB", large.map(|(name, bytes)| format!("{name}: {}", bytes.len())).collect());
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for (name, text) in texts(".md") {
        let folder = root().join(&name).parent().expect("a file has a folder").to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or(link);
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    none("broken links", broken);
}

#[test]
fn every_golden_file_has_its_oracle_and_every_source_file_its_module() {
    let files = tracked();
    let sources: String = texts(".rs").into_iter().chain(texts(".py")).map(|(_, text)| text).collect();
    let mut dead = Vec::new();
    for (name, _) in files.iter().filter(|(name, _)| name.starts_with("golden/")) {
        let folder = name.split('/').nth(1).unwrap_or(name);
        if !sources.contains(folder) {
            dead.push(name.clone());
        }
    }
    none("golden files that nothing names", dead);
}
