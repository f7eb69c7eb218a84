"""Measurements of `bench/` that need no other package run at a tiny size."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import MODELS, ROOT

PROGRAM = shutil.which("tagsmith", path=str(Path(sys.executable).parent))


def run(script, *words):
    command = [sys.executable, str(ROOT / "bench" / script), "--model", str(MODELS / "bert"), "--tagsmith", PROGRAM, *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout[-1000:] + ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_short_soak_has_no_errors():
    found = run("soak_serve.py", "--input", str(ROOT / "examples" / "names.conll"), *"--minutes 0.05 --idle 20 --kills 1".split())
    assert found["soak"]["answers"] > 0 and found["kills"]["errors"] == 0
    assert len(found["kills"]["first_answer_s"]) == 1


def test_a_short_race_of_servers_has_answers():
    words = "--servers tagsmith --loads short,long --seconds 0.5 --rounds 1 --long-bytes 20000".split()
    found = run("race_serve.py", "--input", str(ROOT / "examples" / "names.conll"), *words)
    assert found["tagsmith"]["short"]["per_s"] > 0
