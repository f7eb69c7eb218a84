"""How huggingface_hub keeps what it downloads from a hub on this machine, as `golden/hub_cache/cache.json`: `files` of a small
repository, and the cache's `layout` after `snapshot_download` (a link's target, or a file's text or base64).

`--check` derives it again and compares. With `--program PATH`, a built tagsmith, Python and it also read each other's
caches without a connection: a model both ways, a data set as `datasets` left it.

Pinned: huggingface_hub 2.4.0, transformers 5.23.0, datasets 5.2.0. The hub is the server below.
"""

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden" / "hub_cache" / "cache.json"

TINY = {
    "config.json": b'{"model_type": "bert"}\n',
    "model.safetensors": b"not really weights, but kept as such\n",
    "special_tokens_map.json": b"",
    "token_tokenizer/tokenizer.json": '"Zürich"\n'.encode(),
    "tokenizer.json": b"{}\n",
}
ROWS = {
    "train": b'{"tokens": ["Jo", "walks"], "ner_tags": ["B-PER", "O"]}\n',
    "validation": b'{"tokens": ["Ulm"], "ner_tags": ["B-LOC"]}\n',
}


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path, content):
    """A file as the hub lists it; weights are kept beside git."""
    if not path.endswith(".safetensors"):
        return {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
    lfs = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(content), "oid": git_oid(pointer), "lfs": lfs}


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories = {}

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        files = self.repositories.get("/".join(parts[1:4]))
        if files is None or parts[4:5] != ["paths-info"]:
            return self.answer(404)
        kind = self.headers.get("Content-Type", "")
        wanted = json.loads(body)["paths"] if "json" in kind else parse_qs(body.decode()).get("paths", [])
        wanted = [wanted] if isinstance(wanted, str) else wanted
        folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
        found = [entry(path, files[path]) for path in wanted if path in files]
        self.json(found + [{"type": "directory", "path": path, "oid": "0" * 40} for path in wanted if path in folders])

    def do_GET(self):
        url = urlsplit(self.path)
        parts = unquote(url.path).strip("/").split("/")
        if parts[0] == "api":
            key, rest = "/".join(parts[1:4]), parts[4:]
        else:
            kind = ["datasets"] if parts[0] == "datasets" else ["models"]
            parts = parts[1:] if parts[0] == "datasets" else parts
            key, rest = "/".join(kind + parts[:2]), parts[2:]
        files = self.repositories.get(key)
        if files is None:
            return self.answer(404, headers=[("X-Error-Code", "RepoNotFound")])
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        if not rest or rest[0] == "revision":
            siblings = [{"rfilename": path} for path in files]
            return self.json({"id": "/".join(key.split("/")[1:]), "sha": commit, "siblings": siblings, "tags": [],
                              "private": False, "gated": False, "disabled": False, "downloads": 0, "likes": 0})
        if rest[0] == "tree":
            inside = "/".join(rest[2:])
            entries = [entry(path, content) for path, content in files.items() if path.startswith(inside)]
            return self.json(entries)
        path = "/".join(rest[2:])
        if rest[0] != "resolve" or path not in files:
            return self.answer(404, headers=[("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", commit)])
        about = entry(path, files[path])
        etag = about["lfs"]["oid"] if "lfs" in about else about["oid"]
        self.answer(200, files[path], [("ETag", f'"{etag}"'), ("X-Repo-Commit", commit)])


def serve(repositories):
    HubHandler.repositories = repositories
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def run(command, home, endpoint, offline, **more):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    env |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    env |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, **more)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def python(code, home, endpoint, offline):
    return run([sys.executable, "-c", code], home, endpoint, offline)


def layout(cache):
    found = {}
    for path in sorted(cache.rglob("*")):
        name = path.relative_to(cache).as_posix()
        if name.startswith(".locks") or name == "CACHEDIR.TAG":
            continue
        if path.is_symlink():
            found[name] = {"link": os.readlink(path)}
        elif path.is_file():
            found[name] = {"base64": base64.b64encode(path.read_bytes()).decode()}
    return found


