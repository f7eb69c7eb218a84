"""The component `tagsmith_ner` of spaCy.

    nlp = spacy.blank("en")
    nlp.add_pipe("tagsmith_ner", config={"model": "FOLDER_OR_NAME"})

spaCy finds it by the package's entry point. This module needs spaCy; the rest of the package does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import filter_spans

from ._tagsmith import TagsmithError
from .notes import logger
from .tagger import Entity, Tagger

_FILE = "tagsmith.json"


class TagsmithNer:
    """Tags documents with a model, and sets their entities.

    - `doc.ents` are the entities that fit tokens under `alignment_mode`; of two that overlap, the longer stays.
    - `doc.spans[spans_key]` are the same with overlaps, if there is a key.
    - `doc.user_data["tagsmith"]` is a list of all that the model found, as dictionaries: text, label, score and offsets.

    What does not fit is counted by a warning of the logger `tagsmith`.
    """

    def __init__(self, model: str, threads: int | None, spans_key: str | None, alignment_mode: str) -> None:
        self.model = model
        self.spans_key = spans_key
        self.alignment_mode = alignment_mode
        self.tagger = Tagger(model, threads=threads)

    def __call__(self, doc: Doc) -> Doc:
        """Sets the entities of a document, and returns it."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 256) -> Iterator[Doc]:
        """Sets the entities of documents, `batch_size` of them at a time."""
        stream = iter(stream)
        while docs := list(islice(stream, batch_size)):
            for doc, found in zip(docs, self.tagger.tag([doc.text for doc in docs])):
                self._annotate(doc, found.entities)
                yield doc

    def _annotate(self, doc: Doc, entities: list[Entity]) -> None:
        doc.user_data["tagsmith"] = [entity.to_dict() for entity in entities]
        mode = self.alignment_mode
        spans = [doc.char_span(one.start, one.end, label=one.label, alignment_mode=mode) for one in entities]
        aligned = [span for span in spans if span is not None]
        if len(aligned) < len(entities):
            lost = len(entities) - len(aligned)
            logger.warning("%d of %d entities do not align with tokens (alignment_mode=%r)", lost, len(entities), mode)
        if self.spans_key is not None:
            doc.spans[self.spans_key] = aligned
        apart = filter_spans(aligned)
        if len(apart) < len(aligned):
            lost = len(aligned) - len(apart)
            logger.warning("%d of %d entities share tokens with longer ones, and are not in doc.ents", lost, len(aligned))
        doc.ents = tuple(apart)

    def to_disk(self, path: str | os.PathLike[str], *, exclude: Iterable[str] = ()) -> None:
        """Writes the model's name and fingerprint into a folder. The model itself stays where it is."""
        Path(path).mkdir(parents=True, exist_ok=True)
        kept = {"model": self.model, "fingerprint": self.tagger.fingerprint}
        (Path(path) / _FILE).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")

    def from_disk(self, path: str | os.PathLike[str], *, exclude: Iterable[str] = ()) -> TagsmithNer:
        """Compares the model with the one of a folder that `to_disk` wrote. TagsmithError: they differ."""
        kept = json.loads((Path(path) / _FILE).read_text(encoding="utf-8"))
        if kept["fingerprint"] != self.tagger.fingerprint:
            raise TagsmithError(f"`{self.model}` is not the model that was saved as `{kept['model']}`: its files are others here")
        return self


def make(
    nlp: Language, name: str, model: str, threads: int | None, spans_key: str | None, alignment_mode: str
) -> TagsmithNer:
    """Returns the component of a pipeline's configuration."""
    return TagsmithNer(model, threads, spans_key, alignment_mode)


_DEFAULTS: dict[str, Any] = {"threads": None, "spans_key": None, "alignment_mode": "expand"}

Language.factory("tagsmith_ner", default_config=_DEFAULTS, assigns=["doc.ents"], func=make)
