"""The pipeline "token-classification" of transformers, with the same keys, order and offsets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ._tagsmith import TagsmithError
from .notes import logger
from .tagger import Tagger, as_list, is_generator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TASKS = ("token-classification", "ner", "pos")

# Arguments that choose how transformers computes. None of them changes a result here.
_WITHOUT_EFFECT = ("framework", "batch_size", "num_workers", "use_fast", "trust_remote_code", "feature_extractor")

_PRECISIONS = {"float32": "f32", "auto": "f32", "bfloat16": "bf16", "float16": "bf16"}


def pipeline(
    task: str,
    model: str | os.PathLike[str] | None = None,
    *,
    aggregation_strategy: str = "none",
    ignore_labels: Iterable[str] = ("O",),
    tokenizer: str | os.PathLike[str] | None = None,
    device: Any = None,
    **options: Any,
) -> TokenClassificationPipeline:
    """Returns a pipeline for the task "token-classification", "ner" or "pos".

    Arguments of transformers that can change no result here are named in the log and left out. Other options are those of
    `Tagger`.
    """
    if task not in TASKS:
        raise TagsmithError(f'`task="{task}"`: there are {", ".join(TASKS)}')
    if model is None:
        raise TagsmithError("`model=` is missing: name a folder or a model on the hub")
    if tokenizer is not None and os.fspath(tokenizer) != os.fspath(model):
        raise TagsmithError("`tokenizer=`: a model is tagged with the tokenizer in its own folder: leave it out")
    _leave_out(options)
    for name in ("dtype", "torch_dtype"):
        if name in options:
            options.setdefault("precision", _precision(name, options.pop(name)))
    if "labels" not in options:
        # Span taggers, which are given labels, score whole spans and put no pieces together.
        options["aggregation_strategy"] = aggregation_strategy
        options["outside"] = "O" not in (ignore_labels := frozenset(ignore_labels))
    tagger = Tagger(model, device=_device(device), **options)
    return TokenClassificationPipeline(tagger, aggregation_strategy, ignore_labels)


class TokenClassificationPipeline:
    """A tagger that returns what transformers' pipeline returns. A long text goes through windows and is never cut."""

    task = "token-classification"

    def __init__(self, tagger: Tagger, aggregation_strategy: str, ignore_labels: Iterable[str]) -> None:
        self.tagger = tagger
        self.aggregation_strategy = aggregation_strategy
        self.ignore_labels = frozenset(ignore_labels)

    def __call__(self, inputs: Any, *, is_split_into_words: bool = False, **options: Any) -> Any:
        """Returns the entities of a text, or a list of them for each of several inputs. A generator gives a generator.

        A flat list with `is_split_into_words` is the words of one document, and the result a list of one, as transformers has it.
        """
        _leave_out(options)
        if options:
            raise TagsmithError(f"`{next(iter(options))}=` is an option of `tagsmith.pipeline`, or there is none of that name")
        if isinstance(inputs, str):
            return self._entities([inputs])[0]
        if is_generator(inputs):
            return self._stream(inputs)
        inputs = as_list(inputs)
        if is_split_into_words and inputs and all(isinstance(word, str) for word in inputs):
            return self._entities([inputs])
        return self._entities(inputs)

    def _stream(self, inputs: Iterator[Any]) -> Iterator[list[dict[str, Any]]]:
        for one in inputs:
            yield self._entities(as_list([one]))[0]

    def _entities(self, inputs: list[Any]) -> list[list[dict[str, Any]]]:
        found = self.tagger._native_tag(inputs)
        return [
            [self._entity(entity) for entity in document["entities"] if entity["label"] not in self.ignore_labels]
            for document in found
        ]

    def _entity(self, entity: dict[str, Any]) -> dict[str, Any]:
        label, score = entity["label"], entity["score"]
        if "in_pieces" not in entity:
            start, end = entity["start"], entity["end"]
            return {"entity_group": label, "score": score, "word": entity["text"], "start": start, "end": end}
        word, index, start, end = entity["in_pieces"]
        if self.aggregation_strategy == "none":
            return {"entity": label, "score": score, "index": index, "word": word, "start": start, "end": end}
        return {"entity_group": label, "score": score, "word": word, "start": start, "end": end}


def _leave_out(options: dict[str, Any]) -> None:
    for name in _WITHOUT_EFFECT:
        if name in options:
            options.pop(name)
            logger.info("`%s=` has no effect here", name)


def _device(device: Any) -> str:
    """Returns a device as `tagsmith` spells it: None, -1, 0, "cuda:0" and torch's devices are known."""
    if device is None:
        return "auto"
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)


def _precision(name: str, dtype: Any) -> str:
    word = str(dtype).removeprefix("torch.")
    if word not in _PRECISIONS:
        raise TagsmithError(f'`{name}="{word}"`: there are {", ".join(_PRECISIONS)}')
    if word == "float16":
        logger.info("`%s=float16` is computed in bfloat16, which has the range of float32", name)
    return _PRECISIONS[word]
