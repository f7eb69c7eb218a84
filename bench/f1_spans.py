"""F1 of tagsmith's span taggers beside that of the PyTorch twin: the same files, settings and seeds.

    python bench/spans_data.py …                     # JSON lines to learn from and to test on, as many as wanted
    python bench/f1_spans.py --encoder MINILM --train wnut.jsonl politics.jsonl --test politics_test.jsonl music_test.jsonl \\
      --results DIR [--seeds 42 43 44] [--only bi_encoder …] [--summary]

Each run leaves a file in DIR, and is not repeated where there is one. At the end (or at once, with --summary) a table: micro
F1 of each test file as the original counts, gold that no span can represent left out; the mean and the standard deviation
over seeds. `… unseen` counts only the labels of that file that no training file has: what neither program was taught.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from race_spans import NAMES, RIVAL, settings


def labels(files):
    spans = (span for file in files for line in Path(file).open(encoding="utf-8") for span in json.loads(line)["token_spans"])
    return {span["label"] for span in spans}


def config(name, options, folder):
    changes = {
        "dropout": 0.1,
        "span_width_embedding_size": 64,
        "max_seq_length": 128 if "cross" in name else 96,
        "learning_rate": options.rates[0],
        "linear_layers_learning_rate": options.rates[1],
        "warmup_steps": 15,
        "logging_steps": 25,
    }
    return settings(name, options, folder) | changes


def run(command):
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    return process.stdout


def ours(name, seed, options):
    tests = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = folder / "config.json"
        file.write_text(json.dumps(config(name, options, folder) | {"seed": seed}))
        run([options.tagsmith, "train-spans", file, "--threads", options.threads])
        command = "evaluate_cross_encoder" if "cross" in name else "evaluate_bi_encoder"
        for number, test in enumerate(options.test):
            run([
                options.tagsmith, command, "--pretrained_model_name_or_path", folder / "out" / "best_checkpoint",
                "--evaluation_file", test, "--evaluation_format", "tokens", "--output_dir", folder / str(number),
                "--threads", options.threads,
            ])
            metrics = json.loads(next((folder / str(number)).iterdir()).read_text())["test_metrics"]
            tests[test] = {"micro": metrics["representable_gold_only"]["micro"], "per_class": metrics["per_class"]}
    return {"tests": tests}


def rival(name, seed, options):
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "config.json"
        file.write_text(json.dumps(config(name, options, Path(scratch)) | {"test_file": options.test}))
        return json.loads(run([sys.executable, RIVAL, file, "--seed", seed, "--threads", options.threads]).splitlines()[-1])


def figures(report, unseen):
    for file, metrics in report["tests"].items():
        name = Path(file).stem
        yield name, metrics["micro"]["f1"]
        counts = [c for label, c in metrics["per_class"].items() if label in unseen[name]]
        if counts:
            tp, fp, fn = (sum(c[key] for c in counts) for key in ("tp", "fp", "fn"))
            yield f"{name} unseen", 2 * tp / max(1, 2 * tp + fp + fn)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--train", required=True, nargs="+")
    parser.add_argument("--test", required=True, nargs="+")
    parser.add_argument("--results", required=True, type=Path)
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=128, help="E")
    parser.add_argument("--longest", type=int, default=12, help="L")
    parser.add_argument("--rates", nargs=2, type=float, default=[1e-4, 1e-3], help="learning rates of encoders and head")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--summary", action="store_true", help="run nothing")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    seen = labels(options.train)
    unseen = {Path(file).stem: labels([file]) - seen for file in options.test}
    print(f"{'':26} {'test':28} {'tagsmith':>17} {'seeds':>5}   {'PyTorch':>17} {'seeds':>5}")
    for name in options.only:
        table = {}
        for who, train in (("ours", ours), ("twin", rival)):
            for seed in options.seeds:
                file = options.results / f"{who}_{name}.{seed}.json"
                if not file.exists() and not options.summary:
                    file.write_text(json.dumps(train(name, seed, options)))
                if file.exists():
                    for test, f1 in figures(json.loads(file.read_text()), unseen):
                        table.setdefault(test, {}).setdefault(who, []).append(f1)
        for test, both in table.items():
            cells = []
            for who in ("ours", "twin"):
                f1s = both.get(who, [])
                mean = statistics.mean(f1s) if f1s else float("nan")
                deviation = statistics.stdev(f1s) if len(f1s) > 1 else float("nan")
                cells.append(f"{mean:8.4f} ± {deviation:6.4f} {len(f1s):5}")
            print(f"{name:26} {test:28} {cells[0]}   {cells[1]}")


if __name__ == "__main__":
    main()
