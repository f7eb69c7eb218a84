"""Fine-tune, evaluate and run token classifiers and span taggers.

    import tagsmith

    ner = tagsmith.pipeline("ner", "FOLDER_OR_NAME", aggregation_strategy="simple")
    ner("Jo moved to Zürich")

What was changed, left out or guessed is logged by the logger `tagsmith`: what is lost as a warning, the rest as information.
"""

import os

from . import _tagsmith
from ._tagsmith import TagsmithError
from .pipeline import TokenClassificationPipeline, pipeline
from .scoring import Sentence, evaluate, read, score
from .tagger import Document, Entity, Tagger, opened
from .training import train

__all__ = [
    "Document",
    "Entity",
    "Sentence",
    "Tagger",
    "TagsmithError",
    "TokenClassificationPipeline",
    "evaluate",
    "pipeline",
    "read",
    "score",
    "train",
]

__version__ = _tagsmith.version()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_tagsmith.before_fork,
        after_in_parent=_tagsmith.after_fork_in_parent,
        after_in_child=_tagsmith.after_fork_in_child,
    )
    os.register_at_fork(after_in_child=opened.after_fork_in_child)
