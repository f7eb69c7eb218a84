"""What nervaluate, scikit-learn, scipy and seqeval make of entities, probabilities and resamples: golden/scores/*.jsonl.

semeval       entities as type, first word, end, and nervaluate's counts (correct, incorrect, partial, missed, spurious): of all and of
              each type; `readme` is the example of its page. Entities of a side may overlap. `passes` has the counts of
              pairs in passes, which this script makes by their definition
nervaluate    the entities of every call in nervaluate's own tests, and its counts; those that ask for more overlap than a hundredth
              are left out. The tests pass there, so that the same counts pass them
confusion     tags, the matrix of scikit-learn over the pairs in passes, nothing last, and the classes of errors
calibration   probabilities, whether each is right, and scikit-learn's curve over ten bins; the expected error is numpy's
bootstrap     tags, and percentiles (numpy's) of seqeval's figures over resamples drawn by SplitMix64
paired        two predictions and scipy's exact p of the difference of seqeval's figures

    python scores.py            write the files
    python scores.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import random
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from golden import settle
from nervaluate import Evaluator
from nervaluate.entities import Entity
from nervaluate.strategies import EntityTypeEvaluation, ExactEvaluation, PartialEvaluation, StrictEvaluation
from scipy import stats
from seqeval.metrics import accuracy_score, classification_report
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

STRATEGIES = {"strict": StrictEvaluation, "exact": ExactEvaluation, "partial": PartialEvaluation, "type": EntityTypeEvaluation}
RELEASE = "nervaluate==1.2.1"
COUNTS = ("correct", "incorrect", "partial", "missed", "spurious")
MASK = (1 << 64) - 1

README = (
    [["O", "B-PER", "I-PER", "O", "O", "O", "B-ORG", "I-ORG"], ["O", "B-LOC", "B-PER", "I-PER", "O", "O", "B-DATE"]],
    [["O", "O", "B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG"], ["O", "B-LOC", "I-LOC", "B-PER", "O", "O", "B-DATE"]],
)


def entities(tags):
    return [(kind, start, end + 1) for kind, start, end in get_entities(tags)]


def common(a, b):
    return max(0, min(a[2], b[2]) - max(a[1], b[1]))


def passes(gold, predicted):
    """Pairs of places, by the definition: pass after pass, more common words first, then the earlier gold, the earlier prediction."""
    rules = (
        lambda a, b: a == b,
        lambda a, b: a[1:] == b[1:],
        lambda a, b: a[0] == b[0] and common(a, b),
        lambda a, b: common(a, b),
    )
    pairs, used_gold, used_predicted = [], set(), set()
    for rule in rules:
        found = [(-common(a, b), i, j) for i, a in enumerate(gold) for j, b in enumerate(predicted) if rule(a, b)]
        for _, i, j in sorted(found):
            if i not in used_gold and j not in used_predicted:
                pairs.append((i, j))
                used_gold.add(i)
                used_predicted.add(j)
    return pairs


def counts_in_passes(gold, predicted):
    pairs = [(gold[i], predicted[j]) for i, j in passes(gold, predicted)]
    rest = [len(gold) - len(pairs), len(predicted) - len(pairs)]
    same_words = sum(a[1:] == b[1:] for a, b in pairs)
    same_type = sum(a[0] == b[0] for a, b in pairs)
    equal = sum(a == b for a, b in pairs)
    other = len(pairs)
    return {"strict": [equal, other - equal, 0, *rest], "exact": [same_words, other - same_words, 0, *rest],
            "partial": [same_words, 0, other - same_words, *rest], "type": [same_type, other - same_type, 0, *rest]}  # fmt: skip


def counts_of(strategy, gold, predicted):
    def of(side):
        return [Entity(label=kind, start=start, end=end - 1) for kind, start, end in side]

    result, _ = strategy().evaluate(of(gold), of(predicted), [])
    return [getattr(result, name) for name in COUNTS]


def flat(rng, words):
    spans, at = [], 0
    while at < words:
        at += rng.choice((0, 0, 1, 2))
        end = at + rng.choice((1, 1, 2, 3))
        if end > words:
            break
        spans.append((rng.choice("ABC"), at, end))
        at = end
    return spans


def nested(rng, words):
    spans = {(rng.choice("ABC"), start, min(words, start + rng.randint(1, 5))) for start in rng.choices(range(words), k=rng.randint(0, 5))}
    spans = sorted(spans, key=lambda span: (span[1], span[2], span[0]))
    return spans


def semeval():
    evaluator = Evaluator(*README, tags=["PER", "ORG", "LOC", "DATE"], loader="list")
    found = evaluator.evaluate()["overall"]
    names = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}
    sides = [[entities(tags) for tags in side] for side in README]
    yield {"readme": True, "sentences": [list(pair) for pair in zip(*sides)],
           "all": {name: [getattr(found[key], count) for count in COUNTS] for name, key in names.items()}}  # fmt: skip
    rng = random.Random(11)
    for number in range(160):
        make = flat if number % 3 else nested
        words = rng.choice((6, 12, 130))
        gold, predicted = make(rng, words), make(rng, words)
        if number % 4 == 1:
            predicted = sorted(set(predicted[:1] + gold[1:]), key=lambda span: (span[1], span[2], span[0]))
        if number % 40 == 7:
            # One word of many is less than the hundredth that nervaluate asks for.
            gold, predicted = [("A", 0, 129)], [("A", 128, 130)]
        kinds = sorted({span[0] for span in gold + predicted})
        of_kinds = {
            kind: {name: counts_of(it, *([s for s in side if s[0] == kind] for side in (gold, predicted)))
                   for name, it in STRATEGIES.items()} for kind in kinds}  # fmt: skip
        yield {"sentences": [[gold, predicted]], "all": {name: counts_of(it, gold, predicted) for name, it in STRATEGIES.items()},
               "types": of_kinds, "passes": counts_in_passes(gold, predicted)}  # fmt: skip


def own_tests():
    """Runs nervaluate's tests, which its release has, and records what its strategies were asked."""
    calls = {}

    def recording(name, strategy):
        inner = strategy.evaluate

        def evaluate(self, true_entities, pred_entities, tags, instance_index=0):
            found = inner(self, true_entities, pred_entities, tags, instance_index)
            if self.min_overlap_percentage == 1.0:
                sides = [[(it.label, it.start, it.end + 1) for it in side] for side in (true_entities, pred_entities)]
                key = json.dumps([name, sides])
                calls[key] = [getattr(found[0], count) for count in COUNTS]
            return found

        strategy.evaluate = evaluate
        return inner

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, RELEASE]
        subprocess.run(command, check=True)
        archive = next(Path(folder).glob("nervaluate-*.tar.gz"))
        with tarfile.open(archive) as release:
            release.extractall(folder, filter="data")
        tests = archive.with_name(archive.name.removesuffix(".tar.gz")) / "tests"
        inner = {name: recording(name, strategy) for name, strategy in STRATEGIES.items()}
        try:
            if pytest.main(["--quiet", "-p", "no:cacheprovider", "--override-ini", "addopts=", "--rootdir", str(tests), str(tests)]) != 0:
                sys.exit("nervaluate's tests do not pass there")
        finally:
            for name, evaluate in inner.items():
                STRATEGIES[name].evaluate = evaluate
    for key in sorted(calls):
        name, sides = json.loads(key)
        yield {"answer": name, "gold": sides[0], "predicted": sides[1], "counts": calls[key]}


