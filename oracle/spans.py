"""Golden numbers of label-conditioned span tagging: golden/spans/.

`tokenizer.json` is a small WordPiece tokenizer. Each of `bi_encoder`, `contrastive_bi_encoder`, `cross_encoder` and
`contrastive_cross_encoder` is a checkpoint in the original's layout beside `expect.safetensors`; `cases.json` has batches
as they are collated (by this tokenizer and by those of golden/pieces, and with the original's defects), losses with its
softmax over masked places, decoded entities and figures; `dataset` and `dataset_dev` are saved data sets. All arithmetic is float64 on the
float32 weights.

    python spans.py            write golden/spans
    python spans.py --check    derive everything again and compare; exit status 1 on a difference

expect.safetensors: `ids`, `lengths` (unpadded text rows), `label.ids`, `label.lengths` (bi-encoders);
`start`, `end`, `span` scores (C, n) of row 0, 1, … concatenated along n, n the text's positions or valid spans in their
order (contrastive: column 0 first); for each loss variant `<variant>.loss` and, of it, `<variant>.d_start`, `d_end`,
`d_span` (as the scores); `grad.<parameter>` of the first variant; `losses`, `norms`, `rates` and `final.<parameter>` of
five AdamW steps with it (decay 0.01 on everything, clip 10, rate 1e-3 rising over 2 steps, falling to 0 at step 5).
"""

import argparse
import json
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file, save_file
from span_model import LABEL, THRESHOLD, SpanModel, collate, decode, enumerate_spans, loss_of, score
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast, get_linear_schedule_with_warmup

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "spans"
PIECES = GOLDEN.parent / "pieces"
WORDS = "jo anna lives in new york city or rotterdam works at the mill person place ##burg hamburg org team ,".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + list("abcdefghijklmnopqrstuvwxyz.-") + [
    "##" + c for c in "abcdefghijklmnopqrstuvwxyz"
]
ENCODER = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=64,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
LABELS = ["place", "person", "team org"]
TEXTS = [
    ("Jo lives in New York City", [(0, 2, "person"), (12, 25, "place")]),
    ("Anna, Jo - Hamburg mill", [(0, 4, "person"), (6, 8, "person"), (11, 23, "team org"), (11, 18, "place")]),
    ("the", []),
]
TOKENS = [
    ("Jo lives in New York City".split(), [(0, 1, "person"), (3, 6, "place")]),
    (["Anna", ",", "Jo", "-", "Hamburg", "mill"], [(0, 1, "person"), (2, 3, "person"), (4, 6, "team org"), (4, 5, "place")]),
    (["the"], []),
]
LONG_TEXT = "xxx jo lives in new york city or rotterdam , anna works at the mill in hamburg"
LONG = (LONG_TEXT, [(4, 6, "person"), (16, 29, "place"), (49, 61, "person"), (69, 76, "place"), (30, 76, "team org")])
LONG_TOKENS = (
    LONG_TEXT.split(),
    [(1, 2, "person"), (4, 7, "place"), (10, 11, "person"), (15, 16, "place"), (7, 16, "team org")],
)
BASE = dict(
    dropout=0.0,
    linear_hidden_size=12,
    span_width_embedding_size=6,
    init_temperature=0.3,
    start_loss_weight=0.2,
    end_loss_weight=0.3,
    span_loss_weight=0.5,
    bce_start_pos_weight=None,
    bce_end_pos_weight=None,
    bce_span_pos_weight=None,
    focal_alpha=0.75,
    focal_gamma=2.0,
    dice_smooth=1.0,
    dice_weight=0.4,
    focal_weight=0.6,
    contrastive_threshold_loss_weight=0.4,
    contrastive_span_loss_weight=0.6,
    contrastive_tau=0.7,
    prediction_threshold=0.5,
    max_span_length=4,
)
POSITIVE = dict(bce_start_pos_weight=2.0, bce_end_pos_weight=3.0, bce_span_pos_weight=10.0)
CLASSIFYING = {
    "bce": dict(loss_fn="bce"),
    "bce_weighted": dict(loss_fn="bce", **POSITIVE),
    "bce_span_alone": dict(loss_fn="bce", start_loss_weight=0.0, end_loss_weight=0.0, span_loss_weight=1.0),
    "focal": dict(loss_fn="focal"),
    "focal_unweighted": dict(loss_fn="focal", focal_alpha=-1.0, focal_gamma=1.5, **POSITIVE),
    "dice": dict(loss_fn="dice"),
    "dice_focal": dict(loss_fn="dice_focal"),
}
CONTRASTING = {
    "contrastive": dict(loss_fn="contrastive"),
    "contrastive_sharp": dict(loss_fn="contrastive", contrastive_tau=0.2, contrastive_threshold_loss_weight=0.9),
}
# Name: cross, contrastive, pooling, format, masking, encoder of the labels
MODELS = {
    "bi_encoder": (False, False, "cls", "text", "none"),
    "contrastive_bi_encoder": (False, True, "mean", "tokens", "subwords"),
    "cross_encoder": (True, False, "cls", "tokens", "subwords"),
    "contrastive_cross_encoder": (True, True, "cls", "text", "none"),
}


