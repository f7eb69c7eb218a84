"""Training, with the options of `tagsmith train` as keywords."""

from __future__ import annotations

import os
from collections.abc import Callable

from . import _tagsmith
from .notes import on_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def train(*, callback: Callable[[dict[str, Any]], None] | None = None, **options: Any) -> dict[str, Any]:
    """Trains, evaluates and predicts as `tagsmith train` does, and returns the results.

    `callback` is called with each event: a dictionary with "event" ("began", "step", "log", "saved", "measured", "progress",
    "note") and its figures. An exception of it ends the run. Notes are logged.
    """

    def hear(event: dict[str, Any]) -> None:
        on_event(event)
        if callback is not None:
            callback(event)

    given = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()}
    return _tagsmith.train(given, hear)