def tags_of(spans, words):
    tags = ["O"] * words
    for kind, start, end in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def noisy(rng, spans, words):
    """Entities some of which are lost, moved, renamed or new."""
    tags = ["O"] * words
    for kind, start, end in spans:
        change = rng.random()
        if change < 0.15:
            continue
        if change < 0.3:
            kind = rng.choice("ABC")
        if change > 0.85:
            start, end = max(0, start - rng.randint(0, 1)), min(words, end + rng.randint(0, 2))
        tags[start:end] = tags_of([(kind, 0, end - start)], end - start)
    if rng.random() < 0.2:
        at = rng.randrange(words)
        tags[at] = "B-" + rng.choice("ABCD")
    return tags


def corpus(rng, sentences):
    pairs = []
    for _ in range(sentences):
        words = rng.randint(3, 14)
        spans = flat(rng, words)
        pairs.append((tags_of(spans, words), noisy(rng, spans, words)))
    return pairs


def confusion():
    def kind_of(gold, predicted):
        if gold == predicted:
            return "right"
        if gold[0] != predicted[0]:
            return "type" if gold[1:] == predicted[1:] else "type_and_boundary"
        return {(True, False): "left_boundary", (False, True): "right_boundary"}.get(
            (gold[1] != predicted[1], gold[2] != predicted[2]), "both_boundaries")  # fmt: skip

    rng = random.Random(12)
    for _ in range(60):
        sentences = corpus(rng, rng.choice((1, 3, 8)))
        left, right, classes = [], [], {}
        for gold, predicted in sentences:
            gold, predicted = entities(gold), entities(predicted)
            pairs = passes(gold, predicted)
            rows = [(gold[i], predicted[j]) for i, j in pairs]
            rows += [(span, None) for i, span in enumerate(gold) if i not in {i for i, _ in pairs}]
            rows += [(None, span) for j, span in enumerate(predicted) if j not in {j for _, j in pairs}]
            for a, b in rows:
                left.append(a[0] if a else "∅")
                right.append(b[0] if b else "∅")
                kind = (a or b)[0]
                name = kind_of(a, b) if a and b else ("missed" if a else "invented")
                classes.setdefault(kind, {}).setdefault(name, 0)
                classes[kind][name] += 1
        names = sorted((set(left) | set(right)) - {"∅"}) + ["∅"]
        rows = confusion_matrix(left, right, labels=names).tolist() if left else [[0]]
        yield {"gold": [" ".join(gold) for gold, _ in sentences], "predicted": [" ".join(predicted) for _, predicted in sentences],
               "types": names, "rows": rows, "classes": classes}  # fmt: skip


