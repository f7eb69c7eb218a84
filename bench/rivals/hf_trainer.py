"""The Hugging Face Trainer on a CoNLL file: what tagsmith is raced against. Prints one JSON line.

    python bench/rivals/hf_trainer.py --model MODEL --train train.conll --dev dev.conll --max-steps 60 [--bf16 --group]

sub_tokens counts what the model really read, padding apart; flos is the Trainer's own count of operations, padding
included; seconds is training alone; peak_mb is the whole process. --count makes the batches and trains nothing.
"""

import argparse
import itertools
import json
import resource
import time

import numpy as np
import torch
from conll import labels as labels_of
from conll import sentences
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
from transformers.trainer_pt_utils import LengthGroupedSampler


class Racer(Trainer):
    """Counts the pieces that the model reads, and groups by length from seed + epoch, as the Trainer's sampler for
    several processes does. Alone it draws from the global generator, which head and dropout have moved: an order that
    no other program can repeat. Its cost is the same."""

    sub_tokens = 0

    def _get_train_sampler(self, *rows):
        sampler = super()._get_train_sampler(*rows)
        if isinstance(sampler, LengthGroupedSampler):

            def set_epoch(epoch):
                sampler.generator = torch.Generator().manual_seed(self.args.seed + epoch)

            sampler.set_epoch = set_epoch
        return sampler

    def training_step(self, model, inputs, *rest):
        self.sub_tokens += int(inputs["attention_mask"].sum())
        return super().training_step(model, inputs, *rest)

    def count(self):
        """What `train` would read in `max_steps` batches."""
        loader, left, epoch = self.get_train_dataloader(), self.args.max_steps, 0
        sub_tokens, flos = 0, 0
        while left > 0:
            loader.set_epoch(epoch)
            for batch in itertools.islice(loader, left):
                sub_tokens += int(batch["attention_mask"].sum())
                flos += self.floating_point_ops(batch)
                left -= 1
            epoch += 1
        return {"sub_tokens": sub_tokens, "flos": flos}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "train", "dev"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--gpu", action="store_true", help="on the first GPU, with SDPA")
    parser.add_argument("--group", action="store_true", help="batches of like length")
    parser.add_argument("--count", action="store_true", help="count the batches of --max-steps, train nothing")
    parser.add_argument("--output", default="hf_trainer_out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    train, dev = list(sentences(options.train)), list(sentences(options.dev))
    labels = labels_of(train)
    ids = {label: i for i, label in enumerate(labels)}
    set_seed(options.seed)
    config = AutoConfig.from_pretrained(
        options.model, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id=ids
    )
    model = AutoModelForTokenClassification.from_pretrained(options.model, config=config)
    spaces = {"add_prefix_space": True} if config.model_type in ("roberta", "longformer") else {}
    tokenizer = AutoTokenizer.from_pretrained(options.model, **spaces)

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
        num_train_epochs=options.epochs, max_steps=options.max_steps, seed=options.seed, use_cpu=not options.gpu,
        bf16=options.bf16, save_strategy="no", report_to="none", disable_tqdm=True, **settings,
    )
    trainer = Racer(model=model, args=arguments, train_dataset=encode(train), eval_dataset=encode(dev),
                    data_collator=DataCollatorForTokenClassification(tokenizer), compute_metrics=metrics)
    if options.count:
        print(json.dumps(trainer.count()))
        return
    start = time.time()
    outcome = trainer.train()
    result = {"seconds": time.time() - start, "steps": outcome.global_step, "sub_tokens": trainer.sub_tokens,
              "flos": trainer.state.total_flos, "train_loss": outcome.training_loss,
              "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if options.max_steps < 0:
        result["dev_f1"] = trainer.evaluate()["eval_f1"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
