"""Taggers: documents in, words with labels and entities out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

from . import _tagsmith
from .notes import log, on_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

OFFSET_UNITS = ("code_point", "utf16", "byte")


@dataclass(frozen=True)
class Entity:
    """An entity that a model found."""

    text: str
    label: str
    score: float
    start: int
    end: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the entity as a dictionary that JSON can write."""
        return asdict(self)


@dataclass(frozen=True)
class Document:
    """A tagged text. `labels` is None where entities may overlap, which no label a word can say."""

    text: str
    words: list[str]
    labels: list[str] | None
    scores: list[float]
    entities: list[Entity]

    def to_dict(self) -> dict[str, Any]:
        """Returns the document as a dictionary that JSON can write."""
        return asdict(self)


class Tagger:
    """A token classifier, or a span tagger that looks for `labels`.

    `model` is a folder or a name on the hub. The options are those of `tagsmith predict`; `precision` is "f32" or "bf16".
    `offset_unit` says what positions count: "code_point", as Python's strings do, "utf16" or "byte".
    """

    def __init__(self, model: str | os.PathLike[str], *, offset_unit: str = "code_point", **options: Any) -> None:
        if offset_unit not in OFFSET_UNITS:
            raise _tagsmith.TagsmithError(f'`offset_unit="{offset_unit}"`: there are {", ".join(OFFSET_UNITS)}')
        self._model = os.fspath(model)
        self._options = options
        self.offset_unit = offset_unit
        self.precision: str = options.get("precision", "f32")
        self._native = _tagsmith.Tagger(self._model, **options)
        log(self._native.notes)

    @property
    def labels(self) -> list[str]:
        """The names of words' labels, in the order of their ids: a span tagger's are IOB2 tags."""
        return self._native.labels

    @property
    def id2label(self) -> dict[int, str]:
        """The names of words' labels by their ids."""
        return dict(enumerate(self.labels))

    @property
    def max_length(self) -> int:
        """The longest window in sub-tokens. Longer documents go through overlapping windows."""
        return self._native.max_length

    @property
    def folder(self) -> Path:
        """The folder of the model's files."""
        folder: Path = self._native.folder
        return folder

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the names and contents of the files that decide what the model says. Servers show the same."""
        return self._native.fingerprint

    def _state(self) -> list[tuple[str, int, int, int]]:
        """Returns what the system knows of the model's files. A file that is written again has another state."""
        states = [(str(path), os.stat(path)) for path in self._native.files]
        return [(name, state.st_ino, state.st_size, state.st_mtime_ns) for name, state in states]

    def tag(self, inputs: Any, *, is_split_into_words: bool = False) -> Any:
        """Tags a text, or each of several inputs: texts, or lists of words.

        With `is_split_into_words`, a flat list is the words of one document.
        """
        if isinstance(inputs, str):
            return self._tag([inputs])[0]
        inputs = as_list(inputs)
        if is_split_into_words and all(isinstance(word, str) for word in inputs):
            return self._tag([inputs])[0]
        return self._tag(inputs)

    def stream(self, inputs: Iterable[Any], *, chunk: int = 256) -> Iterator[Document]:
        """Tags inputs as they come, in their order. At most `chunk` of them are in memory."""
        inputs = iter(inputs)
        while batch := list(islice(inputs, chunk)):
            yield from self._tag(as_list(batch))

    def entities(self, inputs: Any, *, is_split_into_words: bool = False) -> Any:
        """Returns the entities of a text, or of each of several inputs, as dictionaries that JSON can write."""
        tagged = self.tag(inputs, is_split_into_words=is_split_into_words)
        if isinstance(tagged, Document):
            return [entity.to_dict() for entity in tagged.entities]
        return [[entity.to_dict() for entity in document.entities] for document in tagged]

    def evaluate(self, file: str | os.PathLike[str], rules: dict[str, Any]) -> dict[str, Any]:
        """Tags the words of a file and scores their labels: see `tagsmith.evaluate`."""
        return self._native.evaluate(os.fspath(file), rules, on_event)

    def __call__(self, inputs: Any, *, is_split_into_words: bool = False) -> Any:
        """Returns what `entities` returns."""
        return self.entities(inputs, is_split_into_words=is_split_into_words)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options.items() if name != "token")
        return f"Tagger({self._model!r}{options})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A secret does not travel; the other process has its own.
        options = {name: value for name, value in self._options.items() if name != "token"}
        return _load, (self._model, self.offset_unit, options, self.fingerprint)

    def _tag(self, inputs: list[Any]) -> list[Document]:
        return [self._document(found) for found in self._native_tag(inputs)]

    def _native_tag(self, inputs: list[Any]) -> list[dict[str, Any]]:
        try:
            documents, notes = self._native.tag(inputs)
        except TypeError:
            raise _no_unicode(inputs) from None
        log(notes)
        return documents

    def _document(self, found: dict[str, Any]) -> Document:
        text = found["text"]
        place = _places(text, self.offset_unit)
        entities = [
            Entity(entity["text"], entity["label"], entity["score"], place(entity["start"]), place(entity["end"]))
            for entity in found["entities"]
        ]
        return Document(text, found["words"], found["labels"], found["scores"], entities)


