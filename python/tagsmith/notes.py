"""Notes of the program as log records."""

from __future__ import annotations

import logging
from collections.abc import Iterable

# `typing` takes as long to import as all else here, and type checkers alone need it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

logger = logging.getLogger("tagsmith")


def log(notes: Iterable[tuple[bool, str]]) -> None:
    """Logs notes: what is lost or left out as a warning, the rest as information."""
    for important, text in notes:
        logger.log(logging.WARNING if important else logging.INFO, "%s", text)


def on_event(event: dict[str, Any]) -> None:
    """Logs an event that is a note."""
    if event["event"] == "note":
        log([(event["important"], event["text"])])
