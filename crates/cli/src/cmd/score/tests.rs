use super::*;
use crate::terminal::level::Level;
use expect_test::{Expect, expect};
use std::fs;

const GOLD: &str = "Jo B-PER\nmoved O\nto O\nGraz B-LOC\n\nAda B-PER\nLin I-PER\n";

/// Scores files of these names and contents, and returns the F1 and what is printed, or the error. Paths become
/// bare names.
fn scored(files: &[(&str, &str)], arguments: &[&str]) -> Result<(f64, String), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut line = vec!["score".to_string()];
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        line.push(path.to_str().unwrap().into());
    }
    line.extend(arguments.iter().map(|argument| argument.to_string()));
    let prefix = format!("{}/", folder.path().display());
    let matches = command().try_get_matches_from(line).unwrap();
    let short = |text: String| text.replace(&prefix, "");
    let scored = score(&request(&matches)).map_err(|error| short(Dialect::Score.error(&error)))?;
    let notes = scored.notes.iter();
    let notes = notes.map(|note| format!("{}: {}\n", Level::of(note).0, Dialect::Score.note(note)));
    Ok((scored.f1(), short(notes.collect::<String>() + &shown(&matches, &scored))))
}

fn check(files: &[(&str, &str)], arguments: &[&str], expected: Expect) {
    let shown = scored(files, arguments);
    expected.assert_eq(&shown.map_or_else(|error| format!("error: {error}\n"), |(_, text)| text));
}

/// The F1 alone, which is all that many rows are about.
fn check_f1(files: &[(&str, &str)], arguments: &[&str], f1: f64) {
    assert_eq!(scored(files, arguments).unwrap().0, f1, "{files:?} {arguments:?}");
}

