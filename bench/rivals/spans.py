"""The original's span taggers in PyTorch on a CPU: the rival of `tagsmith train-spans`.

The model, the collator and the losses are those of `oracle/span_model.py`, dense and padded as the original's; the loop
is the original's too: AdamW with decay 0.01 on everything, linear warm-up and fall, clip 10, label vectors encoded anew
for every batch. A seed draws the head and the orders of texts and labels that it draws in tagsmith. It reads the same
JSON file and JSON lines, and prints one JSON line: seconds a step, and for each of the files of `test_file` seconds and
figures, counted as the original does: gold that no span can represent is left out.

    python bench/rivals/spans.py CONFIG.json [--steps N] [--texts N] [--threads N] [--seed N]
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, get_linear_schedule_with_warmup

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "oracle"))
from span_model import LABEL, THRESHOLD, SpanModel, collate, draw_head, loss_of, score  # noqa: E402

# Of the seeds of label orders.
PRIME = 1_000_003


def permuted(items, seed):
    """In the order that PyTorch draws; of a seed its low 32 bits count."""
    generator = torch.Generator().manual_seed(seed % 2**32)
    return [items[n] for n in torch.randperm(len(items), generator=generator).tolist()]


def read(files, format):
    content, spans = {"text": ("text", "char_spans"), "tokens": ("tokens", "token_spans")}[format]
    examples = []
    for file in [files] if isinstance(files, str) else files:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            entities = [(span["start"], span["end"], span["label"]) for span in record[spans]]
            examples.append((record[content], entities))
    return examples


class Run:
    def __init__(self, config, seed):
        self.config, self.seed, self.losses = config, seed, []
        name = config["architecture"]
        self.cross, self.contrastive = "cross" in name, "contrastive" in name
        self.tokenizer = AutoTokenizer.from_pretrained(config["token_encoder"])
        token_encoder = AutoModel.from_pretrained(config["token_encoder"])
        type_encoder = None
        if self.cross:
            added = [LABEL, THRESHOLD] if self.contrastive else [LABEL]
            self.tokenizer.add_special_tokens({"additional_special_tokens": added})
            token_encoder.resize_token_embeddings(len(self.tokenizer))
        else:
            self.type_tokenizer = AutoTokenizer.from_pretrained(config["type_encoder"])
            type_encoder = AutoModel.from_pretrained(config["type_encoder"])
        self.model = SpanModel(token_encoder, type_encoder, config)
        draw_head(self.model, seed)

    def batch(self, examples, labels):
        config = self.config
        batch = collate(
            examples,
            self.tokenizer,
            labels,
            cross=self.cross,
            contrastive=self.contrastive,
            format=config["annotation_format"],
            masking=config["loss_masking"],
            longest=config["max_span_length"],
            max_length=config["max_seq_length"],
        )
        if self.cross:
            return batch, None
        return batch, dict(self.type_tokenizer(labels, padding="longest", truncation=True, max_length=64, return_tensors="pt"))

    def groups(self):
        """The text encoder, the label encoder and the rest, each with the rate that the configuration gives it."""
        rate = self.config["learning_rate"]
        rates = {
            "token_encoder.": rate,
            "type_encoder.": self.config.get("type_encoder_learning_rate") or rate,
            "": self.config.get("linear_layers_learning_rate") or rate,
        }
        groups = {prefix: [] for prefix in rates}
        for name, parameter in self.model.named_parameters():
            groups[next(prefix for prefix in rates if name.startswith(prefix))].append(parameter)
        return [{"params": parameters, "lr": rates[prefix]} for prefix, parameters in groups.items() if parameters]

    def train(self, examples, steps):
        config = self.config
        optimizer = torch.optim.AdamW(self.groups(), lr=config["learning_rate"], weight_decay=0.01)
        scheduler = get_linear_schedule_with_warmup(optimizer, config["warmup_steps"], config["max_steps"])
        self.model.train()
        size, seconds, done = config["per_device_train_batch_size"], [], 0
        for epoch in itertools.count():
            if done == steps:
                break
            order = permuted(examples, self.seed + epoch)
            for first in range(0, len(order), size):
                chosen = order[first : first + size]
                labels = list(dict.fromkeys(label for _, spans in chosen for _, _, label in spans))
                if not labels:
                    continue
                began = time.perf_counter()
                labels = permuted(labels, ((self.seed * PRIME) + epoch) * PRIME + first // size)
                batch, label_batch = self.batch(chosen, labels)
                optimizer.zero_grad()
                loss = loss_of(self.model(batch, label_batch), batch, config)
                loss.backward()
                self.losses.append(loss.item())
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
                optimizer.step()
                scheduler.step()
                seconds.append(time.perf_counter() - began)
                done += 1
                if done == steps:
                    break
        # The first steps allocate.
        return sum(seconds[2:]) / max(1, len(seconds) - 2)

    @torch.no_grad()
    def evaluate(self, examples):
        self.model.eval()
        labels = sorted({label for _, spans in examples for _, _, label in spans})
        threshold = self.config["prediction_threshold"]
        threshold = None if isinstance(threshold, str) else threshold
        extra = int(self.cross and self.contrastive)
        gold, predicted, lost = [], [], 0
        began = time.perf_counter()
        for first in range(0, len(examples), 12):
            chosen = examples[first : first + 12]
            batch, label_batch = self.batch(chosen, labels)
            probabilities = torch.sigmoid(self.model(batch, label_batch)["span"])
            bar = probabilities[..., :1] if threshold is None else threshold
            kept = (probabilities > bar) & (batch["span_mask"] > 0).unsqueeze(1)
            spans = batch["spans"].tolist()
            for row in range(len(chosen)):
                candidates = [
                    (-probabilities[row, kind, n].item(), *spans[n], kind) for kind, n in kept[row].nonzero().tolist()
                ]
                taken, entities = set(), set()
                for _, i, j, kind in sorted(candidates):
                    if taken.isdisjoint(range(i, j + 1)):
                        taken.update(range(i, j + 1))
                        entities.add((i - extra, j - extra, labels[kind]))
                predicted.append(entities)
            gold += batch["mapped"]
            lost += batch["lost"]
        seconds = time.perf_counter() - began
        return score(gold, predicted) | {"lost": lost, "texts": len(examples), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--texts", type=int, help="texts of each evaluated file")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    config = json.loads(Path(args.config).read_text())
    config.setdefault("architecture", Path(args.config).stem)
    run = Run(config, args.seed)
    format = config["annotation_format"]
    report = {"architecture": config["architecture"], "seed": args.seed}
    report["seconds_per_step"] = run.train(read(config["train_file"], format), args.steps or config["max_steps"])
    files = config["test_file"]
    report["tests"] = {file: run.evaluate(read(file, format)[: args.texts]) for file in ([files] if isinstance(files, str) else files)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
