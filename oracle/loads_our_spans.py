"""Does the original's layout hold what tagsmith saved, and does PyTorch find the same entities with the same scores?

    tagsmith predict --model CHECKPOINT --labels a,b,… --threshold T texts.txt > found.jsonl
    python loads_our_spans.py CHECKPOINT found.jsonl --labels a,b,… --threshold T

loads `model.safetensors` into the model of `span_model.py` by the names of its state_dict, of which none may be missing or
left over, reads tokenizers and encoder configurations where the original keeps them, finds the entities of each text of
found.jsonl (flat decoding, loss masking `none`) and compares. Exit status 1 on a difference: another entity, or a score
off by more than 1e-4. T is a number, or `cls` or `label_token`. Texts longer than the model reads are not compared, and
counted. `--check` is accepted, as by every script here; this one never does anything but check.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from span_model import SpanModel, collate, decode
from transformers import AutoConfig, AutoModel, AutoTokenizer

SHOWN = 10
SCORE_MAX = 1e-4


def encoder(folder: Path, file: str, rows: int):
    config = json.loads((folder / file).read_text())
    made = AutoConfig.for_model(**config)
    made.vocab_size = rows
    return AutoModel.from_config(made, attn_implementation="eager")


def load(folder: Path):
    settings = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    rows = lambda part: weights[f"{part}.embeddings.word_embeddings.weight"].shape[0]
    token_encoder = encoder(folder, "token_encoder_config.json", rows("token_encoder"))
    bi = (folder / "type_encoder_config.json").exists()
    type_encoder = encoder(folder, "type_encoder_config.json", rows("type_encoder")) if bi else None
    model = SpanModel(token_encoder, type_encoder, settings)
    missing, left_over = model.load_state_dict(weights, strict=False)
    # Buffers that newer transformers no longer save.
    left_over = [name for name in left_over if not name.endswith(("position_ids", "token_type_ids"))]
    missing = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    for kind, names in (("missing", missing), ("left over", left_over)):
        if names:
            print(f"{kind}: {names}")
    text = AutoTokenizer.from_pretrained(folder / ("token_tokenizer" if bi else "tokenizer"))
    labels = AutoTokenizer.from_pretrained(folder / "type_tokenizer") if bi else None
    return model.eval(), settings, text, labels, not missing and not left_over


@torch.no_grad()
def find(model, settings, tokenizer, label_tokenizer, text, labels, threshold, max_length):
    cross, contrastive = model.cross, model.contrastive
    batch = collate(
        [(text, [])],
        tokenizer,
        labels,
        cross=cross,
        contrastive=contrastive,
        format="text",
        masking="none",
        longest=settings["max_span_length"],
        max_length=max_length,
    )
    label_batch = None
    if not cross:
        label_batch = dict(label_tokenizer(labels, padding="longest", truncation=True, max_length=64, return_tensors="pt"))
        label_batch = {key: label_batch[key] for key in ("input_ids", "attention_mask")}
    probabilities = torch.sigmoid(model(batch, label_batch)["span"][0].double()).tolist()
    extra = int(cross and contrastive)
    spans = [tuple(span) for span in batch["spans"].tolist()]
    found = decode(probabilities, batch["span_mask"][0].tolist(), spans, threshold, labels, extra)
    # The offsets of the text, of which the prompt is not a part.
    prefix = 0
    if cross:
        words = [word for label in labels for word in ("[LABEL]", label)] + ["[SEP]"]
        if contrastive and settings.get("contrastive_threshold_token") != "cls":
            words.insert(0, "[SPAN_THRESHOLD]")
        whole = " ".join(words) + " " + text
        prefix = len(whole) - len(text)
    offsets = tokenizer(("" if not cross else whole[:prefix]) + text, return_offsets_mapping=True)["offset_mapping"]
    if len(offsets) > max_length:
        return None
    place = lambda i: offsets[i + batch["begin"]]
    entities = {}
    for i, j, label, score in found:
        start, end = place(i)[0] - prefix, place(j)[1] - prefix
        surface = text[max(0, start) : end]
        start = max(0, start) + len(surface) - len(surface.lstrip())
        entities[start, end - (len(surface) - len(surface.rstrip())), label] = score
    return entities


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("found", type=Path)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--threshold", default="0.5")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    model, settings, tokenizer, label_tokenizer, whole = load(options.checkpoint)
    threshold = None if options.threshold in ("cls", "label_token") else float(options.threshold)
    labels = options.labels.split(",")
    max_length = settings.get("max_seq_length") or 512
    equal = different = skipped = 0
    for number, line in enumerate(options.found.read_text(encoding="utf-8").splitlines(), 1):
        document = json.loads(line)
        if not document["text"].strip():
            continue
        want = find(model, settings, tokenizer, label_tokenizer, document["text"], labels, threshold, max_length)
        if want is None:
            skipped += 1
            continue
        got = {(it["start"], it["end"], it["label"]): it["score"] for it in document["entities"]}
        for place in sorted(want.keys() | got.keys()):
            if place in want and place in got and abs(want[place] - got[place]) <= SCORE_MAX:
                equal += 1
                continue
            different += 1
            if different <= SHOWN:
                print(f"text {number}: {place}: PyTorch {want.get(place)}, tagsmith {got.get(place)}")
    print(f"{equal} entities alike, {different} different, {skipped} texts too long to compare")
    sys.exit(not (whole and equal and not different))


if __name__ == "__main__":
    main()
