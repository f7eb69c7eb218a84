"""Scores of labels, by the CoNLL script's rules or strictly by a scheme.

`y_true` and `y_pred` are lists of sentences, each a list of labels. These arguments mean the same everywhere:

- `average`: "micro", "macro", "weighted", or None for a list of one figure a type.
- `suffix`: whether a tag is written `PER-B` instead of `B-PER`.
- `mode` and `scheme`: "strict" with a scheme reads tags by that scheme's rules.
- `sample_weight`: without effect.
- `zero_division`: what a figure is that divides by 0: 0, 1, or "warn" for 0 and an `UndefinedMetricWarning`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ... import _tagsmith
from ..figures import ALL, SCORES, Report, Tags, check_consistent_length, count, reported, scored
from ..scheme import Token, check_labels
from . import v1


def precision_recall_fscore_support(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None = None,
    warn_for: Collection[str] = ALL,
    beta: float = 1.0,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    suffix: bool = False,
) -> SCORES:
    """Returns precision, recall, F-score and support by the CoNLL script's rules.

    `beta` weighs recall against precision in the F-score; `warn_for` names the figures that a warning may be about.
    """
    return scored(
        y_true,
        y_pred,
        average=average,
        warn_for=warn_for,
        beta=beta,
        zero_division=zero_division,
        scheme=None,
        suffix=suffix,
    )


def _score(
    place: int,
    y_true: Tags,
    y_pred: Tags,
    average: str | None,
    suffix: bool,
    mode: str | None,
    zero_division: Any,
    scheme: type[Token] | None,
) -> Any:
    """Returns one of precision, recall and F-score. Only mode "strict" with a scheme is strict."""
    return scored(
        y_true,
        y_pred,
        average=average,
        warn_for=(ALL[place],),
        beta=1,
        zero_division=zero_division,
        scheme=scheme if mode == "strict" and scheme else None,
        suffix=suffix,
    )[place]


def precision_score(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None = "micro",
    suffix: bool = False,
    mode: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    scheme: type[Token] | None = None,
) -> Any:
    """Returns the part of the predicted entities that is right."""
    return _score(0, y_true, y_pred, average, suffix, mode, zero_division, scheme)


def recall_score(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None = "micro",
    suffix: bool = False,
    mode: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    scheme: type[Token] | None = None,
) -> Any:
    """Returns the part of the true entities that is predicted."""
    return _score(1, y_true, y_pred, average, suffix, mode, zero_division, scheme)


def f1_score(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None = "micro",
    suffix: bool = False,
    mode: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    scheme: type[Token] | None = None,
) -> Any:
    """Returns the harmonic mean of precision and recall."""
    return _score(2, y_true, y_pred, average, suffix, mode, zero_division, scheme)


def classification_report(
    y_true: Tags,
    y_pred: Tags,
    digits: int = 2,
    suffix: bool = False,
    output_dict: bool = False,
    mode: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    scheme: type[Token] | None = None,
) -> Report:
    """Returns the scores of each type and their averages, as a table or a dictionary.

    Mode "strict" without a scheme takes the one that `y_true` shows.
    """
    if mode == "strict":
        return v1.classification_report(
            y_true,
            y_pred,
            digits=digits,
            suffix=suffix,
            output_dict=output_dict,
            zero_division=zero_division,
            scheme=scheme,
        )
    check_consistent_length(y_true, y_pred)
    return reported(count(y_true, y_pred, None, suffix, zero_division), digits, output_dict, zero_division)


def get_entities(seq: list[Any], suffix: bool = False) -> list[tuple[str, int, int]]:
    """Returns the entities of a list of tags by the CoNLL script's rules: type, first word, last word.

    In a list of sentences, words are counted through, and one more follows each sentence.
    """
    if any(isinstance(tags, list) for tags in seq):
        seq = [tag for tags in seq for tag in tags + ["O"]]
    check_labels(seq, suffix)
    return _tagsmith.entities(seq, None, suffix)


def _flat(y_true: list[Any], y_pred: list[Any]) -> tuple[list[Any], list[Any]]:
    """Returns the labels of all words, from sentences or from lists that are flat already."""
    if any(isinstance(labels, list) for labels in y_true):
        y_true, y_pred = ([label for labels in side for label in labels] for side in (y_true, y_pred))
    return y_true, y_pred


def accuracy_score(y_true: list[Any], y_pred: list[Any]) -> float:
    """Returns the part of the words whose label is right. Either side may be a flat list of labels."""
    y_true, y_pred = _flat(y_true, y_pred)
    return sum(bool(true == pred) for true, pred in zip(y_true, y_pred)) / len(y_true)


def performance_measure(y_true: list[Any], y_pred: list[Any]) -> dict[str, int]:
    """Counts words: right ones other than O as TP, right O as TN, wrong ones as FP, FN or both.

    FP are the wrong ones predicted to be other than O; FN are those predicted to be O.
    """
    pairs = list(zip(*_flat(y_true, y_pred)))
    return {
        "TP": sum(true == pred != "O" for true, pred in pairs),
        "FP": sum(true != pred != "O" for true, pred in pairs),
        "FN": sum(true != "O" == pred for true, pred in pairs),
        "TN": sum(true == pred == "O" for true, pred in pairs),
    }
