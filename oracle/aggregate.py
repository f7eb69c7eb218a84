"""What transformers' token-classification pipeline makes of piece scores: golden/aggregate/cases.jsonl.

Each line is one input of golden/pieces under one of its tokenizers, with random scores: `logits` are quarters (K a
piece, special pieces included), and under each strategy's name stand the pipeline's entities as [label, score, start, end].
With mode `text` every step is the pipeline's own. With mode `words` the words are the given ones: the pipeline would
guess them from spaces and spellings and so may split a given word, which is the one thing changed here.

    python aggregate.py            write golden/aggregate/cases.jsonl
    python aggregate.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from transformers import AutoTokenizer, TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
KINDS = ["bert-cased", "bert-uncased", "roberta", "xlm-roberta"]
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "E-LOC"]
EVERY = 9


def pipeline(kind, mode):
    forced = {"add_prefix_space": True} if (kind, mode) == ("roberta", "words") else {}
    bare = object.__new__(TokenClassificationPipeline)
    bare.tokenizer = AutoTokenizer.from_pretrained(GOLDEN / "pieces" / kind, **forced)
    bare.model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(LABELS))))
    return bare


def draw(rng, rows):
    """Logits in quarters; a piece is likely to go on with what the piece before it was."""
    logits = rng.integers(-8, 9, size=(rows, len(LABELS)))
    favorite = 0
    for row in logits:
        if rng.random() < 0.5:
            favorite = int(rng.integers(len(LABELS)))
        row[favorite] += int(rng.integers(0, 12))
    return logits


def entities(bare, out, logits, text, starts, strategy):
    scores = np.float32(logits) / 4
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    offsets, words = out["offset_mapping"], out.word_ids()
    given = {} if starts is None else {"word_ids": words, "word_to_chars_map": starts}
    parts = bare.gather_pre_entities(
        text, out["input_ids"], probabilities, offsets, out["special_tokens_mask"], strategy, **given
    )
    if starts is not None:
        for part in parts:
            part["is_subword"] = words[part["index"]] == words[part["index"] - 1]
    for entity in bare.aggregate(parts, strategy):
        label = entity.get("entity_group", entity.get("entity"))
        if label != "O":
            yield [label, round(float(entity["score"]), 5), int(entity["start"]), int(entity["end"])]


def derive():
    inputs = [json.loads(line) for line in open(GOLDEN / "pieces" / "inputs.jsonl", encoding="utf-8")]
    rng = np.random.default_rng(11)
    for kind in KINDS:
        for mode in ["text", "words"]:
            bare = pipeline(kind, mode)
            for number in range(0, len(inputs), EVERY):
                text, words, starts = inputs[number]["text"], inputs[number]["words"], None
                if mode == "words":
                    text, at, starts = " ".join(words), 0, []
                    for word in words:
                        starts.append((at, at + len(word)))
                        at += len(word) + 1
                given = dict(is_split_into_words=True) if mode == "words" else {}
                out = bare.tokenizer(
                    words if mode == "words" else text,
                    return_offsets_mapping=True,
                    return_special_tokens_mask=True,
                    **given,
                )
                logits = draw(rng, len(out["input_ids"]))
                row = {"kind": kind, "mode": mode, "line": number, "logits": logits.flatten().tolist()}
                for strategy in AggregationStrategy:
                    row[strategy.value] = list(entities(bare, out, logits, text, starts, strategy))
                yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    warnings.simplefilter("ignore")
    arguments = parser.parse_args()
    derived = "".join(derive())
    file = GOLDEN / "aggregate" / "cases.jsonl"
    if arguments.check:
        same = file.read_text(encoding="utf-8") == derived
        print("golden/aggregate/cases.jsonl holds" if same else "golden/aggregate/cases.jsonl differs from what is derived now")
        sys.exit(0 if same else 1)
    file.write_text(derived, encoding="utf-8")
