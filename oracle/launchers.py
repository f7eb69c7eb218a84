"""Starts the originals' scripts by the real `accelerate launch` and `torchrun`, and compares with tagsmith started directly.

`tagsmith shims` writes the scripts. A run of a launcher must leave the very files of a direct run: weights and predictions to
the bit, results but for times. Where two processes are started, the direct run is of `mpirun -n 2`. Exit statuses, precision
and device that accelerate asks for, and an end by a signal are tried too; and accelerate reads the configuration of
`tagsmith accelerate config`, and tagsmith that of accelerate.

    python launchers.py --program ../target/debug/tagsmith       exit status 1 on the first difference

It needs an MPI that the program finds.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.config.default import write_basic_config

LIMIT = 600
BIN = Path(sys.executable).parent
TRAIN = (
    "--model_name_or_path my-tagger --train_file my-tagger/data/test.conll --validation_file my-tagger/data/validation.conll "
    "--test_file my-tagger/data/validation.conll --do_train --do_eval --do_predict --max_steps 6 --logging_steps 2 "
    "--per_device_train_batch_size 4 --save_strategy no --seed 5"
).split()
# What differs from run to run, and what names the folder.
TIMES = re.compile(r"runtime|per_second|time|output_dir|logging_dir|best_checkpoint_path")
# As mpirun wants it of a container's only user.
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def say(line):
    print(line, flush=True)


def end(line):
    sys.exit(line)


class Folder:
    """A folder with a model, scripts and configurations, in which commands run."""

    def __init__(self, path, program):
        self.path, self.program = path, str(program)
        self.home = path / "home"
        self.environment = os.environ | ROOT_MAY | {"HF_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        self.good(self.program, "demo", "--tiny", "--output_dir", "my-tagger")
        self.good(self.program, "shims", "scripts")

    def run(self, *words):
        ran = subprocess.run(words, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=LIMIT)
        return ran.returncode, ran.stdout + ran.stderr

    def good(self, *words):
        status, said = self.run(*words)
        if status != 0:
            end(f"{' '.join(map(str, words))}: exit status {status}\n{said[-4000:]}")
        return said

    def accelerate(self, *words):
        return (str(BIN / "accelerate"), "launch", *words)

    def torchrun(self, *words):
        return (str(BIN / "torchrun"), "--nproc-per-node", "2", *words)

    def mpirun(self, *words):
        return ("mpirun", "-n", "2", self.program, *words)


def settled(value):
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items() if not TIMES.search(key)}
    return [settled(inner) for inner in value] if isinstance(value, list) else value


def compared(name, folder, ours, theirs):
    """Compares two output folders: names of files, contents of weights and predictions, results."""
    sides = [folder.path / ours, folder.path / theirs]
    names = [sorted(str(path.relative_to(side)) for path in side.rglob("*") if path.is_file()) for side in sides]
    # Names of event files hold the time.
    names = [[re.sub(r"\.\d{6,}[^/]*$", "", one) for one in side] for side in names]
    if names[0] != names[1]:
        end(f"{name}: files differ: {sorted(set(names[0]) ^ set(names[1]))}")
    exact = results = 0
    for one in names[0]:
        left, right = sides[0] / one, sides[1] / one
        if one.endswith((".safetensors", "predictions.txt")):
            exact += 1
            if left.read_bytes() != right.read_bytes():
                end(f"{name}: {one} differs")
        elif one.endswith("results.json"):
            results += 1
            left, right = (settled(json.loads(side.read_text())) for side in (left, right))
            if left != right:
                end(f"{name}: {one} differs:\n{left}\n{right}")
    if not (exact and results):
        end(f"{name}: nothing was compared: {names[0]}")
    say(f"{name}: {len(names[0])} files, {exact} of them to the bit, {results} results: as the direct run")


def same(name, found, expected):
    if found != expected:
        end(f"{name}: {found!r}, not {expected!r}")
    say(f"{name}: as expected")


def one_process(folder):
    folder.good(folder.program, "train", *TRAIN, "--output_dir", "direct")
    folder.good(sys.executable, "scripts/run_ner.py", *TRAIN, "--output_dir", "python")
    compared("python run_ner.py", folder, "python", "direct")
    folder.good(*folder.accelerate("scripts/run_ner.py", *TRAIN, "--output_dir", "accelerate"))
    compared("accelerate launch run_ner.py", folder, "accelerate", "direct")
    # The wrong twin of all comparisons.
    folder.good(folder.program, "train", *TRAIN, "--seed", "6", "--output_dir", "other")
    weights = [(folder.path / run / "model.safetensors").read_bytes() for run in ("direct", "other")]
    same("another seed gives other weights", weights[0] != weights[1], True)


def answers(folder):
    """What accelerate's options ask for is what the program's options ask for."""
    said = folder.good(*folder.accelerate("--mixed_precision", "bf16", "--cpu", "scripts/run_ner.py", *TRAIN, "--output_dir", "half"))
    same("its line", "accelerate's answers: --bf16 --device cpu\n" in said, True)
    folder.good(folder.program, "train", *TRAIN, "--bf16", "--output_dir", "half_direct")
    compared("accelerate launch --mixed_precision bf16", folder, "half", "half_direct")
    weights = [(folder.path / run / "model.safetensors").read_bytes() for run in ("half", "direct")]
    same("bf16 gives other weights", weights[0] != weights[1], True)
    status, said = folder.run(*folder.accelerate("scripts/run_ner.py", "--no_such_option", "1"))
    same("accelerate's own status of a refused option", (status, "there is no option `--no_such_option`" in said), (1, True))
    status, said = folder.run(*folder.torchrun("scripts/run_ner.py", "--no_such_option", "1"))
    told = re.findall(r"exitcode *: (\d+)", said)
    same("torchrun's status, and what it tells of its processes", (status, set(told)), (1, {"2"}))


def two_processes(folder):
    folder.good(*folder.mpirun("train", *TRAIN, "--output_dir", "ranks"))
    folder.good(*folder.torchrun("scripts/run_ner.py", *TRAIN, "--output_dir", "torchrun"))
    compared("torchrun --nproc-per-node 2 run_ner.py", folder, "torchrun", "ranks")
    weights = [(folder.path / run / "model.safetensors").read_bytes() for run in ("ranks", "direct")]
    same("two processes give other weights than one", weights[0] != weights[1], True)


def processes_with(word):
    """The numbers of processes that have a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if word in words:
            found.append(int(path.parent.name))
    return found


