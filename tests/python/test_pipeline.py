"""`tagsmith.pipeline` returns what transformers' pipeline returned in golden/pipeline, which oracle/pipeline.py wrote."""

import json
import logging

import pytest

import tagsmith
from conftest import MODELS

FAMILIES = sorted(folder.name for folder in MODELS.iterdir())
STRATEGIES = ["none", "simple", "first", "average", "max"]
# Expected scores are computed in float64, then rounded to six digits. PyTorch's own float32 is up to 2.0e-6 off them
# (ModernBERT; the others reach 1.1e-6). Twice as much is allowed here.
BOUND = 4e-6


def expected(family):
    """The keys, and each input with its text and its entities under each strategy."""
    first, *rows = json.loads((MODELS / family / "expect.json").read_text(encoding="utf-8"))
    for row in rows:
        for strategy in STRATEGIES:
            keys = first["keys"]["none" if strategy == "none" else "others"]
            row[strategy] = [dict(zip(keys, values)) for values in row[strategy]]
    return rows


def given(row):
    """The input of a row, as one of several inputs."""
    return row["text"] if "text" in row else row["words"]


def name(entity):
    return entity.get("entity", entity.get("entity_group"))


def visible(row, strategy, ignored=("O",)):
    """The expected entities without the ignored ones, and without those of white space alone, which tagsmith leaves out."""
    text = row["text"] if "text" in row else " ".join(row["words"])
    seen = [entity for entity in row[strategy] if text[entity["start"] : entity["end"]].strip()]
    return [entity for entity in seen if name(entity) not in ignored]


def same(found, wanted):
    """Whether entities are equal in keys, order and values, scores within BOUND."""
    if [list(entity) for entity in found] != [list(entity) for entity in wanted]:
        return False
    near = all(abs(a["score"] - b["score"]) <= BOUND for a, b in zip(found, wanted))
    return near and [a | {"score": 0} for a in found] == [b | {"score": 0} for b in wanted]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers(family, strategy):
    pipe = tagsmith.pipeline("token-classification", MODELS / family, aggregation_strategy=strategy)
    rows = expected(family)
    texts = [row for row in rows if "text" in row]
    words = [row for row in rows if "words" in row]
    assert len(texts) > 30 and len(words) > 8
    for row in texts:
        assert same(pipe(row["text"]), visible(row, strategy)), row
    for row in words:
        # A flat list of words is one document, and its result a list of one.
        (found,) = pipe(row["words"], is_split_into_words=True)
        assert same(found, visible(row, strategy)), row
    # Inputs of one call do not change each other.
    together = pipe([given(row) for row in rows], is_split_into_words=True)
    assert all(same(found, visible(row, strategy)) for found, row in zip(together, rows, strict=True))
    json.dumps(together)
    assert all(type(entity["score"]) is float for found in together for entity in found)


@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_twins_are_rejected(family):
    rows = expected(family)

    def differ(twin, right="first"):
        return sum(not same(twin(row), visible(row, right)) for row in rows)

    def moved(row):
        return [entity | {"start": entity["start"] + 1, "end": entity["end"] + 1} for entity in visible(row, "first")]

    def scored(row):
        return [entity | {"score": entity["score"] + 3 * BOUND} for entity in visible(row, "first")]

    def turned(row):
        return [dict(reversed(entity.items())) for entity in visible(row, "first")]

    some = sum(bool(visible(row, "first")) for row in rows)
    assert some > 20
    assert differ(lambda row: visible(row, "first")) == 0
    assert differ(moved) == differ(scored) == differ(turned) == some
    # Each strategy is told from each other by several inputs: a mean instead of the first piece's score, and so on.
    for right in STRATEGIES:
        for wrong in STRATEGIES:
            assert wrong == right or differ(lambda row: visible(row, wrong), right) > 5, (right, wrong)


def test_entities_of_white_space_are_left_out():
    """transformers gives a byte-level model's spaces as entities of their own."""
    row = next(row for row in expected("modernbert") if row.get("text") == " \t\n  ")
    assert row["none"] and not visible(row, "none", ())
    assert tagsmith.pipeline("ner", MODELS / "modernbert")(row["text"]) == []


def test_given_words_are_never_split(model):
    words = ["New York", "U.S.", "state-of-the-art"]
    starts = [0, 9, 14]
    ends = [8, 13, 30]
    for strategy in STRATEGIES[2:]:
        (found,) = tagsmith.pipeline("ner", model, aggregation_strategy=strategy)(words, is_split_into_words=True)
        assert all(entity["start"] in starts and entity["end"] in ends for entity in found)


def test_long_texts_go_through_windows(model, caplog):
    """transformers cuts a text at the model's longest sequence. The last words are tagged here."""
    text = "Jo moved to Zürich in May . " * 40
    with caplog.at_level(logging.INFO, "tagsmith"):
        found = tagsmith.pipeline("ner", model)(text)
    assert found[-1]["start"] > len(text) - 28
    assert "overlapping windows" in caplog.text


