"""The six schemes of strict scoring, tags taken apart, and the entities of tags under a scheme."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, auto
from typing import ClassVar

from .. import _tagsmith


class Prefix(Flag):
    """The letter of a tag."""

    I = auto()  # noqa: E741
    O = auto()  # noqa: E741
    B = auto()
    E = auto()
    S = auto()
    U = auto()
    L = auto()


class Token:
    """A tag taken apart into letter and type. A tag without a type has the type `_`."""

    allowed_prefix: ClassVar[Prefix]
    native_name: ClassVar[str | None] = None

    def __init__(self, token: str, suffix: bool = False, delimiter: str = "-") -> None:
        letter, kind = (token[-1], token[:-1]) if suffix else (token[0], token[1:])
        self.token = token
        self.prefix = Prefix[letter]
        self.tag = kind.strip(delimiter) or "_"

    def __repr__(self) -> str:
        return self.token

    def is_valid(self) -> bool:
        """Returns True. A letter that the scheme does not have is a ValueError."""
        if self.prefix not in self.allowed_prefix:
            letters = " ".join(str(prefix.name) for prefix in Prefix if prefix in self.allowed_prefix)
            raise ValueError(f"the tag `{self.token}` does not belong to {self.native_name}, whose letters are {letters}")
        return True


class IOB1(Token):
    """Entities are runs of I; B begins an entity only right after one of its type."""

    allowed_prefix = Prefix.I | Prefix.O | Prefix.B
    native_name = "IOB1"


class IOE1(Token):
    """Entities are runs of I; E ends an entity only right before one of its type."""

    allowed_prefix = Prefix.I | Prefix.O | Prefix.E
    native_name = "IOE1"


class IOB2(Token):
    """Every entity begins with B."""

    allowed_prefix = Prefix.I | Prefix.O | Prefix.B
    native_name = "IOB2"


class IOE2(Token):
    """Every entity ends with E."""

    allowed_prefix = Prefix.I | Prefix.O | Prefix.E
    native_name = "IOE2"


class IOBES(Token):
    """Every entity begins with B and ends with E, or is one S."""

    allowed_prefix = Prefix.I | Prefix.O | Prefix.B | Prefix.E | Prefix.S
    native_name = "IOBES"


class BILOU(Token):
    """Every entity begins with B and ends with L, or is one U."""

    allowed_prefix = Prefix.B | Prefix.I | Prefix.L | Prefix.O | Prefix.U
    native_name = "BILOU"


def name_of(scheme: type[Token] | None) -> str:
    """Returns a scheme's name in the native program. TypeError: this is none of the six."""
    name = scheme.native_name if isinstance(scheme, type) and issubclass(scheme, Token) else None
    if name is None:
        raise TypeError(f"scheme={scheme!r}: there are IOB1, IOB2, IOE1, IOE2, IOBES and BILOU of `tagsmith.seqeval.scheme`")
    return name


@dataclass(repr=False, unsafe_hash=True)
class Entity:
    """An entity of a sentence: its words are those from `start` up to, not including, `end`."""

    sent_id: int | None
    start: int
    end: int
    tag: str

    def __repr__(self) -> str:
        return f"({self.sent_id}, {self.tag}, {self.start}, {self.end})"

    def to_tuple(self) -> tuple[int | None, str, int, int]:
        """Returns sentence, type, first word and the word after the last."""
        return self.sent_id, self.tag, self.start, self.end


class Tokens:
    """The tags of a sentence under a scheme."""

    def __init__(
        self, tokens: list[str], scheme: type[Token], suffix: bool = False, delimiter: str = "-", sent_id: int | None = None
    ) -> None:
        self.native_name = name_of(scheme)
        self.tokens = [scheme(token, suffix=suffix, delimiter=delimiter) for token in tokens]
        self.sent_id = sent_id

    @property
    def entities(self) -> list[Entity]:
        """The entities, in order. A tag that is not of the scheme is a ValueError."""
        for token in self.tokens:
            token.is_valid()
        # Types go by number, so that no delimiter or place of the letter matters.
        kinds = list(dict.fromkeys(token.tag for token in self.tokens))
        number = {kind: place for place, kind in enumerate(kinds)}
        tags = [f"{token.prefix.name}-{number[token.tag]}" for token in self.tokens]
        found = _tagsmith.entities(tags, self.native_name)
        return [Entity(self.sent_id, start, last + 1, kinds[int(kind)]) for kind, start, last in found]


class Entities:
    """The entities of each of several sentences."""

    def __init__(self, sequences: list[list[str]], scheme: type[Token], suffix: bool = False, delimiter: str = "-") -> None:
        self.entities = [
            Tokens(tokens, scheme, suffix, delimiter, sent_id).entities for sent_id, tokens in enumerate(sequences)
        ]

    def filter(self, tag_name: str) -> set[Entity]:
        """Returns the entities of a type."""
        return {entity for entities in self.entities for entity in entities if entity.tag == tag_name}

    @property
    def unique_tags(self) -> set[str]:
        """The types that occur."""
        return {entity.tag for entities in self.entities for entity in entities}


def check_labels(labels: Iterable[str], suffix: bool) -> None:
    """Warns of labels that are not tags, which the CoNLL script's rules misread. An empty one is an IndexError."""
    for label in dict.fromkeys(labels):
        tag = label.endswith(("-B", "-I", "-E", "-S")) if suffix else label.startswith(("B-", "I-", "E-", "S-"))
        if not label:
            raise IndexError("a label is empty")
        if not tag and label not in ("O", "B", "I", "E", "S"):
            warnings.warn(f"the label `{label}` is not a B, I, E, S or O tag", stacklevel=2)


def check_tags(sequences: Iterable[Iterable[str]], scheme: type[Token], suffix: bool) -> None:
    """Raises what reading the tags sentence by sentence raises: KeyError of a letter, ValueError of one in another scheme."""
    name_of(scheme)
    known: set[str] = set()
    for tags in sequences:
        tokens = [scheme(tag, suffix=suffix) for tag in tags if tag not in known]
        for token in tokens:
            token.is_valid()
            known.add(token.token)


def auto_detect(sequences: list[list[str]], suffix: bool = False, delimiter: str = "-") -> type[Token]:
    """Returns the scheme that the letters show: IOB2, IOE2, IOBES or BILOU. Other letters are a ValueError."""
    tags = dict.fromkeys(tag for tags in sequences for tag in tags)
    try:
        letters = frozenset(str(Token(tag, suffix=suffix, delimiter=delimiter).prefix.name) for tag in tags)
    except KeyError as error:
        raise ValueError(f"no scheme has the letter {error}") from None
    for scheme, needed, alone in ((IOB2, "B", ""), (IOE2, "E", ""), (IOBES, "BE", "S"), (BILOU, "BL", "U")):
        allowed = {prefix.name for prefix in Prefix if prefix in scheme.allowed_prefix}
        if letters == set(alone) != set() or letters >= set(needed) and letters <= allowed:
            return scheme
    raise ValueError(f"the letters {' '.join(sorted(letters))} show no scheme: give `scheme=`")
