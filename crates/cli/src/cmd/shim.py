#!/usr/bin/env python3
"""@SCRIPT@, run by tagsmith. `tagsmith shims` wrote this file."""

import fcntl
import os
import shutil
import signal
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


# What accelerate tells its processes of a model that lies in parts.
SPLITS = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP", "ACCELERATE_USE_MEGATRON_LM", "ACCELERATE_USE_PARALLELISM_CONFIG")


def end(line):
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)


def number(name, default):
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default


def asked(words):
    """Returns the options that accelerate's answers mean and that the words do not have."""
    told = {name: value for name, value in os.environ.items() if name.startswith("ACCELERATE_")}
    for name in SPLITS:
        if told.get(name, "").lower() in ("1", "true", "yes"):
            end(f"{name} is set, but no process holds a part of a model here: launch without it")
    names = {word.split("=")[0].replace("_", "-") for word in words}
    options = []
    precision = told.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision in ("bf16", "fp16"):
        options += [] if names & {"--bf16", "--fp16"} else ["--bf16"]
    elif precision != "no":
        end(f"accelerate asks for {precision}, but no, fp16 and bf16 are computed here: launch with one of these")
    if told.get("ACCELERATE_USE_CPU", "").lower() == "true":
        options += [] if names & {"--device", "--use-cpu", "--no-cuda"} else ["--device", "cpu"]
    if options and number("LOCAL_RANK", 0) == 0:
        print(f"accelerate's answers: {' '.join(options)}", file=sys.stderr)
    return options


def run(words, environment):
    """Runs a command, to which signals to end are passed on. Returns its status as a shell tells it."""
    running, early = [], []

    def pass_on(signal_number, _):
        if running:
            running[0].send_signal(signal_number)
        else:
            early.append(signal_number)

    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, pass_on)
    running.append(subprocess.Popen(words, env=environment))
    for signal_number in early:
        running[0].send_signal(signal_number)
    status = running[0].wait()
    return status if status >= 0 else 128 - status


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
        status = run([mpirun, "-n", str(processes), *words], left)
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
    words = [program, COMMAND, *sys.argv[1:], *asked(sys.argv[1:])]
    processes, here = number("WORLD_SIZE", 1), number("LOCAL_WORLD_SIZE", number("WORLD_SIZE", 1))
    if processes == 1:
        os.execv(program, words)
    if processes != here:
        end("processes on several machines: start `tagsmith` itself with mpirun or srun")
    name = f"tagsmith-{os.getuid()}-{os.getppid()}-{os.environ.get('MASTER_PORT', '')}"
    path = os.path.join(tempfile.gettempdir(), f"{name}-{number('TORCHELASTIC_RESTART_COUNT', 0)}")
    sys.exit(first(words, processes, path) if number("LOCAL_RANK", 0) == 0 else other(path))


main()
