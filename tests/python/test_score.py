"""`score`, `read` and `evaluate`: figures follow from counts by hand."""

import json

import pytest

import tagsmith
from conftest import ROOT

GOLD = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
PRED = [["B-PER", "I-PER", "O", "O"], ["B-PER", "B-LOC"]]


def write(path, *columns):
    sentences = zip(*columns)
    lines = ["\n".join(f"w{at} {' '.join(row)}" for at, row in enumerate(zip(*sentence))) for sentence in sentences]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("how", [{}, {"mode": "conlleval"}, {"mode": "strict", "label_scheme": "iob2"}])
def test_lists(how):
    """Three gold entities, three predicted, two of them right; four of six words."""
    figures = tagsmith.score(GOLD, PRED, **how)
    assert figures["overall_precision"] == figures["overall_recall"] == figures["overall_f1"] == pytest.approx(2 / 3)
    assert figures["overall_accuracy"] == pytest.approx(4 / 6)
    person, place = figures["types"]["PER"], figures["types"]["LOC"]
    assert (person["precision"], person["recall"], person["correct"], person["predicted"]) == (0.5, 1, 1, 2)
    assert (place["precision"], place["recall"], place["correct"], place["predicted"]) == (1, 0.5, 1, 1)
    json.dumps(figures)
    # The wrong twin: the sides changed.
    assert tagsmith.score(PRED, GOLD, **how)["types"]["PER"]["precision"] == 1


def test_schemes_differ():
    """An entity that begins with `I-` counts by the CoNLL script's rules, not by those of IOB2."""
    gold, pred = [["B-PER", "O"]], [["I-PER", "O"]]
    assert tagsmith.score(gold, pred, mode="conlleval")["overall_f1"] == 1
    assert tagsmith.score(gold, pred, mode="strict", label_scheme="iob2")["overall_f1"] == 0
    assert tagsmith.score([["NOUN", "VERB"]], [["NOUN", "NOUN"]], mode="words")["overall_accuracy"] == 0.5


def test_division_by_zero():
    gold, pred = [["B-PER"]], [["O"]]
    assert tagsmith.score(gold, pred)["overall_precision"] == 0
    assert tagsmith.score(gold, pred, zero_division=1)["overall_precision"] == 1


def test_files(tmp_path):
    lists = tagsmith.score(GOLD, PRED)
    gold, pred = write(tmp_path / "gold.conll", GOLD), write(tmp_path / "pred.conll", PRED)
    both = write(tmp_path / "both.conll", GOLD, PRED)
    for figures in [tagsmith.score(gold, pred), tagsmith.score(str(gold), str(pred)), tagsmith.score(both)]:
        for name in ["overall_precision", "overall_recall", "overall_f1", "overall_accuracy"]:
            assert figures[name] == lists[name], name


def test_more_is_told(tmp_path):
    """Of three gold entities one is missed, of three predicted ones one is invented; both predictions differ in both sentences."""
    errors = tagsmith.score(GOLD, PRED)["errors"]["all"]
    assert {name: count for name, count in errors.items() if count} == {"right": 2, "missed": 1, "invented": 1}
    gold, pred = write(tmp_path / "gold.conll", GOLD), write(tmp_path / "pred.conll", PRED)
    figures = tagsmith.score(gold, pred, second=gold, train=gold, confidence=0.9, resamples=50, seed=7)
    low, high = figures["intervals"]["figures"]["overall"]["f1"]
    assert low <= figures["overall_f1"] <= high and figures["intervals"]["units"] == 2
    assert figures["comparison"]["exact"] and figures["comparison"]["difference"]["overall"]["f1"] == pytest.approx(1 / 3)
    assert figures["seen"]["seen"]["number"] == 3
    with pytest.raises(tagsmith.TagsmithError, match="confidence"):
        tagsmith.score(GOLD, PRED, confidence=0.9)
    with pytest.raises(tagsmith.TagsmithError, match="certainty"):
        tagsmith.score(gold, pred, certainty=0.9)


def test_read(tmp_path):
    sentences = tagsmith.read(write(tmp_path / "gold.conll", GOLD))
    assert [sentence.labels for sentence in sentences] == GOLD
    assert sentences[1] == tagsmith.Sentence(["w0", "w1"], ["O", "B-LOC"])
    assert len(tagsmith.read(ROOT / "examples" / "names.conll")) == 12


def test_evaluate(tagger, model, tmp_path):
    """The labels of a tagger, scored against themselves and against others."""
    words = [["Jo", "moved", "to", "Zürich"], ["The", "cat", "sat"]]
    labels = [document.labels for document in tagger.tag(words)]
    rows = ["\n".join(f"{word} {label}" for word, label in zip(*sentence)) for sentence in zip(words, labels)]
    file = tmp_path / "own.conll"
    file.write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    assert tagsmith.evaluate(tagger, file)["overall_accuracy"] == tagsmith.evaluate(model, file, threads=1)["overall_accuracy"] == 1
    words_right = sum(label == "O" for sentence in labels for label in sentence)
    assert 0 < words_right < 7
    file.write_text("\n\n".join("\n".join(f"{word} O" for word in sentence) for sentence in words) + "\n", encoding="utf-8")
    assert tagsmith.evaluate(tagger, file)["overall_accuracy"] == pytest.approx(words_right / 7)
    # Rules of scoring reach the scorer, and notes are part of the result.
    words_alone = tagsmith.evaluate(tagger, file, mode="words")
    assert words_alone["method"] == "words" and words_alone["types"]["O"]["correct"] == words_right
    assert words_alone["correct_words"] == words_right and isinstance(words_alone["notes"], list)


def test_evaluate_refuses(tagger, model, tmp_path, refused):
    file = write(tmp_path / "gold.conll", GOLD)
    for words, call in {
        "`threads=` comes too late": lambda: tagsmith.evaluate(tagger, file, threads=1),
        "leave out `labels=`": lambda: tagsmith.evaluate(model, file, labels=["person"]),
        "there is no mode": lambda: tagsmith.evaluate(model, file, mode="soft"),
        "missing.conll": lambda: tagsmith.evaluate(tagger, tmp_path / "missing.conll"),
    }.items():
        refused(tagsmith.TagsmithError, words, call)
    refused(TypeError, "a tagger has no option `thread=`", lambda: tagsmith.evaluate(model, file, thread=1))


def test_errors(tmp_path, refused):
    file = write(tmp_path / "gold.conll", GOLD)
    for words, call in {
        "`pred=` is missing": lambda: tagsmith.score(GOLD),
        "`pred=` is a list": lambda: tagsmith.score(file, PRED),
        "`pred=` is a file": lambda: tagsmith.score(GOLD, file),
        "`zero_division=0.5`": lambda: tagsmith.score(GOLD, PRED, zero_division=0.5),
        "`label_scheme=` is missing": lambda: tagsmith.score(GOLD, PRED, mode="strict"),
        "sentence 1": lambda: tagsmith.score([["O"]], [["O", "O"]]),
        "2 gold sentences": lambda: tagsmith.score(GOLD, PRED[:1]),
        "there is no mode": lambda: tagsmith.score(file, file, mode="soft"),
        "there is no scheme": lambda: tagsmith.score(GOLD, PRED, label_scheme="iob9"),
        "missing.conll": lambda: tagsmith.read(tmp_path / "missing.conll"),
    }.items():
        refused(tagsmith.TagsmithError, words, call)
