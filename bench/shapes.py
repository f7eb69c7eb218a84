"""Writes a randomly initialized checkpoint of a known shape, with a head for the labels of a file: what a race needs.

    python bench/shapes.py bert-base --train train.conll --tokenizer MINILM --output BERT
    python bench/shapes.py xlmr-base --train train.conll --output XLMR

    python bench/shapes.py modernbert-base --train train.conll --tokenizer MINILM --output MODERNBERT

bert-base, modernbert-base and deberta-v3-base take over the tokenizer of a folder (30,522 pieces: any uncased BERT's); the
last two have tables of 50,368 and 128,100 rows, as the real ones, of which the tokenizer reaches the first. xlmr-base learns a Unigram
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
    DebertaV2Config,
    ModernBertConfig,
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
    parser.add_argument("shape", choices=("bert-base", "xlmr-base", "modernbert-base", "deberta-v3-base"))
    parser.add_argument("--train", required=True, help="column file: labels of the head, words of the tokenizer")
    parser.add_argument("--tokenizer", help="folder whose tokenizer all but xlmr-base take over")
    parser.add_argument("--output", required=True)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    if options.shape != "xlmr-base" and not options.tokenizer:
        parser.error(f"{options.shape} needs --tokenizer")

    rows = list(sentences(options.train))
    names = labels(rows)
    head = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    if options.shape != "xlmr-base":
        tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
        special = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("pad", "cls", "sep")}
    if options.shape == "bert-base":
        config = BertConfig(**head)
    elif options.shape == "modernbert-base":
        special |= {"bos_token_id": special["cls_token_id"], "eos_token_id": special["sep_token_id"]}
        config = ModernBertConfig(**head, **special)
    elif options.shape == "deberta-v3-base":
        config = DebertaV2Config(
            hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
            relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True,
            pos_att_type="p2c|c2p", position_biased_input=False, pad_token_id=special["pad_token_id"], **head,
        )
    else:
        config = XLMRobertaConfig(
            vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, **head
        )
        tokenizer = spread_tokenizer(rows, config.vocab_size)
    assert len(tokenizer) <= config.vocab_size, f"{len(tokenizer)} pieces, {config.vocab_size} rows"
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
