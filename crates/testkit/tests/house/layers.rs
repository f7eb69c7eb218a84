//! Who may depend on whom, who may print, and who may name an option.

use crate::none;
use crate::source::{Piece, Source, sources, texts};

/// The floors of the house, from the ground up: a crate depends on crates of lower floors only.
const FLOORS: &[&[&str]] = &[
    &["device", "message", "ranks"],
    &["files", "kernel"],
    &["hub", "text", "weights"],
    &["data", "encoder"],
    &["train"],
    &["spans", "tokens"],
    &["app"],
    &["serve"],
    &["bench", "cli"],
    &["py"],
];

/// Dependencies that only these crates may have.
const RESERVED: &[(&str, &[&str])] = &[
    ("anyhow", &["app", "bench", "cli", "py", "serve"]),
    ("axum", &["serve"]),
    ("clap", &["cli"]),
    ("pyo3", &["py"]),
    ("indicatif", &["cli"]),
    ("libloading", &["device", "ranks"]),
    ("tokenizers", &["text"]),
    ("tokio", &["serve"]),
    ("ureq", &["hub", "serve"]),
];

/// What only the command line may do.
const RIM: &[&str] = &[
    "print!(",
    "println!(",
    "eprint!(",
    "eprintln!(",
    "process::exit",
    "process::abort",
    "env::var",
    "env::args",
    "stdout()",
    "stderr()",
];

/// The exceptions: which rank a process is, a launcher tells in the environment; and a rank's output is redirected.
const ALLOWED: &[(&str, &str)] =
    &[("crates/ranks/src/launcher.rs", "env::var"), ("crates/ranks/src/output.rs", "stderr()")];

/// Options of other programs: of a launcher, and of the command that downloads a data set of the hub.
const FOREIGN: &[&str] = &["--mpi=pmix", "--repo-type dataset"];

/// The names in one section of a manifest.
pub fn section(manifest: &str, name: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    let entries = lines.take_while(|line| !line.starts_with('['));
    let names = entries.filter(|line| !line.trim_start().starts_with('#')).filter_map(|line| {
        let name = line.split(['=', '.', ' ']).next()?;
        (!name.is_empty() && line.contains('=')).then(|| name.to_owned())
    });
    names.collect()
}

/// The folder name of the crate whose manifest this is.
pub fn package(path: &str) -> &str {
    path.strip_prefix("crates/").unwrap_or(path).split('/').next().unwrap_or(path)
}

fn floor(package: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&package))
}

/// Dependencies that lead sideways or up, or that belong to another crate.
fn wrong_arrows(package: &str, manifest: &str) -> Vec<String> {
    let Some(own) = floor(package) else { return vec![format!("{package}: on no floor")] };
    let wrong = |name: &String| match name.strip_prefix("tagsmith-").or((name == "tagsmith").then_some("cli")) {
        Some(other) => floor(other).is_none_or(|floor| floor >= own),
        None => RESERVED.iter().any(|(reserved, crates)| reserved == name && !crates.contains(&package)),
    };
    let names = section(manifest, "dependencies").into_iter().filter(wrong);
    names.map(|name| format!("{package} → {name}")).collect()
}

/// Places in shipped code that do what only the command line may.
fn rim_work(source: &Source) -> Vec<String> {
    if !source.ships() || ["cli", "bench"].contains(&source.package()) {
        return Vec::new();
    }
    let word = |line: &str, what: &str| {
        line.match_indices(what).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let allowed = |what: &str| ALLOWED.contains(&(source.path.as_str(), what));
    let hits = source.lines().filter(|(_, line)| RIM.iter().any(|what| word(line, what) && !allowed(what)));
    hits.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())).collect()
}

