"""Writes a randomly initialised checkpoint of a known shape, with a head for the labels of a file: what a race needs.

    python bench/shapes.py bert-base --train train.conll --tokenizer MINILM --output BERT
    python bench/shapes.py xlmr-base --train train.conll --output XLMR

bert-base takes over the tokenizer of a folder (30,522 pieces: any uncased BERT's). xlmr-base learns a Unigram
tokenizer from the words of the file and spreads its pieces, by falling frequency as SentencePiece has them, evenly over
250,002 ids; the ids between hold pieces of a private character, which no text has. Weights are f32. Prints what share
of the table's thousandths the file touches, and pieces a word.
"""

import argparse
import json

import torch
from rivals.conll import labels, sentences
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

LEARNED = 16_000
PRIVATE = "\U000f0000"


def spread_tokenizer(rows, size):
    """XLM-RoBERTa's tokenizer of `size` ids: learned pieces at equal distances among pieces that never occur."""
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=LEARNED, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    learner.train_from_iterator((" ".join(words) for words, _ in rows), trainer)
    learned = json.loads(learner.to_str())["model"]["vocab"][1:]
    vocabulary = [[f"{PRIVATE}{i:x}", learned[-1][1]] for i in range(size)]
    for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>"]):
        vocabulary[i] = [piece, 0.0]
    vocabulary[-1] = ["<mask>", 0.0]
    for rank, piece in enumerate(learned):
        vocabulary[4 + rank * (size - 5) // len(learned)] = piece
    return XLMRobertaTokenizer(vocab=[tuple(piece) for piece in vocabulary], model_max_length=512)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=("bert-base", "xlmr-base"))
    parser.add_argument("--train", required=True, help="column file: labels of the head, words of the tokenizer")
    parser.add_argument("--tokenizer", help="folder of bert-base's tokenizer")
    parser.add_argument("--output", required=True)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    if options.shape == "bert-base" and not options.tokenizer:
        parser.error("bert-base needs --tokenizer")

    rows = list(sentences(options.train))
    names = labels(rows)
    head = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    if options.shape == "bert-base":
        config = BertConfig(**head)
        tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    else:
        config = XLMRobertaConfig(
            vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, **head
        )
        tokenizer = spread_tokenizer(rows, config.vocab_size)
    assert len(tokenizer) == config.vocab_size, f"{len(tokenizer)} pieces, {config.vocab_size} rows"
    torch.manual_seed(options.seed)
    model = AutoModelForTokenClassification.from_config(config, dtype=torch.float32)
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)

    ids = tokenizer([words for words, _ in rows], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    pieces, words = sum(map(len, ids)), sum(len(words) for words, _ in rows)
    touched = {piece * 1000 // config.vocab_size for row in ids for piece in row}
    print(json.dumps({
        "parameters": model.num_parameters(), "labels": len(names), "vocabulary": len(tokenizer),
        "distinct_ids": len({piece for row in ids for piece in row}), "touched": len(touched) / 1000,
        "pieces_per_word": round(pieces / words, 3),
    }))


if __name__ == "__main__":
    main()
