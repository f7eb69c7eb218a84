"""Notes of the program as log records."""

import logging

logger = logging.getLogger("tagsmith")


def log(notes):
    """Logs notes: what is lost or left out as a warning, the rest as information."""
    for important, text in notes:
        logger.log(logging.WARNING if important else logging.INFO, "%s", text)
