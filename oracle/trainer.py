"""What the Trainer does as time passes: golden/trainer/rules.json and golden/trainer/runs.jsonl.

    python oracle/trainer.py           writes the golden files
    python oracle/trainer.py --check   derives them again and compares

The inputs are made here; the numbers are torch's, numpy's and transformers' (oracle/requirements.txt has the versions).
"""

import contextlib
import io
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
from transformers import BertConfig, BertForTokenClassification, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers import EarlyStoppingCallback, ProgressCallback
from transformers.modelcard import TrainingSummary, make_markdown_table, parse_log_history
from transformers.optimization import get_scheduler
from transformers.trainer_pt_utils import get_length_grouped_indices
from transformers.trainer_utils import rotate_checkpoints
from transformers.utils import logging

logging.set_verbosity_error()
torch.set_num_threads(1)
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "trainer")


def schedules():
    """Multipliers of get_scheduler, read off an optimizer whose rate is 1 (or 0.5 where the rate matters)."""
    plain = [(0, 10), (2, 10), (3, 7), (10, 10), (12, 10), (0, 1), (5, 40)]
    cases = []
    for name in ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"]:
        cases += [(name, w, t, {}) for w, t in plain]
    cases += [
        ("cosine", 2, 20, {"num_cycles": 1.5}),
        ("cosine_with_restarts", 2, 20, {"num_cycles": 3}),
        ("polynomial", 2, 20, {"power": 2.0}),
        ("polynomial", 2, 20, {"power": 0.5, "lr_end": 0.01}),
        ("inverse_sqrt", 4, 20, {"timescale": 7}),
        ("cosine_with_min_lr", 3, 20, {"min_lr_rate": 0.1}),
        ("cosine_with_min_lr", 3, 20, {"min_lr": 0.05, "num_cycles": 1.0}),
        ("cosine_warmup_with_min_lr", 4, 20, {"min_lr_rate": 0.1}),
        ("cosine_warmup_with_min_lr", 4, 20, {"min_lr": 0.05, "warmup_lr_rate": 0.2}),
        ("cosine_warmup_with_min_lr", 1, 20, {"min_lr_rate": 0.1, "warmup_lr_rate": 0.2}),
        ("warmup_stable_decay", 3, 20, {"num_decay_steps": 5}),
        ("warmup_stable_decay", 3, 20, {"num_decay_steps": 5, "warmup_type": "cosine", "decay_type": "linear", "min_lr_ratio": 0.1}),
        ("warmup_stable_decay", 3, 20, {"num_decay_steps": 5, "warmup_type": "1-sqrt", "decay_type": "1-sqrt"}),
        ("warmup_stable_decay", 3, 20, {"num_decay_steps": 30, "num_cycles": 1.5}),
        ("warmup_stable_decay", 3, 20, {"num_decay_steps": 5, "num_stable_steps": 4}),
    ]
    rows = []
    for name, warmup, total, kwargs in cases:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        scheduler = get_scheduler(name, optimizer, warmup, total, kwargs)
        rates = []
        for step in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            if step + 1 < total:  # polynomial divides by zero at s = W = T
                optimizer.step()
                scheduler.step()
        rows.append({"name": name, "learning_rate": 0.5, "warmup": warmup, "total": total, "kwargs": kwargs, "rates": rates})
    return rows


