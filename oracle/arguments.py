"""The options of run_ner.py and what its parser makes of command lines: golden/arguments/options.json.

`transformers 5` and `transformers 4` are the fields of each version's TrainingArguments; the installed version is
asked through the parser it builds, the old one is read as text from the wheel that pip downloads. `run_ner` holds the
script's own two data classes, whose names, types and defaults are written down here. `cases` are command lines
and what HfArgumentParser (version 5, over all three classes) reads from them.

    python arguments.py            write golden/arguments/options.json
    python arguments.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import ast
import contextlib
import dataclasses
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Optional

import transformers
from transformers import HfArgumentParser, TrainingArguments

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "arguments" / "options.json"
OLD_VERSION = "4.57.6"

# examples/pytorch/token-classification/run_ner.py: ModelArguments, then DataTrainingArguments.
MODEL = [
    ("model_name_or_path", str, dataclasses.MISSING),
    ("config_name", Optional[str], None),
    ("tokenizer_name", Optional[str], None),
    ("cache_dir", Optional[str], None),
    ("model_revision", str, "main"),
    ("token", str, None),
    ("trust_remote_code", bool, False),
    ("ignore_mismatched_sizes", bool, False),
]
DATA = [
    ("task_name", Optional[str], "ner"),
    ("dataset_name", Optional[str], None),
    ("dataset_config_name", Optional[str], None),
    ("train_file", Optional[str], None),
    ("validation_file", Optional[str], None),
    ("test_file", Optional[str], None),
    ("text_column_name", Optional[str], None),
    ("label_column_name", Optional[str], None),
    ("overwrite_cache", bool, False),
    ("preprocessing_num_workers", Optional[int], None),
    ("max_seq_length", int, None),
    ("pad_to_max_length", bool, False),
    ("max_train_samples", Optional[int], None),
    ("max_eval_samples", Optional[int], None),
    ("max_predict_samples", Optional[int], None),
    ("label_all_tokens", bool, False),
    ("return_entity_level_metrics", bool, False),
]

# Command lines after `--model_name_or_path m`; one a rule of the parser.
CASES = [
    "",
    # Spelling.
    "--max_seq_length 64",
    "--max-seq-length 64",
    "--max_seq_length=64",
    "--max-seq-length=64",
    "--max_seq-length 64",
    "--seed 1 --seed 2",
    "--seed=1 --seed 3",
    "--train_file=a=b.json",
    "--output_dir=",
    # Abbreviations.
    "--text_column t --label_column l",
    "--text-column t --label-column=l",
    "--do_pred",
    "--do-pred",
    "--do_pred=false",
    "--do_p --do_e --do_t",
    "--learning 3e-5",
    "--fp16",
    "--fp16_full",
    "--bf16",
    "--max_t 5",
    "--max_ 5",
    "--max-s 5",
    "--do_ true",
    "--per_device 8",
    "--gradient_acc 4",
    "--gradient_check",
    "--warmup 3",
    "--save_s 3",
    "--eval_st steps",
    "--text_column-name t",
    "--no_rem",
    "--no-rem",
    # Flags and their values.
    "--do_train",
    "--do_train yes",
    "--do_train TRUE",
    "--do_train=T",
    "--do_train y",
    "--do_train 1",
    "--do_train no",
    "--do_train False",
    "--do_train f",
    "--do_train N",
    "--do_train 0",
    "--do_train maybe",
    "--do_train on",
    "--do_train=",
    "--do_train --do_eval",
    "--dataloader_pin_memory",
    "--dataloader_pin_memory false",
    "--no_dataloader_pin_memory",
    "--no-dataloader-pin-memory",
    "--no_dataloader_pin_memory --dataloader_pin_memory",
    "--no_dataloader-pin_memory",
    "--no_dataloader_pin_memory=true",
    "--no_remove_unused_columns",
    "--no_do_train",
    "--no_seed 3",
    # Types.
    "--max_seq_length 12.5",
    "--max_seq_length 1e3",
    "--max_seq_length ten",
    "--max_seq_length +7",
    "--learning_rate 2e-5",
    "--learning_rate 1",
    "--learning_rate .5",
    "--learning_rate 5.",
    "--learning_rate fast",
    "--learning_rate -1",
    "--max_grad_norm -0.5",
    "--max_steps -1",
    "--warmup_steps 0.1",
    "--save_steps 0.25",
    "--num_train_epochs 2",
    "--lr_scheduler_type cosine",
    "--lr_scheduler_type cubic",
    "--lr_scheduler_type Cosine",
    "--eval_strategy epoch",
    "--eval_strategy sometimes",
    "--save_strategy best",
    "--hub_strategy end",
    "--optim adamw_torch",
    "--report_to none",
    "--report_to tensorboard wandb",
    "--label_names a b c --seed 5",
    "--label_names",
    "--label_names=a",
    "--lr_scheduler_kwargs {\"num_cycles\":3}",
    # Missing values, strangers.
    "--seed",
    "--seed --do_train",
    "--output_dir",
    "--train_file -x",
    "--learning_rat3 1",
    "stray",
    "--do_train --nonsense 3 --seed 4",
    "-do_train",
]


def parser():
    """HfArgumentParser over run_ner's three classes."""
    def data_class(name, rows):
        fields = [(n, t) if d is dataclasses.MISSING else (n, t, dataclasses.field(default=d)) for n, t, d in rows]
        return dataclasses.make_dataclass(name, fields)

    return HfArgumentParser((data_class("ModelArguments", MODEL), data_class("DataArguments", DATA), TrainingArguments))


