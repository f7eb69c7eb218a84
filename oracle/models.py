"""Small random encoders and what PyTorch makes of them: golden/models/.

Each folder is a checkpoint exactly as `save_pretrained` lays it out, beside `expect.safetensors`: what transformers
computes from it. All arithmetic is float64 on the float32 weights of the checkpoint, so that a reader's tolerance
covers the reader's own rounding and nothing else. README.md lists the keys.

    python models.py            write golden/models
    python models.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import math
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import AutoModelForTokenClassification, Trainer, get_linear_schedule_with_warmup
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
from transformers.models.modernbert import modeling_modernbert
from transformers.trainer_pt_utils import LabelSmoother

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "models"
IGNORE = -100
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
VOCABULARY = 60
# One piece beside a long sentence; the third holds the padding id between its words.
LENGTHS = [7, 1, 12, 23, 2]
PADDED_SENTENCE, PADDED_AT = 2, 5
SMOOTHING = 0.1
STEPS, WARMUP_STEPS, LEARNING_RATE, WEIGHT_DECAY, CLIP = 10, 2, 1e-3, 0.05, 1.0
# The first micro-batch holds this many sentences, the second the rest.
SPLIT = 2

BERT_LIKE = dict(
    vocab_size=VOCABULARY,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
ROBERTA_LIKE = BERT_LIKE | dict(
    max_position_embeddings=34, layer_norm_eps=1e-5, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2
)
# Of its three layers the second is local; two thirds of the sentences are longer than what it sees.
MODERNBERT_LIKE = dict(
    vocab_size=VOCABULARY,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=32,
    local_attention=8,
    global_attn_every_n_layers=2,
    rope_parameters={
        "full_attention": {"rope_type": "default", "rope_theta": 500.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
    },
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    cls_token_id=1,
    sep_token_id=2,
)
# Distances up to 4 have rows of their own, larger ones share rows by their logarithm.
DEBERTA_LIKE = BERT_LIKE | dict(
    type_vocab_size=0,
    relative_attention=True,
    max_relative_positions=-1,
    position_buckets=8,
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    pos_att_type="p2c|c2p",
    position_biased_input=False,
    layer_norm_eps=1e-7,
)
# Folder: configuration class, its arguments, and whether training runs are recorded beside one gradient.
FAMILIES = {
    "bert": ("BertConfig", BERT_LIKE, True),
    "roberta": ("RobertaConfig", ROBERTA_LIKE, True),
    "xlm-roberta": ("XLMRobertaConfig", ROBERTA_LIKE, True),
    "camembert": ("CamembertConfig", ROBERTA_LIKE, True),
    "distilbert": (
        "DistilBertConfig",
        dict(
            vocab_size=VOCABULARY,
            dim=24,
            n_layers=2,
            n_heads=3,
            hidden_dim=40,
            max_position_embeddings=32,
            dropout=0.0,
            attention_dropout=0.0,
        ),
        True,
    ),
    "electra": ("ElectraConfig", BERT_LIKE | dict(embedding_size=16), True),
    "modernbert": ("ModernBertConfig", MODERNBERT_LIKE, True),
    "deberta-v2": ("DebertaV2Config", DEBERTA_LIKE, True),
    "bert_gelu_new": ("BertConfig", BERT_LIKE | dict(hidden_act="gelu_new"), False),
    "bert_relu": ("BertConfig", BERT_LIKE | dict(hidden_act="relu"), False),
    "bert_eps": ("BertConfig", BERT_LIKE | dict(layer_norm_eps=1e-2), False),
    "modernbert_biased": (
        "ModernBertConfig",
        MODERNBERT_LIKE
        | dict(
            norm_bias=True,
            attention_bias=True,
            mlp_bias=True,
            classifier_bias=True,
            hidden_activation="silu",
            classifier_activation="relu",
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        ),
        False,
    ),
    # Distances clamped instead of put into buckets, projections of their own, all that embeddings may have.
    "deberta-v2_apart": (
        "DebertaV2Config",
        DEBERTA_LIKE
        | dict(
            position_buckets=-1,
            max_relative_positions=6,
            norm_rel_ebd="none",
            share_att_key=False,
            position_biased_input=True,
            type_vocab_size=2,
            embedding_size=16,
        ),
        False,
    ),
    "deberta-v2_c2p": ("DebertaV2Config", DEBERTA_LIKE | dict(pos_att_type="c2p"), False),
    # A convolution over five neighbors beside the first layer: longer than two of the sentences.
    "deberta-v2_conv": ("DebertaV2Config", DEBERTA_LIKE | dict(conv_kernel_size=5, conv_act="gelu"), True),
    "deberta-v2_conv-tanh": ("DebertaV2Config", DEBERTA_LIKE | dict(conv_kernel_size=3), False),
    "deberta-v2_p2c": ("DebertaV2Config", DEBERTA_LIKE | dict(pos_att_type="p2c", share_att_key=False), False),
}


def turned(q, k, cos, sin, unsqueeze_dim=1):
    """ModernBERT's rotary positions without the passage through float32; cosines and sines are float32's, as there."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    half = modeling_modernbert.rotate_half
    theirs = ROTARY(q, k, cos.squeeze(unsqueeze_dim), sin.squeeze(unsqueeze_dim), unsqueeze_dim)
    ours = (q * cos + half(q) * sin, k * cos + half(k) * sin)
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(ours, theirs))
    return ours


