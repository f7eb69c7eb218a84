"""What seqeval and scikit-learn make of tag sequences: golden/score/*.jsonl.

tables    every sequence up to a length over small alphabets, and the entities each reading finds in it
cases     single facts: tags taken apart, when an entity begins, continues and ends, schemes told from letters
default   random corpora and all figures of seqeval's default mode, its text report and zero_division 0 and 1
strict    the same for strict mode, one scheme each
words     random corpora of word labels and scikit-learn's figures

    python score.py            write the files
    python score.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import itertools
import json
import random
import sys
import warnings

from golden import settle
from seqeval.metrics import accuracy_score, classification_report
from seqeval.metrics.sequence_labeling import end_of_chunk, get_entities, start_of_chunk
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2, Prefixes, Token, Tokens, auto_detect
from sklearn.metrics import precision_recall_fscore_support

SCHEMES = {"IOB1": (IOB1, "IOB"), "IOB2": (IOB2, "IOB"), "IOE1": (IOE1, "IOE"), "IOE2": (IOE2, "IOE"),
           "IOBES": (IOBES, "IOBES"), "BILOU": (BILOU, "BILOU")}  # fmt: skip
STYLES = ("prefix", "suffix")

# Labels on which the default mode's reading of letters, dashes and types shows.
ODD = ["O", "B-A", "I-A", "L-A", "U-A", "X", ".", ".-A", "NOUN", "ORG", "B", "I-", "I--A", "A-B-A", "E-A", "é-A"]


def write_tag(letter, kind, style):
    if letter == "O" or not kind:
        return letter
    return f"{letter}-{kind}" if style == "prefix" else f"{kind}-{letter}"


def default_spans(tags, suffix):
    return [(kind, start, end + 1) for kind, start, end in get_entities([tags], suffix)]


def strict_spans(scheme):
    return lambda tags, suffix: [(e.tag, e.start, e.end) for e in Tokens(tags, scheme, suffix=suffix).entities]


def every_sequence(alphabet, longest):
    for length in range(1, longest + 1):
        yield from itertools.product(alphabet, repeat=length)


def tables():
    """One line a reading; `spans` holds, for each sequence in order, its entities as type, start, end."""

    def line(reading, style, alphabet, longest, spans):
        found = ["".join(f"{k}{s}{e}" for k, s, e in spans(list(tags), style == "suffix"))
                 for tags in every_sequence(alphabet, longest)]  # fmt: skip
        return {"reading": reading, "style": style, "alphabet": alphabet, "longest": longest, "spans": ";".join(found)}

    for style in STYLES:
        for name, (scheme, letters) in SCHEMES.items():
            tags = ["O"] + [write_tag(letter, kind, style) for letter in letters if letter != "O" for kind in "AC"]
            yield line(name, style, tags, 4 if style == "prefix" or len(letters) == 3 else 3, strict_spans(scheme))
        tags = ["O"] + [write_tag(letter, kind, style) for letter in "BIES" for kind in "AC"]
        yield line("conlleval", style, tags, 4 if style == "prefix" else 3, default_spans)
        yield line("conlleval", style, ODD, 3 if style == "prefix" else 2, default_spans)


def cases():
    """Facts by kind: `parse`, `pair`, `detect`, `untyped`."""
    texts = ODD + ["B-PER", "I-ORG-X", "S", "E-", "-", "--", "O-A", "U-é", "L-A-", "B--", "PER-B", "A-B", "-I", "A--E", "AB"]
    for text in texts:
        for style in STYLES:
            # The default mode's reading is local to get_entities; its two lines are repeated here.
            if style == "suffix":
                letter, kind = text[-1], text[:-1].rsplit("-", maxsplit=1)[0] or "_"
            else:
                letter, kind = text[0], text[1:].split("-", maxsplit=1)[-1] or "_"
            strict = [letter, Token(text, suffix=style == "suffix").tag] if letter in Prefixes else None
            yield {"case": "parse", "text": text, "style": style, "conlleval": [letter, kind], "strict": strict}
    for name, (scheme, letters) in SCHEMES.items():
        for before, now, same in itertools.product(letters, letters, (True, False)):
            previous, token = scheme(f"{before}-A"), scheme(f"{now}-A" if same else f"{now}-C")
            facts = [token.is_start(previous), token.is_inside(previous), token.is_end(previous)]
            yield {"case": "pair", "reading": name, "before": before, "now": now, "same": same, "facts": facts}
    for before, now, same in itertools.product("OBIESLUX.", "OBIESLUX.", (True, False)):
        kinds = ("A", "A" if same else "C")
        facts = [start_of_chunk(before, now, *kinds), end_of_chunk(before, now, *kinds)]
        yield {"case": "pair", "reading": "conlleval", "before": before, "now": now, "same": same, "facts": facts}
    for count in range(1, 8):
        for letters in itertools.combinations("IOBESUL", count):
            for style in STYLES:
                tags = [write_tag(letter, "A", style) for letter in letters]
                try:
                    scheme = auto_detect([tags], suffix=style == "suffix").__name__
                except ValueError:
                    scheme = None
                yield {"case": "detect", "tags": tags, "style": style, "scheme": scheme}
    for name, (scheme, letters) in SCHEMES.items():
        for tags in every_sequence(letters, 3):
            spans = strict_spans(scheme)(list(tags), False)
            yield {"case": "untyped", "reading": name, "tags": "".join(tags), "spans": [[s, e] for k, s, e in spans]}


def corpus(rng, labels, sentences, longest, noise):
    """Gold at random, and a prediction that keeps each label with probability 1 − noise."""
    gold = [[rng.choice(labels) for _ in range(rng.randint(0 if sentences > 1 else 1, longest))] for _ in range(sentences)]
    predicted = [[label if rng.random() > noise else rng.choice(labels) for label in tags] for tags in gold]
    return gold, predicted


def runs(rng, letters, kinds, style):
    """Labels in which continuing tags are likely, so that entities get long."""
    tags = [write_tag(letter, kind, style) for letter in letters if letter != "O" for kind in kinds]
    return ["O"] * max(1, len(tags) // 3) + tags


def exact(value):
    """A figure as text, since not every JSON reader keeps the last bit."""
    return repr(float(value))


def figures(row):
    return [exact(row["precision"]), exact(row["recall"]), exact(row["f1-score"]), int(row["support"])]


def report(gold, predicted, **options):
    rows = classification_report(gold, predicted, output_dict=True, **options)
    averages = {name: figures(rows.pop(f"{name} avg")) for name in ("micro", "macro", "weighted")}
    return {"types": [[name, *figures(row)] for name, row in rows.items()], **averages}


def entity_case(rng, number, labels, style, **options):
    sentences = rng.choice((1, 2, 3, 5, 8))
    gold, predicted = corpus(rng, labels, sentences, rng.choice((4, 9)), rng.choice((0.0, 0.2, 0.5, 1.0)))
    if not any(gold):
        gold, predicted = [["O"]], [[labels[-1]]]
    if number % 17 == 0:
        predicted = [["O"] * len(tags) for tags in predicted]
    if number % 23 == 0:
        gold = [["O"] * len(tags) for tags in gold]
    options = {"suffix": style == "suffix", "zero_division": number % 2, **options}
    case = {"style": style, "zero_division": number % 2, "gold": [" ".join(tags) for tags in gold],
            "predicted": [" ".join(tags) for tags in predicted], "accuracy": exact(accuracy_score(gold, predicted))}  # fmt: skip
    case |= report(gold, predicted, **options)
    if case["types"]:
        digits = rng.choice((2, 3, 4, 14))
        case |= {"digits": digits, "text": classification_report(gold, predicted, digits=digits, **options)}
    else:
        del case["macro"]  # the mean of nothing is not a number
    return case


def kinds_for(number):
    """Few types mostly; now and then enough that numpy's way of summing shows."""
    if number % 12 == 0:
        return [f"T{i:02}" for i in range(8 + number % 31)]
    return ["PER", "LOC", "ORG-X", "Ünit"][: 1 + number % 4]


