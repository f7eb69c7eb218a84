//! `tagsmith predict` on a small random model: every word a label, bad lines located, files whole or absent.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tagsmith_encoder::config::Config;
use tagsmith_testkit::program::{self, Ran};
use tagsmith_testkit::scratch::Scratch;
use tagsmith_tokens::model::Model;

const LABELS: [&str; 5] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];

/// A folder with a random BERT of one layer beside the golden tokenizer.
fn scratch() -> Scratch {
    let scratch = Scratch::empty();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        scratch.copy(format!("pieces/bert-cased/{name}"), name);
    }
    let names: serde_json::Map<String, Value> =
        (0..).zip(LABELS).map(|(id, label): (usize, _)| (id.to_string(), label.into())).collect();
    let config = serde_json::json!({
        "model_type": "bert", "vocab_size": 1000, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 40, "type_vocab_size": 2, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.8, "pad_token_id": 0, "id2label": names,
    });
    scratch.write("config.json", config.to_string());
    let (config, _) = Config::read(scratch.folder()).unwrap();
    Model::new(config, 3).save(scratch.folder()).unwrap();
    scratch
}

fn predict(model: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = program::isolated(program::path(), Path::new("."));
    Ran::fed(command.args(["predict", "--threads", "1", "--model"]).arg(model).args(arguments), input)
}

/// What `gzip -n9` makes of `Jo moved to Genf .` and `Anna .`, a line each.
#[rustfmt::skip]
const PACKED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 243, 202, 87, 200, 205, 47, 75, 77, 81, 40, 201, 87, 112, 79, 205, 75, 83, 208, 227, 114, 204, 203, 75, 4, 82, 0, 56, 124, 166, 111, 26, 0, 0, 0,
];

fn documents(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_becomes_a_document_whose_offsets_are_code_points() {
    let model = scratch();
    let ran = predict(model.folder(), &[], "Jo moved to Zürich 🎉 in May .\n\nÅlesund , Łódź\n");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let documents = documents(&ran.stdout);
    assert_eq!(documents.len(), 3);
    let mut entities = 0;
    for document in &documents {
        let text: Vec<char> = document["text"].as_str().unwrap().chars().collect();
        let words = document["words"].as_array().unwrap();
        assert_eq!(document["labels"].as_array().unwrap().len(), words.len());
        for entity in document["entities"].as_array().unwrap() {
            let at = |key: &str| entity[key].as_u64().unwrap() as usize;
            assert_eq!(text[at("start")..at("end")].iter().collect::<String>(), entity["text"].as_str().unwrap());
            assert!((0.0..=1.0).contains(&entity["score"].as_f64().unwrap()));
            entities += 1;
        }
    }
    assert!(entities > 0, "the random model names something");
    assert_eq!(documents[0]["words"][4], "🎉");
    assert!(ran.stderr.starts_with("3 documents, 11 words, 3 windows, "), "{}", ran.stderr);
}

#[test]
fn an_emulated_gpu_gives_every_word_the_processors_label() {
    let model = scratch();
    let input = "Jo moved to Zürich 🎉 in May .\n\nÅlesund , Łódź\n";
    let [here, there] = ["cpu", "emulated"].map(|device| {
        let ran = predict(model.folder(), &["--device", device], input);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("a GPU is emulated"), device == "emulated", "{}", ran.stderr);
        documents(&ran.stdout)
    });
    assert_eq!(here.len(), there.len());
    let mut other_bits = 0;
    for (here, there) in here.iter().zip(&there) {
        assert_eq!((&here["words"], &here["labels"]), (&there["words"], &there["labels"]));
        let scores = |document: &Value| -> Vec<f64> {
            document["entities"].as_array().unwrap().iter().map(|entity| entity["score"].as_f64().unwrap()).collect()
        };
        for (a, b) in scores(here).iter().zip(&scores(there)) {
            assert!((a - b).abs() <= 1e-5, "{a} and {b}");
            other_bits += usize::from(a != b);
        }
    }
    assert!(other_bits > 0, "a GPU adds in another order: were the scores the processor's?");
}

