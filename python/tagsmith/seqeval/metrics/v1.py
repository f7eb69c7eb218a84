"""Strict scores of tags under a scheme."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..figures import ALL, SCORES, Report, Tags, check_consistent_length, count, reported, scored
from ..scheme import Entities, Token, auto_detect, name_of

__all__ = [
    "SCORES",
    "check_consistent_length",
    "classification_report",
    "precision_recall_fscore_support",
    "unique_labels",
]


def unique_labels(y_true: Tags, y_pred: Tags, scheme: type[Token], suffix: bool = False) -> list[str]:
    """Returns the types of entities on either side, in order."""
    return sorted(Entities(y_true, scheme, suffix).unique_tags | Entities(y_pred, scheme, suffix).unique_tags)


def precision_recall_fscore_support(
    y_true: Tags,
    y_pred: Tags,
    *,
    average: str | None = None,
    warn_for: Collection[str] = ALL,
    beta: float = 1.0,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    scheme: type[Token] | None = None,
    suffix: bool = False,
) -> SCORES:
    """Returns precision, recall, F-score and support by a scheme's rules."""
    name_of(scheme)
    return scored(
        y_true,
        y_pred,
        average=average,
        warn_for=warn_for,
        beta=beta,
        zero_division=zero_division,
        scheme=scheme,
        suffix=suffix,
    )


def classification_report(
    y_true: Tags,
    y_pred: Tags,
    *,
    sample_weight: Any = None,
    digits: int = 2,
    output_dict: bool = False,
    zero_division: Any = "warn",
    suffix: bool = False,
    scheme: type[Token] | None = None,
) -> Report:
    """Returns the scores of each type and their averages. Without a scheme, it is the one that `y_true` shows."""
    check_consistent_length(y_true, y_pred)
    scheme = scheme or auto_detect(y_true, suffix)
    return reported(count(y_true, y_pred, scheme, suffix, zero_division), digits, output_dict, zero_division)
