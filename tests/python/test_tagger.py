"""`tagsmith.Tagger`: documents, units of offsets, pickles, threads, forks and signals."""

import hashlib
import multiprocessing
import pickle
import shutil
import signal
import struct
import threading
import time

import pytest

import tagsmith
from conftest import LIMIT, MODELS

TEXT = "The cat 🐈 sat on the mat 🎉🎉 in Zürich."
WORDS = ["Jo", "moved", "to", "Zürich", "in", "May", "2021", "."]


def test_documents(tagger):
    document = tagger.tag(TEXT)
    assert document.text == TEXT
    assert document.words[:3] == ["The", "cat", "🐈"]
    assert len(document.labels) == len(document.scores) == len(document.words)
    assert set(document.labels) <= set(tagger.labels)
    assert document.entities and all(TEXT[it.start : it.end] == it.text for it in document.entities)
    assert document.to_dict()["entities"] == tagger.entities(TEXT) == tagger(TEXT)
    assert list(tagger.entities(TEXT)[0]) == ["text", "label", "score", "start", "end"]
    given = tagger.tag(WORDS, is_split_into_words=True)
    assert given.words == WORDS and given.text == " ".join(WORDS)
    assert tagger.tag([WORDS, TEXT]) == [given, document]
    assert tagger.entities([TEXT, ""]) == [tagger.entities(TEXT), []]
    assert tagger.tag([]) == tagger.entities([]) == []


def test_a_word_has_the_label_of_its_first_piece(model):
    """By definition; the pieces are those of the pipeline with the strategy `none`, which leaves out `O`."""
    document = tagsmith.Tagger(model).tag(WORDS, is_split_into_words=True)
    (pieces,) = tagsmith.pipeline("ner", model)(WORDS, is_split_into_words=True)
    at, wanted = 0, []
    for word in WORDS:
        first = [piece["entity"] for piece in pieces if piece["start"] == at]
        wanted.append(first[0] if first else "O")
        at += len(word) + 1
    assert document.labels == wanted and set(wanted) > {"O"}


def test_attributes(tagger, model):
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]
    assert tagger.labels == labels and tagger.id2label == dict(enumerate(labels))
    assert tagger.max_length == 160 and tagger.precision == "f32" and tagger.folder.samefile(model)
    assert tagsmith.Tagger(model, max_seq_length=20).max_length == 20
    assert repr(tagsmith.Tagger(str(model), token="secret", threads=1)) == f"Tagger('{model}', threads=1)"


def test_fingerprint_is_of_names_and_contents(tmp_path, model):
    folder = tmp_path / "model"
    folder.mkdir()
    digest = hashlib.sha256()
    # expect.json stands in the golden folder, not in a model's.
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(model / name, folder / name)
        contents = (folder / name).read_bytes()
        digest.update(struct.pack("<Q", len(name)) + name.encode() + hashlib.sha256(contents).digest())
    for other in ["README.md", "eval_results.json", "trainer_state.json"]:
        (folder / other).write_text("no part of the model")
    tagger = tagsmith.Tagger(folder)
    assert tagger.fingerprint == f"sha256:{digest.hexdigest()}"
    (folder / "config.json").write_bytes((folder / "config.json").read_bytes() + b" ")
    assert tagger.fingerprint != f"sha256:{digest.hexdigest()}"


def test_stream_keeps_the_order_and_asks_for_a_chunk_at_a_time(tagger):
    asked = []

    def come():
        for number in range(10):
            asked.append(number)
            yield f"Jo moved to {number}"

    documents = tagger.stream(come(), chunk=4)
    assert next(documents).text == "Jo moved to 0" and asked == [0, 1, 2, 3]
    assert [document.text for document in documents] == [f"Jo moved to {number}" for number in range(1, 10)]
    assert list(tagger.stream([TEXT])) == [tagger.tag(TEXT)]


@pytest.mark.parametrize("text", [TEXT, "🎉Jo🎉 𝒜𝓁𝒾𝒸ℯ", "Zu\u0308rich 👩‍👩‍👧‍👦 Jo"])
def test_offset_units(model, text):
    """Python's own encodings say what a unit counts."""
    found = tagsmith.Tagger(model).entities(text)
    assert found
    for unit, encoding, size in [("utf16", "utf-16-le", 2), ("byte", "utf-8", 1)]:
        encoded = text.encode(encoding)
        entities = tagsmith.Tagger(model, offset_unit=unit).entities(text)
        assert len(entities) == len(found)
        for entity, plain in zip(entities, found):
            assert encoded[entity["start"] * size : entity["end"] * size].decode(encoding) == entity["text"]
            assert entity["start"] == len(text[: plain["start"]].encode(encoding)) // size
        # The wrong twin: a unit that is not heard of.
        assert [entity["end"] for entity in entities] != [entity["end"] for entity in found]


def test_pickle(tmp_path, model, refused):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    tagger = tagsmith.Tagger(folder, offset_unit="byte", aggregation_strategy="max", token="secret")
    pickled = pickle.dumps(tagger)
    assert b"secret" not in pickled and len(pickled) < 1000
    assert pickled == pickle.dumps(tagger)
    again = pickle.loads(pickled)
    assert again.offset_unit == "byte" and again.entities(TEXT) == tagger.entities(TEXT)
    shutil.copy(MODELS / "distilbert" / "config.json", folder / "config.json")
    shutil.copy(MODELS / "distilbert" / "model.safetensors", folder / "model.safetensors")
    refused(tagsmith.TagsmithError, "is not the model that was pickled", lambda: pickle.loads(pickled))


