"""What calls of seqeval return, raise and warn of, and whether tagsmith.seqeval does the same: golden/seqeval_drop_in.

cases     calls: `call` with `args` and `options` (a scheme by its name), and what came of it: `result`, or the type of
          the exception as `error`; `undefined` counts its UndefinedMetricWarnings; beside a result, `odd` says whether a
          warning tells of a label that is not a tag, and `mean_of_nothing` whether one tells of an average of no types.
          Floats are texts, so that every bit is told.

    python seqeval_drop_in.py            write the file
    python seqeval_drop_in.py --check    derive it again and compare, then make 2,000 calls of both packages and compare;
                                         exit status 1 on a difference
"""

import argparse
import importlib
import itertools
import json
import math
import random
import sys
import warnings
from pathlib import Path

from golden import settle

SCHEMES = ("IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU")
LETTERS = {"IOB1": "IOB", "IOB2": "IOB", "IOE1": "IOE", "IOE2": "IOE", "IOBES": "IOBES", "BILOU": "BILOU"}

# Labels that show how letters, dashes and types are read, or that are not tags.
ODD = ["X", ".", ".-A", "NOUN", "B", "I", "I-", "I--A", "A-B-A", "é-A", "O-A", "-", "S-", "B-A-", "U-A", "L-A", "E", "S"]

CALLS = {
    "metrics.f1_score": 5,
    "metrics.precision_score": 4,
    "metrics.recall_score": 4,
    "metrics.accuracy_score": 2,
    "metrics.performance_measure": 2,
    "metrics.classification_report": 6,
    "metrics.sequence_labeling.get_entities": 3,
    "metrics.sequence_labeling.precision_recall_fscore_support": 5,
    "metrics.v1.precision_recall_fscore_support": 5,
    "metrics.v1.classification_report": 3,
    "metrics.v1.unique_labels": 1,
    "scheme.auto_detect": 2,
    "evaluate": 3,
}


def write_tag(letter, kind, suffix):
    if letter == "O":
        return letter
    return f"{kind}-{letter}" if suffix else f"{letter}-{kind}"


