"""Precision, recall, F-score and support from the native program's counts, averaged as seqeval averages them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from typing import Any, TypeAlias

from .. import _tagsmith
from .reporters import DictReporter, StringReporter
from .scheme import Token, check_labels, check_tags, name_of

Tags: TypeAlias = "list[list[str]]"
SCORES: TypeAlias = "tuple[Any, Any, Any, Any]"
Report: TypeAlias = "str | dict[str, dict[str, float]]"

AVERAGES = (None, "micro", "macro", "weighted")
ALL = ("precision", "recall", "f-score")


class UndefinedMetricWarning(UserWarning):
    """A figure is a division by zero, and counts as 0."""


def check_consistent_length(y_true: Tags, y_pred: Tags) -> None:
    """Raises TypeError unless both are lists of lists, and ValueError unless each list has its partner's length."""
    lengths = [[len(tags) for tags in side] for side in (y_true, y_pred)]
    if {type(tags) for side in (y_true, y_pred) for tags in side} != {list}:
        raise TypeError("y_true and y_pred must be lists of sentences, each a list of labels")
    if lengths[0] != lengths[1]:
        pairs = enumerate(zip(*lengths))
        where = next((place for place, (true, pred) in pairs if true != pred), min(map(len, lengths)))
        raise ValueError(f"y_true and y_pred are inconsistent from sentence {where} on (the first is 0): lengths differ")


def count(y_true: Tags, y_pred: Tags, scheme: type[Token] | None, suffix: bool, zero_division: Any) -> dict[str, Any]:
    """Returns the native program's figures of entities: strictly by a scheme, or by the CoNLL script's rules."""
    for side in (y_true, y_pred):
        if scheme is None:
            check_labels((label for labels in side for label in labels), suffix)
        else:
            check_tags(side, scheme, suffix)
    how = "conlleval" if scheme is None else name_of(scheme)
    return _tagsmith.score(y_true, y_pred, how, suffix, 0.0 if zero_division in ("warn", 0) else 1.0)[0]


def averaged(
    found: dict[str, Any], average: str | None, beta: float, zero_division: Any, warn_for: Collection[str] = ALL
) -> SCORES:
    """Returns precision, recall, F-score and support: lists of one a type, or their average."""
    types = list(found["types"].values())
    predicted = [kind["predicted"] for kind in types]
    support = [kind["number"] for kind in types]
    if average == "micro":
        predicted, support = [sum(predicted)], [sum(support)]
    if zero_division == "warn":
        _warn_of_zeros(predicted, support, warn_for)
    if average is None:
        rows = [(kind["precision"], kind["recall"], _f_score(kind, beta)) for kind in types]
        columns = [list(column) for column in zip(*rows)] or [[], [], []]
        return columns[0], columns[1], columns[2], support
    if average == "micro":
        row = {name: found[f"overall_{name}"] for name in ("precision", "recall", "f1")}
        return row["precision"], row["recall"], _f_score(row, beta), found["number"]
    row = found[average]
    if average == "macro" and not types:
        warnings.warn("the mean of no types is not a number", RuntimeWarning, stacklevel=2)
        return math.nan, math.nan, math.nan, 0
    f_score = row["f1"]
    if beta != 1 and (average == "macro" or found["number"]):
        weights = support if average == "weighted" else [1] * len(types)
        f_score = _sum([_f_score(kind, beta) * weight for kind, weight in zip(types, weights)]) / sum(weights)
    return row["precision"], row["recall"], f_score, found["number"]


def _f_score(row: dict[str, float], beta: float) -> float:
    """Returns a row's F-score. The native program has the one of beta 1."""
    precision, recall, squared = row["precision"], row["recall"], beta**2
    if beta == 1:
        return row["f1"]
    if beta == math.inf:
        return recall
    return (1 + squared) * precision * recall / (squared * precision + recall or 1)


def _sum(values: list[float]) -> float:
    """Adds in numpy's order: halves of many, eight sums side by side of up to 128, one by one the rest."""
    count = len(values)
    if count > 128:
        half = count // 2 - count // 2 % 8
        return _sum(values[:half]) + _sum(values[half:])
    whole = count - count % 8
    total = 0.0
    if whole:
        sums = values[:8]
        for place in range(8, whole):
            sums[place % 8] += values[place]
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for value in values[whole:]:
        total += value
    return total


def _warn_of_zeros(predicted: list[int], support: list[int], warn_for: Collection[str]) -> None:
    """Warns of each figure of `warn_for` that a count of zero leaves undefined."""
    lone = warn_for == ("f-score",)
    zeros = {
        "precision": ("predicted", 0 in predicted),
        "recall": ("in y_true", 0 in support),
        "f-score": ("predicted or in y_true", lone and (0, 0) in zip(predicted, support)),
    }
    for name, (where, undefined) in zeros.items():
        if undefined and name in warn_for:
            text = f"{name} counts as 0 where no entity is {where}; `zero_division=0` or `1` says what it counts as"
            warnings.warn(text, UndefinedMetricWarning, stacklevel=2)


def scored(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None,
    warn_for: Collection[str],
    beta: float,
    zero_division: Any,
    scheme: type[Token] | None,
    suffix: bool,
) -> SCORES:
    """Returns the scores of labels."""
    if beta < 0:
        raise ValueError(f"beta={beta}: it must not be negative")
    if average not in AVERAGES:
        raise ValueError(f"average={average!r}: there are {', '.join(map(repr, AVERAGES))}")
    check_consistent_length(y_true, y_pred)
    return averaged(count(y_true, y_pred, scheme, suffix, zero_division), average, beta, zero_division, warn_for)


def reported(found: dict[str, Any], digits: int, output_dict: bool, zero_division: Any) -> Report:
    """Returns the report of figures: a row for each type, and one for each average."""
    names = list(found["types"])
    reporter: DictReporter | StringReporter
    if output_dict:
        reporter = DictReporter()
    elif names:
        reporter = StringReporter(max(*map(len, names), len("weighted avg"), digits), digits)
    else:
        raise ValueError("neither y_true nor y_pred has an entity, so there is no table; `output_dict=True` gives figures")
    for row in zip(names, *averaged(found, None, 1, zero_division)):
        reporter.write(*row)
    reporter.write_blank()
    for average in AVERAGES[1:]:
        reporter.write(f"{average} avg", *averaged(found, average, 1, zero_division))
    reporter.write_blank()
    return reporter.report()
