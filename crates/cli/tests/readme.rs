//! Every command in README.md, examples/README.md and docs/decoding.md runs as it stands there, in order, in one scratch folder.

use std::fs;
use std::path::Path;
use tagsmith_testkit::scratch::Scratch;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The commands of all ```sh blocks, continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    joined.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_two_commands_come_first() {
    assert_eq!(
        commands(&document("README.md"))[..2],
        ["cargo run --release -- demo", "cargo test --workspace --locked"]
    );
}

#[test]
fn every_command_of_the_program_is_listed() {
    let help = Scratch::empty().good("--help").stdout;
    let listed = help.split("Commands:").nth(1).expect("help lists commands");
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with([' ', '-']));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10 && names.contains(&"predict"), "{names:?}");
    let readme = document("README.md");
    let table = readme.split("## Commands").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a table");
    let starts =
        |name: &&str| table.contains(&format!("`tagsmith {name}`")) || table.contains(&format!("`tagsmith {name} "));
    let missing: Vec<&str> = names.into_iter().filter(|name| *name != "help" && !starts(name)).collect();
    assert!(missing.is_empty(), "README.md does not list {missing:?}");
}

#[test]
fn every_command_runs() {
    let scratch = Scratch::empty();
    // The examples lie where they do in the repository.
    for name in ["names.conll", "train.json", "plan.json", "search.json"] {
        scratch.write(&format!("examples/{name}"), document(&format!("examples/{name}")));
    }
    let mut run = 0;
    let documents = ["README.md", "examples/README.md", "docs/decoding.md"];
    let all: Vec<String> = documents.iter().flat_map(|name| commands(&document(name))).collect();
    for command in all.iter().filter(|command| !command.starts_with("cargo ")) {
        // The demo's full training belongs to release builds; its hidden small one walks the same path.
        let command = command.replace("tagsmith demo", "tagsmith demo --tiny");
        let ran = scratch.shell(&command);
        assert_eq!(ran.status, 0, "{command}\n{}\n{}", ran.stdout, ran.stderr);
        run += 1;
    }
    assert!(run >= 11, "README.md and examples/README.md give {run} commands");
    // The demo's span tagger is trained until it works: 0.87 was measured at its normal size, 0.55 at the small one.
    let results = scratch.json("my-tagger/spans/test_results.json");
    let f1 = results["test_metrics"]["micro"]["f1"].as_f64().expect("a figure");
    assert!(f1 > 0.4, "{f1}");
    for file in ["model.safetensors", "predictions.txt", "all_results.json", "README.md", "trainer_state.json"] {
        assert!(scratch.path("fine-tuned").join(file).exists(), "no {file}");
    }
    // A span tagger has a model card too, with its data and what it reaches.
    let card = scratch.read("my-tagger/spans/README.md");
    for part in [
        "# spans\n\nA label-conditioned span tagger, fine-tuned from the folder `my-tagger`.",
        "split: validation\n    metrics:\n    - name: Precision\n      type: precision\n",
        "| train      | my-tagger/data/train.conll      | ",
        "5 labels: `",
        "- learning_rate: 0.003",
    ] {
        assert!(card.contains(part), "{part} is not in {card}");
    }
    for file in ["names/report.html", "compared/comparison.md", "compared/report.html"] {
        assert!(scratch.path("out").join(file).exists(), "no {file}");
    }
}