def tokenizer(extra: list[str] = ()) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordPiece({word: n for n, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    inner.add_special_tokens(VOCABULARY[:5])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    )
    fast.add_special_tokens({"additional_special_tokens": list(extra)}) if extra else None
    return fast


def encoder(rows: int, seed: str, **other):
    model = AutoModel.from_config(
        transformers.BertConfig(vocab_size=rows, **(ENCODER | other)), attn_implementation="eager"
    )
    fill(model, seed)
    return model


def fill(model, seed: str):
    """Weights large enough that no wrong formula hides, no bias zero, no gain one."""
    for name, parameter in model.named_parameters():
        rng = np.random.default_rng([zlib.crc32(seed.encode()), zlib.crc32(name.encode())])
        center, spread = 0.0, 0.25
        if "LayerNorm" in name:
            center, spread = (1.0, 0.2) if name.endswith("weight") else (0.0, 0.2)
        elif "embeddings." in name:
            spread = 0.5
        elif name.endswith("logit_scale"):
            center, spread = 1.2, 0.2
        values = rng.normal(center, spread, tuple(parameter.shape))
        with torch.no_grad():
            parameter.copy_(torch.tensor(np.asarray(values, np.float32)))


def build(name: str):
    cross, contrastive, pooling, _, _ = MODELS[name]
    settings = BASE | dict(
        loss_fn="contrastive" if contrastive else "bce", type_encoder_pooling=pooling, architecture=name
    )
    added = ([LABEL, THRESHOLD] if contrastive else [LABEL]) if cross else []
    text_tokenizer = tokenizer(added)
    token_encoder = encoder(len(text_tokenizer), name + "token")
    type_encoder = None if cross else encoder(len(VOCABULARY), name + "type", hidden_size=18, intermediate_size=30)
    model = SpanModel(token_encoder, type_encoder, settings)
    head = torch.nn.ModuleDict({k: m for k, m in model.named_children() if "encoder" not in k})
    fill(head, name)
    with torch.no_grad():
        model.width_embedding.weight[0] = 0
        for part in ("start", "end", "span"):
            getattr(model, f"{part}_logit_scale").copy_(torch.tensor({"start": 1.0, "end": 1.3, "span": 1.6}[part]))
    return model.double().eval(), text_tokenizer, settings


def batch_of(name: str, text_tokenizer):
    cross, contrastive, _, format, masking = MODELS[name]
    examples = TEXTS if format == "text" else TOKENS
    return collate(
        examples,
        text_tokenizer,
        LABELS,
        cross=cross,
        contrastive=contrastive,
        format=format,
        masking=masking,
        longest=BASE["max_span_length"],
        max_length=64,
    )


def label_batch():
    encoding = tokenizer()(LABELS, padding="longest")
    return {key: torch.tensor(encoding[key]) for key in ("input_ids", "attention_mask")}


def double(batch):
    convert = lambda v: v.double() if torch.is_tensor(v) and v.is_floating_point() else v
    return {
        key: {k: convert(v) for k, v in value.items()} if isinstance(value, dict) else convert(value)
        for key, value in batch.items()
    }


def places(batch, contrastive: bool):
    """Which columns of the padded scores a reader without padding has, row by row: of positions and of spans."""
    extra = [0] if contrastive else []
    rows = range(len(batch["span_mask"]))
    lengths = batch["attention_mask"].sum(1)
    at = [list(range(int(lengths[r]) - batch["begin"] + int("threshold_position" in batch))) for r in rows]
    spans = [extra + [n for n in range(len(batch["spans"])) if batch["span_mask"][r, n]] for r in rows]
    return at, spans


def gather(x, columns):
    return torch.cat([x[row][:, columns[row]] for row in range(len(columns))], 1).detach()


def expectation(name: str):
    model, text_tokenizer, settings = build(name)
    cross, contrastive = model.cross, model.contrastive
    batch = double(batch_of(name, text_tokenizer))
    labels = None if cross else label_batch()
    at, spans = places(batch, contrastive)
    columns = {"start": at, "end": at, "span": spans}
    lengths = batch["attention_mask"].sum(1)
    out = {
        "ids": torch.cat([ids[:n] for ids, n in zip(batch["input_ids"], lengths)]).int(),
        "lengths": lengths.int(),
    }
    if not cross:
        sizes = labels["attention_mask"].sum(1)
        out["label.ids"] = torch.cat([ids[:n] for ids, n in zip(labels["input_ids"], sizes)]).int()
        out["label.lengths"] = sizes.int()
    variants = CONTRASTING if contrastive else CLASSIFYING
    for variant, changes in variants.items():
        scores = model(batch, labels)
        for x in scores.values():
            x.retain_grad()
        loss = loss_of(scores, batch, settings | changes)
        model.zero_grad()
        loss.backward()
        out[f"{variant}.loss"] = loss.detach().reshape(1)
        for part, x in scores.items():
            grad = torch.zeros_like(x) if x.grad is None else x.grad
            out[f"{variant}.d_{part}"] = gather(grad, columns[part]).float()
        if variant == next(iter(variants)):
            for part, x in scores.items():
                out[part] = gather(x, columns[part]).float()
            for key, parameter in model.named_parameters():
                if parameter.grad is not None:
                    out[f"grad.{key}"] = parameter.grad.float()
    settings = settings | next(iter(variants.values()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    scheduler = get_linear_schedule_with_warmup(optimizer, 2, 5)
    losses, norms, rates = [], [], []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of(model(batch, labels), batch, settings)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)))
        losses.append(loss.item())
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    out |= {"losses": torch.tensor(losses).double(), "norms": torch.tensor(norms).double()}
    out["losses"], out["norms"] = torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64)
    out["rates"] = torch.tensor(rates, dtype=torch.float64)
    for key, parameter in model.named_parameters():
        out[f"final.{key}"] = parameter.detach().float()
    return out


