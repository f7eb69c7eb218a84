"""Samples of docs/python.md run as they stand there; those of docs/data-engines.md run in oracle/data_engines.py."""

import ast
import doctest
import re
import shutil

import pytest

import tagsmith
from conftest import ROOT

DOCS = ROOT / "docs"

# The samples' model is random, and finds no entities of some types.
pytestmark = pytest.mark.filterwarnings("ignore:precision counts as 0")


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


class Kinds(doctest.OutputChecker):
    """Compares the kinds of values: `...` in a list stands for any number of more elements."""

    def check_output(self, want, got, optionflags):
        if not want or not got:
            return want == got
        wanted, found = (ast.parse(text, mode="eval").body for text in (want, got))
        return alike(wanted, found)


def alike(wanted, found):
    """Whether two expressions have one form: the names of calls, arguments and keys, and the types of values."""
    if type(wanted) is not type(found):
        return False
    if isinstance(wanted, ast.Constant):
        return type(wanted.value) is type(found.value)
    if isinstance(wanted, ast.List):
        shown = [one for one in wanted.elts if ast.unparse(one) != "..."]
        return all(alike(shown[0], one) for one in found.elts) and bool(found.elts)
    if isinstance(wanted, ast.Dict):
        keys = [[ast.literal_eval(key) for key in side.keys] for side in (wanted, found)]
        return keys[0] == keys[1] and all(map(alike, wanted.values, found.values))
    if isinstance(wanted, ast.Call):
        names = [(side.func.id, [one.arg for one in side.keywords]) for side in (wanted, found)]
        values = [[one.value for one in side.keywords] for side in (wanted, found)]
        return names[0] == names[1] and all(map(alike, *values))
    return False


@pytest.fixture
def folder(tmp_path, model, monkeypatch):
    """What the page names: a model with data, a file to train on, and a file of texts."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "my-tagger")
    (tmp_path / "my-tagger" / "data").mkdir()
    # Every label of the model, which is trained on.
    sentences = "Jo B-PER\nMill I-PER\nmoved O\nto O\nNew B-LOC\nMill I-LOC\n\nin O\nMay MISC\n"
    for name in ("train.conll", "my-tagger/data/test.conll"):
        (tmp_path / name).write_text(sentences, encoding="utf-8")
    (tmp_path / "texts.txt").write_text("Jo moved to Zürich in May .\n", encoding="utf-8")
    return tmp_path


def run(sample, checker, names):
    test = doctest.DocTestParser().get_doctest(sample, {}, "sample", None, None)
    assert test.examples
    # Its names go on into the next sample.
    test.globs = names
    said = []
    failed, _ = doctest.DocTestRunner(checker).run(test, out=said.append, clear_globs=False)
    assert not failed, "".join(said)


def test_samples_give_what_the_page_says(folder):
    samples = blocks("python.md", "pycon")
    assert len(samples) == 2 and not blocks("python.md", "python")
    names = {}
    run(samples[0], Kinds(), names)
    run(samples[1], doctest.OutputChecker(), names)


def test_wrong_twins_are_rejected(folder):
    first, second = blocks("python.md", "pycon")
    for sample, right, wrong in [
        (first, "'entity_group'", "'entity'"),
        (first, "labels=['B-PER', ...]", "labels=[0, ...]"),
        (first, "0.9874", "'0.9874'"),
        (first, "Sentence(words", "Sentence(tokens"),
        (second, "0.5\n", "0.6\n"),
    ]:
        twin = sample.replace(right, wrong)
        assert twin != sample
        names = {"tagsmith": tagsmith}
        with pytest.raises(AssertionError, match="Expected:"):
            run(twin, doctest.OutputChecker() if sample is second else Kinds(), names)
        shutil.rmtree("out", ignore_errors=True)


def test_what_the_tables_name_is_there(model):
    """Imports and options of the tables, which have no samples of their own."""
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    imports = [line for line in re.findall(r"`(from [^`]+ import [^`]+)`", text) if "tagsmith" in line]
    assert imports == ["from tagsmith.seqeval.metrics import f1_score"]
    exec(imports[0], {})
    units = re.findall(r"`offset_unit=\"(\w+)\"` or `\"(\w+)\"`", text)
    assert units == [("utf16", "byte")]
    assert [tagsmith.Tagger(model, offset_unit=unit).offset_unit for unit in units[0]] == list(units[0])


def test_samples_for_engines_are_python():
    """Each is compiled here; the script knows each by its heading."""
    samples = blocks("data-engines.md", "python")
    assert len(samples) == 5
    for sample in samples:
        compile(sample, "sample", "exec")
        assert "tagsmith" in sample or sample.startswith("# entities.py\n")
