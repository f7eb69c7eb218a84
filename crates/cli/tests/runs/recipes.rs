//! Every recipe runs, on a few sentences and a tiny model; what is typed behind a file wins over it.

use crate::harness::with_encoder;
use expect_test::expect;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tagsmith_testkit::golden;
use tagsmith_testkit::scratch::Scratch;

fn recipes() -> PathBuf {
    golden::path("../recipes")
}

/// Every recipe's file name.
fn names() -> Vec<String> {
    let entries = fs::read_dir(recipes()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    names
}

const WORDS: [&[&str]; 4] =
    [&["jo", "lives", "in", "millville"], &["ann", "lee", "works", "at", "lake", "mill"], &["jo", "works"], &["ann"]];

/// A column of labels: its name, and the label of a word.
type Column = (&'static str, fn(&str) -> &'static str);

/// Rows of JSON.
fn rows(text: &str, columns: &[Column], times: usize) -> String {
    let row = |words: &&[&str]| {
        let mut row = json!({ text: words });
        for (name, tag) in columns {
            row[name] = words.iter().map(|word| tag(word)).collect();
        }
        row.to_string() + "\n"
    };
    WORDS.iter().map(row).collect::<String>().repeat(times)
}

fn entity(word: &str) -> &'static str {
    match word {
        "jo" | "ann" => "B-PER",
        "lee" => "I-PER",
        "millville" | "lake" => "B-LOC",
        "mill" => "I-LOC",
        _ => "O",
    }
}

fn bare(word: &str) -> &'static str {
    entity(word).split('-').next_back().unwrap()
}

fn chunk(word: &str) -> &'static str {
    if bare(word) == "O" { "B-VP" } else { "B-NP" }
}

fn judgment(word: &str) -> &'static str {
    if word == "lives" { "i" } else { "c" }
}

fn upos(word: &str) -> &'static str {
    if bare(word) == "O" { "VERB" } else { "PROPN" }
}

/// A word a line, as `line` writes it with its number; an empty line after each sentence.
fn lines(line: impl Fn(usize, &str) -> String) -> String {
    let sentence =
        |words: &&[&str]| (1..).zip(words.iter()).map(|(number, word)| line(number, word)).collect::<String>() + "\n";
    WORDS.iter().map(sentence).collect()
}

/// Data in the form that the recipe asks for, and the options that name it.
fn data_for(recipe: &str, scratch: &Scratch) -> String {
    match recipe {
        "conll2003.json" | "conll2003_course.json" | "chunk_conll2003.json" => {
            for split in ["train", "validation", "test"] {
                let columns: [Column; 2] = [("chunk_tags", chunk), ("ner_tags", entity)];
                scratch.write(&format!("conll/{split}.json"), rows("tokens", &columns, 1));
            }
            "--dataset_name conll".into()
        }
        "polyglot_fr.json" => {
            scratch.write("polyglot/train.json", rows("words", &[("ner", bare)], 4));
            "--dataset_name polyglot --validation_size 5".into()
        }
        "ged_areta.json" => {
            let rows = lines(|_, word| format!("{word}\t{}\n", if judgment(word) == "c" { "UC" } else { "SPLIT" }));
            for split in ["train", "dev", "test"] {
                scratch.write(&format!("areta/{split}.txt"), &rows);
            }
            scratch.write("areta/labels.txt", "SPLIT\nDELETE\nUC\n");
            "--dataset_name areta".into()
        }
        "decoding_wnut17.json" | "losses_crossner.json" | "losses_wnut17.json" => {
            scratch.write("rare.txt", lines(|_, word| format!("{word}\t{}\n", entity(word))));
            let files = "--train_file rare.txt --validation_file rare.txt";
            if recipe != "losses_crossner.json" { files.into() } else { format!("{files} --test_file rare.txt") }
        }
        "multiged.json" => {
            scratch.write("it.tsv", lines(|_, word| format!("{word}\t{}\n", judgment(word))));
            "--train_file it.tsv --validation_file it.tsv".into()
        }
        "pos_ud.json" => {
            let row = |number, word: &str| format!("{number}\t{word}\t_\t{}\t_\t_\t0\t_\t_\t_\n", upos(word));
            scratch.write("en.conllu", lines(row));
            "--train_file en.conllu --validation_file en.conllu --test_file en.conllu".into()
        }
        other => panic!("{other} has no data here: every recipe is to be run"),
    }
}

