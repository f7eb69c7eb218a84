"""Writes golden/heads.json: what PyTorch draws for a seed, and the heads that transformers draws with it.

normals: float32 tensors of n elements after `manual_seed(seed)` and `normal_(0, 0.02)`.
heads: `classifier.weight`, row after row, of `from_pretrained` after `set_seed(seed)`, for a checkpoint of each family in
golden/models without its head, with this many labels. (The bias is 0.)

    python oracle/heads.py [--check]
"""

import json
import os
import sys
import tempfile

import torch
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, set_seed

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
FAMILIES = ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"]


def shortest(values):
    """Each float32 as the shortest decimal that reads back as itself."""
    return [float(str(value)) for value in values.flatten().numpy()]


def normals():
    for seed in [0, 42, 2**32 + 5]:
        for n in [1, 2, 3, 15, 16, 17, 31, 32, 40, 700]:
            torch.manual_seed(seed)
            yield {"seed": seed, "n": n, "values": shortest(torch.empty(n).normal_(0, 0.02))}


def heads():
    for family in FAMILIES:
        folder = os.path.join(GOLDEN, "models", family)
        with tempfile.TemporaryDirectory() as scratch:
            AutoModel.from_pretrained(folder).save_pretrained(scratch)
            for seed, labels in [(42, 9), (7, 2)]:
                set_seed(seed)
                config = AutoConfig.from_pretrained(folder, num_labels=labels)
                model = AutoModelForTokenClassification.from_pretrained(scratch, config=config)
                assert not model.classifier.bias.any()
                weight = shortest(model.classifier.weight.detach())
                yield {"family": family, "seed": seed, "labels": labels, "weight": weight}


def main():
    document = {"normals": list(normals()), "heads": list(heads())}
    parts = [f'"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in document.items()]
    text, path = "{\n" + ",\n".join(parts) + "\n}\n", os.path.join(GOLDEN, "heads.json")
    if "--check" in sys.argv[1:]:
        same = os.path.exists(path) and open(path, encoding="utf-8").read() == text
        print(f"heads.json: {'as derived' if same else 'DIFFERS'}")
        return 0 if same else 1
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print(f"heads.json: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