class Values:
    """What a pandas Series or a NumPy array offers."""

    def __init__(self, values):
        self.values = values

    def tolist(self):
        return list(self.values)

    def __iter__(self):
        return iter(self.values)


class Column(Values):
    """What an Arrow column offers: its items are not strings."""

    def to_pylist(self):
        return list(self.values)

    def tolist(self):
        raise AssertionError("an Arrow column has its own way")


def test_kinds_of_inputs(model):
    pipe = tagsmith.pipeline("ner", model, aggregation_strategy="simple")
    texts = ["Jo moved to Zürich in May 2021 .", "", "The cat 🐈 sat"]
    one_by_one = [pipe(text) for text in texts]
    assert one_by_one[0] and one_by_one[1] == []
    for inputs in [texts, tuple(texts), Values(texts), Column(texts)]:
        assert pipe(inputs) == one_by_one
    assert pipe([]) == pipe(()) == []
    assert pipe([texts[0].split(), texts[2]]) == [one_by_one[0], one_by_one[2]]

    asked = []

    def come():
        for text in texts:
            asked.append(text)
            yield text

    results = pipe(come())
    assert asked == []
    assert next(results) == one_by_one[0] and asked == texts[:1]
    assert list(results) == one_by_one[1:]


def test_ignored_labels(model):
    """transformers groups pieces of `O` like those of a type, and leaves out ignored groups afterwards."""
    row = expected("bert")[0]
    for strategy, ignored in [("simple", "PER"), ("none", "B-PER")]:
        wanted = visible(row, strategy, ["O", ignored])
        assert len(wanted) < len(visible(row, strategy))
        pipe = tagsmith.pipeline("ner", model, aggregation_strategy=strategy, ignore_labels=["O", ignored])
        assert same(pipe(row["text"]), wanted)


@pytest.mark.parametrize("ignored", [[], ["MISC", "B-PER"]])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_or_not_the_outside_is_ignored(family, strategy, ignored):
    pipe = tagsmith.pipeline("ner", MODELS / family, aggregation_strategy=strategy, ignore_labels=ignored)
    rows = expected(family)
    found = pipe([given(row) for row in rows], is_split_into_words=True)
    assert all(same(found, visible(row, strategy, ignored)) for found, row in zip(found, rows, strict=True))
    # The wrong twin: groups that are made of what is left.
    assert sum(any(name(entity) == "O" for entity in one) for one in found) > 20
    assert not all(same(one, visible(row, strategy)) for one, row in zip(found, rows))


def test_arguments_without_effect_are_logged(model, caplog):
    with caplog.at_level(logging.INFO, "tagsmith"):
        pipe = tagsmith.pipeline("ner", model, device=-1, framework="pt", torch_dtype="float32", tokenizer=model)
        pipe("Jo", batch_size=8)
    assert "`framework=` has no effect here" in caplog.text
    assert "`batch_size=` has no effect here" in caplog.text


def test_errors(model, refused):
    pipe = tagsmith.pipeline("ner", model)
    for words, call in {
        'task="translation"': lambda: tagsmith.pipeline("translation", model),
        "`model=` is missing": lambda: tagsmith.pipeline("ner"),
        "no/such/folder": lambda: tagsmith.pipeline("ner", "no/such/folder/here"),
        "`tokenizer=`": lambda: tagsmith.pipeline("ner", model, tokenizer=MODELS / "roberta"),
        'aggregation_strategy="mean"': lambda: tagsmith.pipeline("ner", model, aggregation_strategy="mean"),
        '`torch_dtype="int8"`': lambda: tagsmith.pipeline("ner", model, torch_dtype="int8"),
        'device="tpu"': lambda: tagsmith.pipeline("ner", model, device="tpu"),
        "leave out `labels=`": lambda: tagsmith.pipeline("ner", model, labels=["city"]),
        "`stride=`": lambda: pipe("Jo", stride=3),
        "input 2: half a surrogate pair": lambda: pipe(["Jo", "a\ud800"]),
    }.items():
        refused(tagsmith.TagsmithError, words, call)
    refused(TypeError, "bogus", lambda: tagsmith.pipeline("ner", model, bogus=1))
    for wrong in [None, 3, b"Jo", {"text": "Jo"}]:
        refused(TypeError, f"not {type(wrong).__name__}", lambda: pipe(wrong))
    for wrong in [None, 3, b"Jo", {"text": "Jo"}]:
        refused(TypeError, f"input 2: a document is a text or a list of words, not {type(wrong).__name__}", lambda: pipe(["", wrong]))
    refused(TypeError, "a list of words", lambda: pipe([["Jo", 3]]))
