"""Training, with the options of `tagsmith train` as keywords."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import _tagsmith
from .notes import log


def train(*, callback: Callable[[dict[str, Any]], None] | None = None, **options: Any) -> dict[str, Any]:
    """Trains, evaluates and predicts as `tagsmith train` does, and returns the results.

    `callback` is called with each event: a dictionary with "event" ("began", "step", "log", "saved", "measured", "progress",
    "note") and its figures. An exception of it ends the run. Notes are logged.
    """

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "note":
            log([(event["important"], event["text"])])
        if callback is not None:
            callback(event)

    given = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()}
    return _tagsmith.train(given, on_event)
