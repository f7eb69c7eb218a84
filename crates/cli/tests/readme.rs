//! Every command in README.md runs as it stands there, in order, in one scratch folder.

use std::path::{Path, PathBuf};
use std::process::Command;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).expect("README.md is there")
}

/// The commands of all ```sh blocks, continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    joined.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_two_commands_come_first() {
    assert_eq!(commands(&readme())[..2], ["cargo run --release -- demo", "cargo test --workspace --locked"]);
}

#[test]
fn every_command_runs() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tagsmith"));
    let path = format!("{}:{}", program.parent().expect("a folder").display(), std::env::var("PATH").expect("a PATH"));
    let mut run = 0;
    for command in commands(&readme()).iter().filter(|command| !command.starts_with("cargo ")) {
        // The demo's full training belongs to release builds; its hidden small one walks the same path.
        let command = command.replace("tagsmith demo", "tagsmith demo --tiny");
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(scratch.path())
            .env("PATH", &path)
            .output()
            .expect("a shell runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}\n{out}\n{err}");
        run += 1;
    }
    assert!(run >= 5, "README gives {run} commands");
    for file in ["model.safetensors", "predictions.txt", "all_results.json", "README.md", "trainer_state.json"] {
        assert!(scratch.path().join("fine-tuned").join(file).exists(), "no {file}");
    }
}
