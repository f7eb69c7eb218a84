"""Disks that run full: every command on disks of many sizes, by hand and as root, because each disk is mounted.

    python bench/full_disk.py --tagsmith target/debug/tagsmith --points 60

A run on a disk that is too small must end with status 2 and one line that says why, leave older models whole and nothing hidden
or half-written. A second run on the full disk must do the same. With room, the next run must end with the bytes of a run
that always had room.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MODEL = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
SENTENCE = "jo lives in millville . ann works at lake mill .\n"
RESULTS = ["out/" + name for name in [*MODEL[:3], "predictions.txt", "best_checkpoint/model.safetensors"]]
RESULTS += ["tagged.jsonl"] + [f"many/{number}.jsonl" for number in range(4)]
ROOM_KB = 131072


def prepare(work: Path, disk: Path) -> None:
    """Writes what the commands read."""
    (work / "model").mkdir()
    for name in MODEL:
        shutil.copy(GOLDEN / ("models/bert" if name in MODEL[:2] else "run_ner") / name, work / "model" / name)
    data = (GOLDEN / "run_ner/data.json").read_text()
    (work / "data.json").write_text(data)
    (work / "long.json").write_text(data * (1_000_000 // len(data)))
    spans = work / "bi_encoder"
    for inside in ["token_tokenizer", "type_tokenizer"]:
        (spans / inside).mkdir(parents=True)
        shutil.copy(GOLDEN / "spans/tokenizer.json", spans / inside)
    for name in ["config.json", "model.safetensors", "token_encoder_config.json", "type_encoder_config.json"]:
        shutil.copy(GOLDEN / "spans/bi_encoder" / name, spans)
    entities = [{"start": 0, "end": 2, "label": "person"}, {"start": 12, "end": 20, "label": "place"}]
    (work / "data.jsonl").write_text(json.dumps({"text": "jo lives in new york", "char_spans": entities}) + "\n")
    files = {f"{split}_file": "data.jsonl" for split in ["train", "validation", "test"]}
    run = {"token_encoder": "none", "type_encoder": "none", "model_checkpoint": "bi_encoder", "dataset_name": "one",
           "output_dir": f"{disk}/out", "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4,
           "max_seq_length": 64, "max_steps": 8, "eval_steps": 2, "logging_steps": 1, "save_total_limit": 2,
           "do_train": True, "do_eval": True, "do_predict": True, "html_report": True}
    (work / "run.json").write_text(json.dumps(run | files))
    (work / "long.txt").write_text(SENTENCE * 2000)
    (work / "texts").mkdir()
    for number in range(4):
        (work / f"texts/{number}.txt").write_text(SENTENCE * 100 + f"{number}\n")


def commands(disk: Path) -> dict[str, str]:
    train = (f"train --model_name_or_path model --train_file data.json --validation_file data.json --test_file data.json "
             f"--output_dir {disk}/out --do_train --do_eval --do_predict --max_steps 8 --save_steps 2 --eval_strategy steps "
             f"--eval_steps 2 --load_best_model_at_end --metric_for_best_model loss --save_total_limit 2 --logging_steps 3 "
             f"--per_device_train_batch_size 2 --seed 7 --overwrite_output_dir --html_report --report_to all --threads 1")
    predict = "predict --model model --threads 1"
    evaluate = "evaluate_bi_encoder --pretrained_model_name_or_path bi_encoder --evaluation_file data.jsonl --threads 1"
    return {
        "train": train,
        "train, data in files": train.replace("--train_file data.json", "--train_file long.json") + " --data_memory 0",
        "train_bi_encoder": "train_bi_encoder run.json --threads 1 --resume",
        "predict to a file": f"{predict} long.txt -o {disk}/tagged.jsonl",
        "predict to Parquet": f"{predict} long.txt --output-format parquet -o {disk}/tagged.parquet",
        "predict to a folder": f"{predict} texts --output-dir {disk}/many",
        "evaluate_bi_encoder": f"{evaluate} --output_dir {disk}/evals",
        "demo": f"demo --tiny --threads 1 --output_dir {disk}/out",
    }


class Disk:
    """A disk of some size, with an older model on it where one is asked for."""

    def __init__(self, at: Path, kb: int, old: Path | None):
        self.at = at
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kb}k", "tmpfs", at], check=True)
        if old:
            shutil.copytree(old, at / "out")

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_) -> None:
        subprocess.run(["umount", self.at], check=True)

    def grow(self) -> None:
        subprocess.run(["mount", "-o", f"remount,size={ROOM_KB}k", self.at], check=True)

    def files(self) -> list[Path]:
        return sorted(path for path in self.at.rglob("*") if path.is_file())

    def used_kb(self) -> int:
        return shutil.disk_usage(self.at).used // 1024

    def results(self) -> dict[str, bytes]:
        return {name: (self.at / name).read_bytes() for name in RESULTS if (self.at / name).exists()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tagsmith", required=True, type=Path)
    parser.add_argument("--points", type=int, default=60, help="sizes of disks for each command")
    args = parser.parse_args()
    program = args.tagsmith.resolve()
    sizes = full = faults = 0
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as at:
        work, at = Path(work), Path(at)
        prepare(work, at)

        def run(line: str) -> subprocess.CompletedProcess:
            return subprocess.run([program, *line.split()], cwd=work, capture_output=True, text=True, timeout=300)

        def is_full(ran: subprocess.CompletedProcess) -> bool:
            said = ran.stderr.splitlines()
            errors = [line for line in said if line.startswith("error: ")]
            return ran.returncode == 2 and errors == said[-1:] and "No space left on device" in errors[0]

        with Disk(at, ROOM_KB, None) as disk:
            old_run = f"train --model_name_or_path model --train_file data.json --output_dir {at}/out --do_train --max_steps 1"
            ran = run(old_run + " --save_strategy no --threads 1")
            assert ran.returncode == 0, ran.stderr
            old = work / "old"
            old.mkdir()
            [shutil.copy(at / "out" / name, old) for name in MODEL]
        for what, line in commands(at).items():
            keeps = old if what.startswith("train,") or what == "train" else None
            with Disk(at, ROOM_KB, keeps) as disk:
                begins = disk.used_kb()
                ran = run(line)
                assert ran.returncode == 0, ran.stderr
                want, most = disk.results(), disk.used_kb() * 2 + 64
            step = max(4, (most - begins) // args.points // 4 * 4)
            counted = [0, 0]
            for kb in range(begins // 4 * 4 + 4, most, step):
                with Disk(at, kb, keeps) as disk:
                    found = []
                    ran = run(line)
                    counted[0] += 1
                    if ran.returncode == 0:
                        if disk.results() != want:
                            found.append("other results")
                    else:
                        counted[1] += 1
                        for _ in range(2):
                            if not is_full(ran):
                                found.append(f"status {ran.returncode}: {ran.stderr[-300:]}")
                            names = [path.relative_to(at) for path in disk.files()]
                            found += [f"left: {name}" for name in names if name.name.startswith(".")]
                            for path in disk.files():
                                if path.suffix == ".json":
                                    json.loads(path.read_text())
                            if keeps:
                                model = [(at / "out" / name).read_bytes() for name in MODEL]
                                is_old = model == [(old / name).read_bytes() for name in MODEL]
                                if not is_old and model[:3] != [want["out/" + name] for name in MODEL[:3]]:
                                    found.append("neither the old model nor the new one")
                            resumes = keeps and any("checkpoint-" in str(name) for name in names)
                            again = line + " --resume_from_checkpoint last" * bool(resumes)
                            ran = run(again)
                            if ran.returncode == 0:
                                break
                        disk.grow()
                        ran = run(again)
                        if ran.returncode != 0 or disk.results() != want:
                            found.append(f"with room: status {ran.returncode}: {ran.stderr[-300:]}")
                    faults += bool(found)
                    for fault in found:
                        print(f"{what}, {kb} kB: {fault}")
            print(f"{what}: {counted[0]} sizes, full on {counted[1]}", flush=True)
            sizes, full = sizes + counted[0], full + counted[1]
    print(f"{sizes} sizes, full on {full}, faults {faults}")


if __name__ == "__main__":
    main()