def test_a_process_opens_a_pickled_tagger_once(tmp_path, model):
    """An engine sends a tagger with each part of its data. Other options, files or fingerprints are other taggers."""
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    pickled = pickle.dumps(tagsmith.Tagger(folder, threads=1))
    first = pickle.loads(pickled)
    assert pickle.loads(pickled) is first
    assert pickle.loads(pickle.dumps(tagsmith.Tagger(folder, threads=1, stride=5))) is not first
    assert pickle.loads(pickle.dumps(tagsmith.Tagger(folder, threads=1, offset_unit="byte"))) is not first
    # A file that is written again is read again, and its contents are compared.
    shutil.copy(model / "config.json", folder / "config.json")
    again = pickle.loads(pickled)
    assert again is not first and pickle.loads(pickled) is again
    # Memory stays bounded: the taggers that were asked for last are kept.
    for stride in range(1, 5):
        pickle.loads(pickle.dumps(tagsmith.Tagger(folder, stride=stride)))
    assert pickle.loads(pickled) is not again


def test_threads_unpickle_one_tagger(tagger):
    pickled, found = pickle.dumps(tagger), []
    threads = [threading.Thread(target=lambda: found.append(pickle.loads(pickled)), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_threads_give_the_same(tagger):
    texts = [f"{TEXT} Jo moved to {number}" for number in range(40)]
    wanted = tagger.entities(texts)
    found = [None] * 8

    def work(place):
        found[place] = tagger.entities(texts)

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert found == [wanted] * len(found)


POOL = """
import multiprocessing, sys, threading
import tagsmith

def work(texts):
    return tagger.entities(texts)

def take(pickled):
    global tagger
    tagger = pickled

if __name__ == "__main__":
    start, model = sys.argv[1:]
    texts = ["The cat sat on the mat in Zürich. " * 8] * 60
    tagger = tagsmith.Tagger(model, threads=2, batch_tokens=8192)
    wanted = tagger.entities(texts)
    context = multiprocessing.get_context(start)
    with context.Pool(2, take, (tagger,)) as pool:
        assert pool.map(work, [texts] * 6) == [wanted] * 6
    # The parent goes on, too.
    assert tagger.entities(texts) == wanted
    print("done")
"""

FORK_WHILE_TAGGING = """
import os, sys, threading
import tagsmith

texts = ["The cat sat on the mat in Zürich. " * 8] * 60
tagger = tagsmith.Tagger(sys.argv[1], threads=2, batch_tokens=8192)
wanted = tagger.entities(texts)
over = threading.Event()

def go_on():
    while not over.is_set():
        assert tagger.entities(texts) == wanted

threads = [threading.Thread(target=go_on) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if tagger.entities(texts) == wanted else 3)
    assert os.waitpid(child, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
print("done")
"""


@pytest.mark.parametrize("start", multiprocessing.get_all_start_methods())
def test_processes(program, finish, model, start):
    """With `fork`, the parent's threads ran before: the children have none of them."""
    assert finish(program(POOL, start, model)) == "done\n"


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_fork_while_other_threads_tag(program, finish, model):
    """Where `os.register_at_fork` is made to do nothing, a child hangs within these twenty forks."""
    assert finish(program(FORK_WHILE_TAGGING, model)) == "done\n"


INTERRUPTED = """
import sys, time
import tagsmith

tagger = tagsmith.Tagger(sys.argv[1], threads=1)
texts = ["The cat sat on the mat in Zürich. " * int(sys.argv[2])] * int(sys.argv[3])
print("began", flush=True)
try:
    tagger.tag(texts)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    # The tagger is as before.
    assert tagger.entities(texts[0])
"""


@pytest.mark.parametrize("repeats, inputs", [(1, 1000000), (1000, 1000)])
def test_a_signal_ends_a_long_call(program, model, repeats, inputs):
    """Many short texts, or some long ones."""
    process = program(INTERRUPTED, model, repeats, inputs)
    assert process.stdout.readline() == "began\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    # The call alone would take many times longer. A second, and what a busy machine may add.
    assert time.monotonic() - sent < 3
    process.communicate(timeout=LIMIT)
    assert process.returncode == 0


def test_other_threads_of_python_go_on(model):
    """A counter goes on while a tagger works. If the call kept Python's lock, the counter would stand still."""
    tagger = tagsmith.Tagger(model, threads=1)
    # The call gives up the lock when it looks for a signal, so one long text is tagged.
    texts = ["The cat sat on the mat in Zürich. " * 8000]
    count, over = 0, threading.Event()

    def work():
        nonlocal count
        while not over.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    before, began = count, time.monotonic()
    tagger.tag(texts)
    passed, counted = time.monotonic() - began, count - before
    over.set()
    thread.join()
    # At one a millisecond, a fiftieth of them on a busy machine.
    assert passed > 0.2 and counted > passed * 1000 / 50, (passed, counted)


def test_errors(model, refused):
    refused(tagsmith.TagsmithError, 'offset_unit="bytes"', lambda: tagsmith.Tagger(model, offset_unit="bytes"))
    refused(tagsmith.TagsmithError, "`max_seq_length` is 1000", lambda: tagsmith.Tagger(model, max_seq_length=1000))
    refused(tagsmith.TagsmithError, "`threads=0`", lambda: tagsmith.Tagger(model, threads=0))
    refused(tagsmith.TagsmithError, "`threads=-1`", lambda: tagsmith.Tagger(model, threads=-1))
    with pytest.raises(tagsmith.TagsmithError) as raised:
        tagsmith.Tagger(model, threads=0)
    # An error of a pool's worker comes back to its parent.
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is tagsmith.TagsmithError and str(again) == str(raised.value)
    refused(TypeError, "int", lambda: tagsmith.Tagger(3))
