"""Races tagsmith's span taggers against the original's loop in PyTorch: the same data, shapes and machine, in turn.

    python bench/spans_data.py train.jsonl CROSSNER/politics/train.txt CROSSNER/politics/dev.txt
    python bench/spans_data.py test.jsonl CROSSNER/politics/test.txt
    python bench/race_spans.py --encoder MINILM --train train.jsonl --test test.jsonl [--rounds N] [--hidden 384] [--longest 30]

Of each of the four trainers one runs, then the other. The rival times its own loops, without its two first steps. tagsmith's
processes are timed twice, with few steps (texts) and with many, and the difference is divided by the difference: start,
loading and saving are in neither program's figure. Prints a table and one JSON line.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RIVAL = Path(__file__).parent / "rivals" / "spans.py"
NAMES = ("bi_encoder", "contrastive_bi_encoder", "cross_encoder", "contrastive_cross_encoder")


def settings(name, options, folder):
    contrastive, cross = "contrastive" in name, "cross" in name
    return {
        "architecture": name,
        "token_encoder": options.encoder,
        "type_encoder": "none" if cross else options.encoder,
        "type_encoder_pooling": "cls",
        "dropout": 0.0,
        "linear_hidden_size": options.hidden,
        "span_width_embedding_size": 128,
        "init_temperature": 0.03,
        "start_loss_weight": 0.0,
        "end_loss_weight": 0.0,
        "span_loss_weight": 1.0,
        "bce_start_pos_weight": None,
        "bce_end_pos_weight": None,
        "bce_span_pos_weight": None,
        "loss_fn": "contrastive" if contrastive else "bce",
        "contrastive_threshold_loss_weight": 0.5,
        "contrastive_span_loss_weight": 0.5,
        "contrastive_tau": 1.0,
        "prediction_threshold": "label_token" if contrastive else 0.5,
        "dataset_name": "race",
        "train_file": options.train,
        "annotation_format": "tokens",
        "loss_masking": "subwords",
        "max_seq_length": 512,
        "max_span_length": options.longest,
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": 8,
        "learning_rate": 3e-5,
        "max_steps": options.steps,
        "eval_steps": options.steps,
        "logging_steps": options.steps,
        "warmup_steps": 2,
        "save_total_limit": 1,
        "do_train": True,
    }


def timed(command):
    began = time.perf_counter()
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    return process.stdout, time.perf_counter() - began


def race(name, options):
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config, texts = folder / "config.json", folder / "texts.jsonl"
        lines = Path(options.test).read_text(encoding="utf-8").splitlines(keepends=True)[: options.texts]
        few = 4

        def training(steps):
            output = str(folder / f"out{steps}")
            changes = {"output_dir": output, "max_steps": steps, "eval_steps": steps, "bf16": options.bf16}
            config.write_text(json.dumps(settings(name, options, folder) | changes))
            return timed([options.tagsmith, "train-spans", config, "--threads", options.threads])[1]

        def evaluation(count):
            texts.write_text("".join(lines[:count]), encoding="utf-8")
            evaluate = "evaluate_cross_encoder" if "cross" in name else "evaluate_bi_encoder"
            return timed([
                options.tagsmith, evaluate, "--pretrained_model_name_or_path",
                folder / f"out{options.steps}" / "best_checkpoint", "--evaluation_file", texts, "--evaluation_format",
                "tokens", "--output_dir", folder / "evals", "--threads", options.threads, *["--bf16"][: options.bf16],
            ])[1]

        short, long = training(few), training(options.steps)
        ours = [(long - short) / (options.steps - few)]
        short, long = evaluation(few), evaluation(len(lines))
        ours.append((long - short) / (len(lines) - few))
        theirs_config = settings(name, options, folder) | {"test_file": str(texts)}
        config.write_text(json.dumps(theirs_config))
        out, _ = timed([
            sys.executable, RIVAL, config, "--steps", options.rival_steps, "--texts", options.rival_texts,
            "--threads", options.threads,
        ])
        report = json.loads(out.splitlines()[-1])
        test = next(iter(report["tests"].values()))
        return ours, (report["seconds_per_step"], test["seconds"] / test["texts"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("encoder", "train", "test"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=384, help="E")
    parser.add_argument("--longest", type=int, default=30, help="L")
    parser.add_argument("--steps", type=int, default=20, help="of tagsmith")
    parser.add_argument("--texts", type=int, default=300, help="that tagsmith evaluates")
    parser.add_argument("--rival-steps", type=int, default=4, help="of which two are not counted")
    parser.add_argument("--rival-texts", type=int, default=36)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="tagsmith's products in bf16; PyTorch stays in f32")
    options = parser.parse_args()
    print(f"{'':26} {'s a step':>18} {'ratio':>6} {'ms a text':>18} {'ratio':>6}   tagsmith : PyTorch")
    ratios = {name: [] for name in options.only}
    for _ in range(options.rounds):
        for name in options.only:
            ours, theirs = race(name, options)
            pair = [theirs[part] / ours[part] for part in (0, 1)]
            ratios[name].append(pair)
            print(
                f"{name:26} {ours[0]:8.3f} : {theirs[0]:7.3f} {pair[0]:6.1f} {1e3 * ours[1]:8.1f} : {1e3 * theirs[1]:7.1f} "
                f"{pair[1]:6.1f}",
                flush=True,
            )
    medians = {
        name: [round(statistics.median(pair[part] for pair in pairs), 2) for part in (0, 1)]
        for name, pairs in ratios.items()
    }
    print(json.dumps({"training_and_evaluation": medians}))


if __name__ == "__main__":
    main()
