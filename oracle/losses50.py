"""Fifty steps of the Hugging Face Trainer on a real model, for comparison step by step.

    python losses50.py MODEL TRAIN.conll START LOSSES.json

writes START, a checkpoint of MODEL with a freshly drawn head, the label names of TRAIN.conll and all dropout off, and
LOSSES.json, what the Trainer logs when it trains START for fifty steps in float32: batches of eight in its own order
of seed 42, learning rate 5e-5 decaying linearly to zero, no warm-up, no weight decay, clipping at 1. A program that
starts from START with these settings must log the same numbers.

    python losses50.py MODEL TRAIN.conll START LOSSES.json --check

trains START again, as it lies there, and compares with LOSSES.json; exit status 1 on a difference.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

STEPS, BATCH_SIZE, LEARNING_RATE, SEED, IGNORE = 50, 8, 5e-5, 42, -100
# Relative; another thread count sums in another order, and fifty steps amplify it.
TOLERANCE = 1e-3


def read_conll(path: Path) -> list[tuple[list[str], list[str]]]:
    sentences, words, tags = [], [], []
    for line in [*path.read_text(encoding="utf-8").split("\n"), ""]:
        if line.strip() and not line.startswith("-DOCSTART-"):
            columns = line.split("\t") if "\t" in line else line.split()
            words.append(columns[0])
            tags.append(columns[-1])
        elif words:
            sentences.append((words, tags))
            words, tags = [], []
    return sentences


def write_start(model_folder: Path, sentences: list, start: Path) -> None:
    names = sorted({tag for _, tags in sentences for tag in tags})
    config = AutoConfig.from_pretrained(
        model_folder, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    for key in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if hasattr(config, key):
            setattr(config, key, 0.0)
    if getattr(config, "classifier_dropout", None) is not None:
        config.classifier_dropout = 0.0
    set_seed(SEED)
    AutoModelForTokenClassification.from_pretrained(model_folder, config=config).save_pretrained(start)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(start)


def encode(sentences: list, tokenizer, label2id: dict[str, int]) -> Dataset:
    encoded = tokenizer([words for words, _ in sentences], is_split_into_words=True, truncation=True)
    labels = []
    for i, (_, tags) in enumerate(sentences):
        previous, row = None, []
        for word in encoded.word_ids(i):
            first = word is not None and word != previous
            row.append(label2id[tags[word]] if first else IGNORE)
            previous = word
        labels.append(row)
    columns = ("input_ids", "attention_mask", "token_type_ids")
    return Dataset.from_dict({c: encoded[c] for c in columns if c in encoded} | {"labels": labels})


class CountingCollator(DataCollatorForTokenClassification):
    """Notes each batch's pieces and counted labels, which say at once whether two programs batch alike."""

    def torch_call(self, features):
        batch = super().torch_call(features)
        SEEN.append((int(batch["attention_mask"].sum()), int((batch["labels"] != IGNORE).sum())))
        return batch


SEEN: list[tuple[int, int]] = []


def losses(start: Path, sentences: list) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = AutoModelForTokenClassification.from_pretrained(start)
    SEEN.clear()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                scratch,
                max_steps=STEPS,
                per_device_train_batch_size=BATCH_SIZE,
                learning_rate=LEARNING_RATE,
                seed=SEED,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=encode(sentences, tokenizer, model.config.label2id),
            data_collator=CountingCollator(tokenizer),
        )
        trainer.train()
    log = [record for record in trainer.state.log_history if "loss" in record]
    assert len(log) == STEPS, log
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "settings": {"steps": STEPS, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE, "seed": SEED},
        "sentences": len(sentences),
        "losses": [float(record["loss"]) for record in log],
        "grad_norms": [float(record["grad_norm"]) for record in log],
        "learning_rates": [float(record["learning_rate"]) for record in log],
        "pieces": [pieces for pieces, _ in SEEN[:STEPS]],
        "counted": [counted for _, counted in SEEN[:STEPS]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("start", type=Path)
    parser.add_argument("losses", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sentences = read_conll(arguments.train)
    if arguments.check:
        want, got = json.loads(arguments.losses.read_text()), losses(arguments.start, sentences)
        bad = [key for key in ("sentences", "pieces", "counted") if want[key] != got[key]]
        for key in ("losses", "grad_norms", "learning_rates"):
            if not all(abs(g - w) <= TOLERANCE * abs(w) + 1e-12 for g, w in zip(got[key], want[key], strict=True)):
                bad.append(key)
        print(f"differs: {', '.join(bad)}" if bad else "equal")
        sys.exit(1 if bad else 0)
    write_start(arguments.model, sentences, arguments.start)
    arguments.losses.write_text(json.dumps(losses(arguments.start, sentences), indent=1) + "\n")


if __name__ == "__main__":
    main()