#[test]
fn a_column_file_and_a_predictions_file() {
    // Three entities in the gold; the prediction finds Jo and Graz, and half of Ada Lin.
    let predicted = "B-PER O O B-LOC\nB-PER O\n";
    check(
        &[("gold.conll", GOLD), ("predictions.txt", predicted)],
        &["--digits", "3"],
        expect![[r#"
            note: predictions.txt is read as `lines`: 2 sentences of labels
                          precision    recall  f1-score   support

                     LOC      1.000     1.000     1.000         1
                     PER      0.500     0.500     0.500         2

               micro avg      0.667     0.667     0.667         3
               macro avg      0.750     0.750     0.750         3
            weighted avg      0.667     0.667     0.667         3

            accuracy 0.833 over 6 words in 2 sentences; scored by conlleval

            errors: what became of the gold entities, and entities that are invented
                 right  type  begin  end  both  type+ends  missed  invented
            LOC      1     0      0    0     0          0       0         0
            PER      1     0      0    1     0          0       0         0
            all      2     0      0    1     0          0       0         0

            confusion: a row is gold, a column predicted
                 LOC  PER  ∅
            LOC    1    0  0
            PER    0    2  0
            ∅      0    0  0

            words of the entity  precision  recall  f1-score  support
            1                        0.667   1.000     0.800        2
            2                        0.000   0.000     0.000        1

            words of the sentence  precision  recall  f1-score  support  sentences
            1–10                       0.667   0.667     0.667        3          2
        "#]],
    );
    check(
        &[("gold.conll", GOLD), ("predictions.txt", predicted)],
        &["--json", "--mode", "strict"],
        expect![[r#"
            note: predictions.txt is read as `lines`: 2 sentences of labels
            note: the gold tags show the scheme IOB2
            {
              "method": "strict IOB2",
              "types": {
                "LOC": {
                  "precision": 1.0,
                  "recall": 1.0,
                  "f1": 1.0,
                  "number": 1,
                  "predicted": 1,
                  "correct": 1
                },
                "PER": {
                  "precision": 0.5,
                  "recall": 0.5,
                  "f1": 0.5,
                  "number": 2,
                  "predicted": 2,
                  "correct": 1
                }
              },
              "overall_precision": 0.6666666666666666,
              "overall_recall": 0.6666666666666666,
              "overall_f1": 0.6666666666666666,
              "overall_accuracy": 0.8333333333333334,
              "macro": {
                "precision": 0.75,
                "recall": 0.75,
                "f1": 0.75
              },
              "weighted": {
                "precision": 0.6666666666666666,
                "recall": 0.6666666666666666,
                "f1": 0.6666666666666666
              },
              "number": 3,
              "words": 6,
              "correct_words": 5,
              "sentences": 2,
              "semeval": {
                "overall": {
                  "strict": {
                    "correct": 2,
                    "incorrect": 1,
                    "partial": 0,
                    "missed": 0,
                    "spurious": 0,
                    "possible": 3,
                    "actual": 3,
                    "precision": 0.6666666666666666,
                    "recall": 0.6666666666666666,
                    "f1": 0.6666666666666666
                  },
                  "exact": {
                    "correct": 2,
                    "incorrect": 1,
                    "partial": 0,
                    "missed": 0,
                    "spurious": 0,
                    "possible": 3,
                    "actual": 3,
                    "precision": 0.6666666666666666,
                    "recall": 0.6666666666666666,
                    "f1": 0.6666666666666666
                  },
                  "partial": {
                    "correct": 2,
                    "incorrect": 0,
                    "partial": 1,
                    "missed": 0,
                    "spurious": 0,
                    "possible": 3,
                    "actual": 3,
                    "precision": 0.8333333333333334,
                    "recall": 0.8333333333333334,
                    "f1": 0.8333333333333334
                  },
                  "type": {
                    "correct": 3,
                    "incorrect": 0,
                    "partial": 0,
                    "missed": 0,
                    "spurious": 0,
                    "possible": 3,
                    "actual": 3,
                    "precision": 1.0,
                    "recall": 1.0,
                    "f1": 1.0
                  }
                },
                "types": {
                  "LOC": {
                    "strict": {
                      "correct": 1,
                      "incorrect": 0,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 1,
                      "actual": 1,
                      "precision": 1.0,
                      "recall": 1.0,
                      "f1": 1.0
                    },
                    "exact": {
                      "correct": 1,
                      "incorrect": 0,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 1,
                      "actual": 1,
                      "precision": 1.0,
                      "recall": 1.0,
                      "f1": 1.0
                    },
                    "partial": {
                      "correct": 1,
                      "incorrect": 0,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 1,
                      "actual": 1,
                      "precision": 1.0,
                      "recall": 1.0,
                      "f1": 1.0
                    },
                    "type": {
                      "correct": 1,
                      "incorrect": 0,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 1,
                      "actual": 1,
                      "precision": 1.0,
                      "recall": 1.0,
                      "f1": 1.0
                    }
                  },
                  "PER": {
                    "strict": {
                      "correct": 1,
                      "incorrect": 1,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 2,
                      "actual": 2,
                      "precision": 0.5,
                      "recall": 0.5,
                      "f1": 0.5
                    },
                    "exact": {
                      "correct": 1,
                      "incorrect": 1,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 2,
                      "actual": 2,
                      "precision": 0.5,
                      "recall": 0.5,
                      "f1": 0.5
                    },
                    "partial": {
                      "correct": 1,
                      "incorrect": 0,
                      "partial": 1,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 2,
                      "actual": 2,
                      "precision": 0.75,
                      "recall": 0.75,
                      "f1": 0.75
                    },
                    "type": {
                      "correct": 2,
                      "incorrect": 0,
                      "partial": 0,
                      "missed": 0,
                      "spurious": 0,
                      "possible": 2,
                      "actual": 2,
                      "precision": 1.0,
                      "recall": 1.0,
                      "f1": 1.0
                    }
                  }
                }
              },
              "errors": {
                "all": {
                  "right": 2,
                  "type": 0,
                  "left_boundary": 0,
                  "right_boundary": 1,
                  "both_boundaries": 0,
                  "type_and_boundary": 0,
                  "missed": 0,
                  "invented": 0
                },
                "types": {
                  "LOC": {
                    "right": 1,
                    "type": 0,
                    "left_boundary": 0,
                    "right_boundary": 0,
                    "both_boundaries": 0,
                    "type_and_boundary": 0,
                    "missed": 0,
                    "invented": 0
                  },
                  "PER": {
                    "right": 1,
                    "type": 0,
                    "left_boundary": 0,
                    "right_boundary": 1,
                    "both_boundaries": 0,
                    "type_and_boundary": 0,
                    "missed": 0,
                    "invented": 0
                  }
                }
              },
              "confusion": {
                "types": [
                  "LOC",
                  "PER",
                  "∅"
                ],
                "rows": [
                  [
                    1,
                    0,
                    0
                  ],
                  [
                    0,
                    2,
                    0
                  ],
                  [
                    0,
                    0,
                    0
                  ]
                ]
              },
              "by_entity_length": [
                {
                  "words": "1",
                  "precision": 0.6666666666666666,
                  "recall": 1.0,
                  "f1": 0.8,
                  "number": 2,
                  "predicted": 3,
                  "correct": 2
                },
                {
                  "words": "2",
                  "precision": 0.0,
                  "recall": 0.0,
                  "f1": 0.0,
                  "number": 1,
                  "predicted": 0,
                  "correct": 0
                }
              ],
              "by_sentence_length": [
                {
                  "words": "1–10",
                  "precision": 0.6666666666666666,
                  "recall": 0.6666666666666666,
                  "f1": 0.6666666666666666,
                  "number": 3,
                  "predicted": 3,
                  "correct": 2,
                  "sentences": 2
                }
              ],
              "notes": [
                "predictions.txt is read as `lines`: 2 sentences of labels",
                "the gold tags show the scheme IOB2"
              ]
            }
        "#]],
    );
}

#[test]
fn every_format_is_read_alike() {
    let lines = "B-PER O O B-LOC\nB-PER I-PER\n";
    let labels = "B-PER\nO\nO\nB-LOC\n\n\nB-PER\nI-PER\n";
    let json = r#"{"tokens": ["Jo", "moved", "to", "Graz"], "ner_tags": ["B-PER", "O", "O", "B-LOC"]}
        {"tokens": ["Ada", "Lin"], "ner_tags": ["B-PER", "I-PER"]}"#;
    let one_long_column = "-DOCSTART- -X-\n\n".to_string() + GOLD;
    for (name, content) in [
        ("p.txt", lines),
        ("p.txt", labels),
        ("p.txt", json),
        ("p.jsonl", json),
        ("p.conll", &one_long_column),
        ("p.txt", &("\u{FEFF}".to_string() + lines)),
        ("p.txt", &(lines.replace('\n', "\r\n") + "\r\n")),
    ] {
        check_f1(&[("gold.conll", GOLD), (name, content)], &[], 1.0);
        check_f1(&[(name, content), ("pred.conll", GOLD)], &[], 1.0);
    }
    // Sentences of one length are told from columns by their fields, which are all tags.
    check_f1(&[("g.txt", "B-A O\nO B-C\n"), ("p.txt", "B-A O\nO O\n")], &[], 2.0 / 3.0);
    let conllu = "1\tJo\tjo\tPROPN\t_\t_\t2\tnsubj\t_\t_\n2\truns\trun\tVERB\t_\t_\t0\troot\t_\t_\n";
    check_f1(&[("g.conllu", conllu), ("p.txt", "PROPN NOUN\n")], &["--pred-format", "lines"], 0.5);
}

#[test]
fn one_file_may_hold_both() {
    let both = "Jo NNP B-PER B-PER\nin IN O B-LOC\n\nGraz NNP B-LOC B-LOC\n";
    check_f1(&[("both.conll", both)], &[], 0.8);
    check_f1(&[("both.conll", both)], &["--gold-column", "-1", "--pred-column", "2"], 0.8);
    let json = r#"{"tokens": ["Jo", "in"], "ner_tags": ["B-PER", "O"], "guess": ["B-PER", "B-PER"]}"#;
    check_f1(&[("both.jsonl", json)], &["--pred-column", "guess"], 2.0 / 3.0);
    check(
        &[("both.jsonl", json)],
        &[],
        expect![[r#"
            error: both.jsonl: nothing says where the predictions are: pass `--pred-column`, or name the predictions' file
        "#]],
    );
    check(
        &[("both.jsonl", json)],
        &["--pred-column", "gues"],
        expect![[r#"
        error: both.jsonl:1: there is no column `gues` among `tokens`, `ner_tags`, `guess`: pass `--pred-column guess` if that is meant
    "#]],
    );
    check(
        &[("g.txt", "B-A O\nO O\n")],
        &[],
        expect![[r#"
            error: g.txt is read as `lines`, which holds one label a word: name the predictions' file, or pass `--gold-format`
        "#]],
    );
    check(
        &[("gold.conll", GOLD)],
        &["--pred-format", "lines"],
        expect![[r#"
            error: a format is given for the predictions, but no second file: name the file, or leave out `--pred-format`
        "#]],
    );
}

#[test]
fn the_mode_is_told_from_the_gold_labels() {
    let part_of_speech = [("g.conll", "Jo PROPN\nruns VERB\n"), ("p.conll", "Jo PROPN\nruns NOUN\n")];
    check(
        &part_of_speech,
        &[],
        expect![[r#"
            warning: type never predicted, whose precision counts as 0: `VERB`
            warning: type never gold, whose recall counts as 0: `NOUN`
            note: the labels are not entity tags (`PROPN` has no letter of a scheme), so words are scored, not entities: pass `--mode conlleval` to score entities as seqeval would, or pass `--suffix` for tags like `PER-B`
                          precision    recall  f1-score   support

                    NOUN     0.0000    0.0000    0.0000         0
                   PROPN     1.0000    1.0000    1.0000         1
                    VERB     0.0000    0.0000    0.0000         1

               micro avg     0.5000    0.5000    0.5000         2
               macro avg     0.3333    0.3333    0.3333         2
            weighted avg     0.5000    0.5000    0.5000         2

            accuracy 0.5000 over 2 words in 1 sentence; scored by words
        "#]],
    );
    check_f1(&part_of_speech, &["--mode", "conlleval"], 0.5);
    let lenient = [("g.conll", "Jo B-PER\nLi I-PER\n"), ("p.conll", "Jo I-PER\nLi I-PER\n")];
    check_f1(&lenient, &[], 1.0);
    check_f1(&lenient, &["--mode", "strict"], 0.0);
    check_f1(&lenient, &["--scheme", "iob1"], 0.0);
    check_f1(
        &[("g.txt", "PER-B PER-I\nO O\n"), ("p.txt", "PER-B PER-I\nO O\n")],
        &["--suffix", "--gold-format", "lines", "--pred-format", "lines"],
        1.0,
    );
    check(
        &[("g.conll", "Jo I-PER\n"), ("p.conll", "Jo I-PER\n")],
        &["--mode", "strict"],
        expect![[r#"
            error: g.conll: the gold letters I do not tell the scheme: name it (IOB1, IOB2, IOE1, IOE2, IOBES, BMES, BILOU): pass `--label-scheme`
        "#]],
    );
    check(
        &lenient,
        &["--mode", "words", "--scheme", "IOB2"],
        expect![[r#"
            error: the scheme IOB2 is for strict scores, not the mode `words`: leave out `--label-scheme`, or pass `--mode strict`
        "#]],
    );
    check(
        &[lenient[0], ("p.conll", "Jo U-PER\nLi O\n")],
        &["--scheme", "IOB2"],
        expect![[r#"
        error: g.conll:1 against p.conll:1: the tag `U-PER` does not belong to IOB2, whose letters are I O B
    "#]],
    );
}

#[test]
fn errors_are_scored_word_by_word() {
    // Gold: five words, three wrong, the last without its label; `B+A` is `A+B`.
    let gold = "we\tUC\nhas\tA+B\n\nbeen\tA\n\t\nthe\tB\nend\n";
    let labels = "UC\nA\nB\nA+B\n";
    check(
        &[("gold.txt", gold), ("pred.txt", "UC\nB+A\n\nUC\n\nA\nUC\n")],
        &["--mode", "ged", "--digits", "3"],
        expect![[r#"
            warning: 1 word has no label and got `UC` (gold.txt:7)
            note: gold.txt was read as CoNLL columns, because it is neither JSON, CoNLL-U nor CSV
            note: pred.txt is read as `labels`: 3 sentences of labels
            note: means are over the 4 labels that occur: pass `--labels` to name those that could
            label         precision  recall     f1   f0.5  support
            A                 0.000   0.000  0.000  0.000        1
            A+B               1.000   1.000  1.000  1.000        1
            B                 0.000   0.000  0.000  0.000        1
            UC                0.667   1.000  0.800  0.714        2
            accuracy          0.600   0.600  0.600  0.600        5
            macro avg         0.417   0.500  0.450  0.429        5
            weighted avg      0.467   0.600  0.520  0.486        5

            precision      0.417
            recall         0.500
            f1             0.450
            f0.5           0.429
            err_precision  0.333
            err_recall     0.333
            err_f1         0.333
            err_f0.5       0.333
            bin_precision  1.000
            bin_recall     0.667
            bin_f0.5       0.909
            bin_accuracy   0.800
            accuracy       0.600
        "#]],
    );
    // MultiGED's own columns, both in one file; every figure follows from tp 1, fp 1, fn 0 of `i`.
    check(
        &[("both.tsv", "I\tc\tc\nis\ti\ti\n\nok\tc\ti\n")],
        &["--mode", "ged", "--json"],
        expect![[r#"
            note: both.tsv was read as CoNLL columns, because blank lines part its lines into sentences
            note: means are over the 2 labels that occur: pass `--labels` to name those that could
            {
              "method": "ged",
              "correct_label": "c",
              "labels": {
                "c": {
                  "precision": 1.0,
                  "recall": 0.5,
                  "f1": 0.6666666666666666,
                  "f0.5": 0.8333333333333334,
                  "number": 2
                },
                "i": {
                  "precision": 0.5,
                  "recall": 1.0,
                  "f1": 0.6666666666666666,
                  "f0.5": 0.5555555555555556,
                  "number": 1
                }
              },
              "precision": 0.75,
              "recall": 0.75,
              "f1": 0.6666666666666666,
              "f0.5": 0.6944444444444444,
              "err_precision": 0.5,
              "err_recall": 1.0,
              "err_f1": 0.6666666666666666,
              "err_f0.5": 0.5555555555555556,
              "bin_precision": 0.5,
              "bin_recall": 1.0,
              "bin_f0.5": 0.5555555555555556,
              "bin_accuracy": 0.6666666666666666,
              "accuracy": 0.6666666666666666,
              "words": 3,
              "notes": [
                "both.tsv was read as CoNLL columns, because blank lines part its lines into sentences",
                "means are over the 2 labels that occur: pass `--labels` to name those that could"
              ]
            }
        "#]],
    );
    check_f1(&[("g.txt", gold), ("p.txt", "UC\nA+B\n\nA\n\nB\nUC\n")], &["--mode", "ged"], 1.0);
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("labels.txt");
    // A label that never occurs is part of the mean; one that is not listed of none.
    fs::write(&list, labels.to_owned() + "C\n").unwrap();
    let list = list.to_str().unwrap();
    check_f1(&[("g.txt", gold), ("p.txt", "UC\nA+B\n\nA\n\nB\nUC\n")], &["--mode", "ged", "--labels", list], 0.8);
    let complete = gold.replace("end", "end\tUC");
    let refused = |arguments: &[&str]| {
        let files = [("g.txt", complete.as_str()), ("p.txt", complete.as_str())];
        scored(&files, arguments).expect_err("it cannot be")
    };
    assert_eq!(
        refused(&["--labels", list]),
        "a list of labels is for error detection alone: leave out `--labels`, or pass `--mode ged`"
    );
    for (other, what) in [
        (&["--label-scheme", "IOB2"][..], "a scheme"),
        (&["--zero-division", "1"], "a ratio without a denominator"),
        (&["--suffix"], "the place of a tag's letter"),
    ] {
        let error = refused(&[&["--mode", "ged"], other].concat());
        let want = format!("{what} is about entities, and error detection scores words: leave out `{}`", other[0]);
        assert_eq!(error, want);
    }
}

#[test]
fn files_that_part_are_refused_at_the_first_place() {
    check(
        &[("gold.conll", GOLD), ("p.txt", "B-PER O O B-LOC\nB-PER\n")],
        &[],
        expect![[r#"
            error: gold.conll:6: sentence 2 has 2 gold labels but 1 predicted label at p.txt:2: both must label the same words in the same sentences (predictions cut at a length limit cannot be scored)
        "#]],
    );
    check(
        &[("gold.conll", GOLD), ("p.txt", "B-PER O O B-LOC\n")],
        &[],
        expect![[r#"
        error: gold.conll:6: sentence 2 has no counterpart in p.txt, which ends after 1: both must label the same words in the same sentences (predictions cut at a length limit cannot be scored)
    "#]],
    );
    check(
        &[("gold.conll", GOLD), ("p.txt", "B-PER O O B-LOC\nB-PER O\nO\n")],
        &[],
        expect![[r#"
        error: p.txt:3: sentence 3 has no counterpart in gold.conll, which ends after 2: both must label the same words in the same sentences (predictions cut at a length limit cannot be scored)
    "#]],
    );
    check(
        &[("gold.conll", GOLD), ("p.conll", &GOLD.replace("Lin", "Lyn"))],
        &["--digits", "1"],
        expect![[r#"
            warning: 1 word of gold.conll is spelled otherwise in p.conll (`Lin` gold.conll:6)
                          precision    recall  f1-score   support

                     LOC        1.0       1.0       1.0         1
                     PER        1.0       1.0       1.0         2

               micro avg        1.0       1.0       1.0         3
               macro avg        1.0       1.0       1.0         3
            weighted avg        1.0       1.0       1.0         3

            accuracy 1.0 over 6 words in 2 sentences; scored by conlleval

            errors: what became of the gold entities, and entities that are invented
                 right  type  begin  end  both  type+ends  missed  invented
            LOC      1     0      0    0     0          0       0         0
            PER      2     0      0    0     0          0       0         0
            all      3     0      0    0     0          0       0         0

            confusion: a row is gold, a column predicted
                 LOC  PER  ∅
            LOC    1    0  0
            PER    0    2  0
            ∅      0    0  0

            words of the entity  precision  recall  f1-score  support
            1                          1.0     1.0       1.0        2
            2                          1.0     1.0       1.0        1

            words of the sentence  precision  recall  f1-score  support  sentences
            1–10                         1.0     1.0       1.0        3          2
        "#]],
    );
    check(
        &[("gold.conll", "Jo B-PER\nin\n"), ("p.conll", GOLD)],
        &["--gold-format", "columns"],
        expect![[r#"
            error: gold.conll:2: `in` has 1 column, the other lines have 2: give every line the same columns
        "#]],
    );
    check(
        &[("gold.conll", GOLD), ("p.txt", "")],
        &[],
        expect![[r#"
        error: gold.conll:1: sentence 1 has no counterpart in p.txt, which ends after 0: both must label the same words in the same sentences (predictions cut at a length limit cannot be scored)
    "#]],
    );
    check(
        &[("gold.conll", GOLD), ("p.txt", "O O O O\nO O\n")],
        &["--pred-column", "2"],
        expect![[r#"
            error: p.txt: a column is named, but the file is read as `lines`: leave out `--pred-column`
        "#]],
    );
}

#[test]
fn a_missed_bar_is_told() {
    let missed = |bar: &str| {
        let line = ["score", "g", "p", "--min-f1", bar];
        missed_bar(&command().try_get_matches_from(line).unwrap(), 0.75)
    };
    assert_eq!((missed("0.75"), missed("0.8")), (None, Some("f1 0.75 is below --min-f1 0.8".into())));
    for bar in ["1.5", "-0.1", "nan", "x"] {
        assert!(command().try_get_matches_from(["score", "g", &format!("--min-f1={bar}")]).is_err(), "{bar}");
    }
}
