"""What transformers makes of tokenizers that have no tokenizer.json: golden/slow_tokenizers/.

`lines.jsonl` holds lists of words, most of them odd. Each other folder is a tokenizer as it was published before
tokenizer.json; `nmt_nfkc.model` belongs to those of XLM-RoBERTa and CamemBERT, under the name sentencepiece.bpe.model. In each:

    expect.txt    two CRC-32s a line: of [ids, words, offsets] of the words, and of [ids, offsets] of the words joined by
                  spaces, written as JSON without spaces; no word is -1, offsets are start and end in turn
    saved.json    the tokenizer.json that transformers saves, without its vocabulary, merges and table of characters

Words are encoded with add_prefix_space=True, as run_ner.py has it, where the tokenizer is byte-level or says False.
Vocabularies are those of golden/pieces; sentencepiece models are trained once and then stay.

    python slow_tokenizers.py            write golden/slow_tokenizers (sentencepiece must be installed)
    python slow_tokenizers.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import io
import json
import random
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import sentencepiece
from pieces import SENTENCES, WORDS_AS_THEY_ARE, encode_words
from transformers import AutoTokenizer

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "slow_tokenizers"
PIECES = GOLDEN.parent / "pieces"
LINES = 2400
SPACES = "\t\n\x0b\x0c\r\x1c\x85\u00a0\u1680\u2003\u2009\u2028\u3000"
ODD = "\u0000\u0007\u001b\u007f\u009f\u00ad\u200b\u200c\u200d\u200e\u2060\ufeff\ufffd\ufffc\ufe0f\u0301\u0308\u0327\u0323\u20dd\u3099▁Ġ#@'’-—…·"
RANGES = [
    (0x21, 0x7E), (0xA1, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EA), (0x620, 0x655), (0x904, 0x94D),
    (0xE01, 0xE4D), (0x1100, 0x11F9), (0x1E00, 0x1EFF), (0x2010, 0x205F), (0x2190, 0x21FF), (0x2460, 0x24FF),
    (0x3041, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xF900, 0xF9FF), (0xFB00, 0xFB06), (0xFDF0, 0xFDFF),
    (0xFF01, 0xFFEE), (0x1D400, 0x1D4FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF), (0x20000, 0x20020),
]  # fmt: skip
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<mask>", "<pad>", "<unk>", "<ent>", "[NEW]", "newword", "``", "''"]

KINDS = {
    "bert-cased": {"config": {"model_type": "bert"}, "tokenizer_config": {"do_lower_case": False, "model_max_length": 512}},
    "bert-bare": {"config": {"model_type": "bert"}},
    "bert-switches": {
        "config": {"model_type": "electra"},
        "tokenizer_config": {
            "do_lower_case": True,
            "strip_accents": False,
            "tokenize_chinese_chars": False,
            "never_split": ["x"],
            "additional_special_tokens": ["<ent>", "harbour"],
            "tokenizer_class": "ElectraTokenizer",
        },
        "special_tokens_map": {
            "cls_token": "[CLS]",
            "mask_token": {"content": "[MASK]", "lstrip": True, "normalized": False, "rstrip": True, "single_word": False},
        },
        "added_tokens": {"[NEW]": 900, "newword": 901},
    },
    "roberta": {
        "config": {"model_type": "roberta"},
        "tokenizer_config": {"add_prefix_space": False, "model_max_length": 512},
        "special_tokens_map": {
            "mask_token": {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
        },
    },
    "roberta-untrimmed": {
        "config": {"model_type": "roberta", "tokenizer_class": "RobertaTokenizerFast"},
        "tokenizer_config": {
            "trim_offsets": False,
            "mask_token": "<mask>",
            "added_tokens_decoder": {
                "4": {"content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False, "single_word": False, "special": True},
                "900": {"content": "newword", "lstrip": False, "normalized": True, "rstrip": False, "single_word": True, "special": False},
            },
        },
    },
    "gpt2": {"config": {"model_type": "gpt2"}},
    "deberta": {"config": {"model_type": "deberta"}, "tokenizer_config": {"model_max_length": 512, "do_lower_case": False}},
    "xlm-roberta": {"config": {"model_type": "xlm-roberta"}},
    "xlm-roberta-never": {
        "config": {"model_type": "xlm-roberta"},
        "tokenizer_config": {"add_prefix_space": False, "extra_special_tokens": ["<ent>"], "pad_token": "<filler>"},
    },
    "camembert": {"config": {"model_type": "camembert"}, "tokenizer_config": {"model_max_length": 512}},
    "deberta-v2": {"config": {"model_type": "deberta-v2"}, "tokenizer_config": {"do_lower_case": False, "vocab_type": "spm"}},
    "deberta-v2-switches": {
        "config": {"model_type": "deberta-v2"},
        "tokenizer_config": {"do_lower_case": True, "split_by_punct": True, "add_prefix_space": False},
        "added_tokens": {"[MASK]": 700},
    },
    "albert": {"config": {"model_type": "albert"}, "tokenizer_config": {"keep_accents": False}},
    "modernbert": {"config": {"model_type": "modernbert"}},
    "bert-pairs": {"config": {"model_type": "bert"}, "tokenizer_config": {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}},
    "albert-accents": {"config": {"model_type": "albert"}, "tokenizer_config": {"keep_accents": True, "do_lower_case": False}},
}
FILES = {"xlm-roberta": "sentencepiece.bpe.model", "camembert": "sentencepiece.bpe.model", "deberta-v2": "spm.model", "albert": "spiece.model", "modernbert": "tokenizer.model", "bert-pairs": "tokenizer.model"}


def lines():
    rng = random.Random(20261125)
    yield from (sentence.split(" ") for sentence in SENTENCES)
    yield from WORDS_AS_THEY_ARE
    pool = sorted({word for sentence in SENTENCES for word in sentence.split()})
    for _ in range(LINES - len(SENTENCES) - len(WORDS_AS_THEY_ARE)):
        words = []
        for _ in range(rng.randint(1, 6)):
            kind = rng.random()
            if kind < 0.5:
                word = rng.choice(pool)
                for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
                    at = rng.randint(0, len(word))
                    word = word[:at] + rng.choice(rng.choice([ODD, SPACES, "éßİ中🎉İǅŉ½ﬁ①"])) + word[at:]
            elif kind < 0.9:
                first, last = rng.choice(RANGES)
                word = "".join(chr(rng.randint(first, last)) for _ in range(rng.choice([1, 2, 3, 4, 6])))
                word = word if rng.random() < 0.7 else word + rng.choice(ODD)
            elif kind < 0.97:
                word = rng.choice(["", "", rng.choice(pool), "a"]) + rng.choice(SPECIAL) + rng.choice(["", "", "s", " "])
            else:
                word = rng.choice(["ab", "é", "漢", "1", "-", "ม"]) * rng.choice([20, 60, 110])
            words.append(word)
        yield words


def train(path, **settings):
    corpus = [sentence for sentence in SENTENCES[:50] for _ in range(3)]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=out, vocab_size=700, hard_vocab_limit=False, num_threads=1,
        character_coverage=0.995, minloglevel=2, **settings,
    )  # fmt: skip
    path.write_bytes(out.getvalue())


def models(root):
    """The sentencepiece models, trained unless golden/slow_tokenizers has them."""
    deberta = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    albert = dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"])
    for name, settings in [
        ("nmt_nfkc.model", dict(normalization_rule_name="nmt_nfkc", user_defined_symbols=["newword"])),
        ("deberta-v2/spm.model", deberta | dict(normalization_rule_name="identity")),
        ("deberta-v2-switches/spm.model", deberta | dict(normalization_rule_name="identity")),
        ("modernbert/tokenizer.model", dict(normalization_rule_name="identity", model_type="unigram")),
        ("bert-pairs/tokenizer.model", dict(normalization_rule_name="identity", model_type="bpe", byte_fallback=True, pad_id=3)),
        ("albert/spiece.model", albert | dict(normalization_rule_name="identity")),
        ("albert-accents/spiece.model", albert | dict(normalization_rule_name="identity")),
    ]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if (GOLDEN / name).exists() and root != GOLDEN:
            shutil.copy(GOLDEN / name, root / name)
        elif not (root / name).exists():
            train(root / name, **settings)


def vocabulary(folder, kind):
    source = {"bert-bare": "bert-uncased", "bert-switches": "bert-uncased"}.get(kind, "bert-cased" if kind.startswith("bert") else "roberta")
    model = json.loads((PIECES / source / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    by_id = sorted(model["vocab"].items(), key=lambda item: item[1])
    if kind.startswith("bert"):
        (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in by_id), encoding="utf-8")
        return
    (folder / "vocab.json").write_text(json.dumps(dict(by_id), ensure_ascii=False), encoding="utf-8")
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(merge + "\n" for merge in merges), encoding="utf-8")


def crc(value):
    return f"{zlib.crc32(json.dumps(value, separators=(',', ':')).encode()):08x}"


def flat(offsets):
    return [number for pair in offsets for number in pair]


def saved(tokenizer):
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    for part in ["vocab", "merges"]:
        backend["model"].pop(part, None)
    steps = [backend["normalizer"] or {}] + (backend["normalizer"] or {}).get("normalizers", [])
    for step in steps:
        step.pop("precompiled_charsmap", None)
    return backend


def derive(root, kind):
    folder = root / kind
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in KINDS[kind].items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    family = next((family for family in FILES if kind.startswith(family)), None)
    if family is None:
        vocabulary(folder, kind)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder, scratch, dirs_exist_ok=True)
        if family and not (folder / FILES[family]).exists():
            shutil.copy(root / "nmt_nfkc.model", Path(scratch) / FILES[family])
        plain = AutoTokenizer.from_pretrained(scratch)
        marked = FILES.get(family) == "tokenizer.model"
        forced = family is None and not kind.startswith("bert") or kind == "xlm-roberta-never"
        spaced = AutoTokenizer.from_pretrained(scratch, add_prefix_space=True) if forced else plain
    rows = []
    for words in lines():
        of_text = plain(" ".join(words), return_offsets_mapping=True)
        # A model that marks spaces gets one before each word, whose width is taken from the offsets again.
        ids, _, of, offsets = encode_words("split-bytes" if marked else "", spaced, words)
        first = [ids, [-1 if word is None else word for word in of], flat(offsets)]
        rows.append(f"{crc(first)} {crc([of_text['input_ids'], flat(of_text['offset_mapping'])])}\n")
    (folder / "expect.txt").write_text("".join(rows))
    (folder / "saved.json").write_text(json.dumps(saved(plain), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write(root):
    root.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(words, ensure_ascii=False) + "\n" for words in lines())
    (root / "lines.jsonl").write_text(text, encoding="utf-8")
    models(root)
    for kind in KINDS:
        derive(root, kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        return write(GOLDEN)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder)
        files = lambda root: {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        made, kept = files(folder), files(GOLDEN)
        wrong = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    print("\n".join(wrong) or "golden/slow_tokenizers is as derived")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