ROTARY, modeling_modernbert.apply_rotary_pos_emb = modeling_modernbert.apply_rotary_pos_emb, turned


def random_model(name: str) -> torch.nn.Module:
    """The folder's model in float32: weights large enough that no wrong formula hides, no bias zero, no gain one."""
    config_class, arguments, _ = FAMILIES[name]
    labels = dict(enumerate(LABELS))
    config = getattr(transformers, config_class)(
        **arguments, id2label=labels, label2id={label: i for i, label in labels.items()}
    )
    # ModernBERT's eager attention computes its softmax in float32 whatever it is given.
    attention = "sdpa" if config_class == "ModernBertConfig" else "eager"
    model = AutoModelForTokenClassification.from_config(config, attn_implementation=attention)
    # Variants share the weights of their family, so that only what is varied differs.
    family = name.split("_")[0]
    for parameter_name, parameter in model.named_parameters():
        rng = np.random.default_rng([zlib.crc32(family.encode()), zlib.crc32(parameter_name.encode())])
        center, spread = 0.0, 0.25
        if "norm" in parameter_name.lower():
            center, spread = (1.0, 0.2) if parameter_name.endswith("weight") else (0.0, 0.2)
        elif "embeddings." in parameter_name:
            spread = 0.5
        values = rng.normal(center, spread, parameter.shape).astype(np.float32)
        parameter.data.copy_(torch.from_numpy(values))
    return model.eval()


