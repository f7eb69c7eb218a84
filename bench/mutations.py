"""Runs tagsmith on mutated files of every kind that it reads, and counts what must never happen.

    tagsmith demo --output_dir DEMO
    python bench/mutations.py --tagsmith target/release/tagsmith --demo DEMO --seconds 3600 --seed 1 --keep findings

Each execution takes a file that works, changes it (bytes, lines, chunks, values of JSON, numbers of binary formats), and
runs a command that reads it. A finding is: a panic or an abort; a run of more than --limit seconds; a status that is
neither 0 nor 2; status 2 without exactly one line that begins with `error:`; more than --memory MB; a result file that
is left although the status is 2. Findings are kept as folders with the command. Prints a table, and one JSON line at
the end; the exit status is 1 where there is a finding.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"

CONLL = "-DOCSTART- -X- O\n\nJo NNP B-PER\nmoved VBD O\nto TO O\nZürich NNP B-LOC\n\n# a remark\nAnna NNP B-PER\nsings VBZ O\n. . O\n"
CONLLU = ("# sent_id = 1\n# text = Jo sings\n1\tJo\tJo\tPROPN\tNNP\t_\t2\tnsubj\t_\tname=B-PER\n"
          "2-3\tcannot\t_\t_\t_\t_\t_\t_\t_\t_\n2\tcan\tcan\tAUX\tMD\tMood=Ind\t0\troot\t_\tSpaceAfter=No|name=O\n"
          "3\tnot\tnot\tPART\tRB\t_\t2\tadvmod\t_\tname=O\n\n")
CSV = 'tokens,ner_tags\n"[""Jo"", ""sings""]","[""B-PER"", ""O""]"\n"[""in"", ""Rome""]","[""O"", ""B-LOC""]"\n'
ROWS = "sentence_id,words,labels\n1,Jo,B-PER\n1,sings,O\n2,in,O\n2,Rome,B-LOC\n"
JSON_LINES = '{"tokens": ["Jo", "sings"], "ner_tags": ["B-PER", "O"]}\n{"tokens": ["in", "Rome"], "ner_tags": ["O", "B-LOC"]}\n'
JSON = json.dumps([json.loads(line) for line in JSON_LINES.splitlines()])
SPANS = ('{"text": "Jo lives in New York", "char_spans": [{"start": 0, "end": 2, "label": "PER"}, '
         '{"start": 12, "end": 20, "label": "LOC"}]}\n{"text": "Jo", "char_spans": [{"start": 0, "end": 2, "label": "PER"}]}\n')
TEXT = "Jo moved to Zürich.\n\nAnna\u00a0sings in Rome \u3042\u3044 \U0001f600 e\u0301 .\n"
PLAN = {"options": {"model_name_or_path": "model", "train_file": "train.conll", "validation_file": "train.conll",
                    "output_dir": "all", "do_train": True, "do_eval": True, "max_steps": 1, "per_device_train_batch_size": 2,
                    "ignore_mismatched_sizes": True},
        "runs": {"one": {"learning_rate": 1e-4}, "two": {"seed": 2, "freeze": ["embeddings"]}}}
SPAN_RUN = {"architecture": "cross_encoder", "token_encoder": "model", "dataset_name": "d", "train_file": "train.jsonl",
            "validation_file": "train.jsonl", "output_dir": "out", "max_steps": 1, "eval_steps": 1, "save_total_limit": 1,
            "linear_hidden_size": 8, "span_width_embedding_size": 4, "max_span_length": 4, "max_seq_length": 32,
            "do_train": True, "do_eval": True}

TRAIN = ("train --model_name_or_path model --train_file {} --output_dir out --do_train --max_steps 1 "
         "--per_device_train_batch_size 2 --ignore_mismatched_sizes --save_strategy no --threads 1")
PREDICT = "predict --model model --threads 1 --output out.jsonl {}"
SCORE = "score {}"
SCORE_PREDICTED = "score {} predicted.conll"
SPAN_TRAIN = "train_spans run.json --threads 1"
RESUME = ("train --model_name_or_path model --train_file train.conll --output_dir run --do_train --max_steps 2 "
          "--save_steps 1 --resume_from_checkpoint last --ignore_mismatched_sizes --threads 1")
ODD = [None, True, -1, 0, 1, 1e9, 2**31, 2**63, 2**64, 1e308, -0.0, 1e-320, "", "x" * 5000, [], {}, [[]], "\ud7ff", "B-", "NaN"]
# Keys that may ask for a run of any length: to train for as long as it says is right.
LENGTHS = ("max_steps", "num_train_epochs", "epochs")
PIECES = [b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xc2\xa0", b"\"", b"'", b",",
          b";", b"#", b"# ", b"-DOCSTART-", b"B-PER", b"I-", b"O", b"1-2", b"1.1", b"[", b"]", b"{", b"}", b":", b"null", b"1e400",
          b"18446744073709551616", b"\\u0000", b"\\ud800", b"PAR1", b"ARROW1", b"\xe2\x80\x8b", b"\xe2\x80\xa8", b" " * 300,
          b"a" * 3000, b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]


def golden(name):
    return (GOLDEN / name).read_bytes()


def kinds(demo):
    """Name, the file to mutate, the files beside it, the command."""
    model = {f"model/{file.name}": file.read_bytes() for file in demo.iterdir() if file.is_file()}
    train = {"train.conll": CONLL.encode()}

    def data(name, content, commands=(TRAIN, PREDICT, SCORE)):
        content = content.encode() if isinstance(content, str) else content
        files = {name: content, "predicted.conll": b"Jo B-PER\nsings O\n\nin O\nRome B-LOC\n"}
        return [(f"{name} {command.split()[0]}", name, files, command.format(name)) for command in commands]

    def of_model(file, content=None, command=PREDICT.format("in.txt")):
        files = {f"model/{file}": content if content is not None else model[f"model/{file}"], "in.txt": TEXT.encode()}
        return [(f"model/{file}", f"model/{file}", files, command)]

    rows = []
    for name, content in [("a.conll", CONLL), ("a.txt", CONLL), ("a.tsv", CONLL.replace(" ", "\t")), ("a.conllu", CONLLU),
                          ("a.csv", CSV), ("rows.csv", ROWS), ("a.jsonl", JSON_LINES), ("a.json", JSON)]:
        # `score` reads two columns of labels of one file, or two files.
        scored = {"a.conllu": ()}.get(name, (SCORE,) if content.startswith("-DOCSTART-") else (SCORE_PREDICTED,))
        rows += data(name, content, (TRAIN, PREDICT, *scored))
    for name in ["sequence.arrow", "file_format.arrow", "class_label.parquet", "large_strings.parquet", "string_view.parquet"]:
        rows += data(name, golden(f"dataset_files/{name}"), (TRAIN, PREDICT))
    rows += data("text.txt", TEXT, (PREDICT + " --input-format text",))
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]:
        if f"model/{file}" in model:
            rows += of_model(file)
    for folder in ["run_ner", "spans"]:
        rows += of_model("tokenizer.json", golden(f"{folder}/tokenizer.json"))
    rows.append(("span run", "run.json", {"run.json": json.dumps(SPAN_RUN).encode(), "train.jsonl": SPANS.encode()}, SPAN_TRAIN))
    rows.append(("span data", "train.jsonl", {"run.json": json.dumps(SPAN_RUN).encode(), "train.jsonl": SPANS.encode()}, SPAN_TRAIN))
    rows.append(("plan", "plan.json", {"plan.json": json.dumps(PLAN).encode(), **train}, "compare plan.json --threads 1"))
    arguments = {"model_name_or_path": "model", "train_file": "train.conll", "output_dir": "out", "do_train": True,
                 "max_steps": 1, "ignore_mismatched_sizes": True}
    rows.append(("arguments", "args.json", {"args.json": json.dumps(arguments).encode(), **train}, "train args.json --threads 1"))
    return rows, model, train


def checkpoint(options, model, train):
    """The files of a run with one checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        place(Path(folder), {**model, **train})
        line = RESUME.replace("--resume_from_checkpoint last ", "").replace("--max_steps 2", "--max_steps 1")
        subprocess.run([options.tagsmith, *line.split()], cwd=folder, check=True, capture_output=True)
        run = Path(folder) / "run"
        return {f"run/{file.relative_to(run)}": file.read_bytes() for file in run.rglob("*") if file.is_file()}