#[test]
fn given_words_keep_their_number_in_every_format() {
    let model = scratch();
    let jsonl = "{\"tokens\": [\"Jo\", \"\", \"U.S.\", \"\u{ad}\"]}\n{\"words\": []}\n";
    let ran = predict(model.folder(), &["--output-format", "conll"], jsonl);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let words: Vec<&str> = ran.stdout.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(words, ["Jo", "", "U.S.", "\u{ad}", "", ""]);
    let stopgaps: Vec<&str> = ran.stdout.lines().filter(|line| line.ends_with("\tO")).collect();
    assert!(stopgaps.contains(&"\tO") && stopgaps.contains(&"\u{ad}\tO"), "{}", ran.stdout);
    let said = "warning: 2 words give the model nothing to read and got a stopgap label (standard input:1 word 2 \"\", \
                standard input:1 word 4 \"\\u{ad}\")";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);

    let conll = "-DOCSTART- O\n\nJo B-PER\nmoved O\n\n\n# id = 7\nZürich B-LOC\n";
    let ran = predict(model.folder(), &["--input-format=conll"], conll);
    let found = documents(&ran.stdout);
    assert_eq!(found[0]["words"], serde_json::json!(["Jo", "moved"]));
    assert_eq!(found[1]["words"], serde_json::json!(["Zürich"]));
    assert!(
        ran.stderr.contains("note: 1 `-DOCSTART-` line was skipped (standard input:1)")
            && ran.stderr.contains("note: 1 comment line was skipped (standard input:7)"),
        "{}",
        ran.stderr
    );

    let csv = "id,text\n1,\"Jo, moved\nto Zürich\"\n2,Genf\n";
    let found = documents(&predict(model.folder(), &["--input_format", "csv"], csv).stdout);
    assert_eq!((&found[0]["text"], &found[1]["text"]), (&"Jo, moved\nto Zürich".into(), &"Genf".into()));
}

