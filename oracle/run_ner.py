"""What run_ner.py makes of a toy language with the model of golden/models/bert: golden/run_ner/.

The folder holds the tokenizer and the data that are given, and expect.json: for each command line the log of
transformers' Trainer, the results of evaluation and prediction, and the labels predicted for each word. The
steps between are run_ner.py's: the first piece of a word is labeled (or all are), sentences are truncated, seqeval
scores what is labeled. Times are left out. The model has no dropout, so nothing is random but the order of the data.

    python run_ner.py            write golden/run_ner
    python run_ner.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from seqeval.metrics import accuracy_score, classification_report
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
FOLDER = GOLDEN / "run_ner"
IGNORE = -100

PIECES = "[PAD] [UNK] [CLS] [SEP] jo ann lee kim in at from to lives works near mill lake ##ville ##s the".split()

# A place follows `in`, `at`, `from`, `to`, `near` and `the`; names are names.
SENTENCES = [
    ("jo lives in millville", "B-PER O O B-LOC"),
    ("ann lee works at lake mill", "B-PER I-PER O O B-LOC I-LOC"),
    ("kim works near the lakes", "B-PER O O O B-LOC"),
    ("lee lives at mill lake", "B-PER O O B-LOC I-LOC"),
    ("the mills", "O B-LOC"),
    ("jo kim works in lakeville", "B-PER I-PER O O B-LOC"),
    ("from mill to lake", "O B-LOC O B-LOC"),
    ("ann lives near jo", "B-PER O O B-PER"),
    ("near millvilles lives kim lee", "O B-LOC O B-PER I-PER"),
    ("the lake", "O B-LOC"),
]

# Options of run_ner.py and of TrainingArguments; one process, no accumulation, where versions 4 and 5 agree.
LINES = [
    "--num_train_epochs 8 --learning_rate 1e-2 --per_device_train_batch_size 4 --per_device_eval_batch_size 3 "
    "--warmup_steps 2 --weight_decay 0.01 --logging_steps 2 --eval_strategy epoch --save_strategy no --seed 7",
    "--max_steps 17 --learning_rate 1e-2 --per_device_train_batch_size 3 --lr_scheduler_type cosine --warmup_steps 0.2 "
    "--label_smoothing_factor 0.1 --max_grad_norm 0.5 --adam_beta2 0.98 --logging_steps 1 --save_strategy no "
    "--data_seed 11",
    "--num_train_epochs 8 --learning_rate 1e-2 --per_device_train_batch_size 5 --logging_strategy epoch "
    "--save_strategy no --label_all_tokens --max_seq_length 6 --return_entity_level_metrics",
]


def tokenizer_json():
    def special(number):
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        return {"id": number, "content": PIECES[number], **flags}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(number) for number in range(4)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: number for number, piece in enumerate(PIECES)},
        },
    }


TOKENIZER_CONFIG = {
    "model_max_length": 16,
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
}


def inputs():
    """The files that are given."""
    rows = [{"words": words.split(), "ner": tags.split()} for words, tags in SENTENCES]
    return {
        "tokenizer.json": json.dumps(tokenizer_json(), indent=1) + "\n",
        "tokenizer_config.json": json.dumps(TOKENIZER_CONFIG, indent=1) + "\n",
        "data.json": "".join(json.dumps(row) + "\n" for row in rows),
    }


def encode(tokenizer, labels, options):
    """The data as run_ner.py tokenizes and aligns it."""
    rows = []
    for words, tags in SENTENCES:
        encoding = tokenizer(
            words.split(), is_split_into_words=True, truncation=True, max_length=options.max_seq_length
        )
        numbers = [labels.index(tag) for tag in tags.split()]
        inside = [labels.index(tag.replace("B-", "I-")) for tag in tags.split()]
        previous, row_labels = None, []
        for word in encoding.word_ids():
            if word is None:
                row_labels.append(IGNORE)
            elif word != previous:
                row_labels.append(numbers[word])
            else:
                row_labels.append(inside[word] if options.label_all_tokens else IGNORE)
            previous = word
        rows.append({"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"], "labels": row_labels})
    return Dataset.from_list(rows)


def metrics_of(labels, options):
    def names(predictions, gold):
        pairs = [[(labels[p], labels[g]) for p, g in zip(ps, gs) if g != IGNORE] for ps, gs in zip(predictions, gold)]
        return [[p for p, _ in row] for row in pairs], [[g for _, g in row] for row in pairs]

    def compute(output):
        predictions, gold = names(np.argmax(output[0], axis=2), output[1])
        report = classification_report(gold, predictions, output_dict=True, zero_division=0)
        micro = report["micro avg"]
        overall = {
            "precision": micro["precision"],
            "recall": micro["recall"],
            "f1": micro["f1-score"],
            "accuracy": accuracy_score(gold, predictions),
        }
        if not options.return_entity_level_metrics:
            return overall
        types = {}
        for name, scores in report.items():
            if not name.endswith(" avg"):
                types |= {f"{name}_{key}": scores[column] for key, column in
                          [("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"), ("number", "support")]}
        return types | {f"overall_{name}": value for name, value in overall.items()}

    return names, compute


def plain(record):
    """Without times, and as JSON has it."""
    times = ("_runtime", "_per_second", "preparation_time")
    return {
        name: (value.item() if hasattr(value, "item") else value)
        for name, value in record.items()
        if not name.endswith(times)
    }


def run(line, folder):
    """One run of run_ner.py with --do_train --do_eval --do_predict, all on the same data."""
    own = argparse.ArgumentParser()
    own.add_argument("--max_seq_length", type=int)
    own.add_argument("--label_all_tokens", action="store_true")
    own.add_argument("--return_entity_level_metrics", action="store_true")
    options, rest = own.parse_known_args(line.split())
    (training,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(
        rest + ["--output_dir", str(folder / "out"), "--use_cpu", "--disable_tqdm", "true"], look_for_args_file=False
    )
    set_seed(training.seed)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = AutoModelForTokenClassification.from_pretrained(GOLDEN / "models" / "bert")
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    data = encode(tokenizer, labels, options)
    names, compute = metrics_of(labels, options)
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=data,
        eval_dataset=data,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=compute,
    )
    trained = trainer.train().metrics
    evaluated = trainer.evaluate()
    predicted = trainer.predict(data, metric_key_prefix="predict")
    predictions, _ = names(np.argmax(predicted.predictions, axis=2), predicted.label_ids)
    return {
        "line": line,
        "log": [plain(record) for record in trainer.state.log_history],
        "train": plain(trained),
        "eval": plain(evaluated),
        "predict": plain(predicted.metrics),
        "predictions": [" ".join(row) for row in predictions],
    }


def close(got, want):
    """The same apart from rounding, which depends on the machine."""
    if isinstance(want, dict):
        return isinstance(got, dict) and got.keys() == want.keys() and all(close(got[k], want[k]) for k in want)
    if isinstance(want, list):
        return len(got) == len(want) and all(map(close, got, want))
    if isinstance(want, float):
        return math.isclose(got, want, rel_tol=1e-4, abs_tol=1e-6)
    return got == want


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="compare with the golden files instead of writing them")
    check = options.parse_args().check
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    given, wrong = inputs(), []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in given.items():
        if not check:
            (FOLDER / name).write_text(text, encoding="utf-8")
        elif (FOLDER / name).read_text(encoding="utf-8") != text:
            wrong.append(name)
    with tempfile.TemporaryDirectory() as folder:
        runs = [run(line, Path(folder)) for line in LINES]
    expect = FOLDER / "expect.json"
    if not check:
        expect.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    elif not close(json.loads(json.dumps(runs)), json.loads(expect.read_text(encoding="utf-8"))):
        wrong.append(expect.name)
    print("different: " + ", ".join(wrong) if wrong else "golden/run_ner: the same" if check else "written")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