def an_end(folder):
    """A launcher that is ended takes the job with it."""
    output = folder.path / "ended"
    words = folder.torchrun("scripts/run_ner.py", *TRAIN, "--max_steps", "1000000", "--output_dir", str(output))
    log = open(folder.path / "ended.log", "w+")
    process = subprocess.Popen(words, cwd=folder.path, env=folder.environment, stdout=log, stderr=log)
    began = time.monotonic()
    while "loss" not in (folder.path / "ended.log").read_text():
        if process.poll() is not None or time.monotonic() - began > LIMIT:
            end(f"the job that is to be ended: {(folder.path / 'ended.log').read_text()[-3000:]}")
        time.sleep(0.2)
    # torchrun, its two processes, mpirun and two ranks.
    same("processes of the job", len(processes_with(str(output))), 6)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while (left := processes_with(str(output))) and time.monotonic() < deadline:
        time.sleep(0.2)
    same("processes that are left after torchrun is ended", left, [])


def spans(folder):
    """The command of the NER-dataset-generation programs, as it is typed in their folder."""
    settings = json.loads((folder.path / "my-tagger" / "spans.json").read_text())
    short = {"max_steps": 8, "eval_steps": 8, "logging_steps": 4, "warmup_steps": 2}
    (folder.path / "configs").mkdir()
    for name in ("direct", "bi_encoder"):
        settings |= short | {"output_dir": f"spans_{name}"}
        (folder.path / "configs" / f"{name}.json").write_text(json.dumps(settings))
    folder.good(folder.program, "train_bi_encoder", "configs/direct.json")
    os.symlink("scripts/train_bi_encoder.py", folder.path / "train_bi_encoder.py")
    folder.good(*folder.accelerate("train_bi_encoder.py", "configs/bi_encoder.json"))
    compared("accelerate launch train_bi_encoder.py", folder, "spans_bi_encoder", "spans_direct")


def configurations(folder):
    file = folder.path / "ours.yaml"
    for typed, kind, processes, precision in (
        ("NO\nno\n", "NO", 1, "no"),
        ("MULTI_CPU\n2\nbf16\n", "MULTI_CPU", 2, "bf16"),
        ("MULTI_GPU\n4\nfp16\n", "MULTI_GPU", 4, "fp16"),
    ):
        command = [folder.program, "accelerate", "config", "--config_file", str(file)]
        subprocess.run(command, input=typed, text=True, check=True, capture_output=True, env=folder.environment)
        read = load_config_from_file(str(file))
        found = (read.distributed_type.value, read.num_processes, read.mixed_precision, read.use_cpu)
        same(f"accelerate reads {kind}", found, (kind, processes, precision, kind == "MULTI_CPU"))
        status, _ = folder.run(str(BIN / "accelerate"), "env", "--config_file", str(file))
        same("accelerate env", status, 0)
    folder.run(folder.program, "accelerate", "config", "default", "--config_file", str(file), "--mixed_precision", "bf16")
    folder.good(*folder.accelerate("--config_file", str(file), "scripts/run_ner.py", *TRAIN, "--output_dir", "by_file"))
    compared("accelerate launch --config_file of tagsmith", folder, "by_file", "half_direct")
    for ending in ("yaml", "json"):
        theirs = folder.path / f"theirs.{ending}"
        if ending == "yaml":
            load_config_from_file(str(file)).to_yaml_file(str(theirs))
        else:
            write_basic_config(mixed_precision="bf16", save_location=str(theirs))
        words = [*TRAIN, "--accelerate_config", str(theirs), "--output_dir", f"theirs_{ending}"]
        said = folder.good(folder.program, "train", *words)
        same(f"tagsmith reads accelerate's {ending}", "asks for bf16: products are computed as `--bf16` does" in said, True)
        compared(f"tagsmith train --accelerate_config theirs.{ending}", folder, f"theirs_{ending}", "half_direct")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True)
    program = parser.parse_args().program.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name), program)
        one_process(folder)
        answers(folder)
        spans(folder)
        configurations(folder)
        two_processes(folder)
        an_end(folder)


if __name__ == "__main__":
    main()
