"""tagsmith.hf.compute returns what evaluate's metric seqeval does. More cases of it are those of test_seqeval.py."""

from typing import Any

import pytest

from tagsmith import hf

GOLD = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O", "B-LOC"]]
PRED = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O", "O"]]

# Counted by hand: of three entities and two predictions, one agrees; eight of eleven labels are right.
EXPECTED: dict[str, Any] = {
    "LOC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "number": 1},
    "MISC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "number": 1},
    "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 1},
    "overall_precision": 1 / 2,
    "overall_recall": 1 / 3,
    "overall_f1": 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3),
    "overall_accuracy": 8 / 11,
}


def test_scores_counted_by_hand() -> None:
    found = hf.compute(predictions=PRED, references=GOLD, zero_division=0)
    assert found == EXPECTED
    assert list(found) == list(EXPECTED)
    # References and predictions do not change places.
    assert hf.compute(predictions=GOLD, references=PRED, zero_division=0) != EXPECTED


def test_a_scheme_is_a_name() -> None:
    wrong_begin = [["I-PER", "O"]]
    assert hf.compute(wrong_begin, wrong_begin)["PER"]["number"] == 1
    assert hf.compute(wrong_begin, wrong_begin, scheme="IOB2")["PER"]["number"] == 1
    with pytest.warns(RuntimeWarning, match="mean of no types"):
        assert "PER" not in hf.compute(wrong_begin, wrong_begin, scheme="IOB2", mode="strict", zero_division=0)
    with pytest.raises(ValueError, match='`scheme="iob2"`: there are IOB1, IOB2'):
        hf.compute(wrong_begin, wrong_begin, scheme="iob2")
    with pytest.raises(ValueError, match="there are IOB1"):
        hf.compute(wrong_begin, wrong_begin, scheme="Token")
