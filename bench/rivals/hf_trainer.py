"""The Hugging Face Trainer on a CoNLL file: what tagsmith is raced against. Prints one JSON line.

sub_tokens counts what the model really read, padding apart; seconds is training alone; peak_mb is the whole process.
"""

import argparse
import json
import resource
import time

import numpy as np
import torch
from datasets import Dataset
from seqeval.metrics import f1_score
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)


def sentences(path):
    """Words and tags: first and last column, a sentence ends at a line of white space."""
    words, tags = [], []
    with open(path, encoding="utf-8") as lines:
        for line in [*lines, "\n"]:
            columns = line.rstrip("\n").split("\t") if "\t" in line.rstrip("\n") else line.split()
            if line.strip() and columns[0] != "-DOCSTART-":
                words.append(columns[0])
                tags.append(columns[-1])
            elif not line.strip() and words:
                yield words, tags
                words, tags = [], []


class SubTokens:
    """Adds up the pieces of every batch that the collator makes."""

    def __init__(self, collator):
        self.collator, self.count = collator, 0

    def __call__(self, rows):
        self.count += sum(len(row["input_ids"]) for row in rows)
        return self.collator(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "train", "dev"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--group", action="store_true", help="batches of like length")
    parser.add_argument("--output", default="hf_trainer_out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    train, dev = list(sentences(options.train)), list(sentences(options.dev))
    labels = sorted({tag for _, tags in train for tag in tags})
    ids = {label: i for i, label in enumerate(labels)}
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    set_seed(options.seed)
    config = AutoConfig.from_pretrained(
        options.model, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id=ids
    )
    model = AutoModelForTokenClassification.from_pretrained(options.model, config=config)

    def encode(part):
        pieces = tokenizer([words for words, _ in part], is_split_into_words=True, truncation=True)
        rows = []
        for number, (_, tags) in enumerate(part):
            before, row = None, []
            for word in pieces.word_ids(number):
                row.append(-100 if word is None or word == before else ids.get(tags[word], ids["O"]))
                before = word
            rows.append(row)
        return Dataset.from_dict(
            {"input_ids": pieces["input_ids"], "attention_mask": pieces["attention_mask"], "labels": rows}
        )

    def metrics(output):
        best = np.argmax(output.predictions, axis=2)
        kept = output.label_ids != -100
        names = [[[labels[i] for i in row[mask]] for row, mask in zip(m, kept)] for m in (output.label_ids, best)]
        return {"f1": f1_score(*names)}

    settings = {"train_sampling_strategy": "group_by_length"} if options.group else {}
    arguments = TrainingArguments(
        options.output, per_device_train_batch_size=options.batch, per_device_eval_batch_size=options.batch,
        num_train_epochs=options.epochs, max_steps=options.max_steps, seed=options.seed, use_cpu=True,
        bf16=options.bf16, save_strategy="no", report_to="none", disable_tqdm=True, **settings,
    )
    collator = SubTokens(DataCollatorForTokenClassification(tokenizer))
    trainer = Trainer(model=model, args=arguments, train_dataset=encode(train), eval_dataset=encode(dev),
                      data_collator=collator, compute_metrics=metrics)
    start = time.time()
    outcome = trainer.train()
    result = {"seconds": time.time() - start, "steps": outcome.global_step, "sub_tokens": collator.count,
              "train_loss": outcome.training_loss,
              "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if options.max_steps < 0:
        result["dev_f1"] = trainer.evaluate()["eval_f1"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
