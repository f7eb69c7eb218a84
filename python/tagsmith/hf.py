"""The scores of `evaluate.load("seqeval")`, without the package evaluate."""

from __future__ import annotations

from typing import Any

from .seqeval import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2, accuracy_score, classification_report

_SCHEMES = {scheme.__name__: scheme for scheme in (IOB1, IOB2, IOE1, IOE2, IOBES, BILOU)}


def compute(
    predictions: list[list[str]],
    references: list[list[str]],
    suffix: bool = False,
    scheme: str | None = None,
    mode: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
) -> dict[str, Any]:
    """Returns the scores of each type and of all, with the keys and arguments of `evaluate`.

    `scheme` is a name, such as "IOB2", and counts in mode "strict" only.
    """
    if scheme is not None and scheme not in _SCHEMES:
        raise ValueError(f'`scheme="{scheme}"`: there are {", ".join(_SCHEMES)}')
    report: Any = classification_report(
        references,
        predictions,
        suffix=suffix,
        output_dict=True,
        mode=mode,
        zero_division=zero_division,
        scheme=_SCHEMES[scheme] if scheme else None,
    )
    rows = {
        name: {"precision": row["precision"], "recall": row["recall"], "f1": row["f1-score"], "number": row["support"]}
        for name, row in report.items()
    }
    overall = rows.pop("micro avg")
    del rows["macro avg"], rows["weighted avg"]
    scores: dict[str, Any] = dict(rows)
    scores |= {f"overall_{name}": overall[name] for name in ("precision", "recall", "f1")}
    scores["overall_accuracy"] = accuracy_score(references, predictions)
    return scores