class Sentences:
    """The input: concatenated without padding, as the reader has it, and padded, as PyTorch wants it."""

    def __init__(self, config):
        rng = np.random.default_rng(7)
        self.typed = getattr(config, "type_vocab_size", 0) > 1
        self.ids, self.types, self.labels = [], [], []
        for sentence, length in enumerate(LENGTHS):
            ids = rng.integers(3, VOCABULARY, length)
            if sentence == PADDED_SENTENCE:
                ids[PADDED_AT] = config.pad_token_id
            labels = rng.integers(0, len(LABELS), length)
            labels[rng.random(length) < 0.3] = IGNORE
            labels[0] = IGNORE if length > 1 else labels[0]
            types = (np.arange(length) >= (length + 1) // 2).astype(int) if self.typed else np.zeros(length, int)
            self.ids.append(ids)
            self.types.append(types)
            self.labels.append(labels)
        self.pad = config.pad_token_id

    def padded(self, chosen: slice = slice(None)) -> dict[str, torch.Tensor]:
        ids, types, labels = self.ids[chosen], self.types[chosen], self.labels[chosen]
        shape = (len(ids), max(map(len, ids)))
        batch = {
            "input_ids": torch.full(shape, self.pad),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
            "labels": torch.full(shape, IGNORE),
        }
        if self.typed:
            batch["token_type_ids"] = torch.zeros(shape, dtype=torch.long)
        for row, (row_ids, row_types, row_labels) in enumerate(zip(ids, types, labels)):
            length = len(row_ids)
            batch["input_ids"][row, :length] = torch.from_numpy(row_ids)
            batch["attention_mask"][row, :length] = 1
            batch["labels"][row, :length] = torch.from_numpy(row_labels)
            if self.typed:
                batch["token_type_ids"][row, :length] = torch.from_numpy(row_types)
        return batch


def unpadded(values: torch.Tensor, batch: dict) -> torch.Tensor:
    return values[batch["attention_mask"].bool()]


def loss_sum(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, int]:
    counted = int((labels != IGNORE).sum())
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum"), counted


def smoothed_mean(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """What the Trainer's LabelSmoother computes, without its passage through float32."""
    nll = -functional.log_softmax(logits, dim=-1)[labels != IGNORE]
    chosen = nll.gather(1, labels[labels != IGNORE].unsqueeze(1)).mean()
    loss = (1 - SMOOTHING) * chosen + SMOOTHING * nll.mean()
    theirs = LabelSmoother(epsilon=SMOOTHING)({"logits": logits}, labels)
    assert math.isclose(loss.item(), theirs.item(), rel_tol=1e-6), (loss, theirs)
    return loss


def one_batch(model: torch.nn.Module, sentences: Sentences) -> dict[str, torch.Tensor]:
    """Hidden states, logits, losses and every gradient of the mean loss."""
    batch = sentences.padded()
    model.zero_grad()
    output = model(**batch, output_hidden_states=True)
    output.loss.backward()
    expect = {f"hidden.{i}": unpadded(h, batch) for i, h in enumerate(output.hidden_states)}
    expect |= {"logits": unpadded(output.logits, batch), "loss": output.loss.reshape(1)}
    expect |= {f"grad.{n}": p.grad.clone() for n, p in model.named_parameters()}

    # The padded batch must say what each sentence alone says, or the masks are wrong here already.
    alone = [model(**sentences.padded(slice(i, i + 1))).logits[0] for i in range(len(LENGTHS))]
    assert torch.allclose(torch.cat(alone), expect["logits"], rtol=0, atol=1e-12)

    model.zero_grad()
    smoothed = smoothed_mean(model(**batch).logits, batch["labels"])
    smoothed.backward()
    expect["loss_smoothed"] = smoothed.reshape(1)
    expect |= {f"grad_smoothed.{n}": p.grad.clone() for n, p in model.named_parameters() if n.startswith("classifier")}
    return expect


def is_embedding(name: str) -> bool:
    """Word, position and type tables with their LayerNorm; ELECTRA's projection behind them is not one."""
    return name.split(".")[1] == "embeddings"


def optimizer_of(model: torch.nn.Module, decays=None) -> torch.optim.Optimizer:
    decaying = Trainer.get_decay_parameter_names(None, model) if decays is None else decays
    parameters = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in parameters if n in decaying], "weight_decay": WEIGHT_DECAY},
        {"params": [p for n, p in parameters if n not in decaying], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8, foreach=False)


SCALINGS = {
    "token": lambda sums, counts: sum(sums) / sum(counts),
    "mean_of_means": lambda sums, counts: sum(s / c for s, c in zip(sums, counts)) / len(sums),
    "sum_of_means": lambda sums, counts: sum(s / c for s, c in zip(sums, counts)),
}