#[test]
fn a_long_document_is_read_whole() {
    let model = scratch();
    let long = "The harbour of Rotterdam was closed . ".repeat(50);
    let ran = predict(model.folder(), &["--aggregation_strategy", "first"], &long);
    assert_eq!(documents(&ran.stdout)[0]["labels"].as_array().unwrap().len(), 350);
    let said = "note: 1 input is longer than the model reads at once and went through overlapping windows \
                (standard input:1:";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn brackets_name_the_types_and_lose_no_letter() {
    let model = scratch();
    let text = "Jo moved to Zürich with Anna O'Neill .";
    let ran = predict(model.folder(), &["--output-format", "text"], text);
    let found = documents(&predict(model.folder(), &[], text).stdout);
    let mut want = String::new();
    let mut at = 0;
    let letters: Vec<char> = text.chars().collect();
    for entity in found[0]["entities"].as_array().unwrap() {
        let (start, end) = (entity["start"].as_u64().unwrap() as usize, entity["end"].as_u64().unwrap() as usize);
        want.extend(&letters[at..start]);
        want += &format!("[{} {}]", entity["text"].as_str().unwrap(), entity["label"].as_str().unwrap());
        at = end;
    }
    want.extend(&letters[at..]);
    assert_eq!(ran.stdout, format!("{want}\n"));
}

#[test]
fn a_bad_line_is_located_and_what_stands_before_it_stays() {
    let model = scratch();
    let check = |input: &str, arguments: &[&str], message: &str, documents_before: usize| {
        let ran = predict(model.folder(), arguments, input);
        assert_eq!(ran.status, 2);
        assert_eq!(ran.stdout.lines().count(), documents_before, "{}", ran.stdout);
        assert_eq!(ran.stderr.lines().last().unwrap(), message);
    };
    let good = "{\"text\": \"Jo\"}\n";
    check(
        &format!("{good}{{\"text\": 7}}\n"),
        &[],
        "error: standard input:2: `text` is neither a string nor a list of strings",
        1,
    );
    check(
        &format!("{good}{good}{{\"text\": \n"),
        &[],
        "error: standard input:3: the row that begins here is not closed: is the file cut off? Close it or drop it",
        2,
    );
    check(
        &format!("{good}{{\"text\": \"Jo\", \"text\": \"Al\"}}\n"),
        &[],
        "error: standard input:2: column 28: this is not the JSON of a row (the key `text` occurs twice): correct it",
        1,
    );
    check(
        &format!("{good}[1]\n"),
        &[],
        "error: standard input:2: column 1: `[` is not expected here: every row must be an object `{…}`",
        1,
    );
    check(
        "{\"body\": \"Jo\"}",
        &[],
        "error: standard input:1: the object has none of `text`, `tokens`, `words`, only `body`: pass `--text-column`",
        0,
    );
    check(
        "Jo",
        &["--stride", "90"],
        "error: standard input:1: cannot be tagged: windows of 38 pieces cannot overlap by 90: \
         the stride must be smaller",
        0,
    );
    check(
        "Jo",
        &["--max-seq-length", "90"],
        "error: MODEL: `max_seq_length` is 90 but the model has 40 positions: ask for at most that"
            .replace("MODEL", &model.folder().display().to_string())
            .as_str(),
        0,
    );
    check(
        "a,b\n",
        &["--input-format", "csv"],
        "error: standard input:1: the table has none of `text`, `tokens`, `words`, only `a`, `b`: pass `--text-column`",
        0,
    );
    check(
        "Jo\tO\nmoved\n",
        &["--input-format", "conll", "--text-column", "1"],
        "error: standard input:2: the line has no column 1",
        0,
    );
}

#[test]
fn a_file_is_whole_or_not_there() {
    let model = scratch();
    let folder = Scratch::empty();
    let out = folder.path("tagged.jsonl");
    let arguments = ["-o", out.to_str().unwrap()];
    let entries = || fs::read_dir(folder.folder()).unwrap().count();
    let ran = predict(model.folder(), &arguments, "{\"text\": \"Jo\"}\nnonsense\n");
    assert_eq!((ran.status, ran.stdout.as_str(), entries()), (2, "", 0));
    fs::write(&out, "before").unwrap();
    assert_eq!(predict(model.folder(), &arguments, "{\"text\": \"Jo\"}\nnonsense\n").status, 2);
    assert_eq!(fs::read_to_string(&out).unwrap(), "before");
    assert_eq!(predict(model.folder(), &arguments, "{\"text\": \"Jo\"}\n").status, 0);
    assert_eq!((documents(&fs::read_to_string(&out).unwrap()).len(), entries()), (1, 1));
    // What is not a file is not replaced by one.
    let ran = predict(model.folder(), &["-o", folder.folder().to_str().unwrap()], "Jo\n");
    assert_eq!((ran.status, ran.stderr.contains("not an ordinary file")), (2, true), "{}", ran.stderr);
    #[cfg(unix)]
    {
        let link = folder.path("link");
        std::os::unix::fs::symlink("tagged.jsonl", &link).unwrap();
        let ran = predict(model.folder(), &["-o", link.to_str().unwrap()], "{\"text\": \"Jo\"}\n{\"text\": \"Jo\"}\n");
        assert!(ran.status == 0 && link.is_symlink(), "{}", ran.stderr);
        assert_eq!(documents(&fs::read_to_string(&out).unwrap()).len(), 2);
    }
}

#[test]
fn columns_hold_no_tabs() {
    let model = scratch();
    let ran = predict(model.folder(), &["--output-format", "conll"], "{\"tokens\": [\"Jo\", \"a\\tb\"]}\n");
    let want =
        "error: the word \"a\\tb\" holds a tab or a line break, which columns cannot: pass `--output-format jsonl`\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(want), "{}", ran.stderr);
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let ran = predict(Path::new("no/such/model"), &[], "Jo");
    assert_eq!(ran.status, 2);
    assert_eq!(ran.stderr, "error: no/such/model: there is no such file or folder: correct the path\n");
}

#[test]
fn how_the_input_is_cut_up_changes_nothing() {
    let model = scratch();
    // Words of all lengths in sentences of all lengths: several times what is read at once.
    let word = |at: usize| ["Jo", "moved", "Rotterdam", "2024", "harbour-master", "Ł", "."][at * at % 7];
    let sentence = |at: usize| (0..at * 7919 % 60).map(|i| word(at + i)).collect::<Vec<_>>().join(" ") + "\n";
    let sentences: Vec<String> = (0..3000).map(sentence).collect();
    let text = sentences.concat();
    assert!(text.len() > 2 * (256 << 10));
    let whole = predict(model.folder(), &[], &text);
    assert_eq!(whole.status, 0, "{}", whole.stderr);
    assert_eq!(whole.stdout.lines().count(), sentences.len());
    for more in [["--batch-tokens", "1"], ["--batch-tokens", "331"], ["--batch-tokens", "100000"]] {
        assert!(predict(model.folder(), &more, &text).stdout == whole.stdout, "{more:?}");
    }
    let parts =
        sentences.chunks(701).map(|part| predict(model.folder(), &["--batch-tokens", "64"], &part.concat()).stdout);
    assert!(parts.collect::<String>() == whole.stdout);
    assert!(Ran::fed(&mut model.tagsmith("predict --threads 3 --model ."), text).stdout == whole.stdout);
}

#[test]
fn packed_files_are_unpacked() {
    let model = scratch();
    let folder = Scratch::empty();
    let file = folder.path("text.txt.gz");
    fs::write(&file, PACKED).unwrap();
    let ran = predict(model.folder(), &[file.to_str().unwrap()], "");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, predict(model.folder(), &[], "Jo moved to Genf .\nAnna .\n").stdout);
    fs::write(&file, &PACKED[..20]).unwrap();
    let ran = predict(model.folder(), &[file.to_str().unwrap()], "");
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.lines().last().unwrap().contains("the gzip stream is cut off"), "{}", ran.stderr);
}

