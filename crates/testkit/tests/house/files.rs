//! Names, sizes and places of files, and words that do not stay.

use crate::none;
use crate::source::{Source, sources, texts, tracked};
use std::collections::BTreeSet;

/// The most source files that lie flat in a crate's `src`.
const FLAT: usize = 12;

/// Names that say nothing.
const VAGUE: &[&str] = &["utils", "util", "common", "helpers", "core", "misc", "manager", "base"];

/// Lines of a source file that match, as `file:line: text`.
fn lines(files: &[(String, String)], matches: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let in_file = |(name, text): &(String, String)| -> Vec<String> {
        let hits = text.lines().enumerate().filter(|(_, line)| matches(name, line));
        hits.map(|(i, line)| format!("{name}:{}: {}", i + 1, line.trim())).collect()
    };
    files.iter().flat_map(in_file).collect()
}

fn before_tests(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

fn vague(path: &str) -> bool {
    path.split('/').any(|part| VAGUE.contains(&part.split('.').next().unwrap_or(part)))
}

/// Faults in the layout of the crates' folders.
fn misplaced(paths: &[String]) -> Vec<String> {
    let sources = || paths.iter().filter(|path| path.starts_with("crates/") && path.contains("/src/"));
    let known: BTreeSet<&String> = sources().collect();
    let mut found: BTreeSet<String> = BTreeSet::new();
    for path in sources() {
        let (folder, name) = path.rsplit_once('/').expect("a path has a folder");
        if name == "mod.rs" {
            found.insert(format!("{path}: the folder's module stands beside it"));
        }
        let parent = format!("{folder}.rs");
        if !folder.ends_with("/src") && name.ends_with(".rs") && !known.contains(&parent) {
            found.insert(format!("{path}: there is no {parent}"));
        }
        let flat = sources().filter(|other| other.rsplit_once('/').is_some_and(|(other, _)| other == folder)).count();
        if folder.ends_with("/src") && flat > FLAT {
            found.insert(format!("{folder}: {flat} files"));
        }
    }
    found.into_iter().collect()
}

/// Golden files and folders that no script of the same name writes.
fn without_script(paths: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for path in paths.iter().filter_map(|path| path.strip_prefix("golden/")) {
        match path.split_once('/') {
            Some((folder, _)) if paths.contains(&format!("oracle/{folder}.py")) => {}
            Some((folder, _)) => _ = found.insert(format!("golden/{folder}: there is no oracle/{folder}.py")),
            None => _ = found.insert(format!("golden/{path}: in no script's folder")),
        }
    }
    found.into_iter().collect()
}

fn paths() -> Vec<String> {
    tracked().into_iter().map(|(path, _)| path).collect()
}

/// Where unsafe blocks may stand: two crates, and the file that calls MPI's C interface.
const UNSAFE: [&str; 3] = ["crates/kernel/", "crates/device/", "crates/ranks/src/mpi/library.rs"];

/// Unsafe blocks outside the places that may have them, and those without a reason.
fn unargued(source: &Source, text: &str) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    let opens = source.code.lines().enumerate().filter(|(_, line)| line.contains("unsafe {"));
    let silent = opens.filter(|(i, _)| {
        // One-line instructions and macro bodies are argued once, above the block they stand in.
        let near = &all[i.saturating_sub(12)..=*i];
        let argued = near.iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"));
        let instruction = ["simd.rs", "factors.rs"].iter().any(|name| source.path.ends_with(name));
        !UNSAFE.iter().any(|place| source.path.starts_with(place))
            || (source.path.contains("/src/") && !argued && !instruction)
    });
    silent.map(|(i, line)| format!("{}:{}: {}", source.path, i + 1, line.trim())).collect()
}

#[test]
fn words_that_do_not_stay() {
    let banned =
        ["to\u{64}o!", "unimplemente\u{64}!", "db\u{67}!(", "#[ign\u{6f}re", "FIX\u{4d}E", "allow(dead_c\u{6f}de"];
    let found = lines(&texts(&[".rs"]), |_, line| banned.iter().any(|word| line.contains(word)));
    none("these do not stay", found);
}

