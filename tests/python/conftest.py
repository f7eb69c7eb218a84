"""What the tests of the Python package share: the tiny models of golden/pipeline, and programs with a time limit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tagsmith

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "golden" / "pipeline"
# A program that runs longer hangs.
LIMIT = 30


@pytest.fixture
def model():
    return MODELS / "bert"


@pytest.fixture
def tagger(model):
    return tagsmith.Tagger(model)


@pytest.fixture
def refused():
    """Checks that a call raises, and that the message is one clear line that has these words."""

    def check(kind, words, call):
        with pytest.raises(kind) as raised:
            call()
        message = str(raised.value)
        assert words in message and len(message.splitlines()) == 1, message

    return check


@pytest.fixture
def program(tmp_path):
    """Starts a Python program in a process of its own; `finish` waits for it and returns its output."""
    running = []

    def start(source, *words):
        path = tmp_path / f"program{len(running)}.py"
        path.write_text(source, encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": str(Path(tagsmith.__file__).parent.parent)}
        process = subprocess.Popen(
            [sys.executable, path, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # Its children are ended with it, should they hang.
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
        process.wait()


@pytest.fixture
def finish():
    def wait(process):
        output, errors = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, errors
        return output

    return wait