#[test]
fn a_document_that_would_not_fit_is_refused_and_what_stands_before_it_stays() {
    let model = scratch();
    let over = 1 << 20;
    let check = |format: &str, before: &str, input: String, place: &str| {
        let ran = predict(model.folder(), &["--input-format", format], &format!("{before}{input}"));
        assert_eq!(ran.status, 2);
        assert_eq!(ran.stdout.lines().count(), 1, "{format}: {}", ran.stdout.len());
        let want = "the document is longer than 1 MiB, the most that is tagged in one piece: split it";
        assert_eq!(ran.stderr.lines().last().unwrap(), format!("error: standard input:{place}: {want}"));
    };
    check("text", "Jo\n", "a".repeat(over + 1), "2");
    // A string that is never closed.
    check("jsonl", "{\"text\": \"Jo\"}\n", format!("{{\"text\": \"{}", "a".repeat(over + 1)), "2");
    check("conll", "Jo O\n\n", "Rotterdam\tO\n".repeat(over / 11 + 1), "3");
    // A quote that is never closed.
    check("csv", "text\nJo\n", format!("\"{}", "moved, and\n".repeat(over)), "3");
}

#[test]
fn nothing_but_empty_lines_is_streamed_too() {
    let ran = predict(scratch().folder(), &["--output-format", "conll"], &"\n".repeat(10_000));
    assert_eq!((ran.status, ran.stdout.len()), (0, 10_000));
    assert!(ran.stderr.starts_with("10000 documents, 0 words, "), "{}", ran.stderr);
}

#[test]
fn batches_of_nothing_are_refused() {
    let error = predict(scratch().folder(), &["--batch-tokens", "0"], "Jo").stderr;
    assert_eq!(error.lines().last().unwrap(), "error: `--batch-tokens 0`: at least one is needed");
}