def plateaus():
    rng = np.random.default_rng(5)
    falling = [1.0, 0.9, 0.9, 0.91, 0.92, 0.8, 0.85, 0.86, 0.87, 0.88, 0.88, 0.87, 0.9, 0.7, 0.9, 0.9, 0.9, 0.9]
    noisy = [round(float(x), 3) for x in rng.random(40)]
    cases = [
        ({"patience": 1}, falling),
        ({"patience": 0, "factor": 0.5, "min_lr": 1e-3}, falling),
        ({"patience": 1, "cooldown": 2}, falling),
        ({"mode": "max", "patience": 2, "factor": 0.5}, noisy),
        ({"mode": "max", "patience": 1, "threshold": 0.05, "threshold_mode": "abs"}, noisy),
        ({"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "factor": 0.9}, noisy),
        ({}, noisy),
    ]
    rows = []
    for kwargs, metrics in cases:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
        scheduler = get_scheduler("reduce_lr_on_plateau", optimizer, scheduler_specific_kwargs=kwargs)
        rates = []
        for metric in metrics:
            optimizer.step()
            scheduler.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        rows.append({"learning_rate": 0.02, "kwargs": kwargs, "metrics": metrics, "rates": rates})
    return rows


def permutations():
    rows = []
    for seed in [0, 1, 7, 42, 123456789, 2**32 - 1, 2**32 + 5]:
        for n in [0, 1, 2, 10, 50] + [700] * (seed in [42, 2**32 + 5]):
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
            rows.append({"seed": seed, "torch": order, "numpy": np.random.default_rng(seed).permutation(n).tolist()})
    return rows


def grouped_orders():
    rows = []
    for n, batch, seed in [(1, 2, 3), (7, 2, 42), (33, 2, 43), (100, 8, 7), (250, 1, 9)]:
        lengths = np.random.default_rng(n).integers(1, 30, n).tolist()
        generator = torch.Generator().manual_seed(seed)
        rows.append({"lengths": lengths, "batch": batch, "seed": seed, "order": get_length_grouped_indices(lengths, batch, generator=generator)})
    return rows


class Examples(torch.utils.data.Dataset):
    """Sentences of token ids; sentence i begins with the id i + 1, so that an order can be read off the batches."""

    def __init__(self, lengths):
        self.rows = [[i + 1] + [2] * (length - 1) for i, length in enumerate(lengths)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"input_ids": self.rows[i], "labels": [1] * len(self.rows[i])}


def collate(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    pad = lambda row, value: row + [value] * (longest - len(row))
    return {
        "input_ids": torch.tensor([pad(row["input_ids"], 0) for row in rows]),
        "attention_mask": torch.tensor([pad([1] * len(row["input_ids"]), 0) for row in rows]),
        "labels": torch.tensor([pad(row["labels"], -100) for row in rows]),
    }


def tiny_bert():
    set_seed(0)
    config = BertConfig(
        vocab_size=128, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, num_labels=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )
    return BertForTokenClassification(config)


def arguments(folder, **kwargs):
    kwargs = {"per_device_train_batch_size": 2, "report_to": "none", "use_cpu": True, "disable_tqdm": True, **kwargs}
    return TrainingArguments(folder, **kwargs)


def plans():
    """L, U, T, loop epochs, warm-up and resolved step counts for many settings, from the Trainer's own methods."""
    model = tiny_bert()
    rows = []
    cases = []
    for n in [1, 5, 8, 17]:
        for batch in [1, 2, 8]:
            for accumulation in [1, 2, 3]:
                for drop_last in [False, True]:
                    if drop_last and n < batch:
                        continue
                    cases.append(dict(n=n, batch=batch, accumulation=accumulation, drop_last=drop_last, epochs=3.0, max_steps=-1, warmup=0.0))
    base = dict(n=17, batch=2, accumulation=2, drop_last=False, epochs=3.0, max_steps=-1, warmup=0.0)
    cases += [{**base, **change} for change in [
        {"epochs": 0.5}, {"epochs": 1.3}, {"epochs": 2.01}, {"epochs": 0.1}, {"max_steps": 1}, {"max_steps": 5}, {"max_steps": 6}, {"max_steps": 23},
        {"warmup": 0.1}, {"warmup": 0.34}, {"warmup": 0.999}, {"warmup": 1.0}, {"warmup": 2.7}, {"warmup": 500}, {"warmup": 0.0001},
        {"steps": [0.1, 0.25, 0.5]}, {"steps": [0.01, 0.7, 0.07]}, {"steps": [3, 4, 8]}, {"epochs": 100.0, "steps": [0.07, 0.29, 0.58]},
    ]]
    for case in cases:
        steps = case.get("steps", [500, 500, 500])
        args = arguments(
            tempfile.gettempdir(), per_device_train_batch_size=case["batch"], gradient_accumulation_steps=case["accumulation"],
            dataloader_drop_last=case["drop_last"], num_train_epochs=case["epochs"], max_steps=case["max_steps"], warmup_steps=case["warmup"],
            logging_steps=steps[0], eval_steps=steps[1], save_steps=steps[2],
        )
        trainer = Trainer(model, args, train_dataset=Examples([3] * case["n"]), data_collator=collate)
        epochs, updates, _, samples, total_batch, batches, total = trainer.set_initial_training_values(args, trainer.get_train_dataloader())
        trainer.state.compute_steps(args, total)
        rows.append({
            **case, "steps": steps, "loop_epochs": epochs, "updates_per_epoch": updates, "train_samples": samples, "total_batch": total_batch,
            "batches_per_epoch": batches, "total_steps": total, "warmup_steps": args.get_warmup_steps(total),
            "resolved": [trainer.state.logging_steps, trainer.state.eval_steps, trainer.state.save_steps],
        })
    return rows


class Recorder(TrainerCallback):
    def __init__(self, events, orders):
        self.events, self.orders = events, orders

    def on_log(self, args, state, control, logs=None, **kwargs):
        kind = "log" if "loss" in logs else "summary" if "train_runtime" in logs else "metrics"
        self.events.append([kind, state.global_step])

    def on_evaluate(self, args, state, control, **kwargs):
        self.events.append(["evaluate", state.global_step])

    def on_save(self, args, state, control, **kwargs):
        folders = sorted(int(name.split("-")[1]) for name in os.listdir(args.output_dir) if name.startswith("checkpoint-"))
        self.events.append(["save", state.global_step, folders])


# Eleven sentences in batches of 2 are 6 batches; with accumulation 2 an epoch is 3 updates.
RUNS = [
    dict(),
    dict(logging_steps=1),
    dict(logging_steps=4, logging_first_step=True),
    dict(logging_strategy="epoch", eval_strategy="epoch", save_strategy="epoch"),
    dict(logging_strategy="no", eval_strategy="steps", eval_steps=2, save_strategy="no"),
    dict(logging_steps=2, eval_strategy="steps", save_steps=4),
    dict(logging_steps=3, eval_strategy="epoch", save_strategy="best", metric_for_best_model="f1", scores=[0.1, 0.3, 0.3]),
    dict(eval_strategy="epoch", save_strategy="epoch", metric_for_best_model="f1", scores=[0.5, 0.5, 0.4], load_best_model_at_end=True),
    dict(eval_strategy="epoch", save_strategy="epoch", metric_for_best_model="eval_f1", scores=[0.5, 0.4, 0.45], load_best_model_at_end=True, save_total_limit=1),
    dict(eval_strategy="epoch", save_strategy="epoch", metric_for_best_model="f1", scores=[0.5, 0.4, 0.45], load_best_model_at_end=True, save_total_limit=2),
    dict(eval_strategy="steps", eval_steps=1, save_steps=1, metric_for_best_model="f1", scores=[0.1, 0.6, 0.2, 0.3, 0.6, 0.5, 0.7, 0.1, 0.2], load_best_model_at_end=True, save_total_limit=2),
    dict(eval_strategy="steps", eval_steps=1, save_steps=1, metric_for_best_model="f1", scores=[0.1, 0.6, 0.2, 0.3, 0.6, 0.5, 0.7, 0.1, 0.2], load_best_model_at_end=True, save_total_limit=1),
    dict(eval_strategy="steps", eval_steps=1, save_steps=1, metric_for_best_model="f1", scores=[0.9] + [0.1] * 8, load_best_model_at_end=True, save_total_limit=3),
    dict(eval_strategy="steps", eval_steps=2, save_steps=3, metric_for_best_model="f1", scores=[0.1, 0.9, 0.5, 0.3, 0.2], save_total_limit=1),
    dict(eval_strategy="steps", eval_steps=2, save_steps=4, metric_for_best_model="badness_loss", scores=[0.5, 0.4, 0.4, 0.6, 0.9], load_best_model_at_end=True),
    dict(eval_strategy="steps", eval_steps=2, save_steps=4, metric_for_best_model="f1", greater_is_better=False, scores=[0.5, 0.4, 0.4, 0.3, 0.9], load_best_model_at_end=True),
    dict(eval_strategy="epoch", save_strategy="epoch", eval_delay=1.5),
    dict(eval_strategy="epoch", save_strategy="epoch", eval_delay=2),
    dict(logging_strategy="epoch", logging_first_step=True, gradient_accumulation_steps=6, save_strategy="no"),
    dict(eval_strategy="steps", eval_steps=2, eval_delay=5, save_strategy="no"),
    dict(eval_strategy="steps", eval_steps=4, eval_delay=9, save_strategy="no"),
    dict(eval_strategy="steps", eval_steps=4, eval_delay=20, save_strategy="no"),
    dict(eval_strategy="epoch", save_strategy="no", eval_on_start=True, metric_for_best_model="f1", scores=[0.9, 0.1, 0.2, 0.3]),
    dict(eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch", num_train_epochs=1.5),
    dict(eval_strategy="epoch", save_strategy="steps", save_steps=2, max_steps=5, logging_steps=5),
    dict(eval_strategy="epoch", save_strategy="epoch", max_steps=10, logging_steps=0.25),
    dict(eval_strategy="steps", eval_steps=1, save_strategy="no", metric_for_best_model="f1", scores=[0.5, 0.6, 0.6, 0.55, 0.9, 1.0], patience=2),
    dict(eval_strategy="steps", eval_steps=1, save_steps=1, metric_for_best_model="f1", scores=[0.5, 0.6, 0.65, 0.66, 0.9, 1.0], patience=2, threshold=0.08, load_best_model_at_end=True),
    dict(eval_strategy="epoch", save_strategy="epoch", metric_for_best_model="f1", scores=[0.5, 0.4, 0.9], patience=1, load_best_model_at_end=True),
    dict(eval_strategy="epoch", save_strategy="no", eval_on_start=True, metric_for_best_model="f1", scores=[0.9, 0.1, 0.1, 0.3], patience=1),
    dict(gradient_accumulation_steps=4, num_train_epochs=2.0, logging_steps=1, save_strategy="no"),
    dict(dataloader_drop_last=True, gradient_accumulation_steps=1, num_train_epochs=1.0, logging_steps=2, save_steps=3),
    dict(eval_strategy="epoch", save_strategy="no", lr_scheduler_type="reduce_lr_on_plateau", lr_scheduler_kwargs={"patience": 0, "factor": 0.5, "mode": "max"}, metric_for_best_model="f1", scores=[0.5, 0.4, 0.3], logging_steps=1),
]


def run(case):
    case = dict(case)
    scores = iter(case.pop("scores", []))
    patience, threshold = case.pop("patience", None), case.pop("threshold", 0.0)
    lengths = [3, 7, 2, 9, 4, 4, 6, 3, 8, 5, 2]
    events, orders = [], []

    def gather(rows):
        orders.append([row["input_ids"][0] - 1 for row in rows])
        return collate(rows)

    def metrics(_):
        score = next(scores, None)
        return {} if score is None else {"f1": score, "badness_loss": score}

    with tempfile.TemporaryDirectory() as folder:
        settings = {"gradient_accumulation_steps": 2, "num_train_epochs": 3.0, "seed": 42, "learning_rate": 1e-3, **case}
        args = arguments(folder, **settings)
        callbacks = [Recorder(events, orders)]
        if patience is not None:
            callbacks.append(EarlyStoppingCallback(patience, threshold))
        trainer = Trainer(
            tiny_bert(), args, train_dataset=Examples(lengths), eval_dataset=Examples([2, 2]), data_collator=gather,
            compute_metrics=metrics, callbacks=callbacks,
        )
        eval_loop = trainer.evaluation_loop

        def quiet(*a, **k):  # evaluation batches are not part of the training order
            before = len(orders)
            output = eval_loop(*a, **k)
            del orders[before:]
            return output

        trainer.evaluation_loop = quiet
        with contextlib.redirect_stdout(io.StringIO()):
            output = trainer.train()
        trainer.save_state()
        state = json.load(open(os.path.join(folder, "trainer_state.json")))
        history = state.pop("log_history")
        best = state["best_model_checkpoint"]
        state["best_model_checkpoint"] = best and os.path.basename(best)
        folders = sorted(int(name.split("-")[1]) for name in os.listdir(folder) if name.startswith("checkpoint-"))
        return {
            "settings": settings, "patience": patience, "threshold": threshold, "lengths": lengths,
            "events": events, "order": orders, "state": state, "remaining": folders,
            "history_keys": [sorted(record) for record in history],
            "positions": [[record["epoch"], record["step"]] for record in history],
            "learning_rates": [record["learning_rate"] for record in history if "learning_rate" in record],
            "parameters": [sum(p.numel() for p in trainer.model.parameters()), trainer.model.num_parameters(exclude_embeddings=True)],
            "metrics_keys": sorted(output.metrics),
        }


def runs():
    rows = []
    for case in RUNS:
        row = run(case)
        row["scores"] = case.get("scores", [])
        rows.append(row)
    return rows


def rotations():
    rows = []
    for steps, limit, best in [
        ([1, 2, 3], 1, None), ([1, 2, 3], 2, None), ([5, 10, 15, 100], 2, 5), ([5, 10, 15, 100], 2, 100), ([5, 10, 15, 100], 1, 5),
        ([5, 10, 15, 100], 3, 10), ([5, 10], 2, 5), ([5], 1, 5), ([1, 2, 3, 4, 5], 0, 2), ([9, 10, 11], 1, 10), ([9, 10, 11, 12], 1, 12),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            for step in steps:
                os.mkdir(os.path.join(folder, f"checkpoint-{step}"))
            rotate_checkpoints(folder, limit, best and os.path.join(folder, f"checkpoint-{best}"), use_mtime=False)
            kept = sorted(int(name.split("-")[1]) for name in os.listdir(folder))
        rows.append({"steps": steps, "limit": limit, "best": best, "kept": kept})
    return rows


def blocks():
    """The metrics block and the results files for awkward values."""
    train = {"train_runtime": 4321.9876, "train_samples_per_second": 1.5, "train_steps_per_second": 0.1, "total_flos": 653271421440000.0, "train_loss": 0.015800000000000002, "epoch": 3.0, "train_samples": 14041}
    evaluation = {"eval_loss": 1e-05, "eval_f1": 0.93744999, "eval_precision": 1.0, "eval_recall": 0.5, "eval_accuracy": 0.00004, "eval_runtime": 12.345, "eval_samples_per_second": 1e16, "eval_steps_per_second": 0.0, "epoch": 2.67, "eval_samples": 7, "eval_Ürün_number": 3}
    odd = {"predict_runtime": 0.999, "predict_loss": 123456.78905, "predict_f1": 0.00005, "predict_x": 2.5e-05, "predict_y": -0.125, "predict_z": 0.12345}
    day = {"train_runtime": 90061.5, "total_flos": 1.0}
    two_days = {"train_runtime": 200000.019}
    rows = []
    model = tiny_bert()
    for split, metrics in [("train", train), ("eval", evaluation), ("predict", odd), ("train", day), ("train", two_days)]:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(model, arguments(folder), train_dataset=Examples([3]))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                trainer.log_metrics(split, metrics)
            with open(os.path.join(folder, "all_results.json"), "w") as f:
                json.dump({"stale": 0.1, "epoch": 1.0}, f)
            trainer.save_metrics(split, metrics)
            read = lambda name: open(os.path.join(folder, name), encoding="utf-8").read()
            rows.append({"split": split, "metrics": metrics, "block": out.getvalue(), "file": read(f"{split}_results.json"), "all": read("all_results.json")})
    return rows


def lines():
    """The line a log prints, from the progress callback of version 5."""
    rows = []
    for logs in [
        {"loss": 0.70244, "grad_norm": 0.65449, "learning_rate": 4.885e-05, "epoch": 0.1176},
        {"loss": 12345.678, "grad_norm": 100000.0, "learning_rate": 1e-05, "epoch": 2.0},
        {"eval_loss": 0.0, "eval_f1": 1.0, "eval_PER_number": 12, "eval_runtime": 0.0123456, "epoch": 1.0},
        {"train_runtime": 1234.5678, "train_loss": 9.99996, "total_flos": 1e15, "epoch": 3.0},
        {"loss": 0.00012345, "grad_norm": 0.000099999, "learning_rate": 0.0, "epoch": 99.995},
        {"loss": float("inf"), "grad_norm": float("nan"), "learning_rate": 1e22, "epoch": -0.5},
    ]:
        written = []
        callback = ProgressCallback()
        callback.training_bar = type("Bar", (), {"write": staticmethod(written.append)})()
        callback.on_log(None, type("State", (), {"is_world_process_zero": True})(), None, logs=dict(logs))
        rows.append({"logs": [[k, repr(v)] for k, v in logs.items()], "line": written[0]})
    return rows


def floats():
    values = [0.0, -0.0, 1.0, -1.0, 0.1, 1e-05, 0.0001, 0.00012, 1e15, 1e16, 123456789012345678.0, 1.5e-07, 5e-324, 1.7976931348623157e308,
              0.3333333333333333, 2 / 3, 1e22, 9007199254740993.0, 100.0, 1234567.0, 653271421440000.0, 0.015800000000000002, 1e-4 - 1e-20]
    values += [float(x) for x in np.random.default_rng(3).standard_normal(20) * 10.0 ** np.arange(-10, 10)]
    rounded = [(x, d, round(x, d)) for x in [0.00005, 0.00015, 0.00025, 2.5, 0.12345, 0.123450001, 1234.56785, 2.675, 1e10 / 3] for d in [0, 2, 3, 4]]
    return {
        "repr": [[x.hex(), repr(x)] for x in values],
        "general": [[x.hex(), f"{x:.4g}"] for x in values],
        "rounded": [[x.hex(), d, repr(float(r))] for x, d, r in rounded],
        "json": json.dumps({"b": ["é", "\U0001f600", "tab\t\x7f\"\\"], "a": {}, "c": [], "d": None, "e": True, "f": 1e-07, "g": 3}, indent=2, sort_keys=True),
    }


def cards():
    """The parts of a model card that model hubs read, from the log of a run."""
    timing = {"eval_runtime": 1.5, "eval_samples_per_second": 2.0, "eval_steps_per_second": 1.0}
    history = [
        {"eval_loss": 0.51234567, "eval_f1": 0.5, "eval_accuracy": 1.0, **timing, "epoch": 1.0, "step": 3},
        {"loss": 0.4, "grad_norm": 1.0, "learning_rate": 1e-05, "epoch": 1.67, "step": 5},
        {"eval_loss": 1e-05, "eval_f1": 0.123456, "eval_accuracy": 0.0625, **timing, "epoch": 2.0, "step": 6},
        {"train_runtime": 3.5, "train_loss": 0.4, "total_flos": 1e9, "epoch": 2.0, "step": 6},
        {"eval_loss": 0.25, "eval_precision": 0.75, "eval_recall": 0.123456, "eval_f1": 0.99999, "eval_PER_number": 12, **timing, "epoch": 2.0, "step": 6},
    ]
    cases = []
    for log, dataset, base, name in [
        (history, "toy", "org/base", "my-model"),
        (history[1:4], None, None, "no: plain name"),
        (history[2:4] + [{**history[4], "eval_f1": 1e-05}], "toy set", "org/base", "true"),
        (history[3:4], None, "base", "1.5"),
    ]:
        _, lines, results = parse_log_history(log)
        summary = TrainingSummary(
            model_name=name, tags=["generated_by_tagsmith"], finetuned_from=base, tasks="token-classification", dataset_tags=dataset,
            dataset=dataset, dataset_metadata=dataset and [{}], eval_results=results, eval_lines=lines, hyperparameters={"seed": 42},
        )
        text = summary.to_model_card()
        body = text.split("---\n", 2)[2]
        cases.append({
            "history": log, "dataset": dataset, "base_model": base, "name": name, "front": text.split("---\n", 2)[1],
            "headings": [line for line in body.splitlines() if line.startswith("#")],
            "results": [line for line in body.splitlines() if line.startswith("- ") and results and line[2:].split(":")[0] in results],
            "table": make_markdown_table(lines),
        })
    return cases


def files():
    document = {
        "schedules": schedules(), "plateaus": plateaus(), "permutations": permutations(), "grouped": grouped_orders(), "plans": plans(),
        "rotations": rotations(), "blocks": blocks(), "lines": lines(), "floats": floats(), "cards": cards(),
    }
    parts = [f"{json.dumps(key)}: " + ("[\n" + ",\n".join(map(json.dumps, value)) + "\n]" if isinstance(value, list) else json.dumps(value)) for key, value in document.items()]
    yield "rules.json", "{\n" + ",\n".join(parts) + "\n}\n"
    yield "runs.jsonl", "".join(json.dumps(row) + "\n" for row in runs())


def main():
    status = 0
    for name, text in files():
        path = os.path.join(GOLDEN, name)
        if "--check" in sys.argv[1:]:
            same = os.path.exists(path) and open(path, encoding="utf-8").read() == text
            print(f"{name}: {'as derived' if same else 'DIFFERS'}")
            status |= not same
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            print(f"{name}: {len(text)} bytes")
    return status


if __name__ == "__main__":
    sys.exit(main())