#[test]
fn unsafe_code_lives_in_its_places_and_argues_its_case() {
    let texts = texts(&[".rs"]);
    let found = texts.iter().flat_map(|(path, text)| unargued(&Source::new(path, text), text));
    none("unsafe blocks elsewhere than in kernel, device and one file of ranks, or without a reason", found.collect());
}

#[test]
fn files_hold_one_idea() {
    let files = texts(&[".rs"]);
    let long = files.iter().filter(|(name, text)| !name.contains("/tests") && before_tests(text) > 600);
    let long = long.map(|(name, text)| format!("{name}: {}", before_tests(text)));
    none("files longer than 600 lines before their tests", long.collect());
    none("names that say nothing", paths().into_iter().filter(|path| vague(path)).collect());
}

#[test]
fn folders_hold_one_concern() {
    none("folders", misplaced(&paths()));
}

#[test]
fn every_golden_folder_has_its_script() {
    none("golden files without their script", without_script(&paths()));
}

#[test]
fn every_golden_file_is_read() {
    let sources: String = texts(&[".rs", ".py"]).into_iter().map(|(_, text)| text).collect();
    let read = |path: &str| path.split('/').nth(1).is_some_and(|folder| sources.contains(folder));
    let dead = paths().into_iter().filter(|path| path.starts_with("golden/") && !read(path));
    none("golden files that nothing names", dead.collect());
}

/// Large files that programs write and that belong here.
const GENERATED: [&str; 2] = ["Cargo.lock", "crates/device/kernels/kernels.ptx"];

#[test]
fn nothing_large_is_tracked() {
    let large = |(name, bytes): &(String, Vec<u8>)| bytes.len() > 300_000 && !GENERATED.contains(&&**name);
    let large = tracked().into_iter().filter(large);
    none("files over 300 kB", large.map(|(name, bytes)| format!("{name}: {}", bytes.len())).collect());
}

#[test]
fn planted_files_are_refused() {
    let refused = |paths: &[&str]| misplaced(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).len();
    assert_eq!(refused(&["crates/x/src/lib.rs", "crates/x/src/y.rs", "crates/x/src/y/z.rs"]), 0);
    assert_eq!(refused(&["crates/x/src/y.rs", "crates/x/src/y/mod.rs"]), 1);
    assert_eq!(refused(&["crates/x/src/lib.rs", "crates/x/src/y/z.rs"]), 1);
    let many: Vec<String> = (0..13).map(|i| format!("crates/x/src/f{i}.rs")).collect();
    assert_eq!((misplaced(&many).len(), misplaced(&many[..12]).len()), (1, 0));

    let golden =
        |paths: &[&str]| without_script(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).len();
    assert_eq!(golden(&["golden/score/cases.jsonl", "oracle/score.py"]), 0);
    assert_eq!(golden(&["golden/score/cases.jsonl", "oracle/scores.py"]), 1);
    assert_eq!(golden(&["golden/score.jsonl", "oracle/score.py"]), 1);

    assert!(vague("crates/x/src/utils.rs") && vague("crates/core/src/x.rs") && !vague("crates/x/src/bases.rs"));
    let text = "fn f() {\n    unsafe { g() }\n}\n";
    assert_eq!(unargued(&Source::new("crates/kernel/src/x.rs", text), text).len(), 1);
    let text = "fn f() {\n    // SAFETY: it is there.\n    unsafe { g() }\n}\n";
    assert!(unargued(&Source::new("crates/kernel/src/x.rs", text), text).is_empty());
    assert!(unargued(&Source::new("crates/ranks/src/mpi/library.rs", text), text).is_empty());
    for elsewhere in ["crates/hub/src/x.rs", "crates/ranks/src/mpi.rs", "crates/ranks/src/mpi/find.rs"] {
        assert_eq!(unargued(&Source::new(elsewhere, text), text).len(), 1, "{elsewhere}");
    }
    assert_eq!(sources().iter().filter(|source| source.path.ends_with("house/files.rs")).count(), 1);
}
