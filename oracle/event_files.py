"""What TensorBoard's own package makes of scalars: golden/event_files/scalars.tfevents.

    python event_files.py                    write the file
    python event_files.py --check            derive it again, compare, and read it back
    python event_files.py --check OUTPUT...  also read what `tagsmith train --report_to tensorboard --logging_dir OUTPUT/logs`
                                             left in each output folder, and compare it with trainer_state.json
"""

import json
import math
import struct
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "event_files" / "scalars.tfevents"
BEGIN = 1_795_573_357.25
SCALARS = [(0, "train/loss", 1.5), (1, "train/learning_rate", 5e-5), (127, "eval/f1", 0.0), (128, "eval/f1", 1.0),
           (300, "eval/loss", math.nan), (1 << 40, f"eval/{'é' * 100}_f1", -2.5e-8)]  # fmt: skip


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def written():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        with open(path, "wb") as file:
            writer = RecordWriter(file)
            writer.write(event_pb2.Event(wall_time=BEGIN, file_version="brain.Event:2").SerializeToString())
            for at, (step, name, value) in enumerate(SCALARS, 1):
                summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=name, simple_value=value)])
                writer.write(event_pb2.Event(wall_time=BEGIN + at, step=step, summary=summary).SerializeToString())
            writer.flush()
        return path.read_bytes()


def scalars(path):
    """(name, step) → values of the scalars in an event file or its folder; two evaluations may fall on one step."""
    accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0})
    accumulator.Reload()
    values = {}
    for tag in accumulator.Tags()["scalars"]:
        for event in accumulator.Scalars(tag):
            values.setdefault((tag, event.step), []).append(event.value)
    return values


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def agrees_with_its_log(output):
    """Every number of log_history is in the event file under the callback's name, and nothing is lost."""
    found = scalars(Path(output) / "logs")
    history = json.loads((Path(output) / "trainer_state.json").read_text())["log_history"]
    count = 0
    for record in history:
        for name, value in record.items():
            if name != "step":
                tag = f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}"
                got = found.get((tag, record["step"]), [])
                if not any(same(one, f32(value)) for one in got):
                    print(f"{output}: {tag} at {record['step']} is {got}, not {value}")
                    return False
                count += 1
    print(f"{output}: {count} numbers agree")
    return count > 0


def main():
    arguments = sys.argv[1:]
    data = written()
    if arguments[:1] != ["--check"]:
        GOLDEN.write_bytes(data)
        print(f"{GOLDEN.name}: {len(data)} bytes")
        return 0
    read = scalars(GOLDEN)
    want = {(name, step): f32(value) for step, name, value in SCALARS}
    fine = GOLDEN.read_bytes() == data and read.keys() == want.keys() and all(len(read[key]) == 1 and same(read[key][0], want[key]) for key in want)
    print("same" if fine else "differs")
    return int(not all([fine, *map(agrees_with_its_log, arguments[1:])]))


if __name__ == "__main__":
    sys.exit(main())
