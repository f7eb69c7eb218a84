"""Scores of labels, and files of words and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from . import _tagsmith
from .notes import log, on_event
from .tagger import Tagger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class Sentence:
    """A sentence of a file: its words, each with its label."""

    words: list[str]
    labels: list[str]


def read(file: str | os.PathLike[str]) -> list[Sentence]:
    """Reads a file of words and labels in any format that training reads."""
    sentences, notes = _tagsmith.read(os.fspath(file))
    log(notes)
    return [Sentence(sentence["words"], sentence["labels"]) for sentence in sentences]


def score(
    gold: str | os.PathLike[str] | Sequence[Sequence[str]],
    pred: str | os.PathLike[str] | Sequence[Sequence[str]] | None = None,
    *,
    mode: str | None = None,
    label_scheme: str | None = None,
    suffix: bool = False,
    zero_division: float = 0,
    second: str | os.PathLike[str] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Scores predicted labels against gold ones: two files, or two lists of sentences of labels.

    Returns what `tagsmith score --json` prints. `mode` is "conlleval", "strict" or "words"; without it, the labels decide.
    Files have more options: `second` is another prediction, which is compared with the first; `train`, `parity`,
    `confidence`, `resamples`, `unit` and `seed` are those of the command.
    """
    rules = _rules(mode, label_scheme, suffix, zero_division, options)
    if options:
        raise _tagsmith.TagsmithError(f"`{next(iter(options))}=` is not an option of `score`")
    if isinstance(gold, (str, os.PathLike)):
        if not isinstance(pred, (str, os.PathLike, type(None))):
            raise _tagsmith.TagsmithError("`pred=` is a list, but `gold=` is a file: give two files or two lists")
        predicted = None if pred is None else os.fspath(pred)
        return _tagsmith.score_files(os.fspath(gold), predicted, rules, None if second is None else os.fspath(second))
    asked = ["second"] if second is not None else [name for name in _OF_FILES if rules[name] is not None]
    if asked:
        raise _tagsmith.TagsmithError(f"`{asked[0]}=` needs files: write the lists to files first")
    if pred is None:
        raise _tagsmith.TagsmithError("`pred=` is missing: give a list of sentences of labels")
    if isinstance(pred, (str, os.PathLike)):
        raise _tagsmith.TagsmithError("`pred=` is a file, but `gold=` is a list: give two files or two lists")
    if mode == "strict" and label_scheme is None:
        raise _tagsmith.TagsmithError('`label_scheme=` is missing: lists of labels are scored strictly by a scheme, as "iob2"')
    how = label_scheme if label_scheme is not None else mode
    lists = [[list(labels) for labels in side] for side in (gold, pred)]
    figures, notes = _tagsmith.score(lists[0], lists[1], how, suffix, float(zero_division))
    log(notes)
    figures["notes"] = [text for _, text in notes]
    return figures


def evaluate(
    model: str | os.PathLike[str] | Tagger,
    file: str | os.PathLike[str],
    *,
    mode: str | None = None,
    label_scheme: str | None = None,
    suffix: bool = False,
    zero_division: float = 0,
    **options: Any,
) -> dict[str, Any]:
    """Tags the words of a file of words and labels with a model, and scores its labels.

    Returns what `tagsmith evaluate --json` prints. The first four options, `train`, `parity`, `confidence`, `resamples`,
    `unit` and `seed` are those of `score`; the others are those of `Tagger`, for a model that is not one yet.
    """
    rules = _rules(mode, label_scheme, suffix, zero_division, options)
    if isinstance(model, Tagger):
        if options:
            name = next(iter(options))
            raise _tagsmith.TagsmithError(f"`{name}=` comes too late: the tagger has its options")
        return model.evaluate(file, rules)
    return _tagsmith.evaluate(os.fspath(model), os.fspath(file), rules, on_event, **options)


# Options of scores that only files have.
_OF_FILES = ("parity", "train", "confidence", "resamples", "unit", "seed")


def _rules(
    mode: str | None, label_scheme: str | None, suffix: bool, zero_division: float, options: dict[str, Any]
) -> dict[str, Any]:
    """Returns how labels are scored, and takes the options that say so out of `options`."""
    if zero_division not in (0, 1):
        raise _tagsmith.TagsmithError(f"`zero_division={zero_division}`: a figure without a count is 0 or 1")
    rules = {"mode": mode, "label_scheme": label_scheme, "suffix": suffix, "zero_division": float(zero_division)}
    rules |= {name: options.pop(name, None) for name in _OF_FILES}
    if rules["train"] is not None:
        rules["train"] = os.fspath(rules["train"])
    return rules
