"""`tagsmith.train`: the results that the run's files have, its events, and how a run ends early."""

import json
import logging
import os
import signal
import time

import pytest

import tagsmith
from conftest import LIMIT, ROOT

FILE = str(ROOT / "examples" / "names.conll")


@pytest.fixture
def options(model, tmp_path):
    return {
        "model_name_or_path": model,
        "train_file": FILE,
        "validation_file": FILE,
        "output_dir": tmp_path / "run",
        # The data has other labels than the model.
        "ignore_mismatched_sizes": True,
        "do_train": True,
        "do_eval": True,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_strategy": "epoch",
        "seed": 3,
    }


def test_results_are_those_of_the_files(options, tmp_path):
    results = tagsmith.train(**options)
    assert results == json.loads((tmp_path / "run" / "all_results.json").read_text())
    state = json.loads((tmp_path / "run" / "trainer_state.json").read_text())
    # Twelve sentences in fours, twice.
    assert state["global_step"] == 6 and results["train_samples"] == results["eval_samples"] == 12
    saved = tagsmith.Tagger(tmp_path / "run")
    assert saved.labels == sorted({label for sentence in tagsmith.read(FILE) for label in sentence.labels})
    # The model on disk is the one that was scored.
    assert tagsmith.evaluate(saved, FILE)["overall_f1"] == pytest.approx(results["eval_f1"])


COMMAND = """
import sys
from tagsmith._tagsmith import run_command_line

sys.exit(run_command_line(["tagsmith", *sys.argv[1:]]))
"""


def test_results_are_those_of_the_command(options, tmp_path, program, finish):
    """The command line has the same numbers; times differ."""
    results = tagsmith.train(**options)
    line = [f"--{name}={value}" for name, value in (options | {"output_dir": tmp_path / "command"}).items()]
    finish(program(COMMAND, "train", *line))
    command = json.loads((tmp_path / "command" / "all_results.json").read_text())
    timed = {name for name in command if "runtime" in name or "per_second" in name}
    assert len(timed) == 6 and results.keys() == command.keys()
    assert all(results[name] == command[name] for name in command.keys() - timed)
    # The wrong twin: another seed gives others.
    other = tagsmith.train(**options | {"seed": 4, "output_dir": tmp_path / "other"})
    assert other["train_loss"] != results["train_loss"]


def test_events(options, tmp_path, caplog):
    events = []
    with caplog.at_level(logging.INFO, "tagsmith"):
        results = tagsmith.train(callback=events.append, **options)
    json.dumps(events)
    of = {kind: [event for event in events if event["event"] == kind] for kind in {event["event"] for event in events}}
    assert set(of) == {"note", "progress", "began", "step", "log", "saved", "measured"}
    assert of["began"] == [{"event": "began", "step": 0, "of": 6}]
    assert [event["step"] for event in of["step"]] == [1, 2, 3, 4, 5, 6]
    steps = {event["step"]: event["loss"] for event in of["step"]}
    losses = [event["figures"] for event in of["log"] if "loss" in event["figures"]]
    assert [steps[figures["step"]] for figures in losses] == [figures["loss"] for figures in losses]
    assert sum(steps.values()) / 6 == pytest.approx(results["train_loss"])
    measured = {event["split"]: event["figures"] for event in of["measured"]}
    assert measured["train"]["train_loss"] == results["train_loss"]
    assert [os.path.basename(event["folder"]) for event in of["saved"]] == ["checkpoint-3", "checkpoint-6"]
    # Each note is logged, once.
    assert [event["text"] for event in of["note"]] == [record.getMessage() for record in caplog.records]


def test_an_exception_of_the_callback_ends_the_run(options, tmp_path):
    class Enough(Exception):
        pass

    heard = []

    def stop(event):
        heard.append(event)
        if event["event"] == "step" and event["step"] == 4:
            raise Enough("at step 4")

    with pytest.raises(Enough, match="at step 4"):
        tagsmith.train(callback=stop, **options)
    assert heard[-1]["event"] == "step" and heard[-1]["step"] == 4
    # What was saved is whole. Nothing keeps the next run from going on with it, to the end of an undisturbed run.
    assert (tmp_path / "run" / "checkpoint-3").is_dir()
    resumed = tagsmith.train(**options, resume_from_checkpoint=tmp_path / "run" / "checkpoint-3")
    undisturbed = tagsmith.train(**options | {"output_dir": tmp_path / "undisturbed"})
    assert resumed["eval_loss"] == undisturbed["eval_loss"]


def test_errors(options, refused):
    del options["ignore_mismatched_sizes"]
    for words, call in {
        "pass `ignore_mismatched_sizes=`": lambda: tagsmith.train(**options),
        "did you mean `learning_rate`?": lambda: tagsmith.train(**options, learning_rat=1e-3),
        "no model is given": lambda: tagsmith.train(train_file=FILE),
        "missing.conll": lambda: tagsmith.train(**options | {"train_file": "missing.conll"}),
        "`learning_rate` needs a number": lambda: tagsmith.train(**options, learning_rate="fast"),
    }.items():
        refused(tagsmith.TagsmithError, words, call)
    refused(TypeError, "cannot be written as JSON", lambda: tagsmith.train(**options, seed_of=object()))
    refused(TypeError, "cannot be written as JSON", lambda: tagsmith.train(**options, learning_rate=float("nan")))


ENDLESS = """
import sys
import tagsmith

model, file, folder = sys.argv[1:]
def say(event):
    if event["event"] == "step" and event["step"] == 1:
        print("began", flush=True)
try:
    tagsmith.train(
        model_name_or_path=model, train_file=file, output_dir=folder, do_train=True, num_train_epochs=1000000,
        save_strategy="no", ignore_mismatched_sizes=True, callback=say,
    )
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_signal_ends_a_run(program, model, tmp_path):
    process = program(ENDLESS, model, FILE, tmp_path / "run")
    assert process.stdout.readline() == "began\n"
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - sent < 3
    process.communicate(timeout=LIMIT)
    assert process.returncode == 0
