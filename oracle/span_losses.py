"""The first steps of all four span taggers beside PyTorch's, loss by loss, on a real encoder and real texts.

    python span_losses.py ENCODER TRAIN.jsonl [--tagsmith BINARY] [--steps 30] [--threads N] [--only bi_encoder …]
      [--seed 42] [--longest 12] [--dropout]

Both programs start from the same head and take the same texts and labels in the same order (bench/rivals/spans.py); all
dropout is off, or with --dropout on: each program then has its own, nothing is held against anything, and only many
steps say much. Prints the mean loss up to each logged step, as tagsmith logs it, and PyTorch's; exit status 1 where the
first 5 differ by more than 1e-3 of the value. After that rounding grows: of a cross-encoder the rows of its new tokens
begin near the mean of the others, with PyTorch's noise of 1e-9 of their covariance and without. `--check` is accepted, as
by every script here; this one never does anything but check.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "rivals")]
import f1_spans  # noqa: E402
import race_spans  # noqa: E402
import spans  # noqa: E402

TOLERANCE, COMPARED = 1e-3, 5


def without_dropout(encoder: Path, folder: Path) -> Path:
    shutil.copytree(encoder, folder)
    file = folder / "config.json"
    config = json.loads(file.read_text()) | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    file.write_text(json.dumps(config))
    return folder


def ours(config: dict, options, folder: Path) -> list[float]:
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    command = [options.tagsmith, "train-spans", file, "--threads", str(options.threads)]
    process = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if process.returncode:
        sys.exit(process.stderr)
    return [float(loss) for loss in re.findall(r'"loss":([0-9.e+-]+)', process.stderr)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("--tagsmith", default=ROOT / "target" / "release" / "tagsmith")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=race_spans.NAMES, choices=race_spans.NAMES)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--longest", type=int, default=12, help="L")
    parser.add_argument("--dropout", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.hidden, options.rates = 128, [2e-4, 1e-3]
    options.train, different = [str(options.train)], False
    for name in options.only:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            encoder = str(options.encoder if options.dropout else without_dropout(options.encoder, folder / "encoder"))
            of_encoders = {"token_encoder": encoder, "type_encoder": "none" if "cross" in name else encoder}
            rate = 0.1 if options.dropout else 0.0
            changes = {"dropout": rate, "seed": options.seed, "logging_steps": 1}
            config = f1_spans.config(name, options, folder) | of_encoders | changes
            run = spans.Run(config, options.seed)
            run.train(spans.read(options.train, "tokens"), options.steps)
            got = ours(config, options, folder)
        sums = [sum(run.losses[: n + 1]) / (n + 1) for n in range(options.steps)]
        for step, (a, b) in enumerate(zip(got, sums, strict=True), 1):
            far = not options.dropout and abs(a - b) > TOLERANCE * abs(b)
            different |= far and step <= COMPARED
            if step <= COMPARED or step % 10 == 0:
                print(f"{name:26} {step:4} {a:10.4f} {b:10.4f} {'FAR' if far else ''}")
    sys.exit(different)


if __name__ == "__main__":
    main()
