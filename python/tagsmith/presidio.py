"""A recognizer for Presidio's analyzer.

    registry.add_recognizer(TagsmithRecognizer("FOLDER_OR_NAME"))

It reads the text itself, so no entity is lost to the tokens of a spaCy model. This module needs presidio-analyzer; the
rest of the package does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from .tagger import Tagger

# Presidio's names of what models of names find. Other labels keep their names.
LABELS: Mapping[str, str | None] = {
    "PER": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "ORG": "ORGANIZATION",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
}


class TagsmithRecognizer(EntityRecognizer):
    """Recognizes what a model finds.

    `label_map` gives a label Presidio's name, or None to leave it out; other labels keep their names.
    `supported_entities` are by default the names of the model's labels. Other options are those of `Tagger`.
    """

    name: str
    supported_entities: list[str]

    def __init__(
        self,
        model: str,
        *,
        label_map: Mapping[str, str | None] = LABELS,
        supported_entities: list[str] | None = None,
        supported_language: str = "en",
        name: str = "TagsmithRecognizer",
        **options: Any,
    ) -> None:
        self.model = model
        self.label_map = label_map
        self.options = options
        self.tagger: Tagger | None = None
        super().__init__(supported_entities or [], name=name, supported_language=supported_language)

    def load(self) -> None:
        """Loads the model. Presidio calls this once, as the recognizer is made."""
        self.tagger = Tagger(self.model, **self.options)
        if not self.supported_entities:
            names = {self._name(_kind(label)) for label in self.tagger.labels if label != "O"}
            self.supported_entities = sorted(name for name in names if name is not None)

    def analyze(self, text: str, entities: list[str] | None = None, nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Returns what the model finds of `entities`, or of all that are supported."""
        assert self.tagger is not None, "Presidio loads a recognizer as it is made"
        results = []
        for entity in self.tagger.tag(text).entities:
            name = self._name(entity.label)
            if name is not None and name in (entities or self.supported_entities):
                why = AnalysisExplanation(
                    recognizer=self.name, original_score=entity.score, textual_explanation=f"`{entity.label}` by {self.model}"
                )
                metadata = {
                    RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                }
                results.append(RecognizerResult(name, entity.start, entity.end, entity.score, why, metadata))
        return results

    def _name(self, label: str) -> str | None:
        return self.label_map.get(label, label)


def _kind(label: str) -> str:
    """Returns the type of a tag such as `B-PER`. Another label is its own type."""
    return label[2:] if label[:1] in set("BIESLU") and label[1:2] == "-" else label
