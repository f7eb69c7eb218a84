"""Runs tagsmith's adapters in spaCy and in Presidio, on a model whose answer is known without a model.

The model is golden/models/bert with a classifier that adds up to nothing but a bias for `B-PER`: whatever the text, every
word is an entity `PER` of its own, of score 1.

    pip install spacy presidio-analyzer
    python adapters.py            exit status 1 on the first difference
"""

import json
import logging
import pickle
import struct
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))


def install(folder):
    """Tells this Python the package's entry points, as an installed wheel does. spaCy finds the component by them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = folder / "tagsmith-0.dist-info"
    named.mkdir()
    (named / "METADATA").write_text("Metadata-Version: 2.1\nName: tagsmith\nVersion: 0\n")
    lines = [f"{name} = {place}\n" for name, place in project["entry-points"]["spacy_factories"].items()]
    (named / "entry_points.txt").write_text("[spacy_factories]\n" + "".join(lines))
    sys.path.insert(0, str(folder))


# spaCy reads entry points as it is imported.
INSTALLED = tempfile.TemporaryDirectory()
install(Path(INSTALLED.name))

import spacy  # noqa: E402
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: E402
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine  # noqa: E402
from spacy.tokens import Doc  # noqa: E402

from tagsmith import TagsmithError  # noqa: E402
from tagsmith.presidio import TagsmithRecognizer  # noqa: E402

TEXT = "jo moved to zürich in may"
WORDS = [("jo", 0, 2), ("moved", 3, 8), ("to", 9, 11), ("zürich", 12, 18), ("in", 19, 21), ("may", 22, 25)]


def certain(weights, label):
    """The weights of a model file with a classifier that always says one label."""
    size = struct.unpack("<Q", weights[:8])[0]
    header, data = json.loads(weights[8 : 8 + size]), bytearray(weights[8 + size :])
    for name in ("classifier.weight", "classifier.bias"):
        start, end = header[name]["data_offsets"]
        data[start:end] = bytes(end - start)
    struct.pack_into("<f", data, header["classifier.bias"]["data_offsets"][0] + 4 * label, 1000.0)
    return weights[: 8 + size] + bytes(data)


def save(folder, label):
    """Writes the model that always says one label."""
    folder.mkdir()
    bert = ROOT / "golden/models/bert"
    (folder / "config.json").write_text((bert / "config.json").read_text())
    (folder / "model.safetensors").write_bytes(certain((bert / "model.safetensors").read_bytes(), label))
    tokenizer = json.loads((ROOT / "golden/pieces/bert-cased/tokenizer.json").read_text())
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return str(folder)


class Log(logging.Handler):
    """Keeps what the logger `tagsmith` warns of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")
    print(f"{what}: as expected")


def ents(doc):
    return [(ent.text, ent.label_, ent.start_char, ent.end_char) for ent in doc.ents]


def in_spacy(model, other, folder, log):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagsmith_ner", config={"model": model, "threads": 1, "spans_key": "sc"})
    expected = [(word, "PER", start, end) for word, start, end in WORDS]
    doc = nlp(TEXT)
    same("doc.ents", ents(doc), expected)
    same("doc.spans", [(span.text, span.label_) for span in doc.spans["sc"]], [(word, "PER") for word, *_ in WORDS])
    raw = [(one["text"], one["label"], one["start"], one["end"]) for one in doc.user_data["tagsmith"]]
    same("doc.user_data", raw, expected)
    texts = [TEXT, "", "may", TEXT]
    same("pipe", [ents(doc) for doc in nlp.pipe(texts, batch_size=3)], [ents(nlp(text)) for text in texts])
    same("pipe of two processes", [ents(doc) for doc in nlp.pipe(texts, n_process=2)], [ents(nlp(text)) for text in texts])
    same("nothing to warn of", log.lines, [])

    # Tokens that hold two words, or a part of one.
    words, spaces = ["jo moved", "t", "o"], [True, False, False]
    for mode, fits, warned in (
        ("expand", [("jo moved", "PER", 0, 8), ("to", "PER", 9, 11)], "1 of 3 entities share tokens with longer ones, and are not in doc.ents"),
        ("strict", [("to", "PER", 9, 11)], "2 of 3 entities do not align with tokens (alignment_mode='strict')"),
        ("contract", [("to", "PER", 9, 11)], "2 of 3 entities do not align with tokens (alignment_mode='contract')"),
    ):  # fmt: skip
        log.lines.clear()
        component = spacy.blank("en").add_pipe("tagsmith_ner", config={"model": model, "alignment_mode": mode})
        doc = component(Doc(nlp.vocab, words=words, spaces=spaces))
        same(f"alignment_mode={mode!r}", (ents(doc), log.lines), (fits, [warned]))

    nlp.to_disk(folder / "pipeline")
    kept = folder / "pipeline" / "tagsmith_ner"
    same("to_disk", [path.name for path in kept.iterdir()], ["tagsmith.json"])
    same("its keys", sorted(json.loads((kept / "tagsmith.json").read_text())), ["fingerprint", "model"])
    same("from_disk", ents(spacy.load(folder / "pipeline")(TEXT)), expected)
    same("pickle", ents(pickle.loads(pickle.dumps(nlp))(TEXT)), expected)
    config = (folder / "pipeline" / "config.cfg").read_text()
    (folder / "pipeline" / "config.cfg").write_text(config.replace(model, other))
    try:
        spacy.load(folder / "pipeline")
    except TagsmithError as error:
        same("another model", "is not the model that was saved" in str(error), True)
    else:
        sys.exit("another model: it was loaded")


class Blank(SpacyNlpEngine):
    """An engine of tokens alone: a pipeline without a model."""

    def __init__(self):
        super().__init__(ner_model_configuration=NerModelConfiguration())
        self.nlp = {"en": spacy.blank("en")}


def in_presidio(model):
    registry = RecognizerRegistry(recognizers=[])
    registry.add_recognizer(TagsmithRecognizer(model, threads=1))
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    same("supported entities", sorted(engine.get_supported_entities()), ["LOCATION", "PERSON"])
    found = sorted((one.start, one.end, one.entity_type, one.score) for one in engine.analyze(TEXT, language="en"))
    same("analyze", found, [(start, end, "PERSON", 1.0) for _, start, end in WORDS])
    same("analyze for others", engine.analyze(TEXT, language="en", entities=["LOCATION"]), [])
    one = engine.analyze("may", language="en")[0]
    same("its recognizer", one.recognition_metadata["recognizer_name"], "TagsmithRecognizer")
    silent = TagsmithRecognizer(model, label_map={"PER": None, "LOC": "PLACE"})
    same("a label left out", (silent.supported_entities, silent.analyze(TEXT)), (["PLACE"], []))


def main():
    log = Log()
    logging.getLogger("tagsmith").addHandler(log)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, other = save(folder / "model", 3), save(folder / "other", 1)
        in_spacy(model, other, folder, log)
        in_presidio(model)


if __name__ == "__main__":
    main()
