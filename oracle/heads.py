"""Writes golden/heads/draws.json: what PyTorch draws for a seed, and the heads that transformers draws with it.

normals: float32 tensors of n elements after `manual_seed(seed)` and `normal_(0, 0.02)`.
heads: `classifier.weight`, row after row, of `from_pretrained` after `set_seed(seed)`, for a checkpoint of each family in
golden/models without its head, with this many labels. (The bias is 0.)
spans: of new span taggers (encoders of width 24; E, W, L as in golden/spans) the head's last drawn parameter, row after row,
which depends on how many numbers all before it took, and the first 16 numbers of one in the middle.

    python oracle/heads.py [--check]
"""

import json
import sys
import tempfile

import torch
from golden import ROOT, settle
from span_model import SpanModel, draw_head
from spans import BASE, MODELS, encoder
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, set_seed

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
        folder = ROOT / "models" / family
        with tempfile.TemporaryDirectory() as scratch:
            AutoModel.from_pretrained(folder).save_pretrained(scratch)
            for seed, labels in [(42, 9), (7, 2)]:
                set_seed(seed)
                config = AutoConfig.from_pretrained(folder, num_labels=labels)
                model = AutoModelForTokenClassification.from_pretrained(scratch, config=config)
                assert not model.classifier.bias.any()
                weight = shortest(model.classifier.weight.detach())
                yield {"family": family, "seed": seed, "labels": labels, "weight": weight}


def span_heads():
    for name, (cross, contrastive, *_) in MODELS.items():
        settings = BASE | {"loss_fn": "contrastive" if contrastive else "bce", "type_encoder_pooling": "cls"}
        model = SpanModel(encoder(60, "text"), None if cross else encoder(60, "labels"), settings)
        for seed in [42, 7]:
            draw_head(model, seed)
            widths = shortest(model.width_embedding.weight.detach())
            middle = shortest(model.token_end_linear[3].weight.detach())[:16]
            yield {"architecture": name, "seed": seed, "width_embedding": widths, "token_end_linear.3": middle}


def main():
    document = {"normals": list(normals()), "heads": list(heads()), "spans": list(span_heads())}
    parts = [f'"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for key, rows in document.items()]
    return settle("heads/draws.json", "{\n" + ",\n".join(parts) + "\n}\n", "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
