#!/usr/bin/env python3
"""@SCRIPT@, run by tagsmith. `tagsmith shims` wrote this file."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time

COMMAND = "@COMMAND@"
PROGRAM = @PROGRAM@

# Seconds in which the first process of a launcher should have begun.
PATIENCE = 60

# What launchers tell their processes. mpirun tells its own.
LAUNCHERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK", "ROLE_WORLD_SIZE")


def end(line):
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)


def number(name, default):
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default


def first(words, processes, path):
    """Runs all processes on MPI, and leaves their status to the others."""
    mpirun = shutil.which("mpirun") or shutil.which("mpiexec")
    if mpirun is None:
        end(f"{processes} processes need MPI, and there is no `mpirun`: apt install openmpi-bin, or start one process")
    # The file appears under its name with the lock held and a line in it, whenever this process is killed.
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), prefix="first-", delete=False) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        print("running", file=file, flush=True)
        os.replace(file.name, path)
        left = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
        status = subprocess.run([mpirun, "-n", str(processes), *words], env=left).returncode
        status = status if status >= 0 else 128 - status
        print(status, file=file, flush=True)
    # The others have opened the file, or look for it ten times in this second.
    time.sleep(1)
    os.unlink(path)
    return status


def other(path):
    """Waits for the first process. Returns its status, or 1 if it ended without one."""
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            end("the first process of this launcher did not begin")
        time.sleep(0.1)
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        lines = file.read().split()
    return int(lines[1]) if len(lines) == 2 else 1


def main():
    program = PROGRAM if os.access(PROGRAM, os.X_OK) else shutil.which("tagsmith")
    if program is None:
        end("the program `tagsmith` is not there: pip install tagsmith")
    words = [program, COMMAND, *sys.argv[1:]]
    processes, here = number("WORLD_SIZE", 1), number("LOCAL_WORLD_SIZE", number("WORLD_SIZE", 1))
    if processes == 1:
        os.execv(program, words)
    if processes != here:
        end("processes on several machines: start `tagsmith` itself with mpirun or srun")
    name = f"tagsmith-{os.getuid()}-{os.getppid()}-{os.environ.get('MASTER_PORT', '')}"
    path = os.path.join(tempfile.gettempdir(), f"{name}-{number('TORCHELASTIC_RESTART_COUNT', 0)}")
    sys.exit(first(words, processes, path) if number("LOCAL_RANK", 0) == 0 else other(path))


main()