/// What makes any recipe small.
const SMALL: &str = "--model_name_or_path model --max_seq_length 16 --num_train_epochs 2 --threads 1 --output_dir out";

#[test]
fn every_recipe_runs() {
    let readme = fs::read_to_string(recipes().join("README.md")).unwrap();
    assert_eq!(names().len(), 10);
    for name in names() {
        let compares = name == "polyglot_fr.json" || ["losses_", "decoding_"].iter().any(|kind| name.starts_with(kind));
        let program = if compares { "compare" } else { "train" };
        let command = format!("tagsmith {program} recipes/{name}");
        assert!(readme.contains(&format!("| `{command}` |")), "README.md does not tell `{command}`");
        let scratch = with_encoder();
        let data = data_for(&name, &scratch);
        let ran = scratch.good(&format!("{program} {} {SMALL} {data}", recipes().join(&name).display()));
        if program == "train" {
            let results = scratch.json("out/all_results.json");
            assert!(results["eval_loss"].as_f64().is_some_and(f64::is_finite), "{name}: {results}");
            let reports = scratch.files("out").contains(&"report.html".to_owned());
            assert_eq!(reports, name != "conll2003.json", "{name}");
        } else {
            assert!(
                ran.stdout.starts_with("| run ")
                    && (name.starts_with("losses_") || ran.stdout.contains(" | training sentences | ")),
                "{}",
                ran.stdout
            );
        }
    }
}

#[test]
fn the_notebook_is_compared_in_one_go() {
    let scratch = with_encoder();
    let data = data_for("polyglot_fr.json", &scratch);
    let plan = recipes().join("polyglot_fr.json");
    let ran = scratch.good(&format!("compare {} {SMALL} {data} --max_train_samples 8", plan.display()));
    for number in 1..=3 {
        ran.says(&format!("run {number} of 3: "));
    }
    ran.says("words had a bare type and got `B-` or `I-`");
    ran.says("note: train: shuffled as datasets' shuffle(seed=42) does");
    ran.says("note: validation: 5 sentences held out of train, as datasets' train_test_split(seed=42) does");
    ran.says("note: 5 labels: B-LOC B-PER I-LOC I-PER O");
    let folders = ["1-000-sentences", "3-000-sentences", "3-000-sentences-embeddings-frozen"];
    for folder in folders {
        let arguments = scratch.json(&format!("out/{folder}/training_args.json"));
        assert_eq!((&arguments["max_train_samples"], &arguments["seed"]), (&json!(8), &json!(42)), "{folder}");
        assert!(scratch.path(&format!("out/{folder}/report.html")).exists());
    }
    // The same sentences, whatever the run: only what is frozen differs between the last two.
    let loss = |folder: &str| scratch.json(&format!("out/{folder}/all_results.json"))["eval_loss"].clone();
    assert_eq!(loss(folders[0]), loss(folders[1]));
    assert_ne!(loss(folders[1]), loss(folders[2]));
    let table = scratch.read("out/comparison.md");
    assert!(ran.stdout.ends_with(&table));
    let shown: Vec<&str> = table.lines().map(|line| line.split('|').nth(1).unwrap().trim()).collect();
    let rule = ":----------------------------------:";
    let runs = ["1,000 sentences", "3,000 sentences", "3,000 sentences, embeddings frozen"];
    assert_eq!(shown, ["run", rule, runs[0], runs[1], runs[2]]);
    // The columns line up, for those who read the table as it is.
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    assert_eq!(ran.stdout, table);
    assert!(table.contains("| f1_macro |") && table.contains("best overall_f1 (step)"), "{table}");
    let page = scratch.read("out/report.html");
    // A run's own page has the run's name, not its folder's.
    let own = scratch.read(&format!("out/{}/report.html", folders[2]));
    assert!(own.contains("<h1>3,000 sentences, embeddings frozen</h1>"), "{own}");
    assert!(own.contains(&format!("--output_dir out/{}</code>", folders[2])), "{own}");
    assert!(page.contains("Where the runs differ") && page.contains("<td>freeze</td><td>[]</td><td>[]</td>"));
    // A second time, the folders are in the way, which is said before anything is trained.
    let error = scratch.bad(&format!("compare {} {SMALL} {data}", plan.display()));
    assert!(error.contains("the run `1,000 sentences`: `out/1-000-sentences` holds another run"), "{error}");
}

