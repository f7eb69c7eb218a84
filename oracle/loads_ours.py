"""Does transformers load what tagsmith saved, and does it predict the same?

    python loads_ours.py MODEL_FOLDER INPUT.conll PREDICTIONS.txt

loads the folder, labels each word of INPUT.conll by its first piece, and compares with PREDICTIONS.txt, a line of
space-separated labels for each sentence. Exit status 1 when a label differs or the folder does not hold exactly the
model's parameters. Words no piece stands for and words past the model's longest sequence cannot be compared: they
are counted. `--check` is accepted, as by every script here; this one never does anything but check.
"""

import argparse
import inspect
import sys
from collections import Counter
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from losses50 import read_conll

# The families whose tokenizers run_ner.py builds with a space before the first word.
PREFIX_SPACE = {"bloom", "gpt2", "roberta", "deberta"}
SHOWN = 10


def load(folder: Path):
    config = AutoConfig.from_pretrained(folder)
    prefix = {"add_prefix_space": True} if config.model_type in PREFIX_SPACE else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, **prefix)
    model, info = AutoModelForTokenClassification.from_pretrained(
        folder, output_loading_info=True, attn_implementation="eager"
    )
    for kind, names in info.items():
        if names:
            print(f"{kind}: {names}")
    return tokenizer, model.eval(), not any(info.values())


def longest(tokenizer, config) -> int:
    """The tokenizer's own limit, or what the position table allows where it states none."""
    offset = config.pad_token_id + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0
    return min(tokenizer.model_max_length, config.max_position_embeddings - offset)


@torch.no_grad()
def predict(tokenizer, model, words: list[str]) -> dict[int, tuple[str, float]]:
    """For each word with a piece in reach: its label, and by how much that label won."""
    encoded = tokenizer(
        words,
        is_split_into_words=True,
        truncation=True,
        max_length=longest(tokenizer, model.config),
        return_tensors="pt",
    )
    accepted = inspect.signature(model.forward).parameters
    scores = model(**{key: value for key, value in encoded.items() if key in accepted}).logits[0]
    labels = {}
    for position, word in enumerate(encoded.word_ids(0)):
        if word is not None and word not in labels:
            best, second = scores[position].topk(2).values.tolist()
            labels[word] = (model.config.id2label[int(scores[position].argmax())], best - second)
    return labels


def compare(sentence: int, words: list[str], theirs: dict[int, tuple[str, float]], ours: list[str]) -> Counter:
    """A line has a label for each word, or, as run_ner.py writes it, for each word with a piece."""
    if len(ours) == len(words):
        pairs = {word: ours[word] for word in theirs}
    elif len(ours) == len(theirs):
        pairs = dict(zip(sorted(theirs), ours))
    else:
        print(f"sentence {sentence}: {len(words)} words, {len(theirs)} with pieces, {len(ours)} labels")
        return Counter(different=len(words))
    counts = Counter({"not compared": len(words) - len(pairs)})
    for word, label in pairs.items():
        want, margin = theirs[word]
        counts["equal" if label == want else "different"] += 1
        if label != want and counts["different"] <= SHOWN:
            print(f"sentence {sentence}, word {word + 1} `{words[word]}`: {want} by {margin:.2g}, tagsmith {label}")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_folder", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()

    sentences = read_conll(arguments.input)
    lines = arguments.predictions.read_text(encoding="utf-8").split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) != len(sentences):
        sys.exit(f"{len(sentences)} sentences in {arguments.input}, {len(lines)} lines in {arguments.predictions}")

    tokenizer, model, complete = load(arguments.model_folder)
    counts = Counter()
    for number, ((words, _), line) in enumerate(zip(sentences, lines), start=1):
        counts += compare(number, words, predict(tokenizer, model, words), line.split())
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("equal", "different", "not compared")))
    sys.exit(0 if complete and counts["equal"] and not counts["different"] else 1)


if __name__ == "__main__":
    main()
