"""What scikit-learn makes of error-detection labels: golden/error_detection/cases.jsonl.

Random corpora over label lists with `UC` or `c` for a word without an error; some labels never occur, some words have
labels that are not in the list, and labels of several parts come in any order, which is sorted before scoring.

rows       for each listed label: precision, recall, F1, F0.5 and support
macro      plain means over all listed labels; `errors` the same without the correct label; `weighted` by support
micro      over the listed labels, where gold or prediction has others; otherwise null, and `accuracy` stands for it
binary     every label but the correct one is an error: precision and recall (1 without a denominator), F0.5, accuracy

    python error_detection.py            write the file
    python error_detection.py --check    derive everything again and compare; exit status 1 on a difference
"""

import json
import random
import sys
import warnings

from golden import settle
from sklearn.metrics import accuracy_score, fbeta_score, precision_recall_fscore_support, precision_score, recall_score

KINDS = ["REPLACE_OH", "REPLACE_OT", "MERGE-B", "MERGE-I", "SPLIT", "DELETE", "REPLACE_OH+REPLACE_OT", "MERGE-B+REPLACE_OH"]


def exact(values):
    return [repr(float(value)) for value in values]


def sorted_parts(label):
    return "+".join(sorted(label.split("+")))


def averages(gold, predicted, labels, average):
    precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, labels=labels, average=average, zero_division=0)
    return exact([precision, recall, f1, fbeta_score(gold, predicted, beta=0.5, labels=labels, average=average, zero_division=0)])


def case(labels, gold, predicted):
    correct = "UC" if "UC" in labels else "c"
    written = {"labels": " ".join(labels), "gold": " ".join(gold), "predicted": " ".join(predicted)}
    gold, predicted = [sorted_parts(label) for label in gold], [sorted_parts(label) for label in predicted]
    columns = precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)
    halves = fbeta_score(gold, predicted, beta=0.5, labels=labels, average=None, zero_division=0)
    rows = [[label, exact([p, r, f, h]), int(s)] for label, p, r, f, s, h in zip(labels, *columns, halves)]
    binary = [["I" if label != correct else correct for label in side] for side in (gold, predicted)]
    positive = {"pos_label": "I", "average": "binary", "zero_division": 1, "labels": [correct, "I"]}
    return written | {
        "rows": rows,
        "macro": averages(gold, predicted, labels, "macro"),
        "errors": averages(gold, predicted, [label for label in labels if label != correct], "macro"),
        "weighted": averages(gold, predicted, labels, "weighted"),
        "micro": averages(gold, predicted, labels, "micro") if not set(gold + predicted) <= set(labels) else None,
        "accuracy": exact([accuracy_score(gold, predicted)])[0],
        "binary": exact([precision_score(*binary, **positive), recall_score(*binary, **positive),
                         fbeta_score(*binary, beta=0.5, **positive), accuracy_score(*binary)]),  # fmt: skip
    }


def shuffled_parts(rng, label):
    parts = label.split("+")
    rng.shuffle(parts)
    return "+".join(parts)


def cases():
    rng = random.Random(9)
    for number in range(60):
        correct = ["c", "i"] if number % 5 == 4 else ["UC"]
        labels = correct + (KINDS[: 1 + number % len(KINDS)] if len(correct) == 1 else [])
        rng.shuffle(labels)
        # The last label of a third of the lists never occurs; a seventh of the corpora has one that is not listed.
        used = labels[:-1] if number % 3 == 0 and len(labels) > 2 else labels
        strange = ["ODD"] if number % 7 == 3 else []
        length, noise = rng.choice((1, 5, 40, 120)), rng.choice((0.0, 0.2, 0.6, 1.0))
        gold = [correct[0] if rng.random() < 0.6 else rng.choice(used + strange) for _ in range(length)]
        predicted = [label if rng.random() > noise else rng.choice(used + strange) for label in gold]
        if number % 11 == 5:
            predicted = [correct[0]] * length
        if number % 13 == 6:
            gold = [correct[0]] * length
        yield case(labels, [shuffled_parts(rng, label) for label in gold], [shuffled_parts(rng, label) for label in predicted])


def main():
    warnings.simplefilter("ignore")
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in cases())
    return settle("error_detection/cases.jsonl", text, "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