def train(
    model,
    batches,
    scaling="token",
    smooth=False,
    optimizer=None,
    schedule_of=get_linear_schedule_with_warmup,
    clip=CLIP,
) -> dict[str, torch.Tensor]:
    """STEPS updates, the same micro-batches each; the model keeps the final weights."""
    optimizer = optimizer or optimizer_of(model)
    schedule = schedule_of(optimizer, WARMUP_STEPS, STEPS)
    losses, norms, rates = [], [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = [model(**batch).logits for batch in batches]
        if smooth:
            (batch,) = batches
            loss = smoothed_mean(logits[0], batch["labels"])
        else:
            sums, counts = zip(*(loss_sum(x, batch["labels"]) for x, batch in zip(logits, batches)))
            loss = SCALINGS[scaling](sums, counts)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip).item())
        losses.append(loss.item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    numbers = {"losses": losses, "grad_norms": norms, "learning_rates": rates}
    return {key: torch.tensor(value, dtype=torch.float64) for key, value in numbers.items()}


def training(name: str, sentences: Sentences) -> dict[str, torch.Tensor]:
    model = random_model(name).double()
    whole, halves = [sentences.padded()], [sentences.padded(slice(SPLIT)), sentences.padded(slice(SPLIT, None))]
    expect = train(model, whole)
    expect |= {f"final.{n}": p.detach().clone() for n, p in model.named_parameters()}

    kept = {"classifier.weight", "classifier.bias"} | {n for n, _ in model.named_parameters() if "word_emb" in n or "tok_emb" in n}
    for scaling in SCALINGS:
        model = random_model(name).double()
        numbers = train(model, halves, scaling)
        expect |= {f"{scaling}.{key}": numbers[key] for key in ("losses", "grad_norms")}
        expect |= {f"{scaling}.final.{n}": p.detach().clone() for n, p in model.named_parameters() if n in kept}
    # Together the halves are the whole: dividing once by the counted labels must not notice the split.
    assert torch.allclose(expect["token.losses"], expect["losses"], rtol=0, atol=1e-12)

    model = random_model(name).double()
    numbers = train(model, whole, smooth=True)
    expect |= {f"smoothed.{key}": numbers[key] for key in ("losses", "grad_norms")}

    model = random_model(name).double()
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(not is_embedding(parameter_name))
    numbers = train(model, whole)
    expect |= {f"frozen.{key}": numbers[key] for key in ("losses", "grad_norms")}
    return expect


def write(folder: Path, name: str) -> None:
    model = random_model(name)
    model.save_pretrained(folder / name)
    sentences = Sentences(model.config)
    expect = {
        "ids": torch.from_numpy(np.concatenate(sentences.ids)).int(),
        "types": torch.from_numpy(np.concatenate(sentences.types)).int(),
        "labels": torch.from_numpy(np.concatenate(sentences.labels)).int(),
        "lengths": torch.tensor(LENGTHS, dtype=torch.int32),
    }
    computed = one_batch(model.double(), sentences)
    if FAMILIES[name][2]:
        computed |= training(name, sentences)
    for key, value in computed.items():
        scalar = "loss" in key or key.endswith(("grad_norms", "learning_rates"))
        expect[key] = value.detach().to(torch.float64 if scalar else torch.float32).contiguous()
    save_file(expect, folder / name / "expect.safetensors")


# `position_buckets`, the largest position, and how far distances go.
BUCKETS = [(8, 32, 40), (256, 512, 700), (32, 512, 600), (3, 9, 12)]


def buckets() -> list[dict]:
    """DeBERTa's row of every distance in its table of twice as many rows as there are buckets."""
    tables = []
    for size, largest, farthest in BUCKETS:
        distances = torch.arange(-farthest, farthest + 1)
        rows = make_log_bucket_position(distances, size, largest).long() + size
        tables.append({"buckets": size, "positions": largest, "rows": rows.clamp(0, 2 * size - 1).tolist()})
    return tables


def write_all(folder: Path) -> None:
    for name in FAMILIES:
        write(folder, name)
    (folder / "deberta-v2" / "buckets.json").write_text(json.dumps(buckets()) + "\n")
    random_model("bert").save_pretrained(folder / "bert_sharded", max_shard_size="20KB")


def differences(got: Path, want: Path) -> list[str]:
    """Files that differ: tensors by more than rounding, anything else at all."""
    files = {p.relative_to(want) for p in want.rglob("*.*") if p.is_file()}
    derived = {p.relative_to(got) for p in got.rglob("*.*") if p.is_file()}
    different = [f"{path}: only on one side" for path in files ^ derived]
    for path in sorted(files & derived):
        if path.suffix != ".safetensors":
            if json.loads((got / path).read_text()) != json.loads((want / path).read_text()):
                different.append(f"{path}: other values")
            continue
        ours, theirs = load_file(got / path), load_file(want / path)
        different += [f"{path}: `{key}` only on one side" for key in ours.keys() ^ theirs.keys()]
        for key in ours.keys() & theirs.keys():
            a, b = ours[key], theirs[key]
            # Not a number fails too: a comparison with one is false.
            same = a.dtype == b.dtype and a.shape == b.shape and bool(((a - b).abs() <= 1e-9 + 1e-6 * b.abs()).all())
            if not same:
                different.append(f"{path}: `{key}`")
    return different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    if not parser.parse_args().check:
        write_all(GOLDEN)
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        different = differences(Path(scratch), GOLDEN)
    print("\n".join(different) or "golden/models: equal")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    transformers.utils.logging.disable_progress_bar()
    main()
