//! Circles between the files of a crate.
//!
//! A file depends on another if a `use` or a path in its code names something that is defined there. A re-export is
//! looked through: who imports `params::Grads` depends on the file that defines `Grads`. So a parent module that
//! declares its children and re-exports from them depends on none of them, unless its own code uses what it re-exports.

use crate::none;
use crate::source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

type ModulePath = Vec<String>;

/// One imported name.
#[derive(Clone, Debug, PartialEq)]
struct Import {
    /// The name in this file; `*` for all.
    name: String,
    /// The path as it is written.
    path: ModulePath,
    public: bool,
    /// Inline modules around it.
    depth: usize,
}

/// A file's imports, and the paths in the rest of its code.
struct Module {
    file: String,
    imports: Vec<Import>,
    paths: Vec<(ModulePath, usize)>,
    /// The code without its imports and paths.
    words: BTreeSet<String>,
    defines: BTreeSet<String>,
}

type Crate = BTreeMap<ModulePath, Module>;

/// The module that a file of `src` is.
fn module_path(file: &str) -> Option<ModulePath> {
    let inside = file.split_once("/src/")?.1.strip_suffix(".rs")?;
    let parts: ModulePath = inside.split('/').map(str::to_owned).collect();
    Some(match parts.last()?.as_str() {
        "lib" | "main" if parts.len() == 1 => Vec::new(),
        "mod" => parts[..parts.len() - 1].to_vec(),
        _ => parts,
    })
}

/// Words, `::` and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), code);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads a tree of imports from its first token on, and returns the token behind it.
fn import_tree(tokens: &[&str], mut at: usize, before: &[String], out: &mut dyn FnMut(String, ModulePath)) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = import_tree(tokens, at, &path, out);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(&"*") => {
                out("*".to_owned(), path);
                return at + 1;
            }
            Some(&"::") => at += 1,
            Some(&word) if is_word(word) => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                at += 1;
                if tokens.get(at) == Some(&"::") {
                    continue;
                }
                let mut name = path.last().cloned().unwrap_or_default();
                if tokens.get(at) == Some(&"as") {
                    name = tokens.get(at + 1).map_or(name, |alias| (*alias).to_owned());
                    at += 2;
                }
                out(name, path);
                return at;
            }
            _ => return at + 1,
        }
    }
}

fn module(source: &Source) -> Module {
    let code: String = source.lines().map(|(_, line)| format!("{line}\n")).collect();
    let tokens = tokens(&code);
    let (mut imports, mut paths) = (Vec::new(), Vec::new());
    let (mut words, mut defines) = (BTreeSet::new(), BTreeSet::new());
    // For each open brace, whether it is an inline module's.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let depth = braces.iter().filter(|&&inline| inline).count();
        let before = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at]);
        match tokens[at] {
            "{" => braces.push(before(2) == "mod"),
            "}" => _ = braces.pop(),
            "use" => {
                let public = before(1) == "pub" || before(1) == ")";
                let mut add = |name, path| imports.push(Import { name, path, public, depth });
                at = import_tree(&tokens, at + 1, &[], &mut add);
                continue;
            }
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "macro_rules" | "union" => {
                let name = if tokens[at] == "macro_rules" { at + 2 } else { at + 1 };
                defines.extend(tokens.get(name).map(|name| (*name).to_owned()));
            }
            word if is_word(word) && before(1) != "::" && before(1) != "." => {
                let mut path = vec![word.to_owned()];
                while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|token| is_word(token)) {
                    path.push(tokens[at + 2].to_owned());
                    at += 2;
                }
                words.insert(word.to_owned());
                if path.len() > 1 {
                    paths.push((path, depth));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Module { file: source.path.clone(), imports, paths, words, defines }
}

/// The path from the crate's root, if it begins in this crate.
fn absolute(modules: &Crate, here: &[String], path: &[String], mut depth: usize) -> Option<ModulePath> {
    let mut base = here.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                // The parent of an inline module is the file itself.
                if depth > 0 {
                    depth -= 1
                } else {
                    _ = base.pop()
                }
                rest = &rest[1..];
            }
        }
        child => {
            let inside = [here, &[child.to_owned()]].concat();
            modules.contains_key(&inside).then_some(())?;
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The file that defines what an absolute path names.
fn defined_in<'c>(modules: &'c Crate, path: &[String], steps: usize) -> Option<&'c str> {
    let known = (0..=path.len()).rev().find(|&len| modules.contains_key(&path[..len]))?;
    let (here, module) = (&path[..known], &modules[&path[..known]]);
    let Some(name) = path.get(known).filter(|_| steps > 0) else { return Some(&module.file) };
    if module.defines.contains(name) {
        return Some(&module.file);
    }
    for import in module.imports.iter().filter(|import| import.public) {
        let Some(mut target) = absolute(modules, here, &import.path, import.depth) else { continue };
        if import.name == *name {
            target.extend_from_slice(&path[known + 1..]);
            return defined_in(modules, &target, steps - 1);
        }
        if import.name == "*" {
            target.push(name.clone());
            let found = defined_in(modules, &target, steps - 1);
            let holds = |file: &&str| modules.values().any(|m| m.file == **file && m.defines.contains(name));
            if let Some(file) = found.filter(holds) {
                return Some(file);
            }
        }
    }
    Some(&module.file)
}

