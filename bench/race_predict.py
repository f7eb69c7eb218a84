"""Races `tagsmith predict` against transformers: the same sentences and model, in turn, in one run.

    python bench/race_predict.py pipeline --model TRAINED --input dev.conll --rounds 3 --ours="--bf16"
    python bench/race_predict.py bare --model TRAINED --input dev.conll --rounds 3 --ours="--bf16" --theirs="--bf16"

pipeline: both read running text, the words joined by spaces, and find entities; bare: both read words and label them.
Our seconds are the whole process less its start-up, which is the median of the same command with an empty file, so
reading, tokenizing and writing count. The rival's imports and loading never count; its whole_s has tokenizing and the
way back to labels, its model_s the model's forward alone, and each gives a ratio. In bare mode tagsmith's forward alone
reads the rival's batches too (`tagsmith-bench --predict`): engine_s beside model_s is like for like. Peak memory is of
whole processes. alike is the share of sentences for which both found the same in the last round. Prints a table, and
one JSON line at the end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rivals.conll import sentences

HERE = Path(__file__).parent


def tagsmith(options, given, found):
    command = [options.tagsmith, "predict", "--model", options.model, "--output", found, "--output-format", "jsonl",
               "--input-format", "text" if options.mode == "pipeline" else "conll", given, *options.ours.split()]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(errors)
    return {"seconds": time.perf_counter() - start, "peak_mb": usage.ru_maxrss / 1024}


def rival(options, given, found, batches):
    command = [sys.executable, HERE / "rivals" / "hf_predict.py", options.mode, "--model", options.model,
               "--input", given, "--output", found, "--batches", batches, *options.theirs.split()]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    return json.loads(process.stdout.splitlines()[-1])


def engine(options, batches):
    """Seconds of tagsmith's forward alone on the rival's batches."""
    command = [options.bench, "--predict", options.model, batches, *options.ours.split()]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["engine_s"]


def alike(mode, ours, theirs):
    """The share of sentences with the same labels or entities."""
    def row(line):
        document = json.loads(line)
        if mode == "bare":
            return document["labels"]
        return [[entity["start"], entity["end"], entity["label"]] for entity in document["entities"]]

    ours = [row(line) for line in ours.read_text(encoding="utf-8").splitlines()]
    theirs = [json.loads(line) for line in theirs.read_text(encoding="utf-8").splitlines()]
    assert len(ours) == len(theirs), f"{len(ours)} sentences of ours, {len(theirs)} of theirs"
    return sum(a == b for a, b in zip(ours, theirs)) / len(ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("pipeline", "bare"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--sentences", type=int, help="only the first so many")
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--bench", default="target/dist/tagsmith-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default="", help="more options for tagsmith, in one string: --ours='--bf16'")
    parser.add_argument("--theirs", default="", help="more options for the rival: --theirs='--bf16 --batch 32'")
    options = parser.parse_args()
    rows = [words for words, _ in sentences(options.input)][: options.sentences]
    rounds = []
    print(f"{'round':>5} {'start-up':>8} {'tagsmith s':>11} {'whole s':>9} {'model s':>9} {'engine s':>9} "
          f"{'MB':>6} {'MB':>6}")
    with tempfile.TemporaryDirectory() as scratch:
        files = ("empty", "words", "text", "ours", "theirs", "batches")
        empty, words, text, ours, theirs, batches = (Path(scratch) / name for name in files)
        empty.touch()
        words.write_text("\n".join("".join(word + "\n" for word in row) for row in rows), encoding="utf-8")
        text.write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")
        given = text if options.mode == "pipeline" else words
        for number in range(options.rounds):
            start_up = statistics.median(tagsmith(options, empty, ours)["seconds"] for _ in range(5))
            a, b = tagsmith(options, given, ours), rival(options, words, theirs, batches)
            engine_s = engine(options, batches) if options.mode == "bare" else float("nan")
            rounds.append({"start_up": start_up, "seconds": a["seconds"] - start_up, "whole_s": b["whole_s"],
                           "model_s": b["model_s"], "engine_s": engine_s, "peaks": (a["peak_mb"], b["peak_mb"])})
            print(f"{number + 1:5} {start_up:8.3f} {a['seconds']:11.3f} {b['whole_s']:9.3f} {b['model_s']:9.3f} "
                  f"{engine_s:9.3f} {a['peak_mb']:6.0f} {b['peak_mb']:6.0f}", flush=True)
        same = alike(options.mode, ours, theirs)
    median = lambda value: statistics.median(map(value, rounds))
    print(json.dumps({
        "speed_ratio": round(median(lambda row: row["whole_s"] / row["seconds"]), 3),
        "speed_ratio_to_model_alone": round(median(lambda row: row["model_s"] / row["seconds"]), 3),
        **({"engine_to_model_alone": round(median(lambda row: row["model_s"] / row["engine_s"]), 3)}
           if options.mode == "bare" else {}),
        "memory_ratio": round(median(lambda row: row["peaks"][0] / row["peaks"][1]), 3),
        "sentences": len(rows), "sub_tokens": b["sub_tokens"], "alike": round(same, 4),
        "start_up_s": round(median(lambda row: row["start_up"]), 3),
        "ours_per_s": round(median(lambda row: len(rows) / row["seconds"]), 1),
        "theirs_per_s": round(median(lambda row: len(rows) / row["whole_s"]), 1),
        "their_model_per_s": round(median(lambda row: len(rows) / row["model_s"]), 1),
    }))


if __name__ == "__main__":
    main()
