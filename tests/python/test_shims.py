"""The originals' scripts: one process is the program, several local ones are one job on MPI."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = shutil.which("tagsmith", path=str(Path(sys.executable).parent)) or shutil.which("tagsmith")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="the program is not installed beside this Python")


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    subprocess.run([str(PROGRAM), "shims", "scripts"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "scripts"


def put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


def start(
    script: Path, folder: Path, rank: int, size: int, path: str, *words: str, **more: str
) -> subprocess.Popen[str]:
    """Starts a script as a launcher starts one of its processes."""
    told = {**more, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": 29500}
    environment = {**os.environ, **{name: str(value) for name, value in told.items()}, "PATH": path, "TMPDIR": str(folder)}
    command = [sys.executable, str(script), *words]
    return subprocess.Popen(command, env=environment, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_one_process_is_the_program(scripts: Path, tmp_path: Path) -> None:
    run = [sys.executable, str(scripts / "run_ner.py")]
    help_text = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--model_name_or_path" in help_text
    ran = subprocess.run([*run, "--no_such_option", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 2 and "there is no option `--no_such_option`" in ran.stderr
    evaluator = subprocess.run(
        [sys.executable, str(scripts / "evaluate_bi_encoder.py"), "--help"], capture_output=True, text=True, check=True
    )
    assert "--evaluation_file" in evaluator.stdout


@pytest.mark.parametrize("status", [0, 3])
def test_processes_of_a_launcher_are_one_job(scripts: Path, tmp_path: Path, status: int) -> None:
    seen = tmp_path / "seen"
    put(tmp_path / "bin", "mpirun", f'#!/bin/sh\nprintf "%s " "$@" "WORLD_SIZE=$WORLD_SIZE" > {seen}\nsleep 0.5\nexit {status}\n')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    processes = [start(scripts / "run_ner.py", tmp_path, rank, 3, path, "--a", "1") for rank in (2, 1, 0)]
    assert [process.wait(timeout=60) for process in processes] == [status] * 3
    # Launchers' variables do not reach mpirun, which tells its own.
    assert seen.read_text().split() == ["-n", "3", str(PROGRAM), "train", "--a", "1", "WORLD_SIZE="]
    assert not [name for name in os.listdir(tmp_path) if name.startswith("tagsmith-")]


def test_a_first_process_that_is_killed_does_not_leave_the_others_waiting(scripts: Path, tmp_path: Path) -> None:
    put(tmp_path / "bin", "mpirun", "#!/bin/sh\nexec sleep 5\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    first = start(scripts / "run_ner.py", tmp_path, 0, 2, path)
    other = start(scripts / "run_ner.py", tmp_path, 1, 2, path)
    while not any(name.startswith("tagsmith-") for name in os.listdir(tmp_path)):
        assert first.poll() is None
    first.kill()
    assert other.wait(timeout=60) == 1


@pytest.mark.parametrize(
    "words, more, wanted",
    [
        ([], {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_CPU": "True"}, ["--bf16", "--device", "cpu"]),
        ([], {"ACCELERATE_MIXED_PRECISION": "fp16", "ACCELERATE_USE_CPU": "False"}, ["--bf16"]),
        (["--fp16", "--use_cpu"], {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_CPU": "True"}, []),
        (["--bf16=no"], {"ACCELERATE_MIXED_PRECISION": "bf16"}, []),
        ([], {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_FSDP": "false"}, []),
    ],
)
def test_answers_of_accelerate_become_options(
    scripts: Path, tmp_path: Path, words: list[str], more: dict[str, str], wanted: list[str]
) -> None:
    """accelerate tells them its processes in the environment, whichever file or option they are from."""
    seen = tmp_path / "seen"
    put(tmp_path / "bin", "mpirun", f'#!/bin/sh\nprintf "%s " "$@" > {seen}\n')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    processes = [start(scripts / "run_ner.py", tmp_path, rank, 2, path, *words, **more) for rank in (0, 1)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert seen.read_text().split() == ["-n", "2", str(PROGRAM), "train", *words, *wanted]
    assert errors == [f"accelerate's answers: {' '.join(wanted)}\n" if wanted else "", ""]


@pytest.mark.parametrize(
    "more, words",
    [({"ACCELERATE_USE_FSDP": "true"}, "ACCELERATE_USE_FSDP is set"), ({"ACCELERATE_MIXED_PRECISION": "fp8"}, "asks for fp8")],
)
def test_answers_that_cannot_be_honored_end_the_run(scripts: Path, tmp_path: Path, more: dict[str, str], words: str) -> None:
    process = start(scripts / "train_bi_encoder.py", tmp_path, 0, 1, os.environ["PATH"], **more)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and words in errors and errors.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_that_ends_its_processes_ends_the_job(scripts: Path, tmp_path: Path, number: signal.Signals) -> None:
    """torchrun ends its processes by SIGTERM, and knows nothing of mpirun."""
    began, ended = tmp_path / "began", tmp_path / "ended"
    lines = f"trap 'touch {ended}; exit 7' {number.name[3:]}\ntouch {began}\nwhile :; do sleep 0.1; done\n"
    put(tmp_path / "bin", "mpirun", f"#!/bin/sh\n{lines}")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    first = start(scripts / "run_ner.py", tmp_path, 0, 2, path)
    other = start(scripts / "run_ner.py", tmp_path, 1, 2, path)
    while not began.exists():
        assert first.poll() is None
    first.send_signal(number)
    assert first.wait(timeout=60) == 7 and ended.exists()
    assert other.wait(timeout=60) == 7


def test_what_is_missing_is_said_in_a_line(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    process = start(scripts / "run_ner.py", tmp_path, 0, 2, str(tmp_path / "empty"))
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "there is no `mpirun`" in errors and errors.count("\n") == 1
    environment = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    ran = subprocess.run([sys.executable, str(scripts / "run_ner.py")], env=environment, capture_output=True, text=True)
    assert ran.returncode == 2 and "mpirun or srun" in ran.stderr
