"""The native half of the package."""

from collections.abc import Callable
from typing import Any, final

class TagsmithError(ValueError): ...

@final
class Tagger:
    def __new__(
        cls,
        model: str,
        *,
        revision: str | None = None,
        precision: str = "f32",
        threads: int | None = None,
        batch_tokens: int | None = None,
        max_seq_length: int | None = None,
        stride: int | None = None,
        aggregation_strategy: str | None = None,
        label_scheme: str | None = None,
        labels: Any = None,
        threshold: Any = None,
        decoding: str | None = None,
        device: str = "auto",
        cuda_libraries: str | None = None,
        cache_dir: str | None = None,
        token: str | None = None,
    ) -> Tagger: ...
    def tag(self, given: list[Any]) -> tuple[list[dict[str, Any]], list[tuple[bool, str]]]: ...
    @property
    def folder(self) -> Any: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def max_length(self) -> int: ...
    @property
    def scores_spans(self) -> bool: ...
    @property
    def notes(self) -> list[tuple[bool, str]]: ...

def version() -> str: ...
def run_command_line(words: list[str]) -> int: ...
def before_fork() -> None: ...
def after_fork_in_parent() -> None: ...
def after_fork_in_child() -> None: ...
def train(options: dict[str, Any], callback: Callable[[dict[str, Any]], None] | None = None) -> Any: ...
def read(file: str) -> tuple[list[dict[str, Any]], list[tuple[bool, str]]]: ...
def entities(tags: list[str], scheme: str | None = None, suffix: bool = False) -> list[tuple[str, int, int]]: ...
def score(
    gold: list[list[str]],
    predicted: list[list[str]],
    labels: str | None = None,
    suffix: bool = False,
    zero_division_value: float = 0.0,
) -> tuple[dict[str, Any], list[tuple[bool, str]]]: ...
def score_files(
    gold: str,
    predicted: str | None,
    mode: str | None = None,
    label_scheme: str | None = None,
    suffix: bool = False,
    zero_division_value: float = 0.0,
) -> dict[str, Any]: ...
