"""The weights of golden/models/bert and of golden/spans/bi_encoder as torch.save writes them: golden/pickled/.

    zip/, legacy/       pytorch_model.bin in the format of PyTorch 1.6 and of those before it
    sharded/            three zip files and pytorch_model.bin.index.json
    half/, bfloat16/    both formats in a narrower type; expect.safetensors holds `logits` of those weights in float64
    double/             legacy, float64, each number the float32 plus a millionth of a millionth: rounding finds the float32
    training/           what a training script leaves: parameters (not tensors) under `state_dict`, `module.` before every
                        name, the oldest names of a norm, matrices transposed in memory, the language model's head tied to
                        the words and without the words' own name, a step number beside it
    span_tagger/        model.pt of the span tagger in its oldest layout, encoders in folders of their own

    python pickled.py            write golden/pickled
    python pickled.py --check    write it elsewhere, read both with torch.load, compare; exit status 1 on a difference
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import torch
from models import GOLDEN as MODELS
from models import Sentences
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

GOLDEN = MODELS.parent / "pickled"
SHARDS = 3


def save(tensors, folder, name="pytorch_model.bin", zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / name, _use_new_zipfile_serialization=zipped)


def narrow(out, folder, dtype):
    weights = {name: tensor.to(dtype) for name, tensor in load_file(MODELS / "bert/model.safetensors").items()}
    save(weights, out / folder)
    save_file(weights, out / folder / "model.safetensors", {"format": "pt"})
    model = AutoModelForTokenClassification.from_pretrained(MODELS / "bert", attn_implementation="eager").double().eval()
    model.load_state_dict({name: tensor.double() for name, tensor in weights.items()})
    sentences = Sentences(model.config)
    batch = {key: value for key, value in sentences.padded().items() if key != "labels"}
    with torch.no_grad():
        logits = model(**batch).logits
    rows = torch.cat([logits[row, : len(ids)] for row, ids in enumerate(sentences.ids)])
    save_file({"logits": rows.float()}, out / folder / "expect.safetensors")


def training(out):
    weights = OrderedDict()
    for name, tensor in load_file(MODELS / "bert/model.safetensors").items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        # As a conversion from TensorFlow leaves them.
        tensor = tensor.t().contiguous().t() if tensor.dim() == 2 else tensor
        name = "cls.predictions.decoder.weight" if "word_embeddings" in name else name
        weights[f"module.{name}"] = torch.nn.Parameter(tensor)
    weights["module.bert.embeddings.position_ids"] = torch.arange(32).expand((1, -1))
    weights["module.cls.predictions.bias"] = torch.zeros(60)
    weights._metadata = OrderedDict({"": {"version": 1}})
    save({"epoch": 3, "best": 0.5, "state_dict": weights}, out / "training")


def span_tagger(out):
    source = MODELS.parent / "spans" / "bi_encoder"
    folder = out / "span_tagger"
    save(OrderedDict(load_file(source / "model.safetensors")), folder, "model.pt")
    shutil.copy(source / "config.json", folder)
    for encoder in ["token_encoder", "type_encoder"]:
        (folder / encoder).mkdir()
        shutil.copy(source / f"{encoder}_config.json", folder / encoder / "config.json")


def write(out):
    bert = load_file(MODELS / "bert/model.safetensors")
    save(bert, out / "zip")
    save(bert, out / "legacy", zipped=False)
    where = json.loads((MODELS / "bert_sharded/model.safetensors.index.json").read_text())["weight_map"]
    where = {name: file.replace("model-", "pytorch_model-").replace("safetensors", "bin") for name, file in where.items()}
    for file in sorted(set(where.values())):
        save({name: bert[name] for name in bert if where[name] == file}, out / "sharded", file)
    index = {"metadata": {}, "weight_map": where}
    (out / "sharded/pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
    narrow(out, "half", torch.float16)
    narrow(out, "bfloat16", torch.bfloat16)
    save({name: tensor.double() * (1 + 1e-12) for name, tensor in bert.items()}, out / "double", zipped=False)
    training(out)
    span_tagger(out)


def content(path):
    if path.suffix in (".bin", ".pt"):
        return torch.load(path, weights_only=True)
    return load_file(path) if path.suffix == ".safetensors" else path.read_bytes()


def same(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    return a == b


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        shutil.rmtree(GOLDEN, ignore_errors=True)
        return write(GOLDEN)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder)
        files = lambda root: sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
        wrong = [] if files(folder) == files(GOLDEN) else ["other files"]
        wrong += [str(path) for path in files(folder) if not same(content(folder / path), content(GOLDEN / path))]
    print("\n".join(wrong) or "golden/pickled is as derived")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
