"""Runs each sample of docs/data-engines.md in its engine, and compares what it wrote with what `Tagger.tag` finds.

A sample runs as a program of its own, in a folder with the files that the page names: `my-tagger` (golden/pipeline/bert)
and `texts.parquet`. Its rows must be those of the texts, in any order, each with the entities of that text. The sample of
datasets runs twice: the second time its results must come from the cache, and with another model they must not.

    pip install -r data_engines.txt, and a Java runtime for Spark
    PYTHONPATH=python python data_engines.py [ENGINE …]      exit status 1 on the first difference
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet

import tagsmith

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "golden" / "pipeline"
PAGE = ROOT / "docs" / "data-engines.md"
ENGINES = ("datasets", "Ray Data", "Spark", "Dask")
WORDS = "Jo moved from Zürich to the 🐈 mill in May 2021 , and Anna O'Neill likes New York .".split()
# More than two parts of the size that the page names.
TEXTS = 700
LIMIT = 600


def texts():
    """Texts of no, some and many words. The first parts have no entities at all."""

    def text(place):
        return " ".join(WORDS[(place * 5 + at * (1 + place % 3)) % len(WORDS)] for at in range(place % 23))

    return ["" if place < TEXTS * 2 // 5 else text(place) for place in range(TEXTS)]


def samples():
    """The page's blocks of Python by the heading that they stand under; those with a file's name as that file."""
    found, files = {}, {}
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading = part.splitlines()[0].strip()
        for block in re.findall(r"^```python\n(.*?)^```", part, flags=re.MULTILINE | re.DOTALL):
            named = re.match(r"# (\w+\.py)\n", block)
            if named:
                files[named[1]] = block
            else:
                assert heading not in found, f"two samples of {heading}"
                found[heading] = block
    assert tuple(found) == ENGINES, f"{PAGE.name} has samples of {', '.join(found)}"
    return found, files


def run(folder, name, sample):
    """Runs a sample in a folder. Ray is told of four processors: where the machine has two, its one actor takes both."""
    sample = sample.replace("ray.init()", "ray.init(num_cpus=4)")
    script = folder / f"in_{name.replace(' ', '_').lower()}.py"
    script.write_text(sample, encoding="utf-8")
    paths = [str(Path(tagsmith.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    told = {
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYSPARK_PYTHON": sys.executable,
        "HF_HOME": str(folder / "cache"),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Java's snappy takes a machine that has musl beside glibc for one of musl, and does not load.
        "PYSPARK_SUBMIT_ARGS": "--conf spark.sql.parquet.compression.codec=uncompressed pyspark-shell",
    }
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, cwd=folder, env=os.environ | told, capture_output=True, text=True, timeout=LIMIT)
    if ran.returncode != 0:
        sys.exit(f"{name}: exit status {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}")


def written(folder):
    """The entities of each text that a sample wrote, and removes what it wrote."""
    found = {}
    paths = [path for name in ("tagged", "tagged.parquet") for path in [folder / name] if path.exists()]
    assert len(paths) == 1, f"the sample wrote {paths}"
    rows = pyarrow.parquet.read_table(paths[0]).to_pylist()
    for row in rows:
        assert row["id"] not in found, f"text {row['id']} comes twice"
        found[row["id"]] = (row["text"], row["entities"])
    shutil.rmtree(paths[0]) if paths[0].is_dir() else paths[0].unlink()
    return found


def wanted(model):
    tagger = tagsmith.Tagger(model, threads=1)
    found = [[entity.to_dict() for entity in tagger.tag(text).entities] for text in texts()]
    return {place: pair for place, pair in enumerate(zip(texts(), found))}


def same(name, found, expected):
    if found != expected:
        place = next(place for place in expected if found.get(place) != expected[place])
        sys.exit(f"{name}: text {place}: {found.get(place)}, not {expected[place]}")
    print(f"{name}: {len(found)} texts with {sum(len(one) for _, one in found.values())} entities, as expected", flush=True)


def cached(folder):
    """The files in which `datasets.map` keeps results."""
    return sorted(str(path) for path in (folder / "cache").rglob("cache-*.arrow"))


def main():
    found, files = samples()
    expected, other = wanted(MODELS / "bert"), wanted(MODELS / "distilbert")
    assert expected != other
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(MODELS / "bert", folder / "my-tagger")
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        columns = {"id": range(TEXTS), "text": texts()}
        table, path = pyarrow.table(columns), folder / "texts.parquet"
        pyarrow.parquet.write_table(table, path, row_group_size=TEXTS // 3, compression="none")
        for engine in sys.argv[1:] or ENGINES:
            run(folder, engine, found[engine])
            same(engine, written(folder), expected)
            if engine != "datasets":
                continue
            before = cached(folder)
            assert before, "`map` keeps no results"
            run(folder, engine, found[engine])
            same("datasets again", written(folder), expected)
            assert cached(folder) == before, "`map` does not find its results again"
            shutil.rmtree(folder / "my-tagger")
            shutil.copytree(MODELS / "distilbert", folder / "my-tagger")
            run(folder, engine, found[engine])
            same("datasets with other files", written(folder), other)
            shutil.rmtree(folder / "my-tagger")
            shutil.copytree(MODELS / "bert", folder / "my-tagger")


if __name__ == "__main__":
    main()
