"""Small data sets as `datasets` and pyarrow write them, with the rows they hold, and which split `datasets` gives each
file of a folder. `--check` derives everything again and compares it with what is committed.

Pinned: datasets 5.2.0. The sentences are made up here. (Not called datasets.py: it would hide the library from its
neighbors.)
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, load_dataset
from datasets.data_files import get_data_patterns, resolve_pattern

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "dataset_files"
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
CLASS_LABELS = Features({
    "id": Value("string"),
    "tokens": List(Value("string")),
    "ner_tags": List(ClassLabel(names=NAMES)),
})

TRAIN = [
    (["Jo", "Müller", "walks", "to", "Zürich"], [1, 2, 0, 0, 3]),
    (["Nobody", "minds", "."], [0, 0, 0]),
    ([], []),
    (["New", "Ulm", "sleeps"], [3, 4, 0]),
    (["\u200e", "", "走る"], [0, 0, 0]),
]
VALIDATION = [(["Ada", "reads"], [1, 0])]
TEST = [(["Lake", "Geneva"], [3, 4]), (["Ada"], [1])]

# Folders as users have them; `datasets` says which file belongs to which split.
FOLDERS = [
    ["train.jsonl", "validation.jsonl", "test.jsonl"],
    ["train.jsonl", "dev.jsonl"],
    ["train.jsonl", "valid.jsonl", "eval.jsonl"],
    ["train.conll", "val.conll", "testing.conll"],
    ["data/train.json", "data/dev.json", "data/test.json"],
    ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/dev_a-00000-of-00001.parquet"],
    ["train/a.jsonl", "train/b.jsonl", "dev/a.jsonl"],
    ["en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"],
    ["wiki.train.conll", "wiki.dev.conll"],
    ["my_training_set.csv", "my_evaluation_set.csv"],
    ["train1.json", "train2.json", "test1.json"],
    ["trains.json", "contest.json"],
    ["a.jsonl", "b.jsonl"],
    ["corpus.jsonl"],
    ["Train.jsonl", "TEST.jsonl"],
    ["train_a/x.jsonl", "test-b/x.jsonl", "other/x.jsonl"],
    ["train.jsonl", "spare.jsonl"],
    [".hidden/train.jsonl", "__pycache__/dev.jsonl", "test.jsonl"],
    ["deep/er/train.jsonl", "deep/er/val.jsonl"],
]


def table(rows, features=CLASS_LABELS):
    return Dataset.from_dict(
        {
            "id": [str(index) for index in range(len(rows))],
            "tokens": [words for words, _ in rows],
            "ner_tags": [tags for _, tags in rows],
        },
        features=features,
    )


def expected(rows, names=NAMES):
    return [[words, [names[tag] for tag in tags] if names else [str(tag) for tag in tags]] for words, tags in rows]


def lists(rows, word_type, tag_type, large=False):
    make = pa.large_list if large else pa.list_
    return pa.table({
        "tokens": pa.array([words for words, _ in rows], make(word_type)),
        "ner_tags": pa.array([tags for _, tags in rows], make(tag_type)),
    })


def write_stream(table, file, kind=pa.ipc.new_stream):
    with kind(str(file), table.schema) as writer:
        writer.write_table(table)


def described(table, features):
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write(folder):
    """Writes all files under `folder` and returns what is in them."""
    saved = {"train": table(TRAIN), "validation": table(VALIDATION), "test": table(TEST)}
    DatasetDict(saved).save_to_disk(folder / "saved", num_shards={"train": 2, "validation": 1, "test": 1})
    table(VALIDATION).save_to_disk(folder / "single")
    for state in folder.rglob("state.json"):
        # The fingerprint differs from run to run and says nothing about the rows.
        text = json.loads(state.read_text()) | {"_fingerprint": "0"}
        state.write_text(json.dumps(text, indent=2, sort_keys=True))
    table(TRAIN).to_parquet(folder / "class_label.parquet")

    strings = [(words, [NAMES[tag] for tag in tags]) for words, tags in TRAIN]
    pq.write_table(lists(strings, pa.large_string(), pa.large_string(), large=True), folder / "large_strings.parquet")
    pq.write_table(lists(strings, pa.string_view(), pa.string()), folder / "string_view.parquet", compression="gzip")
    pq.write_table(lists(TRAIN, pa.string(), pa.uint8()), folder / "integers.parquet", row_group_size=2)
    flipped = lists(TRAIN, pa.string(), pa.int16()).select(["ner_tags", "tokens"])
    pq.write_table(flipped, folder / "flipped.parquet", compression="none")
    label = {"names": NAMES, "_type": "ClassLabel"}
    sequence = {"ner_tags": {"feature": label, "length": -1, "_type": "Sequence"}}
    write_stream(described(lists(TRAIN, pa.string(), pa.int64()), sequence), folder / "sequence.arrow")
    write_stream(described(lists(TRAIN, pa.string(), pa.int64()), {"ner_tags": [label]}), folder / "bracket.arrow")
    write_stream(lists(TRAIN, pa.string(), pa.int32()), folder / "file_format.arrow", pa.ipc.new_file)

    # What must be refused, and at which row.
    broken = {
        "null_word": lists([(["a"], [0]), (["b", None], [0, 0])], pa.string(), pa.int64()),
        "null_label": lists([(["a"], [0]), (["b"], [None])], pa.string(), pa.int64()),
        "null_list": lists([(["a"], [0]), (None, [0])], pa.string(), pa.int64()),
        "lengths": lists([(["a"], [0]), (["a", "b"], [0])], pa.string(), pa.int64()),
        "no_name": described(lists([(["a"], [0]), (["b"], [9])], pa.string(), pa.int64()), {"ner_tags": [label]}),
        "unlabeled": described(lists([(["a"], [0]), (["b"], [-1])], pa.string(), pa.int64()), {"ner_tags": [label]}),
        "plain_text": pa.table({"text": ["a b", "c"], "ner_tags": [[0, 0], [0]]}),
        "one_column": pa.table({"tokens": [["a"]]}),
        "no_rows": lists([], pa.string(), pa.int64()),
    }
    for name, content in broken.items():
        pq.write_table(content, folder / f"broken_{name}.parquet")

    rows = {
        "class_label.parquet": ("ClassLabel", expected(TRAIN)),
        "large_strings.parquet": ("Strings", expected(TRAIN)),
        "string_view.parquet": ("Strings", expected(TRAIN)),
        "integers.parquet": ("Integers", expected(TRAIN, None)),
        "flipped.parquet": ("Integers", expected(TRAIN, None)),
        "sequence.arrow": ("ClassLabel", expected(TRAIN)),
        "bracket.arrow": ("ClassLabel", expected(TRAIN)),
        "file_format.arrow": ("Integers", expected(TRAIN, None)),
        "saved/train": ("ClassLabel", expected(TRAIN)),
        "saved/validation": ("ClassLabel", expected(VALIDATION)),
        "saved/test": ("ClassLabel", expected(TEST)),
        "single": ("ClassLabel", expected(VALIDATION)),
    }
    return {
        "datasets": datasets.__version__,
        "pyarrow": pa.__version__,
        "names": NAMES,
        "files": {file: {"kind": kind, "rows": rows} for file, (kind, rows) in rows.items()},
        "folders": [{"files": files, "splits": splits_of(files)} for files in FOLDERS],
    }


def splits_of(files):
    """Which files `load_dataset` would put into which split."""
    with tempfile.TemporaryDirectory() as base:
        for file in files:
            path = Path(base, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        patterns = get_data_patterns(base)
        found = {}
        for split, of_split in patterns.items():
            paths = set()
            for pattern in of_split:
                try:
                    paths |= set(resolve_pattern(pattern, base))
                except FileNotFoundError:
                    continue
            found[str(split)] = sorted(str(Path(path).relative_to(os.path.realpath(base))) for path in paths)
        return found


def read_back(folder, expect):
    """What is in the files, by way of `load_dataset` where it can load them."""
    cache = tempfile.mkdtemp()
    try:
        for split, loaded in load_dataset(str(folder / "saved"), cache_dir=cache).items():
            label = loaded.features["ner_tags"].feature
            rows = [[row["tokens"], [label.int2str(tag) for tag in row["ner_tags"]]] for row in loaded]
            assert rows == expect["files"][f"saved/{split}"]["rows"], f"saved/{split}"
        for file in ["class_label.parquet", "large_strings.parquet", "integers.parquet", "sequence.arrow"]:
            kind = file.rsplit(".")[-1]
            loaded = load_dataset(kind, data_files=str(folder / file), cache_dir=cache, split="train")
            label = getattr(loaded.features["ner_tags"], "feature", None)
            name = label.int2str if isinstance(label, ClassLabel) else str
            rows = [[row["tokens"], [name(tag) for tag in row["ner_tags"]]] for row in loaded]
            assert rows == expect["files"][file]["rows"], file
    finally:
        shutil.rmtree(cache)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        expect = write(folder)
        read_back(folder, expect)
        (folder / "expect.json").write_text(json.dumps(expect, indent=1, ensure_ascii=False) + "\n")
        new = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if check:
        old = {str(path.relative_to(GOLDEN)): path.read_bytes() for path in GOLDEN.rglob("*") if path.is_file()}
        differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        sys.exit(f"differ: {differing}" if differing else 0)
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for name, content in new.items():
        path = GOLDEN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