def corpus(rng, scheme, suffix):
    """Gold labels at random, a prediction that keeps most of them, and now and then a fault in either."""
    many = rng.random() < 0.15
    kinds = [f"T{i:03}" for i in range(rng.choice((9, 40, 150)))] if many else ["PER", "LOC", "ORG-X", "Ünit"][: rng.randint(1, 4)]
    tags = [write_tag(letter, kind, suffix) for letter in LETTERS[scheme] if letter != "O" for kind in kinds]
    labels = tags + ["O"] * max(1, len(tags) // 3)
    if rng.random() < 0.15:
        labels = labels[:10] + rng.sample(ODD, 6)
    sentences, longest = rng.choice((1, 2, 3, 6)), 40 if many else rng.choice((1, 4, 9))
    noise = rng.choice((0.0, 0.2, 0.5, 1.0))
    gold = [[rng.choice(labels) for _ in range(rng.randint(0, longest))] for _ in range(sentences)]
    pred = [[label if rng.random() > noise else rng.choice(labels) for label in tags] for tags in gold]
    for side in (gold, pred):
        if rng.random() < 0.08:
            side[:] = [["O"] * len(tags) for tags in side]
    fault = rng.random()
    if fault < 0.02:
        rng.choice((gold, pred)).append(["O"])
    elif fault < 0.04:
        rng.choice(rng.choice((gold, pred))).append("O")
    elif fault < 0.05:
        rng.choice(rng.choice((gold, pred))).append(rng.choice(("", "Q-A", "Z")))
        pred = [(tags + ["O"] * len(true))[: len(true)] for tags, true in zip(pred, gold)]
        gold = [(tags + ["O"] * len(pred))[: len(pred)] for tags, pred in zip(gold, pred)]
    elif fault < 0.07:
        gold, pred = ["B-A", *sum(gold, [])], ["B-A", *sum(pred, [])]
    elif fault < 0.075:
        gold, pred = [], []
    return gold, pred


def case(rng):
    name = rng.choices(list(CALLS), list(CALLS.values()))[0]
    scheme, suffix = rng.choice(SCHEMES), rng.random() < 0.25
    gold, pred = corpus(rng, scheme, suffix)
    if rng.random() < 0.05:
        scheme = rng.choice(SCHEMES)
    args, options = [gold, pred], {}
    zero_division = rng.choice(("warn", "warn", 0, 1, 0.5))
    if name.endswith(("accuracy_score", "performance_measure")):
        return {"call": name, "args": args, "options": options}
    if suffix:
        options["suffix"] = True
    if name.endswith(("get_entities", "auto_detect")):
        return {"call": name, "args": [gold], "options": options}
    if name.endswith("unique_labels"):
        return {"call": name, "args": args, "options": options | {"scheme": scheme}}
    if zero_division != "warn" or rng.random() < 0.2:
        options["zero_division"] = zero_division
    if rng.random() < 0.1:
        options["sample_weight"] = [1, 2, 3]
    if "v1" in name:
        if "report" not in name or rng.random() < 0.6:
            options["scheme"] = scheme
    elif "sequence_labeling" not in name:
        strict = rng.random()
        if strict < 0.5:
            options["mode"] = "strict"
        if strict < 0.45 or strict > 0.9:
            options["scheme"] = scheme
    if "report" in name:
        if rng.random() < 0.5:
            options["output_dict"] = True
        if rng.random() < 0.5:
            options["digits"] = rng.choice((0, 1, 3, 4, 14))
    elif name != "evaluate":
        if rng.random() < 0.85:
            options["average"] = rng.choice((None, "micro", "macro", "macro", "weighted", "weighted", "samples"))
    if name.endswith("fscore_support"):
        options["beta"] = rng.choice((1, 1.0, 0.5, 2, 0, 3.7, 1e-3, math.inf, -1))
        if rng.random() < 0.3:
            options["warn_for"] = rng.choice((("f-score",), ("precision",), ("recall", "f-score"), ()))
    return {"call": name, "args": args, "options": options}


def evaluate(package, gold, pred, scheme=None, **options):
    """What the metric seqeval of the package evaluate makes of a report (its metrics/seqeval at 4404a7c)."""
    scheme = scheme and getattr(importlib.import_module(f"{package}.scheme"), scheme)
    metrics = importlib.import_module(f"{package}.metrics")
    report = metrics.classification_report(gold, pred, output_dict=True, scheme=scheme, **options)
    overall, *_ = (report.pop(f"{average} avg") for average in ("micro", "macro", "weighted"))
    keys = {"precision": "precision", "recall": "recall", "f1": "f1-score", "number": "support"}
    scores = {name: {key: row[theirs] for key, theirs in keys.items()} for name, row in report.items()}
    for key in ("precision", "recall", "f1"):
        scores[f"overall_{key}"] = overall[keys[key]]
    scores["overall_accuracy"] = metrics.accuracy_score(gold, pred)
    return scores


def encoded(value):
    """A result as JSON, with floats as texts. numpy's numbers and arrays become Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: encoded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(inner) for inner in value]
    return value.__name__ if isinstance(value, type) else value


def outcome(package, case):
    """What came of a call."""
    gold_and_pred, options = json.loads(json.dumps(case["args"])), dict(case["options"])
    if case["call"] == "evaluate":
        if package == "seqeval":
            function = lambda gold, pred, **options: evaluate(package, gold, pred, **options)
        else:
            hf = importlib.import_module("tagsmith.hf")
            function = lambda gold, pred, **options: hf.compute(pred, gold, **options)
    else:
        module, _, name = case["call"].rpartition(".")
        function = getattr(importlib.import_module(f"{package}.{module}"), name)
        if "scheme" in options:
            options["scheme"] = getattr(importlib.import_module(f"{package}.scheme"), options["scheme"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = {"result": encoded(function(*gold_and_pred, **options))}
        except Exception as error:
            # A subclass may say it more precisely: what counts is what `except` of seqeval's callers would catch.
            kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
            found = {"error": kinds[0]}
    categories = [warning.category for warning in caught]
    found["undefined"] = sum(category.__name__ == "UndefinedMetricWarning" for category in categories)
    if "result" in found:
        found["odd"] = UserWarning in categories
        found["mean_of_nothing"] = RuntimeWarning in categories
    return found


def cases(seed, count):
    rng = random.Random(seed)
    return [case(rng) for _ in range(count)]


def wide(rng):
    """Calls with more types than numpy sums in one block."""
    tags = [f"B-T{i:03}" for i in range(150)]
    gold = [rng.choice(tags) for _ in range(200)]
    pred = [tag if rng.random() > 0.3 else rng.choice(tags) for tag in gold]
    for average in ("macro", "weighted"):
        options = {"average": average, "beta": 0.3}
        yield {"call": "metrics.sequence_labeling.precision_recall_fscore_support", "args": [[gold], [pred]], "options": options}


def small(seed, count):
    """Cases for the golden file."""
    few = (case for case in cases(seed, 20 * count) if len(json.dumps(case["args"])) < 400)
    return [*itertools.islice(few, count), *wide(random.Random(seed))]


def report_of_nothing(case):
    """Whether seqeval looks for the longest type's name before it looks at the lists. tagsmith looks at the lists first."""
    table = case["call"] == "metrics.classification_report" and not case["options"].get("output_dict")
    return table and case["options"].get("mode") != "strict" and case["args"] == [[], []]


def compared(count):
    """Makes calls of both packages; returns the exit status, 1 on a difference."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
    differ, kinds = 0, {}
    for case in cases(7, count):
        if report_of_nothing(case):
            kinds["left out"] = kinds.get("left out", 0) + 1
            continue
        theirs, ours = outcome("seqeval", case), outcome("tagsmith.seqeval", case)
        kind = "exceptions" if "error" in theirs else "results"
        kinds[kind] = kinds.get(kind, 0) + 1
        kinds["warnings of division"] = kinds.get("warnings of division", 0) + bool(theirs["undefined"])
        if theirs != ours:
            differ += 1
            if differ <= 10:
                print(json.dumps({**case, "seqeval": theirs, "tagsmith": ours}, ensure_ascii=False))
    print(f"{count} calls: {kinds}; {differ} differ")
    return int(differ > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--calls", type=int, default=2000, help="calls of both packages that --check makes")
    given = parser.parse_args()
    lines = [json.dumps({**case, **outcome("seqeval", case)}, ensure_ascii=False) for case in small(5, 150)]
    status = settle("seqeval_drop_in/cases.json", "[\n" + ",\n".join(lines) + "\n]\n", given.check)
    return max(status, compared(given.calls)) if given.check else status


if __name__ == "__main__":
    sys.exit(main())
