"""Races tagsmith against the Hugging Face Trainer: the same data, order and steps, in turn, in one run.

    python bench/race.py --model MODEL --train train.conll --dev dev.conll --steps 60 --rounds 3
    python bench/race.py … --ours="--bf16" --theirs="--bf16 --group"
    python bench/race.py … --ours="--bf16 --group_by_length" --theirs="--bf16 --group" --batch 32
    python bench/shapes.py xlmr-base --train train.conll --output XLMR, then the same with --model XLMR

Each round runs one, then the other; what counts is the median of the rounds' ratios, since machines drift. Both are
whole processes with their defaults (batch 8, f32). Speed is real sub-tokens a second, padding apart. Both read the same
batches, unless only one groups by length: then each one's own sub-tokens count, and --steps should span an epoch,
because grouping learns from the longest sentences first. What tagsmith read is counted by making its batches once
more with the Trainer's samplers; the race stops if tagsmith's count of operations (total_flos, which sees the padding
that each batch would have had) is not theirs. Prints a table, and one JSON line at the end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def tagsmith(options, scratch):
    command = [
        options.tagsmith, "train", "--model_name_or_path", options.model, "--train_file", options.train,
        "--validation_file", options.dev, "--output_dir", scratch, "--do_train", "--max_steps", str(options.steps),
        "--per_device_train_batch_size", str(options.batch), "--save_strategy", "no", *options.ours.split(),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(errors)
    results = json.loads((Path(scratch) / "train_results.json").read_text())
    return {"seconds": results["train_runtime"], "peak_mb": usage.ru_maxrss / 1024, "loss": results["train_loss"],
            "flos": results["total_flos"]}


def rival(options, scratch, more):
    command = [
        sys.executable, HERE / "rivals" / "hf_trainer.py", "--model", options.model, "--train", options.train,
        "--dev", options.dev, "--max-steps", str(options.steps), "--batch", str(options.batch), "--output", scratch,
        *more,
    ]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    return json.loads(process.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "train", "dev"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8, help="sentences a step, of both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default="", help="more options for tagsmith, in one string: --ours='--bf16'")
    parser.add_argument("--theirs", default="", help="more options for the rival: --theirs='--bf16 --group'")
    options = parser.parse_args()
    group = ["--group"] if "group_by_length" in options.ours else []
    rounds = []
    with tempfile.TemporaryDirectory() as scratch:
        counted = rival(options, scratch, ["--count", *group])
    print(f"{'round':>5} {'tagsmith s':>11} {'rival s':>9} {'speed':>6} {'MB':>6} {'MB':>6} {'memory':>7}")
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
            a, b = tagsmith(options, ours), rival(options, theirs, options.theirs.split())
        if not abs(a["flos"] / counted["flos"] - 1) < 1e-9:
            sys.exit(f"tagsmith read other batches than were counted: {a['flos']} operations, not {counted['flos']}")
        a["per_s"], b["per_s"] = counted["sub_tokens"] / a["seconds"], b["sub_tokens"] / b["seconds"]
        row = {"speed": a["per_s"] / b["per_s"], "memory": a["peak_mb"] / b["peak_mb"], "ours": a, "theirs": b}
        rounds.append(row)
        print(f"{number + 1:5} {a['seconds']:11.2f} {b['seconds']:9.2f} {row['speed']:6.2f} "
              f"{a['peak_mb']:6.0f} {b['peak_mb']:6.0f} {row['memory']:7.2f}", flush=True)
    median = lambda key: statistics.median(row[key] for row in rounds)
    print(json.dumps({
        "speed_ratio": round(median("speed"), 3), "memory_ratio": round(median("memory"), 3),
        "sub_tokens": [counted["sub_tokens"], rounds[0]["theirs"]["sub_tokens"]],
        "ours_per_s": round(statistics.median(row["ours"]["per_s"] for row in rounds)),
        "theirs_per_s": round(statistics.median(row["theirs"]["per_s"] for row in rounds)),
        "losses": [rounds[0]["ours"]["loss"], rounds[0]["theirs"]["train_loss"]],
    }))


if __name__ == "__main__":
    main()