def kind(action):
    """The action's kind in our words."""
    if action.nargs == "?":
        return "flag" if action.type.__name__ == "string_to_bool" else "string"
    if action.nargs == "+":
        return "list"
    if action.choices is not None:
        return "choice"
    names = {"string_to_bool": "optional flag", "int": "int", "float": "float", "str": "string", "dict": "dict"}
    return names.get(getattr(action.type, "__name__", ""), "object")


def new_fields(names):
    """What the installed version's parser knows of these options."""
    rows = []
    for action in parser()._actions:
        if action.dest in names and action.nargs != 0:
            row = {"name": action.dest, "kind": kind(action), "default": plain(action.default)}
            if action.choices is not None:
                row["choices"] = [str(choice) for choice in action.choices]
            rows.append(row)
    return rows


def plain(value):
    """A default as JSON; an enumeration by its value."""
    return getattr(value, "value", value)


OLD_KINDS = [
    (r"bool", "flag"),
    (r"Optional\[bool\]", "optional flag"),
    (r"(Optional\[)?int\]?", "int"),
    (r"(Optional\[)?float\]?", "float"),
    (r"Union\[(IntervalStrategy|SaveStrategy|SchedulerType|HubStrategy|OptimizerNames), str\]", "choice"),
    (r"(Optional\[)?list\[str\]\]?", "list"),
    (r"Optional\[(ParallelismConfig|dict\[str, bool\])\]", "object"),
    (r"Union\[str, bool\]", "flag"),
]


def old_fields():
    """TrainingArguments of the old version, read from its wheel as a syntax tree."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run(command + [f"transformers=={OLD_VERSION}"], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            tree = ast.parse(wheel.read("transformers/training_args.py"))
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TrainingArguments").body
    rows = []
    for statement in body:
        if not isinstance(statement, ast.AnnAssign):
            continue
        keywords = {word.arg: word.value for word in statement.value.keywords}
        if "init" in keywords:
            continue
        annotation = ast.unparse(statement.annotation)
        name_of_kind = next((k for pattern, k in OLD_KINDS if re.fullmatch(pattern, annotation)), "string")
        if "default_factory" in keywords:
            default = []
        elif isinstance(keywords["default"], ast.Name):
            # `default_optim`, which the class body sets from the version of torch.
            default = "adamw_torch_fused"
        else:
            default = ast.literal_eval(keywords["default"])
        rows.append({"name": statement.target.id, "kind": name_of_kind, "default": default})
    return rows


def run(line):
    """What the parser makes of one command line: the values that differ from the defaults, or the complaint."""
    arguments = ["--model_name_or_path", "m"] + line.split()
    defaults = vars(parser().parse_args(["--model_name_or_path", "m"]))
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            namespace, strangers = parser().parse_known_args(arguments)
    except SystemExit:
        message = errors.getvalue().splitlines()[-1]
        reasons = {
            "ambiguous option": "ambiguous",
            "expected one argument": "no value",
            "expected at least one argument": "no value",
            "ignored explicit argument": "needless value",
            "invalid choice": "wrong value",
            "invalid": "wrong value",
            "Truthy": "wrong value",
        }
        reason = next((r for text, r in reasons.items() if text in message), None)
        assert reason, message
        # argparse lists each spelling; one spelling of an option is enough.
        could = re.search(r"could match (.*)", message)
        candidates = sorted({c.replace("-", "_") for c in re.findall(r"--([\w-]+)", could[1])}) if could else []
        return {"line": line, "error": reason, **({"candidates": candidates} if candidates else {})}
    if strangers:
        return {"line": line, "error": "unknown", "strangers": strangers}
    changed = {name: plain(value) for name, value in vars(namespace).items() if value != defaults[name]}
    return {"line": line, "values": changed}


def derive():
    script = {name for name, _, _ in MODEL + DATA}
    training = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    return {
        "versions": {"new": transformers.__version__, "old": OLD_VERSION},
        "run_ner": new_fields(script),
        "transformers 5": new_fields(training),
        "transformers 4": old_fields(),
        "cases": [run(line) for line in CASES],
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="compare with the golden file instead of writing it")
    check = options.parse_args().check
    derived = derive()
    # One row a line, so that a change reads as one line.
    parts = []
    for name, part in derived.items():
        if isinstance(part, list):
            rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in part)
            parts.append(f'"{name}": [\n{rows}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(part)}')
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    assert json.loads(text) == json.loads(json.dumps(derived))
    if not check:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
        return 0
    if GOLDEN.read_text(encoding="utf-8") == text:
        print(f"{GOLDEN.name}: the same")
        return 0
    print(f"{GOLDEN.name}: differs from what {transformers.__version__} gives")
    return 1


if __name__ == "__main__":
    sys.exit(main())