#[test]
fn a_plan_is_explained_and_asked_for() {
    let scratch = with_encoder();
    let help = scratch.good("compare --help").stdout;
    assert!(
        help.contains("usage: tagsmith compare PLAN.json [OPTIONS]")
            && help.lines().all(|line| line.chars().count() <= 120)
    );
    assert_eq!(scratch.bad("compare"), "error: no plan is given");
    assert!(scratch.bad("compare none.json").starts_with("error: `none.json` cannot be read: "));
    // The plan in the help is one.
    let plan = &help[help.find("    {").unwrap()..];
    scratch.write("plan.json", plan);
    scratch.write("t.json", rows("tokens", &[("ner_tags", entity)], 1));
    scratch.good("compare plan.json --model_name_or_path model --max_steps 1 --save_strategy no");
    assert_eq!(scratch.files("out"), ["comparison.md", "frozen", "plain", "report.html"]);
}

#[test]
fn an_interrupted_comparison_goes_on() {
    let scratch = with_encoder();
    scratch.write("data.json", rows("tokens", &[("ner_tags", entity)], 3));
    let plan = json!({
        "options": {
            "model_name_or_path": "model", "train_file": "data.json", "validation_file": "data.json", "do_train": true,
            "do_eval": true, "max_steps": 2, "save_steps": 1, "output_dir": "out",
        },
        "runs": {"done": {}, "stopped": {"seed": 5}, "later": {"seed": 6}},
    });
    scratch.write("plan.json", plan.to_string());
    scratch.good("compare plan.json");
    let losses = || {
        ["done", "stopped", "later"]
            .map(|run| scratch.json(&format!("out/{run}/all_results.json"))["eval_loss"].clone())
    };
    let uninterrupted = losses();
    assert!(uninterrupted[0] != uninterrupted[1] && uninterrupted[1] != uninterrupted[2]);
    fs::remove_dir_all(scratch.path("out/later")).unwrap();
    for file in ["checkpoint-2", "all_results.json", "trainer_state.json", "model.safetensors"] {
        let file = scratch.path(&format!("out/stopped/{file}"));
        if file.is_dir() { fs::remove_dir_all(file).unwrap() } else { fs::remove_file(file).unwrap() }
    }
    let ran = scratch.good("compare plan.json --resume_from_checkpoint last");
    ran.says("going on from out/done/checkpoint-2");
    ran.says("going on from out/stopped/checkpoint-1");
    ran.says("`out/later` holds no checkpoint: the run begins anew");
    assert_eq!(losses(), uninterrupted);
    // Of a part of a run there is no time; of a whole one there is. Losses are remembered.
    ran.says("the table leaves out the training time of `stopped`");
    let table = scratch.read("out/comparison.md");
    let cells = |of: &str| -> Vec<String> {
        let row = table
            .lines()
            .find(|line| line.split('|').nth(1).is_some_and(|cell| cell.trim() == of))
            .expect("it has a row");
        row.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    for title in ["training loss", "evaluation loss", "seconds", "sentences/s"] {
        let at = cells("run").iter().position(|it| it == title).expect("a column");
        let empty = ["done", "stopped", "later"].map(|run| cells(run)[at].is_empty());
        assert_eq!(empty, [!title.ends_with("loss"), !title.ends_with("loss"), false], "{title}");
    }
}

#[test]
fn a_file_of_options_may_be_followed_by_more() {
    let scratch = with_encoder();
    scratch.write("data.json", rows("tokens", &[("ner_tags", entity)], 1));
    let options = json!({
        "model_name_or_path": "model", "train_file": "data.json", "do_train": true, "seed": 5, "max_steps": 2,
        "output_dir": "first", "save_strategy": "no",
    });
    scratch.write("run.json", options.to_string());
    scratch.good("train run.json --seed 6 --output_dir second --max-steps=1");
    let arguments = scratch.json("second/training_args.json");
    assert_eq!((&arguments["seed"], &arguments["max_steps"]), (&json!(6), &json!(1)));
    scratch.good("train run.json");
    assert_eq!(scratch.json("first/training_args.json")["seed"], 5);
    assert!(scratch.bad("train run.json stray").contains("`stray` follows no option"));
    assert!(scratch.bad("train run.json --seed x").contains("`--seed` needs a whole number"));
}

#[test]
fn sentences_are_held_out_of_training() {
    let scratch = with_encoder();
    scratch.write("data.json", rows("tokens", &[("ner_tags", entity)], 3));
    let base =
        "train --model_name_or_path model --train_file data.json --do_train --do_eval --max_steps 1 --save_strategy no";
    let ran = scratch.good(&format!("{base} --output_dir a --validation_size 0.3 --shuffle_seed 1 --split_seed 7"));
    ran.says("note: validation: 4 sentences held out of train, as datasets' train_test_split(seed=7) does");
    let results = scratch.json("a/all_results.json");
    assert_eq!((&results["train_samples"], &results["eval_samples"]), (&json!(8), &json!(4)));
    // Which sentences they are depends on both seeds.
    let loss = |more: &str| -> Value {
        scratch.good(&format!("{base} --overwrite_output_dir --output_dir b --validation_size 4 {more}"));
        scratch.json("b/eval_results.json")["eval_loss"].clone()
    };
    let first = loss("--shuffle_seed 1 --split_seed 7");
    assert_eq!(first, results["eval_loss"]);
    assert_ne!(first, loss("--shuffle_seed 2 --split_seed 7"));
    assert_ne!(first, loss("--shuffle_seed 1 --split_seed 8"));
    let errors = [
        scratch.bad(&format!("{base} --output_dir c --validation_size 12")),
        scratch.bad(&format!("{base} --output_dir c --validation_size 1.5")),
        scratch.bad(&format!("{base} --output_dir c --validation_size 4 --validation_file data.json")),
        scratch.bad(&format!("{base} --output_dir c --validation_file data.json --split_seed 1")),
        scratch.bad(
            "train --model_name_or_path model --validation_file data.json --do_eval --output_dir c --shuffle_seed 1",
        ),
    ];
    expect![[r#"
        error: holding out 12 sentences of 12 leaves none to train on: pass `--validation_size` with a smaller number
        error: `--validation_size` needs a whole number of sentences, or a part of all below 1, not `1.5`
        error: no part of the training split is held out for validation, because there is a validation split: data.json: leave out `--validation_size`
        error: `--split_seed` holds nothing out by itself
        error: there is no training split to shuffle or to hold a part out of: leave out `--shuffle_seed`"#]]
    .assert_eq(&errors.join("\n"));
}

#[test]
fn bare_tags_are_types() {
    let scratch = with_encoder();
    scratch.write("bare.json", rows("tokens", &[("ner_tags", bare)], 1));
    scratch.write("iob.json", rows("tokens", &[("ner_tags", entity)], 1));
    let base = "train --model_name_or_path model --do_train --do_eval --max_steps 2 --save_strategy no";
    let ran =
        scratch.good(&format!("{base} --train_file bare.json --validation_file bare.json --bare_tags --output_dir a"));
    ran.says("note: train: 8 words had a bare type and got `B-` or `I-`: a run of one type is one entity");
    scratch.good(&format!("{base} --train_file iob.json --validation_file iob.json --output_dir b"));
    // No two neighbors have one type here, so it is the same data.
    let results = |folder: &str| scratch.json(&format!("{folder}/eval_results.json"))["eval_loss"].clone();
    assert_eq!(results("a"), results("b"));
    scratch.write("ids.json", "{\"tokens\": [\"jo\"], \"ner_tags\": [1]}\n");
    let error =
        scratch.bad(&format!("{base} --train_file ids.json --validation_file ids.json --bare_tags --output_dir c"));
    assert_eq!(
        error,
        "error: ids.json: the labels are integers, and only names can be types without `B-` and `I-`: pass `--labels` to name \
         them"
    );
}