def collated():
    """Batches as a reader without padding has them: pieces, where the text begins, valid spans, gold ones."""
    for format, examples in [("text", TEXTS + [LONG]), ("tokens", TOKENS + [LONG_TOKENS])]:
        for masking in ("none", "subwords"):
            for cross in (False, True):
                for contrastive in (False, True):
                    added = ([LABEL, THRESHOLD] if contrastive else [LABEL]) if cross else []
                    yield collated_by(tokenizer(added), examples, format, masking, cross, contrastive)


def families():
    """The same by other families' tokenizers, of which some have no `[SEP]` and some need a space before words."""
    for kind in ("roberta", "xlm-roberta", "bert-cased"):
        for format, examples in [("text", TEXTS), ("tokens", TOKENS)]:
            prefixed = "roberta-prefix" if (kind, format) == ("roberta", "tokens") else kind
            for masking in ("none", "subwords"):
                for contrastive in (False, True):
                    fast = AutoTokenizer.from_pretrained(PIECES / prefixed)
                    added = [LABEL, THRESHOLD] if contrastive else [LABEL]
                    fast.add_special_tokens({"additional_special_tokens": added})
                    case = collated_by(fast, examples, format, masking, True, contrastive, max_length=80)
                    yield {"tokenizer": kind} | case