/// String literals of a library that spell an option of a command line.
fn spelled_options(source: &Source) -> Vec<String> {
    if !source.ships() || ["cli", "bench"].contains(&source.package()) {
        return Vec::new();
    }
    let spells = |piece: &&Piece| {
        piece.line < source.tests_from
            && piece.text.match_indices("--").any(|(at, _)| {
                let (before, after) = (piece.text[..at].chars().next_back(), piece.text[at + 2..].chars().next());
                let foreign = FOREIGN.iter().any(|option| piece.text[at..].starts_with(option));
                // A variable of a style sheet begins with two hyphens as well.
                let variable = piece.text[..at].ends_with("var(");
                before.is_none_or(|c| " `'\"(/=".contains(c))
                    && !variable
                    && after.is_some_and(|c| c.is_ascii_lowercase())
                    && !foreign
            })
    };
    let hits = source.strings.iter().filter(spells);
    hits.map(|piece| format!("{}:{}: {}", source.path, piece.line, piece.text)).collect()
}

#[test]
fn dependencies_lead_down() {
    let manifests = texts(&["Cargo.toml"]);
    let members = manifests.iter().filter(|(path, _)| path != "Cargo.toml" && package(path) != "testkit");
    let found = members.flat_map(|(path, text)| wrong_arrows(package(path), text));
    none("dependencies that lead sideways or up, or belong elsewhere", found.collect());
}

#[test]
fn only_the_command_line_prints_exits_and_reads_the_environment() {
    none("rim's work below the rim", sources().into_iter().flat_map(|source| rim_work(&source)).collect());
}

#[test]
fn no_library_spells_an_option() {
    none("options in a library's strings", sources().into_iter().flat_map(|source| spelled_options(&source)).collect());
}

#[test]
fn planted_arrows_are_refused() {
    let manifest =
        |name: &str| format!("[dependencies]\n{name}.workspace = true\n\n[dev-dependencies]\nclap = \"4\"\n");
    for (package, name, refused) in [
        ("kernel", "tagsmith-files", true),
        ("spans", "tagsmith-tokens", true),
        ("data", "tagsmith-text", false),
        ("train", "tagsmith-cli", true),
        ("app", "clap", true),
        ("cli", "clap", false),
        ("text", "anyhow", true),
        ("attic", "serde", true),
    ] {
        assert_eq!(!wrong_arrows(package, &manifest(name)).is_empty(), refused, "{package} → {name}");
    }
}

#[test]
fn planted_rim_work_is_refused() {
    let refused = |path: &str, text: &str| !rim_work(&Source::new(path, text)).is_empty();
    for text in ["eprintln!(\"x\");", "std::process::exit(1)", "let home = env::var(\"HOME\");", "io::stdout().lock()"]
    {
        assert!(refused("crates/train/src/x.rs", text), "{text}");
        assert!(!refused("crates/cli/src/x.rs", text) && !refused("crates/train/tests/x.rs", text), "{text}");
    }
    assert!(!refused(
        "crates/train/src/x.rs",
        "// println!(\n\"println!(\"; my_print!(x);\n#[cfg(test)]\nprint!(\"\");"
    ));
    assert!(refused("crates/ranks/src/lib.rs", "env::var(\"X\")"));
    assert!(!refused("crates/ranks/src/launcher.rs", "env::var(\"X\")"));
}

#[test]
fn planted_options_are_refused() {
    let refused = |path: &str, text: &str| !spelled_options(&Source::new(path, text)).is_empty();
    assert!(refused("crates/data/src/x.rs", "\"name it with `--text_column_name`\""));
    assert!(refused("crates/data/src/x.rs", "\"--split must be given\""));
    assert!(!refused("crates/cli/src/x.rs", "\"--split must be given\""));
    let allowed = "// --split\n\"---begin\"; \"a--b\"; \"x -- y\";\n#[cfg(test)]\nmod tests { \"--split\" }";
    assert!(!refused("crates/data/src/x.rs", allowed));
    assert!(!refused("crates/app/src/x.rs", "\"rgba(var(--heat),1)\""));
    assert!(!refused("crates/hub/src/x.rs", "\"hf download a/b --repo-type dataset\""));
    assert!(refused("crates/hub/src/x.rs", "\"name it with (--repo-type)\""));
}
