//! Dependencies that nothing uses.

use crate::layers::{package, section};
use crate::none;
use crate::source::{Source, sources, texts};

/// Whether code names a crate.
fn names(code: &str, dependency: &str) -> bool {
    let ident = dependency.replace('-', "_");
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(&ident).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + ident.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

/// Code of a file before its unit tests, and the tests.
fn halves(source: &Source) -> (String, String) {
    let lines: Vec<&str> = source.code.lines().collect();
    let at = (source.tests_from - 1).min(lines.len());
    (lines[..at].join("\n"), lines[at..].join("\n"))
}

/// Dependencies of a manifest that the crate's code does not name where it should.
fn unused(package: &str, manifest: &str, own: &[&Source]) -> Vec<String> {
    let (mut shipped, mut tested) = (String::new(), String::new());
    for source in own {
        let (code, tests) = halves(source);
        if source.path.contains("/src/") {
            shipped.push_str(&code)
        } else {
            tested.push_str(&code)
        }
        tested.push_str(&tests);
    }
    let normal = section(manifest, "dependencies");
    let mut found = Vec::new();
    for name in normal.iter().filter(|name| !names(&shipped, name)) {
        found.push(format!("{package}: {name} among the dependencies"));
    }
    for name in section(manifest, "dev-dependencies") {
        if normal.contains(&name) {
            found.push(format!("{package}: {name} is a dependency already"));
        } else if !names(&tested, &name) {
            found.push(format!("{package}: {name} among the dev-dependencies"));
        }
    }
    found
}

#[test]
fn every_dependency_is_used() {
    let sources = sources();
    let mut found = Vec::new();
    let manifests = texts(&["Cargo.toml"]);
    for (path, manifest) in manifests.iter().filter(|(path, _)| path != "Cargo.toml") {
        let folder = path.strip_suffix("Cargo.toml").expect("a manifest's name");
        let own: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(folder)).collect();
        found.extend(unused(package(path), manifest, &own));
    }
    none("dependencies that nothing uses", found);
}

#[test]
fn every_shared_version_has_a_user() {
    let manifests = texts(&["Cargo.toml"]);
    let (workspace, members): (Vec<_>, Vec<_>) = manifests.iter().partition(|(path, _)| path == "Cargo.toml");
    let used: Vec<String> = members
        .iter()
        .flat_map(|(_, text)| ["dependencies", "dev-dependencies"].map(|name| section(text, name)))
        .flatten()
        .collect();
    let lost = section(&workspace[0].1, "workspace.dependencies").into_iter().filter(|name| !used.contains(name));
    none("workspace dependencies without a user", lost.collect());
}

#[test]
fn planted_dependencies_are_refused() {
    let manifest = "[dependencies]\nserde.workspace = true\nserde-saphyr = \"2\"\n[dev-dependencies]\ncsv = \"1\"\n";
    let source = |path: &str, text: &str| Source::new(path, text);
    let count = |files: &[Source]| unused("x", manifest, &files.iter().collect::<Vec<_>>()).len();
    let used = "use serde::Serialize;\nfn f() { serde_saphyr::from_str() }\n";
    let tests = "#[cfg(test)]\nmod tests { use csv::Reader; }\n";
    assert_eq!(count(&[source("crates/x/src/lib.rs", &format!("{used}{tests}"))]), 0);
    assert_eq!(count(&[source("crates/x/src/lib.rs", used), source("crates/x/tests/t.rs", "use csv;")]), 0);
    // Named in a comment only, in tests only, or as a part of another name.
    assert_eq!(count(&[source("crates/x/src/lib.rs", &format!("// serde\nuse serde_saphyr as y;\n{tests}"))]), 1);
    assert_eq!(count(&[source("crates/x/src/lib.rs", tests), source("crates/x/tests/t.rs", used)]), 2);
    assert_eq!(count(&[source("crates/x/src/lib.rs", &format!("{used} csv::x"))]), 1);
    let twice = "[dependencies]\ncsv = \"1\"\n[dev-dependencies]\ncsv = \"1\"\n";
    assert_eq!(unused("x", twice, &[&source("crates/x/src/lib.rs", "csv::x")]).len(), 1);
}
