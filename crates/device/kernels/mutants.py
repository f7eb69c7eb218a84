"""Plants faults in the kernels, one at a time, and runs the tests on the emulator: each fault should be found.

    python crates/device/kernels/mutants.py             # all of them, and a table
    python crates/device/kernels/mutants.py attention   # those whose file's name holds this word

A fault is a piece of a source and what stands in its place. The tests run with the mutated PTX instead of kernels.ptx.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import faults
import generate

ENTRY = ".visible .entry "

# The sources that a module of tests runs kernels of.
TESTED = {
    "activation::": "elementwise/activation",
    "attention::": "attention/",
    "distances::": "attention/plain",
    "elementwise::": "elementwise/",
    "layer_norm::": "rows/layer_norm",
    "learning::": "learning/",
    "nothing::": "",
    "product::": "product/",
    "rows::": "rows/",
    "sums::": "rows/sums",
}


def entries(ptx):
    """Returns what comes before the kernels, and the text of each kernel by its name."""
    head, *parts = ptx.split(ENTRY)
    return head, {re.match(r"\w+", part)[0]: part for part in parts}


def mutated(library, fault):
    """Returns the PTX of all kernels with a fault in those that hold it; one that does not compile is an error."""

    def read(name):
        text = (generate.HERE / name).read_text(encoding="utf-8")
        if name != fault.file:
            return text
        assert fault.old in text, f"{fault.name}: {fault.file} does not hold {fault.old!r}"
        return text.replace(fault.old, fault.new, 1)

    # A header is in all kernels; only those that the fault's tests run are compiled with it.
    header = fault.file.endswith(".cuh")
    tested = tuple(TESTED[module] for module in fault.tests.split())
    wanted = [
        (name, versions)
        for name, versions in generate.SOURCES
        if name in (fault.file, *generate.HEADERS) or header and name.startswith(tested)
    ]
    try:
        ptx = generate.ptx(library, generate.text(read, wanted))
    except RuntimeError as error:
        sys.exit(f"{fault.name}: {error}")
    head, kernels = entries(generate.PTX.read_text(encoding="utf-8"))
    kernels.update(entries(ptx)[1])
    return head + "".join(ENTRY + kernel for kernel in kernels.values())


def binary():
    """Builds the tests, and returns the path of their program."""
    command = ["cargo", "test", "--package", "tagsmith-device", "--locked", "--test", "kernels", "--no-run"]
    built = subprocess.run(command, capture_output=True, encoding="utf-8")
    if built.returncode != 0:
        sys.exit(built.stderr)
    return re.search(r"Executable .*\((.*)\)", built.stderr)[1]


def found(program, ptx, fault):
    """Runs the tests of a fault's kernels with a PTX; returns what they say of it, or None if they pass."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx", encoding="utf-8") as file:
        file.write(ptx)
        file.flush()
        environment = {**os.environ, "TAGSMITH_KERNELS": file.name, "RUST_BACKTRACE": "0"}
        command = [program, "--test-threads=2", *fault.tests.split()]
        try:
            ran = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=600)
        except subprocess.TimeoutExpired:
            return "the tests did not end"
    assert "running 0 tests" not in ran.stdout, f"{fault.name}: no test of the name {fault.tests}"
    assert "the emulator reads our PTX" not in ran.stderr + ran.stdout, f"{fault.name}: the emulator cannot run it"
    if ran.returncode == 0:
        return None
    said = re.search(r"panicked at .*\n(.*)", ran.stdout + ran.stderr)
    return said[1] if said else f"status {ran.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="only faults in files whose name holds it")
    parser.add_argument("--cache", default=f"{tempfile.gettempdir()}/nvrtc", help="where the wheels are kept")
    parser.add_argument("--program", help="the tests' program, if it is built already")
    arguments = parser.parse_args()
    library = generate.nvrtc(generate.PINNED, arguments.cache)
    program = arguments.program or binary()
    wanted = [fault for fault in faults.ALL if arguments.word in fault.file]
    missed = []
    for fault in wanted:
        said = found(program, mutated(library, fault), fault)
        print(f"| {pathlib.Path(fault.file).name} | {fault.name} | {said or '**not found**'} |", flush=True)
        if said is None:
            missed.append(fault.name)
    print(f"{len(wanted) - len(missed)} of {len(wanted)} found", *missed, sep="\n  ")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