/// Which file depends on which.
fn arrows(modules: &Crate) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (here, module) in modules {
        let own = arrows.entry(&module.file).or_default();
        let mut add = |path: ModulePath| own.extend(defined_in(modules, &path, 8).filter(|file| *file != module.file));
        let mut aliases = BTreeMap::new();
        for import in &module.imports {
            let Some(path) = absolute(modules, here, &import.path, import.depth) else { continue };
            if !import.public || module.words.contains(&import.name) {
                add(path.clone());
            }
            aliases.insert(&import.name, path);
        }
        for (path, depth) in &module.paths {
            match aliases.get(&path[0]) {
                Some(target) => add([&target[..], &path[1..]].concat()),
                None => absolute(modules, here, path, *depth).into_iter().for_each(&mut add),
            }
        }
    }
    arrows
}

/// Groups of files that all reach each other.
fn circles<'c>(arrows: &BTreeMap<&'c str, BTreeSet<&'c str>>) -> Vec<Vec<&'c str>> {
    let reach = |from: &'c str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(arrows.get(file).into_iter().flatten().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|file| (*file, reach(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, seen) in reached.iter().filter(|(file, seen)| seen.contains(**file)) {
        let back = |other: &&&str| reached.get(**other).is_some_and(|seen| seen.contains(file));
        circles.insert(seen.iter().filter(back).copied().collect::<Vec<_>>());
    }
    circles.into_iter().collect()
}

fn tree(sources: &[Source]) -> Crate {
    sources.iter().filter_map(|source| Some((module_path(&source.path)?, module(source)))).collect()
}

#[test]
fn no_files_depend_on_each_other() {
    let mut crates: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for source in sources().into_iter().filter(|source| source.path.contains("/src/")) {
        crates.entry(source.package().to_owned()).or_default().push(source);
    }
    let mut found = Vec::new();
    for sources in crates.values() {
        let modules = tree(sources);
        let arrows = arrows(&modules);
        for circle in circles(&arrows) {
            let inside = |file: &&str| {
                let to: Vec<&str> = arrows[*file].iter().filter(|to| circle.contains(to)).copied().collect();
                format!("  {file} → {}", to.join(", "))
            };
            found.push(circle.iter().map(inside).collect::<Vec<_>>().join("\n"));
        }
    }
    none("circles between files", found);
}

#[test]
fn a_planted_circle_is_refused_and_a_re_export_is_not_one() {
    let count = |files: &[(&str, &str)]| {
        let sources: Vec<Source> =
            files.iter().map(|(name, text)| Source::new(&format!("crates/x/src/{name}.rs"), text)).collect();
        circles(&arrows(&tree(&sources))).len()
    };
    let lib = ("lib", "pub mod a;\npub mod b;\npub use crate::b::B;");
    assert_eq!(count(&[lib, ("a", "use crate::b::B;\npub struct A(B);"), ("b", "pub struct B;")]), 0);
    assert_eq!(count(&[lib, ("a", "use crate::b::B;\npub struct A(B);"), ("b", "use super::a::A;\npub struct B;")]), 1);
    // By a path in the code, by an imported module, and through a re-export.
    assert_eq!(count(&[lib, ("a", "fn f() { crate::b::g() }"), ("b", "use crate::a;\nfn g() { a::f() }")]), 1);
    assert_eq!(count(&[lib, ("a", "use crate::B;\npub struct A(B);"), ("b", "use crate::a::A;\npub struct B;")]), 1);
    // A parent re-exports its child, which uses the parent; then the parent uses it too.
    let child = ("a/c", "use crate::a::A;\npub struct C(A);");
    assert_eq!(count(&[lib, ("a", "mod c;\npub use c::C;\npub struct A;"), child, ("b", "pub struct B;")]), 0);
    assert_eq!(count(&[lib, ("a", "mod c;\npub use c::C;\npub struct A(Option<C>);"), child]), 1);
    assert_eq!(count(&[lib, ("a", "mod c;\npub struct A;\nfn f() { c::g() }"), child]), 1);
    // Three files; a test may look wherever it likes; an inline module's parent is its file.
    let three =
        [("a", "use crate::b::{self, x};"), ("b", "use crate::c::*;\npub fn x() {}"), ("c", "use crate::a::y as z;")];
    assert_eq!(count(&three), 1);
    assert_eq!(
        count(&[("a", "use crate::b::x;"), ("b", "pub fn x() {}\n#[cfg(test)]\nmod tests { use crate::a; }")]),
        0
    );
    assert_eq!(count(&[("a", "pub struct A;"), ("a/c", "mod inner { use super::C; }\nuse crate::a::A;")]), 0);
}