def calibration():
    rng = np.random.default_rng(13)
    for number in range(16):
        count = int(rng.integers(1, 200))
        # Round numbers lie on the bounds of bins.
        probabilities = np.round(rng.random(count), 1 + number % 3) if number % 2 else rng.random(count) ** 0.3
        right = rng.random(count) < probabilities**2
        if number % 5 == 0:
            right[:] = number % 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            true, mean = calibration_curve(right, probabilities, n_bins=10) if len(set(right)) > 1 else (None, None)
        bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], probabilities)
        error = sum(abs(right[bins == b].mean() - probabilities[bins == b].mean()) * (bins == b).mean() for b in set(bins))
        yield {"probabilities": probabilities.tolist(), "right": right.tolist(), "ece": float(error),
               "accuracy": None if true is None else true.tolist(), "confidence": None if mean is None else mean.tolist()}  # fmt: skip


def split_mix(seed, at):
    """Number `at` of the stream of a seed, as its authors define it."""
    z = (seed + 0x9E3779B97F4A7C15 * (at + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def figures(sentences):
    """seqeval's figures of a data set: of all, means, the accuracy, and of each type that occurs."""
    gold, predicted = [list(gold) for gold, _ in sentences], [list(predicted) for _, predicted in sentences]
    found = {}
    if any(tag != "O" for side in (gold, predicted) for tags in side for tag in tags):
        rows = classification_report(gold, predicted, output_dict=True, zero_division=0)
        rows.pop("weighted avg")
        for name, row in rows.items():
            for key, figure in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
                found[f"{name} {key}"] = float(row[figure])
    found["accuracy"] = float(accuracy_score(gold, predicted))
    return found


def bootstrap():
    rng = random.Random(14)
    for number in range(6):
        sentences, seed, resamples = corpus(rng, 5 + 6 * number), rng.getrandbits(32), 80 + 7 * number
        confidence = (0.95, 0.9, 0.5)[number % 3]
        values = {}
        for sample in range(resamples):
            stream = split_mix(seed, sample)
            drawn = [sentences[split_mix(stream, at) * len(sentences) >> 64] for at in range(len(sentences))]
            for name, value in figures(drawn).items():
                values.setdefault(name, []).append(value)
        outside = (1 - confidence) / 2
        bounds = {name: [float(np.quantile(of, q)) for q in (outside, 1 - outside)] for name, of in sorted(values.items())}
        # scipy draws otherwise, so only bounds of many resamples of many sentences agree, and not to the last digit.
        right = np.array([sum(a == b for a, b in zip(*pair)) for pair in sentences])
        words = np.array([len(gold) for gold, _ in sentences])
        if number == 5:
            theirs = stats.bootstrap((np.arange(len(words)),), lambda at, axis=-1: right[at].sum(axis) / words[at].sum(axis),
                                     confidence_level=confidence, n_resamples=5000, method="percentile", vectorized=True,
                                     rng=np.random.default_rng(1)).confidence_interval  # fmt: skip
            assert abs(theirs.low - bounds["accuracy"][0]) < 0.03 and abs(theirs.high - bounds["accuracy"][1]) < 0.03
        yield {"gold": [" ".join(gold) for gold, _ in sentences], "predicted": [" ".join(predicted) for _, predicted in sentences],
               "seed": seed, "resamples": resamples, "confidence": confidence, "intervals": bounds}  # fmt: skip


def paired():
    rng = random.Random(15)
    for number in range(4):
        sentences = corpus(rng, 4 + number)
        # The second prediction is the first with other noise; two sentences are the same.
        gold = [gold for gold, _ in sentences]
        first = [predicted for _, predicted in sentences]
        second = [predicted if at < 2 else noisy(rng, entities(gold), len(gold)) for at, (gold, predicted) in enumerate(sentences)]
        both = first + second

        def value(places, name):
            return figures([(gold[at % len(gold)], both[at]) for at in places])[name]

        def p(name):
            def statistic(a, b):
                return value(b, name) - value(a, name)

            places = np.arange(len(gold))
            found = stats.permutation_test((places, places + len(gold)), statistic, permutation_type="samples", vectorized=False,
                                           n_resamples=np.inf, alternative="two-sided")  # fmt: skip
            return [float(found.statistic), float(found.pvalue)]

        names = ["micro avg precision", "micro avg recall", "micro avg f1", "macro avg f1", "accuracy"]
        yield {"gold": [" ".join(tags) for tags in gold], "first": [" ".join(tags) for tags in first],
               "second": [" ".join(tags) for tags in second], "tests": {name: p(name) for name in names}}  # fmt: skip


FILES = {"semeval": semeval, "nervaluate": own_tests, "confusion": confusion, "calibration": calibration, "bootstrap": bootstrap, "paired": paired}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    warnings.simplefilter("ignore")
    statuses = []
    for name, lines in FILES.items():
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines())
        statuses.append(settle(f"scores/{name}.jsonl", text, check))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