def with_defects():
    for parity in (["longest_span"], ["last_piece"], ["longest_span", "last_piece"]):
        for cross, contrastive in [(False, False), (False, True), (True, False), (True, True)]:
            added = ([LABEL, THRESHOLD] if contrastive else [LABEL]) if cross else []
            examples = TEXTS + [LONG]
            case = collated_by(tokenizer(added), examples, "text", "none", cross, contrastive, parity=parity)
            yield {"parity": parity} | case


def leaking():
    """Losses of one text, so that nothing is padded, at a scale where masked places count: its entity is the one whose
    score, which the threshold's sum should not see, is seen the most."""
    for name in ("contrastive_bi_encoder", "contrastive_cross_encoder"):
        model, text_tokenizer, settings = build(name)
        cross, _, _, format, masking = MODELS[name]
        settings |= dict(contrastive_tau=0.02, start_loss_weight=0.0, end_loss_weight=0.0, span_loss_weight=1.0)
        with torch.no_grad():
            model.span_logit_scale.fill_(3.5)
        words = ["jo", "mill"]
        text = words if format == "tokens" else " ".join(words)
        starts = [0]
        for word in words:
            starts.append(starts[-1] + len(word) + 1)

        def case(i, j, label):
            entity = (i, j, label) if format == "tokens" else (starts[i], starts[j] - 1, label)
            batch = collate(
                [(text, [entity])],
                text_tokenizer,
                LABELS,
                cross=cross,
                contrastive=True,
                format=format,
                masking=masking,
                longest=BASE["max_span_length"],
                max_length=64,
            )
            made = {"architecture": name, "scale": 3.5, "tau": 0.02, "example": [text, [list(entity)]]}
            for key, parity in [("loss", ["softmax_mask"]), ("loss_without", [])]:
                model.zero_grad()
                loss = loss_of(model(double(batch), None if cross else label_batch()), double(batch), settings, parity)
                loss.backward()
                made[key] = loss.item()
                made[key.replace("loss", "gradient")] = model.width_embedding.weight.grad.flatten().tolist()
            return made

        entities = [(i, j, label) for i in range(len(words)) for j in (i + 1, i + 2) if j <= len(words) for label in LABELS]
        yield max((case(*entity) for entity in entities), key=lambda made: abs(made["loss"] - made["loss_without"]))


def collated_by(fast, examples, format, masking, cross, contrastive, max_length=30, parity=()):
    name = ("contrastive_" if contrastive else "") + ("cross" if cross else "bi") + "_encoder"
    batch = collate(
        examples,
        fast,
        LABELS,
        cross=cross,
        contrastive=contrastive,
        format=format,
        masking=masking,
        longest=4,
        max_length=max_length,
        parity=parity,
    )
    lengths = batch["attention_mask"].sum(1).tolist()
    extra = int(cross and contrastive)
    return {
        "architecture": name,
        "format": format,
        "masking": masking,
        "examples": [[text, [list(e) for e in entities]] for text, entities in examples],
        "ids": [ids[:n] for ids, n in zip(batch["input_ids"].tolist(), lengths)],
        "begin": batch["begin"],
        "spans": [
            [[i - extra, j - extra] for (i, j), ok in zip(batch["spans"].tolist(), row) if ok]
            for row in batch["span_mask"].tolist()
        ],
        "gold": [sorted(map(list, row)) for row in batch["mapped"]],
        "lost": batch["lost"],
        "width": batch["start_mask"].shape[1],
        "enumerated": len(batch["spans"]),
    }


def decoded():
    rng = np.random.default_rng(3)
    spans = enumerate_spans(7, 4)
    for case in range(24):
        # Coarse probabilities, so that many are equal.
        probabilities = np.round(rng.random((2, len(spans))), 1).tolist()
        valid = (rng.random(len(spans)) < 0.8).tolist()
        threshold = [0.5, 0.7, None][case % 3]
        yield {
            "probabilities": probabilities,
            "valid": valid,
            "threshold": threshold,
            "longest": 4,
            "positions": 7,
            "entities": {
                mode: [list(e) for e in decode(probabilities, valid, spans, threshold, ["a", "b"], 0, mode)]
                for mode in ("flat", "nested", "per_type")
            },
        }


