"""Scores of labels, and files of words and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _tagsmith
from .notes import log, logger
from .tagger import Tagger


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
) -> dict[str, Any]:
    """Scores predicted labels against gold ones: two files, or two lists of sentences of labels.

    Returns what `tagsmith score --json` prints. `mode` is "conlleval", "strict" or "words"; without it, the labels decide.
    """
    if isinstance(gold, (str, os.PathLike)):
        predicted = None if pred is None else os.fspath(pred)  # type: ignore[arg-type]
        return _tagsmith.score_files(os.fspath(gold), predicted, mode, label_scheme, suffix, float(zero_division))
    if pred is None:
        raise _tagsmith.TagsmithError("`pred=` is missing: give a list of sentences of labels")
    if mode == "strict" and label_scheme is None:
        raise _tagsmith.TagsmithError('`label_scheme=` is missing: lists of labels are scored strictly by a scheme, as "iob2"')
    how = label_scheme if label_scheme is not None else mode
    lists = [[list(labels) for labels in side] for side in (gold, pred)]
    figures, notes = _tagsmith.score(lists[0], lists[1], how, suffix, float(zero_division))  # type: ignore[arg-type]
    log(notes)
    figures["notes"] = [text for _, text in notes]
    return figures


def evaluate(model: str | os.PathLike[str] | Tagger, file: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """Tags the words of a file of words and labels with a model, and scores its labels. Options are those of `Tagger`."""
    tagger = model if isinstance(model, Tagger) else Tagger(model, **options)
    sentences = read(file)
    documents = tagger.tag([sentence.words for sentence in sentences])
    if any(document.labels is None for document in documents):
        raise _tagsmith.TagsmithError('`decoding="flat"` is needed: entities that may overlap have no label a word')
    logger.info("%d sentences of %s are tagged by %s", len(sentences), os.fspath(file), tagger)
    return score([sentence.labels for sentence in sentences], [document.labels for document in documents])
