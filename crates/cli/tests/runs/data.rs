//! Data that teach nothing, that break their scheme, or that are no data of words: what a person is told.

use crate::harness::with_encoder;
use tagsmith_testkit::program::Ran;

const BASE: &str = "train --model_name_or_path model --do_train --max_steps 1 --threads 1";

#[test]
fn data_that_teach_nothing_are_refused_unless_a_flag_permits_it() {
    let scratch = with_encoder();
    scratch.write("one_label.conll", "Jo O\nran O\n\nno O\n");
    scratch.write(
        "one_word.jsonl",
        "{\"tokens\": [\"Jo\"], \"ner_tags\": [\"B-PER\"]}\n{\"tokens\": [\"ran\"], \"ner_tags\": [\"O\"]}\n",
    );
    scratch.write("flair.tsv", "text\tlabel\nJo\tB-PER\nran\tO\n");
    for (file, said) in [
        (
            "one_label.conll",
            "error: one_label.conll: every word has the label `O`, so there is nothing to learn: pass `--label_column_name`",
        ),
        (
            "one_word.jsonl",
            "error: one_word.jsonl: every sentence is one word, so no word is read beside another: put a blank line",
        ),
        ("flair.tsv", "error: flair.tsv: every sentence is one word"),
    ] {
        let line = format!("{BASE} --train_file {file} --output_dir out");
        let refused = scratch.bad(&line);
        assert!(refused.starts_with(said) && refused.contains("`--allow_degenerate_data`"), "{refused}");
        assert!(!scratch.path("out").exists(), "{file}");
    }
    scratch.good(&format!("{BASE} --train_file one_word.jsonl --allow_degenerate_data --output_dir out"));
}

#[test]
fn slips_and_sentences_of_both_splits_are_told() {
    let scratch = with_encoder();
    scratch.write("train.conll", "Jo B-PER\nUlm I-LOC\n\nno O\nno O\n\nLi B-PER\nran O\n");
    scratch.write("other.conll", "no O\nno O\n\nUlm B-LOC\nran O\n");
    let line = format!("{BASE} --do_eval --train_file train.conll");
    let told = scratch.good(&format!("{line} --validation_file other.conll --output_dir a")).stderr;
    let slip = "train: 1 tag begins an entity with `I-`, where the others begin with `B-`; it counts as a beginning (train.conll:1: word 2, `I-LOC` after `B-PER`)";
    assert!(told.contains(slip), "{told}");
    let shared = "validation: 1 of 2 sentences stands in the training split too (other.conll:1)";
    assert!(told.contains(shared), "{told}");
    let told = scratch.good(&format!("{line} --validation_file train.conll --output_dir b")).stderr;
    let all =
        "validation: 3 of 3 sentences stand in the training split too, so its score says nothing about other texts";
    assert!(told.contains(all), "{told}");
}

#[test]
fn brat_and_labels_with_spaces_are_named() {
    let scratch = with_encoder();
    scratch.write("brat/a.txt", "Jo ran.\n");
    scratch.write("brat/a.ann", "T1\tPER 0 2\tJo\n");
    scratch.write("spaces.tsv", "Jo\tB-Invoice Number\nran\tO\n\nno\tO\n");
    for file in ["brat", "brat/a.txt", "brat/a.ann"] {
        let refused = scratch.bad(&format!("{BASE} --train_file {file} --output_dir out"));
        assert!(refused.starts_with(&format!("error: {file}: this is brat's standoff format")), "{refused}");
    }
    let refused = scratch.bad(&format!("{BASE} --train_file spaces.tsv --output_dir out"));
    assert!(refused.starts_with("error: spaces.tsv:1: the label `B-Invoice Number` holds white space"), "{refused}");
}

/// A million columns or labels are a short line.
#[test]
fn messages_stay_short() {
    let scratch = with_encoder();
    let columns = |count: usize| (0..count).map(|column| format!("c{column}")).collect::<Vec<_>>().join("\t");
    scratch.write("wide.conll", format!("{}\n{}\tO\n", columns(100_000), columns(99_999)));
    let labels: String = (0..9000).map(|label| format!("w B-{}{label}\n", "x".repeat(50))).collect();
    scratch.write("labels.conll", labels);
    scratch.write("long.conll", format!("Jo B-{}\nran O\n", "x".repeat(1_000_000)));
    for file in ["wide.conll", "labels.conll", "long.conll"] {
        let line = format!("{BASE} --train_file {file} --test_file {file} --do_predict --output_dir {file}.out");
        let told = Ran::of(&mut scratch.tagsmith(&line));
        let longest = told.stderr.lines().map(str::len).max().unwrap();
        assert!(longest < 5_000, "{file}: a line of {longest} bytes");
    }
}
