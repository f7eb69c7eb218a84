"""Scores of tag sequences under the names, arguments and figures of the package seqeval.

    from tagsmith.seqeval.metrics import classification_report, f1_score
    from tagsmith.seqeval.scheme import IOB2

Only the import changes: entities and counts come from the native program, figures are the same to the last bit.
These points differ, since neither numpy nor scikit-learn is needed:

- Figures are `float` and `int`, and `average=None` gives lists, whether numpy is there or not.
- `UndefinedMetricWarning` is this package's own class.
- Warnings have this package's words. A label that is not a tag is named once a call.
- Tokens do not know their patterns (`is_start`, `is_inside`, `is_end`), so there are no schemes besides the six.
"""

from .figures import UndefinedMetricWarning
from .metrics.sequence_labeling import (
    accuracy_score,
    classification_report,
    f1_score,
    get_entities,
    performance_measure,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)
from .scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2

__all__ = [
    "BILOU",
    "IOB1",
    "IOB2",
    "IOBES",
    "IOE1",
    "IOE2",
    "UndefinedMetricWarning",
    "accuracy_score",
    "classification_report",
    "f1_score",
    "get_entities",
    "performance_measure",
    "precision_recall_fscore_support",
    "precision_score",
    "recall_score",
]