def derive():
    endpoint = serve({"models/org/tiny": TINY})
    with tempfile.TemporaryDirectory() as home:
        code = "from huggingface_hub import snapshot_download; snapshot_download('org/tiny')"
        python(code, Path(home), endpoint, offline=False)
        files = {path: base64.b64encode(content).decode() for path, content in TINY.items()}
        return {"files": files, "layout": layout(Path(home) / "hub")}


LOAD = """
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
tokenizer = AutoTokenizer.from_pretrained('org/tagger')
model = AutoModelForTokenClassification.from_pretrained('org/tagger')
import torch
words = 'ann lee works at lake mill'.split()
encoded = tokenizer(words, is_split_into_words=True, return_tensors='pt')
labels = model(**encoded).logits[0].argmax(-1).tolist()
seen, found = set(), []
for word, label in zip(encoded.word_ids(), labels):
    if word is not None and word not in seen:
        seen.add(word)
        found.append(model.config.id2label[label])
print(' '.join(found))
"""


def read_each_other(program):
    """Python reads what the program downloaded, and the other way round, without a connection."""
    golden = ROOT / "golden"
    tagger = {name: (golden / "models" / "bert" / name).read_bytes() for name in ["config.json", "model.safetensors"]}
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        tagger[name] = (golden / "run_ner" / name).read_bytes()
    data = {f"{split}.jsonl": rows for split, rows in ROWS.items()} | {"README.md": b"# Rows\n"}
    endpoint = serve({"models/org/tagger": tagger, "datasets/org/rows": data})
    predict = [program, "predict", "--model", "org/tagger", "--output-format", "conll"]
    words = "ann\nlee\nworks\nat\nlake\nmill\n"

    def labels(text):
        return " ".join(line.split()[-1] for line in text.splitlines() if line.strip())

    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        ours, theirs = Path(ours), Path(theirs)
        first = labels(run([*predict, "--input-format", "conll"], ours, endpoint, offline=False, input=words))
        nowhere = "http://127.0.0.1:9"
        assert python(LOAD, ours, nowhere, offline=True).split() == first.split(), "Python reads our cache"
        print("Python loads, offline, the model that the program downloaded:", first)
        second = python(LOAD, theirs, endpoint, offline=False).strip()
        assert second == first
        third = labels(run([*predict, "--input-format", "conll"], theirs, nowhere, offline=True, input=words))
        assert third == first, (third, first)
        print("the program reads, offline, the model that Python downloaded")
        code = "import datasets; print(datasets.load_dataset('org/rows')['train'][0])"
        python(code, theirs, endpoint, offline=False)
        train = [program, "train", "--model_name_or_path", "org/tagger", "--dataset_name", "org/rows", "--do_eval",
                 "--output_dir", str(theirs / "out"), "--ignore_mismatched_sizes", "--ignore_mismatched_labels"]
        run(train, theirs, nowhere, offline=True)
        print("the program reads, offline, the data set that Python downloaded")
        train[-3] = str(ours / "out")
        run(train, ours, endpoint, offline=False)
        code = ("from huggingface_hub import snapshot_download, hf_hub_download\n"
                "print(open(hf_hub_download('org/rows', 'train.jsonl', repo_type='dataset')).read())\n"
                "snapshot_download('org/rows', repo_type='dataset')")
        assert "Jo" in python(code, ours, nowhere, offline=True)
        print("Python finds, offline, the data set that the program downloaded")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--program", type=Path)
    arguments = parser.parse_args()
    derived = json.dumps(derive(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if arguments.program:
        read_each_other(str(arguments.program.resolve()))
    if arguments.check:
        if GOLDEN.read_text() != derived:
            sys.exit(f"{GOLDEN} differs")
        print("golden/hub_cache is as huggingface_hub writes it")
        return
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(derived)


if __name__ == "__main__":
    main()