def default_corpora():
    rng = random.Random(3)
    for number in range(150):
        style = STYLES[number % 5 == 0]
        labels = ODD if number % 6 == 1 else runs(rng, ("IOB", "IOBES", "BILOU")[number % 3], kinds_for(number), style)
        yield entity_case(rng, number, labels, style)
    # More types than numpy sums in one block.
    labels = [f"B-T{i:03}" for i in range(150)]
    gold, predicted = corpus(rng, labels, 4, 160, 0.3)
    case = {"style": "prefix", "zero_division": 0, "gold": [" ".join(t) for t in gold],
            "predicted": [" ".join(t) for t in predicted], "accuracy": exact(accuracy_score(gold, predicted))}  # fmt: skip
    found = report(gold, predicted, zero_division=0)
    yield case | {name: found[name] for name in ("micro", "macro", "weighted")}


def strict_corpora():
    rng = random.Random(4)
    for number in range(150):
        style = STYLES[number % 5 == 0]
        name = list(SCHEMES)[number % 6]
        scheme, letters = SCHEMES[name]
        labels = runs(rng, letters, kinds_for(number), style)
        yield {"scheme": name} | entity_case(rng, number, labels, style, mode="strict", scheme=scheme)


def word_corpora():
    rng = random.Random(5)
    labels = ["NOUN", "VERB", "PUNCT", "X", "_", "O", "ADJ", "DET", "AUX"]
    for number in range(40):
        gold, predicted = corpus(rng, labels[: 2 + number % 8], 3, 8, rng.choice((0.0, 0.3, 1.0)))
        if not any(gold):
            gold, predicted = [["X"]], [["_"]]
        flat = [list(itertools.chain(*side)) for side in (gold, predicted)]
        names = sorted(set(flat[0]) | set(flat[1]))
        options = {"labels": names, "zero_division": number % 2}
        rows = zip(*precision_recall_fscore_support(*flat, **options))
        case = {"zero_division": number % 2, "gold": [" ".join(tags) for tags in gold],
                "predicted": [" ".join(tags) for tags in predicted], "accuracy": exact(accuracy_score(*flat)),
                "types": [[name, exact(p), exact(r), exact(f), int(s)] for name, (p, r, f, s) in zip(names, rows)]}  # fmt: skip
        for average in ("micro", "macro", "weighted"):
            found = precision_recall_fscore_support(*flat, average=average, **options)
            case[average] = [exact(value) for value in found[:3]] + [len(flat[0])]
        yield case


FILES = {"tables": tables, "cases": cases, "default": default_corpora, "strict": strict_corpora, "words": word_corpora}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    warnings.simplefilter("ignore")
    statuses = []
    for name, lines in FILES.items():
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines())
        statuses.append(settle(f"score/{name}.jsonl", text, check))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
