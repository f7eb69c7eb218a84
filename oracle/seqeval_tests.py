"""Runs seqeval's own tests on tagsmith.seqeval: fetches the release with them, replaces the package's name, runs pytest.

Tests that cannot pass are left out by name, each for the reason beside it. See oracle/README.md.

    python seqeval_tests.py            exit status 1 if a test fails; needs perl
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

RELEASE = "seqeval==1.2.2"
SHA256 = "f28e97c3ab96d6fcd32b648f6438ff2e09cfba87f05939da9b3970713ec56e6f"

# Tests of what tagsmith.seqeval leaves to the native program: a token does not know the patterns of its scheme.
LEFT_OUT = [f"test_{scheme}_start_inside_end" for scheme in ("iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou")]


def fetched(folder):
    """Downloads the release and returns the folder of its tests."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, RELEASE]
    subprocess.run(command, check=True)
    archive = next(Path(folder).glob("seqeval-*.tar.gz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{archive.name} has the SHA-256 {found}, not {SHA256}")
    with tarfile.open(archive) as release:
        release.extractall(folder, filter="data")
    return archive.with_name(archive.name.removesuffix(".tar.gz")) / "tests"


def rewritten(text, iterations):
    """A file of tests, of which imports name tagsmith. It asks the Perl script less often than 20,000 times."""
    text = re.sub(r"\bfrom seqeval\b", "from tagsmith.seqeval", text)
    text = text.replace("from sklearn.exceptions import", "from tagsmith.seqeval import")
    return text.replace("range(10000)", f"range({iterations})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=100, help="random files of each kind to ask the Perl script about")
    iterations = parser.parse_args().iterations
    with tempfile.TemporaryDirectory() as folder:
        tests = fetched(folder)
        for path in tests.glob("test_*.py"):
            path.write_text(rewritten(path.read_text(encoding="utf-8"), iterations), encoding="utf-8")
        python = str(Path(__file__).resolve().parent.parent / "python")
        names = " and ".join(f"not {name}" for name in LEFT_OUT)
        command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--rootdir", str(tests), "-k", names, "."]
        return subprocess.run(command, cwd=tests, env=os.environ | {"PYTHONPATH": python}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