/// The rows of a Parquet file as JSON lines have them.
fn rows(path: &Path) -> Vec<Value> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, UInt32Type};
    let file = fs::File::open(path).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut rows = Vec::new();
    for batch in builder.build().unwrap().map(Result::unwrap) {
        let list = |name: &str, row: usize| batch.column_by_name(name).unwrap().as_list::<i32>().value(row);
        let strings = |name: &str, row: usize| -> Vec<String> {
            list(name, row).as_string::<i32>().iter().map(|word| word.unwrap().to_owned()).collect()
        };
        for row in 0..batch.num_rows() {
            let entities = list("entities", row);
            let entities = entities.as_struct();
            let text =
                |name: &str, at: usize| entities.column_by_name(name).unwrap().as_string::<i32>().value(at).to_owned();
            let number =
                |name: &str, at: usize| entities.column_by_name(name).unwrap().as_primitive::<UInt32Type>().value(at);
            // As many digits as a float needs, as JSON lines have it.
            let score = |at: usize| -> Value {
                let scores = entities.column_by_name("score").unwrap().as_primitive::<Float32Type>();
                serde_json::to_string(&scores.value(at)).unwrap().parse().unwrap()
            };
            let entity = |at: usize| {
                serde_json::json!({
                    "text": text("text", at), "label": text("label", at), "score": score(at),
                    "start": number("start", at), "end": number("end", at),
                })
            };
            let count = arrow_array::Array::len(entities);
            rows.push(serde_json::json!({
                "text": batch.column_by_name("text").unwrap().as_string::<i32>().value(row),
                "entities": (0..count).map(entity).collect::<Vec<_>>(),
                "words": strings("words", row),
                "labels": strings("labels", row),
            }));
        }
    }
    rows
}

#[test]
fn many_files_become_as_many_and_what_is_there_is_not_made_again() {
    let model = scratch();
    let at = |name: &str| model.path("shards").join(name);
    fs::create_dir(at("")).unwrap();
    fs::write(at("a.txt"), "Jo moved to Zürich .\nAnna .\n").unwrap();
    fs::write(at("b.jsonl"), "{\"tokens\": [\"Jo\", \"moved\"]}\n{\"text\": \"Genf .\"}\n").unwrap();
    fs::write(at("c.txt.gz"), PACKED).unwrap();
    model.copy("dataset_files/class_label.parquet", "shards/d.parquet");
    let out = model.path("out");
    let run = |more: &[&str]| {
        let folders = [at(""), out.clone()].map(|path| path.display().to_string());
        predict(model.folder(), &[&[&folders[0], "--output-dir", &folders[1]], more].concat(), "")
    };
    let ran = run(&[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("11 documents, "), "{}", ran.stderr);
    let made = ["a.jsonl", "b.jsonl", "c.jsonl", "d.parquet"];
    // Each is what a run of its own gives.
    for (input, output) in ["a.txt", "b.jsonl", "c.txt.gz"].into_iter().zip(made) {
        let alone = predict(model.folder(), &[at(input).to_str().unwrap()], "");
        assert_eq!(fs::read_to_string(out.join(output)).unwrap(), alone.stdout, "{input}");
    }
    let alone = predict(model.folder(), &[at("d.parquet").to_str().unwrap()], "");
    assert_eq!(rows(&out.join("d.parquet")), documents(&alone.stdout));
    // A job that stopped: one file is missing, and what another run left of it is of no use.
    fs::remove_file(out.join("b.jsonl")).unwrap();
    fs::write(out.join(".b.jsonl.1.part"), "{\"tex").unwrap();
    fs::write(out.join("a.jsonl"), "kept").unwrap();
    let ran = run(&[]);
    assert!(
        ran.stderr.contains("note: 3 of 4 files are there already") && ran.stderr.contains("2 documents, "),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_to_string(out.join("a.jsonl")).unwrap(), "kept");
    assert!(out.join("b.jsonl").exists());
    // With other choices the rest would be of another kind.
    let ran = run(&["--stride", "3"]);
    assert!(ran.status == 2 && ran.stderr.contains("made with `stride` \"\", and now it is \"3\""), "{}", ran.stderr);
    // A bad file leaves what was made before it.
    fs::write(at("e.jsonl"), "{\"text\": 3}\n").unwrap();
    let ran = run(&[]);
    assert!(ran.status == 2 && ran.stderr.contains("e.jsonl:1: `text` is neither"), "{}", ran.stderr);
    assert!(!out.join("e.jsonl").exists());
    let ran = predict(model.folder(), &["one", "two"], "");
    assert!(ran.status == 2 && ran.stderr.contains("say where with `--output-dir`"), "{}", ran.stderr);
}