def place(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def odd_json(chance, content):
    """The JSON with one value replaced, dropped or repeated; none where it is not JSON."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    places = []

    def walk(holder):
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            places.append((holder, key))
            if isinstance(holder[key], (dict, list)) and len(places) < 4000:
                walk(holder[key])

    if not isinstance(value, (dict, list)) or not value:
        return None
    walk(value)
    holder, key = chance.choice(places)
    action = chance.random()
    if action < 0.7:
        long = key in LENGTHS
        holder[key] = chance.choice([odd for odd in ODD if not (long and isinstance(odd, (int, float)) and odd > 1)])
    elif action < 0.85:
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[chance.choice(list(holder)) + "x"] = holder[key]
    return json.dumps(value).encode()


def mutated(chance, content):
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        action = chance.randrange(9)
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.choice([1, 2, 4, 16, 200]))
        if action == 0 and content:
            at = min(at, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1:]
        elif action == 1:
            content = content[:at] + content[end:]
        elif action == 2:
            content = content[:at] + content[at:end] * chance.choice([2, 3, 200]) + content[end:]
        elif action in (3, 4):
            content = content[:at] + chance.choice(PIECES) + content[at:]
        elif action == 5:
            content = content[:at]
        elif action == 6:
            lines = content.split(b"\n")
            chance.shuffle(lines)
            content = b"\n".join(lines)
        elif action == 7:
            odd = odd_json(chance, content) if len(content) < 3_000_000 else None
            content = odd if odd is not None else content[:at] + bytes(chance.randrange(256) for _ in range(8)) + content[at + 8:]
        else:
            lines = content.split(b"\n")
            line = chance.randrange(len(lines))
            lines[line] = lines[line].replace(chance.choice([b" ", b"\t", b",", b'"']), chance.choice(PIECES))
            content = b"\n".join(lines)
    return content


def run(options, folder, command):
    """Status, stderr, seconds and MB; the status is none where the limit was reached."""
    process = subprocess.Popen([options.tagsmith, *command.split()], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=open(folder / "stderr", "wb"), env={"HF_HUB_OFFLINE": "1", "HOME": str(folder)})
    late = []
    timer = threading.Timer(options.limit, lambda: (late.append(True), process.kill()))
    timer.start()
    start = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = status
    code = None if late else os.waitstatus_to_exitcode(status)
    return code, (folder / "stderr").read_bytes().decode(errors="replace"), time.perf_counter() - start, usage.ru_maxrss / 1024


def finding(options, folder, before, code, said, megabytes):
    errors = sum(line.startswith("error:") for line in said.splitlines())
    if code is None:
        return f"ran for more than {options.limit} s"
    if "panicked" in said or code not in (0, 2):
        return f"status {code}"
    if code == 2 and errors != 1:
        return f"{errors} lines of error"
    if megabytes > options.memory:
        return f"{megabytes:.0f} MB"
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - before
    half = [name for name in left if name in ("out.jsonl", "out/model.safetensors", "out/config.json") or ".part" in name]
    if code == 2 and half:
        return f"left {half[0]}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tagsmith", type=lambda path: str(Path(path).resolve()), required=True)
    parser.add_argument("--demo", type=Path, required=True, help="the folder of `tagsmith demo`")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=20, help="seconds of one execution")
    parser.add_argument("--memory", type=float, default=1500, help="MB of one execution")
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    parser.add_argument("--kind", help="only kinds whose name has this in it")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    rows, model, train = kinds(options.demo)
    saved = checkpoint(options, model, train)
    rows += [(f"checkpoint {Path(name).name}", name, {**saved, **train}, RESUME) for name in saved
             if name.startswith("run/checkpoint-1/") and Path(name).suffix in (".json", ".safetensors")]
    rows = [row for row in rows if not options.kind or options.kind in row[0]]
    for name, _, files, command in rows:
        with tempfile.TemporaryDirectory() as scratch:
            place(Path(scratch), {**model, **files})
            code, said, *_ = run(options, Path(scratch), command)
            if code != 0:
                print(f"{name}: the file does not work as it is: {said}")
    counts, slowest = Counter(), Counter()
    end = time.time() + options.seconds
    number = 0
    while time.time() < end:
        name, target, files, command = rows[number % len(rows)]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            files = {**model, **files}
            files[target] = mutated(chance, files[target])
            place(folder, files)
            before = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} | {"stderr"}
            code, said, seconds, megabytes = run(options, folder, command)
            found = finding(options, folder, before, code, said, megabytes)
            counts[name, "runs"] += 1
            counts[name, "accepted" if code == 0 else "refused"] += 1
            slowest[name] = max(slowest[name], seconds)
            if found:
                counts[name, "findings"] += 1
                kept = options.keep / f"{options.seed}-{number}"
                shutil.copytree(folder, kept)
                (kept / "finding.txt").write_text(f"{found}\ntagsmith {command}\nmutated: {target}\n{said[-3000:]}")
                print(f"{name}: {found} ({kept})", file=sys.stderr)
        number += 1
    print("| kind | executions | accepted | refused | findings | slowest, s |\n|---|--:|--:|--:|--:|--:|")
    for name in dict.fromkeys(row[0] for row in rows):
        cells = [counts[name, key] for key in ("runs", "accepted", "refused", "findings")]
        print(f"| {name} | {' | '.join(map(str, cells))} | {slowest[name]:.1f} |")
    total = {key: sum(count for (_, kind), count in counts.items() if kind == key) for key in ("runs", "accepted", "refused", "findings")}
    print(json.dumps(total))
    sys.exit(1 if total["findings"] else 0)


if __name__ == "__main__":
    main()