def _places(text: str, unit: str) -> Any:
    """Returns a function from a number of code points to the same place in another unit."""
    if unit == "code_point":
        return lambda place: place
    encoding, size = ("utf-16-le", 2) if unit == "utf16" else ("utf-8", 1)
    return lambda place: len(text[:place].encode(encoding)) // size


def as_list(inputs: Any) -> list[Any]:
    """Returns inputs as a list of texts and lists of words. A series, an array or a column gives its values."""
    if isinstance(inputs, (bytes, dict)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs are a text, or several texts or lists of words, not {type(inputs).__name__}")
    if hasattr(inputs, "to_pylist"):
        inputs = inputs.to_pylist()
    elif hasattr(inputs, "tolist"):
        inputs = inputs.tolist()
    return [one if isinstance(one, str) else _words(one, number) for number, one in enumerate(inputs, 1)]


def _words(one: Any, number: int) -> list[str]:
    if one is None or isinstance(one, (bytes, float, int, dict)) or not isinstance(one, Iterable):
        raise TypeError(f"input {number}: a document is a text or a list of words, not {type(one).__name__}")
    words = list(one.tolist() if hasattr(one, "tolist") else one)
    if any(not isinstance(word, str) for word in words):
        raise TypeError(f"input {number}: a document is a text or a list of words")
    return words


def _no_unicode(inputs: list[Any]) -> _tagsmith.TagsmithError:
    """Returns the error of the first input with half a surrogate pair, which is no character."""
    broken = (number for number, one in enumerate(inputs, 1) if any("\ud800" <= letter <= "\udfff" for letter in "".join(one)))
    return _tagsmith.TagsmithError(f'input {next(broken)}: half a surrogate pair is no text: decode it with errors="replace"')


def is_generator(inputs: Any) -> bool:
    """Returns whether inputs come one by one."""
    return isinstance(inputs, Iterator)


class _Opened:
    """The taggers that were unpickled in this process, of which it keeps the last ones.

    An engine sends a tagger along with each part of its data. A process reads the model's files for the first part only.
    """

    KEPT = 4

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taggers: dict[str, tuple[Tagger, list[tuple[str, int, int, int]]]] = {}

    def load(self, model: str, offset_unit: str, options: dict[str, Any], fingerprint: str) -> Tagger:
        """Returns the tagger that was pickled, or the error that the model's files are others by now."""
        key = repr((os.path.abspath(model), offset_unit, sorted(options.items()), fingerprint))
        with self._lock:
            tagger, state = self._taggers.pop(key, (None, None))
            if tagger is None or tagger._state() != state:
                tagger = Tagger(model, offset_unit=offset_unit, **options)
                state = tagger._state()
                if tagger.fingerprint != fingerprint:
                    raise _tagsmith.TagsmithError(f"`{model}` is not the model that was pickled: its files are others here")
            self._taggers[key] = tagger, state or []
            while len(self._taggers) > self.KEPT:
                del self._taggers[next(iter(self._taggers))]
        return tagger

    def after_fork_in_child(self) -> None:
        """Gives up the lock, which a thread of the parent may have held."""
        self._lock = threading.Lock()


opened = _Opened()


def _load(model: str, offset_unit: str, options: dict[str, Any], fingerprint: str) -> Tagger:
    return opened.load(model, offset_unit, options, fingerprint)