def scored():
    rng = np.random.default_rng(5)
    yield {
        "gold": [[[1, 2, "A"], [4, 4, "B"]]],
        "predicted": [[[1, 2, "A"], [4, 4, "A"]]],
        "figures": score([{(1, 2, "A"), (4, 4, "B")}], [{(1, 2, "A"), (4, 4, "A")}]),
    }
    for _ in range(12):
        draw = lambda: [
            {(int(s), int(s + rng.integers(0, 2)), "ABC"[rng.integers(0, 3)]) for s in rng.integers(0, 5, rng.integers(0, 5))}
            for _ in range(3)
        ]
        gold, predicted = draw(), draw()
        rows = lambda sets: [sorted(map(list, s)) for s in sets]
        yield {"gold": rows(gold), "predicted": rows(predicted), "figures": score(gold, predicted)}


def dataset(folder: Path):
    """A saved data set with both kinds of spans, under their older names in `dev`."""

    def row(number, texts_row, tokens_row, text_key, tokens_key, label):
        spans = lambda entities: [{"start": s, "end": e, label: kind} for s, e, kind in entities]
        (text, entities), (tokens, words) = texts_row, tokens_row
        return {"id": f"eng_{number}", "text": text, text_key: spans(entities), "tokens": tokens, tokens_key: spans(words)}

    split = lambda *keys: Dataset.from_list([row(n, *pair, *keys) for n, pair in enumerate(zip(TEXTS, TOKENS))])
    dev, test = split("spans_char", "spans_tokens", "tag"), split("char_spans", "token_spans", "label")
    for name, splits in [("dataset", {"train": dev, "test": test}), ("dataset_dev", {"train": test, "dev": dev})]:
        DatasetDict(splits).save_to_disk(str(folder / name))
        for state in (folder / name).glob("*/state.json"):
            state.write_text(json.dumps(json.loads(state.read_text()) | {"_fingerprint": "0"}, indent=2, sort_keys=True))


def write(folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().backend_tokenizer.save(str(folder / "tokenizer.json"))
    dataset(folder)
    cases = {"collated": list(collated()), "families": list(families()), "with_defects": list(with_defects())}
    cases |= {"leaking": list(leaking()), "decoded": list(decoded()), "scored": list(scored())}
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
    for name in MODELS:
        model, text_tokenizer, settings = build(name)
        place = folder / name
        place.mkdir(exist_ok=True)
        tensors = {key: value.float().contiguous() for key, value in model.state_dict().items()}
        save_file(tensors, place / "model.safetensors", {"format": "pt"})
        model.token_encoder.config.to_json_file(place / "token_encoder_config.json")
        if not model.cross:
            model.type_encoder.config.to_json_file(place / "type_encoder_config.json")
        config = settings | {"token_encoder": "tiny", "type_encoder": "none" if model.cross else "tiny"}
        (place / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        save_file({k: v.contiguous() for k, v in expectation(name).items()}, place / "expect.safetensors")


def same(a: Path, b: Path) -> bool:
    if a.suffix == ".arrow":
        return Dataset.from_file(str(a)).to_list() == Dataset.from_file(str(b)).to_list()
    if a.suffix != ".safetensors":
        return a.read_text() == b.read_text()
    x, y = load_file(a), load_file(b)
    close = lambda k: torch.allclose(x[k].double(), y[k].double(), rtol=1e-6, atol=1e-9)
    return x.keys() == y.keys() and all(x[k].shape == y[k].shape and close(k) for k in x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        return write(GOLDEN)
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        names = lambda root: sorted(p.relative_to(root) for p in Path(root).rglob("*") if p.is_file())
        differing = [n for n in names(scratch) if not (GOLDEN / n).exists() or not same(Path(scratch) / n, GOLDEN / n)]
        differing += [n for n in names(GOLDEN) if n not in names(scratch)]
    print("\n".join(f"differs: {name}" for name in differing) or "golden/spans is as derived")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
