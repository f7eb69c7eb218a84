"""What pytorch-crf makes of sequences: golden/decoding/*.jsonl.

paths    the best of the legal paths by each scheme, with six biases. seqeval says which tags may stand side by side: those
         that do so somewhere in a sequence each of whose words is outside or in one of its entities. pytorch-crf finds
         the path; a pair, a beginning or an end that is not legal costs 10⁶ there.
crf      a linear-chain CRF: log-likelihoods of sentences, their gradients with respect to scores and transitions for
         random upstream gradients, and best paths

    python decoding.py            write the files
    python decoding.py --check    derive everything again and compare; exit status 1 on a difference

The versions that requirements.txt pins, and pytorch-crf==0.7.2.
"""

import argparse
import itertools
import json
import random
import sys

import torch
from golden import settle
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2, Tokens
from torchcrf import CRF

SCHEMES = {"IOB1": (IOB1, "IB"), "IOB2": (IOB2, "IB"), "IOE1": (IOE1, "IE"), "IOE2": (IOE2, "IE"),
           "IOBES": (IOBES, "BIES"), "BILOU": (BILOU, "BILU"), "BMES": (IOBES, "BIES"), "IO": (IOB1, "I")}  # fmt: skip

STEPS = ("background_stay", "background_to_start", "end_to_background", "end_to_start", "inside_to_continue",
         "inside_to_end")  # fmt: skip

NEVER = -1e6


def whole(tags, scheme):
    """The entity of each word, none outside; nothing at all if a word is neither outside nor in an entity."""
    of = [None] * len(tags)
    for number, entity in enumerate(Tokens(list(tags), scheme).entities):
        of[entity.start : entity.end] = [number] * (entity.end - entity.start)
    if all((entity is None) == (tag == "O") for tag, entity in zip(tags, of)):
        return of
    return None


def rules(labels, scheme):
    """Labels that begin, labels that end, and the step of each pair of neighbors, as whole sequences show them."""
    first, last, steps = set(), set(), {}
    for length in range(1, 5):
        for tags in itertools.product(labels, repeat=length):
            of = whole(tags, scheme)
            if of is None:
                continue
            first.add(tags[0])
            last.add(tags[-1])
            for at in range(1, length):
                before, now = of[at - 1], of[at]
                if before is None:
                    step = "background_stay" if now is None else "background_to_start"
                elif now is None:
                    step = "end_to_background"
                elif before != now:
                    step = "end_to_start"
                else:
                    step = "inside_to_end" if tags[at][0] in "EL" else "inside_to_continue"
                assert steps.setdefault((tags[at - 1], tags[at]), step) == step
    return first, last, steps


def numbers(draw, count, spread=2.0):
    """Numbers that decimals write exactly, so that every reader has the same."""
    return [round(draw.uniform(-spread, spread), 3) for _ in range(count)]


def chain(start, transitions, end):
    model = CRF(len(start), batch_first=True).double()
    with torch.no_grad():
        model.start_transitions.copy_(torch.tensor(start, dtype=torch.float64))
        model.end_transitions.copy_(torch.tensor(end, dtype=torch.float64))
        model.transitions.copy_(torch.tensor(transitions, dtype=torch.float64))
    return model


def gradient(parameter):
    """A parameter's gradient, which PyTorch leaves out where nothing depends on the parameter."""
    return (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).tolist()


def paths():
    for name, (scheme, letters) in SCHEMES.items():
        draw = random.Random(f"paths {name}")
        labels = [f"{letter}-{kind}" for kind in "AC" for letter in letters] + ["O"]
        draw.shuffle(labels)
        first, last, steps = rules(labels, scheme)
        for case in range(12):
            biases = dict(zip(STEPS, numbers(draw, 6) if case else [0.0] * 6))
            start = [0.0 if label in first else NEVER for label in labels]
            end = [0.0 if label in last else NEVER for label in labels]
            cost = lambda a, b: biases[steps[a, b]] if (a, b) in steps else NEVER
            model = chain(start, [[cost(a, b) for b in labels] for a in labels], end)
            words = draw.randint(1, 9)
            rows = [numbers(draw, len(labels), 4.0) for _ in range(words)]
            scores = torch.tensor([rows], dtype=torch.float64)
            path = model.decode(scores)[0]
            total = model(scores, torch.tensor([path]), reduction="sum") + model._compute_normalizer(
                scores.transpose(0, 1), torch.ones(words, 1, dtype=torch.bool))[0]  # fmt: skip
            written = [label.replace("I-", "M-") if name == "BMES" else label for label in labels]
            yield {"scheme": name, "labels": written, "biases": biases, "scores": rows, "path": path,
                   "score": total.item()}  # fmt: skip


def crf():
    for case in range(12):
        draw = random.Random(f"crf {case}")
        labels = draw.randint(2, 6)
        start, end = numbers(draw, labels), numbers(draw, labels)
        transitions = [numbers(draw, labels) for _ in range(labels)]
        model = chain(start, transitions, end)
        sentences = []
        for _ in range(draw.randint(1, 4)):
            words = draw.randint(1, 7)
            rows = [numbers(draw, labels, 3.0) for _ in range(words)]
            tags = [draw.randrange(labels) for _ in range(words)]
            upstream = numbers(draw, 1)[0]
            scores = torch.tensor([rows], dtype=torch.float64, requires_grad=True)
            likelihood = model(scores, torch.tensor([tags]), reduction="sum")
            (likelihood * upstream).backward()
            sentences.append({"scores": rows, "tags": tags, "upstream": upstream, "log_likelihood": likelihood.item(),
                              "d_scores": scores.grad[0].tolist(), "path": model.decode(scores)[0]})  # fmt: skip
        yield {"start": start, "transitions": transitions, "end": end, "sentences": sentences,
               "d_start": gradient(model.start_transitions), "d_transitions": gradient(model.transitions),
               "d_end": gradient(model.end_transitions)}  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    status = 0
    for name, cases in (("paths", paths()), ("crf", crf())):
        text = "".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n" for case in cases)
        status |= settle(f"decoding/{name}.jsonl", text, check)
    return status


if __name__ == "__main__":
    sys.exit(main())
