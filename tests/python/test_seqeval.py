"""tagsmith.seqeval returns, raises and warns as seqeval does: golden/seqeval_drop_in holds what seqeval did."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tagsmith import _tagsmith, seqeval
from tagsmith.seqeval import figures, metrics, reporters, scheme
from tagsmith.seqeval.metrics import sequence_labeling, v1

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "oracle"))

from seqeval_drop_in import outcome  # noqa: E402

CASES = json.loads((ROOT / "golden/seqeval_drop_in/cases.json").read_text(encoding="utf-8"))
GIVEN = ("call", "args", "options")


def expected(case: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in case.items() if name not in GIVEN}


def wrong() -> list[str]:
    """The calls of which something else came than of seqeval's."""
    return [case["call"] for case in CASES if outcome("tagsmith.seqeval", case) != expected(case)]


@pytest.mark.parametrize("call", sorted({case["call"] for case in CASES}))
def test_calls_do_what_those_of_seqeval_do(call: str) -> None:
    for case in CASES:
        if case["call"] == call:
            assert outcome("tagsmith.seqeval", case) == expected(case), case


def native(change: Callable[..., Any]) -> SimpleNamespace:
    """The native module, with another function for scores."""
    return SimpleNamespace(score=lambda *given: change(_tagsmith.score, *given))


TWINS: dict[str, tuple[Any, str, Any]] = {
    "strict is lenient": (figures, "_tagsmith", native(lambda score, g, p, how, s, z: score(g, p, "conlleval", s, z))),
    "lenient is strict": (figures, "_tagsmith", native(lambda score, g, p, how, s, z: score(g, p, "IOBES", s, z))),
    "gold and predicted change places": (figures, "_tagsmith", native(lambda score, g, p, *rest: score(p, g, *rest))),
    "suffixes are prefixes": (figures, "_tagsmith", native(lambda score, g, p, how, s, z: score(g, p, how, False, z))),
    "a division by zero is 0": (figures, "_tagsmith", native(lambda score, g, p, how, s, z: score(g, p, how, s, 0.0))),
    "a division by zero is 1": (figures, "_tagsmith", native(lambda score, g, p, how, s, z: score(g, p, how, s, 1.0))),
    "sums go from left to right": (figures, "_sum", sum),
    "beta has no effect": (figures, "_f_score", lambda row, beta: row["f1"]),
    "beta is not squared": (figures, "_f_score", lambda row, beta, right=figures._f_score: right(row, beta**0.5 if beta > 0 else 0)),
    "nothing warns of zeros": (figures, "_warn_of_zeros", lambda *given: None),
    "nothing warns of labels": (figures, "check_labels", lambda *given: None),
    "tags are not checked": (figures, "check_tags", lambda *given: None),
    "the last word is the one after": (
        sequence_labeling,
        "_tagsmith",
        SimpleNamespace(entities=lambda *given: [(kind, start, end + 1) for kind, start, end in _tagsmith.entities(*given)]),
    ),
    "sentences are words": (sequence_labeling, "_flat", lambda true, pred: (true, pred)),
    "tables have two digits": (figures, "StringReporter", lambda width, digits: reporters.StringReporter(width, 2)),
    "tables are narrow": (figures, "StringReporter", lambda width, digits: reporters.StringReporter(12, digits)),
    "every scheme is IOB2": (v1, "auto_detect", lambda *given: scheme.IOB2),
}


@pytest.mark.parametrize("twin", TWINS)
def test_the_cases_reject(twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*TWINS[twin])
    assert wrong()


def test_names_stand_where_those_of_seqeval_do() -> None:
    scores = ("accuracy_score", "classification_report", "f1_score", "performance_measure", "precision_score", "recall_score")
    for name in scores:
        assert getattr(metrics, name) is getattr(seqeval, name) is getattr(sequence_labeling, name)
    assert sequence_labeling.get_entities is seqeval.get_entities
    for name in ("IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"):
        assert getattr(scheme, name) is getattr(seqeval, name)
    assert issubclass(seqeval.UndefinedMetricWarning, UserWarning)


def test_figures_are_python_numbers() -> None:
    gold, pred = [["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]]
    columns = seqeval.precision_recall_fscore_support(gold, pred, zero_division=0)
    assert columns == ([0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1, 1])
    assert [type(column) for column in columns] == [list] * 4
    assert type(seqeval.f1_score(gold, pred)) is float


def test_numpy_is_not_imported() -> None:
    code = "import sys, tagsmith.seqeval, tagsmith.hf; sys.exit('numpy' in sys.modules or 'seqeval' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_macro_average_of_no_types_is_not_a_number() -> None:
    with pytest.warns(RuntimeWarning):
        assert str(seqeval.f1_score([["O"]], [["O"]], average="macro")) == "nan"


def test_strict_and_lenient_differ_by_definition() -> None:
    # I-PER begins an entity for the CoNLL script; IOB2 wants a B.
    gold, pred = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    assert seqeval.f1_score(gold, pred) == 1.0
    with pytest.warns(seqeval.UndefinedMetricWarning):
        assert seqeval.precision_score(gold, pred, mode="strict", scheme=scheme.IOB2) == 0.0
    # Either alone has no effect.
    assert seqeval.f1_score(gold, pred, scheme=scheme.IOB2) == seqeval.f1_score(gold, pred, mode="strict") == 1.0


def test_faults_are_told() -> None:
    with pytest.raises(ValueError, match="inconsistent from sentence 1 on"):
        seqeval.f1_score([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="inconsistent from sentence 1 on"):
        seqeval.f1_score([["O"]], [["O"], ["O"]])
    with pytest.raises(TypeError, match="lists of sentences"):
        seqeval.f1_score(["O"], ["O"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="`E-A` does not belong to IOB2, whose letters are I O B"):
        seqeval.f1_score([["E-A"]], [["O"]], mode="strict", scheme=scheme.IOB2)
    with pytest.raises(TypeError, match="there are IOB1"):
        seqeval.f1_score([["O"]], [["O"]], mode="strict", scheme="IOB2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`output_dict=True` gives figures"):
        seqeval.classification_report([["O"]], [["O"]])
    with pytest.raises(ValueError, match="the letters I O show no scheme"):
        scheme.auto_detect([["I-A", "O"]])


def test_another_delimiter_and_a_tag_of_dashes() -> None:
    tokens = scheme.Tokens(["B_x-", "I_x-", "B_-x"], scheme.IOB2, delimiter="_", sent_id=3)
    assert [entity.to_tuple() for entity in tokens.entities] == [(3, "x-", 0, 2), (3, "-x", 2, 3)]
