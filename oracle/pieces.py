"""Small tokenizers and what transformers makes of words and texts with them: golden/pieces/.

Six tokenizers were trained on the sentences below and saved as transformers saves them. `inputs.jsonl` holds the lines
(words, one label a word, a text); `<kind>/expect.jsonl` what each tokenizer gives, one line an input:

    ids, types, words, offsets   tokenizer(words, is_split_into_words=True); -1 is not a word; offsets inside the word,
                                 start and end in turn
    first, inside, repeat        labels as run_ner aligns them, with --label_all_tokens, and the same label repeated
    cut                          `first` under truncation to 16 pieces, where that cuts anything
    text_ids, text_offsets       tokenizer(text), offsets in code points

`roberta-prefix` holds only the text's keys: its words are those of `roberta`, which this script asserts.
Training draws on hash order, so the tokenizers are made once and then stay: --check derives what they give.

(This script is not called tokenize.py because the standard library has a module of that name.)

    python pieces.py            write golden/pieces, training only the tokenizers that are not there
    python pieces.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import random
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizer, RobertaTokenizer, TokenizersBackend, XLMRobertaTokenizer

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "pieces"
LABELS = ["B-LOC", "B-MISC", "B-PER", "I-LOC", "I-PER", "O"]
CUT = 16

SENTENCES = [
    "Jo moved to Zürich in May 2021 .",
    "The harbour of Rotterdam was closed for two days .",
    "Anna O'Neill doesn't work at the mill any more , does she ?",
    "Der Zug nach München fährt heute nicht .",
    "Größe und Straße schreibt man in der Schweiz anders : Grösse , Strasse .",
    "Le café près de la gare ouvre à sept heures .",
    "Où est passée l'élève de Besançon ?",
    "El niño llegó a Logroño el año pasado .",
    "São Paulo fica longe de Évora .",
    "Øystein bor i Ålesund , ikke i Tromsø .",
    "Łódź i Gdańsk są w Polsce .",
    "Příliš žluťoučký kůň úpěl ďábelské ódy .",
    "Москва далеко от Владивостока .",
    "Київ стоїть на Дніпрі .",
    "Η Αθήνα είναι μεγάλη πόλη .",
    "北京 和 上海 都 很 大 。",
    "東京 タワー は 赤い です 。",
    "서울 은 한국 의 수도 이다 .",
    "القاهرة مدينة كبيرة .",
    "ירושלים היא עיר עתיקה .",
    "दिल्ली भारत की राजधानी है ।",
    "กรุงเทพ เป็น เมือง ใหญ่",
    "Dr. Smith , Ph.D. , paid $ 3.50 ( or 3,50 € ) on 12/06/1998 .",
    "See https://example.org/a_b?c=d#e or write to jo@example.org !",
    "\" Quoted \" and 'single' and « guillemets » and “ curly ” .",
    "RT @someone : #hashtags are_not words lol :-) :D",
    "e.g. U.S. and U.K. firms , Inc. and Ltd.",
    "state-of-the-art mother-in-law New-York-based 1990s",
    "AAAA aaaa AaAa 1234567890 12a34b",
    "The cat 🐈 sat on the mat 🎉🎉 .",
    "Family 👩‍👩‍👧‍👦 and flag 🇨🇭 and thumb 👍🏽 .",
    "naïve coöperation and re\u0301sume\u0301 in decomposed form",
    "Zu\u0308rich and A\u030angstro\u0308m decomposed too",
    "ﬁne ligature , ½ fraction , ² square , Ⅷ roman , ｆｕｌｌ width",
    "İstanbul ve Iğdır , ısı ve İyi",
    "ẞ ß ſ K Å Ω",
    "soft\u00adhyphen and zero\u200bwidth and join\u200der inside",
    "left\u200eto\u200fright marks",
    "no\u00a0break space and\u2009thin space",
    "word \u00ad alone , \u200b alone , \u200e alone , \ufeff alone",
    "control \u0001 character and \u007f delete and \ufffd replacement",
    "tab\tinside and new\nline inside",
    "  leading and trailing spaces  ",
    "words with inner space",
    "x",
    "[CLS] and [SEP] and [MASK] written out , <s> and </s> and <mask> too",
    "pre<mask>post and a[MASK]b",
    "##hash ▁under Ġbyte",
    "Donaudampfschifffahrtsgesellschaftskapitän kam an .",
    "pneumonoultramicroscopicsilicovolcanoconiosis " + "a" * 60 + " " + "é" * 30 + " b" * 3,
    "! ! ! ... … --- — – ‐ ‑",
    "𝒜𝓁𝒾𝒸ℯ wrote 𐍈 and 𠀀 and 𠮷野家",
    "가각 decomposed 가각",
    "नमस्ते क्षेत्र ज्ञान",
    "ไม้เอก พิมพ์ น้ำ",
    "Wörter ohne Leerzeichen:Zürich,Bern;Genf.",
    "l'homme d'hier qu'il n'a vu",
    "I can't , won't , I'd , we've , they're , it's , I'll , I'm",
    "100% sure + 5 = 6 ; a < b > c & d | e ~ f ` g ^ h \\ i / j",
    "The very long sentence goes on and on with word after word until nobody knows where it began , and then it ends .",
]
WORDS_AS_THEY_ARE = [
    [],
    [""],
    ["", "", ""],
    ["a", "", "b"],
    [" ", "a", "  "],
    ["New York", "is", "big"],
    [" leading", "trailing ", " both "],
    ["\u00ad", "Paris", "\u200b"],
    ["\u200e", "\u200f", "\ufeff", "\u200d"],
    ["\t", "\n", "a\tb"],
    ["\u0301", "\u0308"],
    ["🎉", "🎉🎉", "👩‍👩‍👧‍👦"],
    ["[SEP]", "x", "</s>", " <mask>"],
    ["z" * 130],
    ["ab" * 90, "Zürich"],
    ["Zürich", ".", "Zürich."],
    ["\u0000", "a\u0000b"],
    ["1,000,000.00", "3:30pm", "C++", "AT&T"],
    ["北京市", "東京都", "北京city"],
]


def lines():
    """The hand-written lines, then lines put together from their words and from odd characters."""
    rng = random.Random(20240607)
    yield from ((sentence.split(" "), sentence) for sentence in SENTENCES)
    yield from ((words, " ".join(words)) for words in WORDS_AS_THEY_ARE)
    pool = sorted({word for sentence in SENTENCES for word in sentence.split()})
    odd = ["\u00ad", "\u200b", "\u200d", "\u200e", "\u0301", "\u0308", "\ufe0f", "\u00a0", " ", "🎉", "é", "ß", "İ", "中", "—", "'", ".", "-"]
    for _ in range(140):
        words = []
        for _ in range(rng.randint(1, 12)):
            word = rng.choice(pool)
            for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
                at = rng.randint(0, len(word))
                word = word[:at] + rng.choice(odd) + word[at:]
            words.append(word)
        yield words, rng.choice([" ", " ", "", "  ", "\n"]).join(words)


def inputs():
    rng = random.Random(7)
    return [{"words": words, "labels": [rng.randrange(len(LABELS)) for _ in words], "text": text} for words, text in lines()]


def bert(folder, lower):
    trainer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trainer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    trainer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer.train_from_iterator(
        SENTENCES[:50],
        trainers.WordPieceTrainer(vocab_size=900, limit_alphabet=250, min_frequency=1, special_tokens=specials, show_progress=False),
    )
    tokenizer = BertTokenizer(vocab=in_order(trainer), do_lower_case=lower, model_max_length=512)
    tokenizer.save_pretrained(folder)


def in_order(tokenizer):
    return dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))


def byte_pairs(specials):
    trainer = Tokenizer(models.BPE())
    trainer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer.train_from_iterator(
        SENTENCES[:50],
        trainers.BpeTrainer(
            vocab_size=900,
            min_frequency=1,
            special_tokens=specials,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    model = json.loads(trainer.to_str())["model"]
    return in_order(trainer), [tuple(merge) for merge in model["merges"]]


def roberta(folder, prefix):
    vocab, merges = byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer(vocab=vocab, merges=merges, add_prefix_space=prefix, model_max_length=512)
    tokenizer.save_pretrained(folder)


def split_bytes(folder):
    """A byte-level tokenizer whose words are cut by another step first, as decoder models have it."""
    vocab, merges = byte_pairs(["<|start|>", "<|end|>", "<|pad|>"])
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = vocab["<|start|>"], vocab["<|end|>"]
    backend.post_processor = processors.TemplateProcessing(
        single="<|start|> $A:1 <|end|>:2", special_tokens=[("<|start|>", start), ("<|end|>", end)]
    )
    TokenizersBackend(tokenizer_object=backend, pad_token="<|pad|>").save_pretrained(folder)


def unigram(folder):
    trainer = Tokenizer(models.Unigram())
    trainer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer.train_from_iterator(
        SENTENCES[:50],
        trainers.UnigramTrainer(
            vocab_size=700, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    vocab = [(piece, score) for piece, score in json.loads(trainer.to_str())["model"]["vocab"]]
    # The trainer's sums depend on the order of its threads in the last digits.
    vocab = [(piece, round(score, 4)) for piece, score in vocab] + [("<mask>", 0.0)]
    XLMRobertaTokenizer(vocab=vocab, model_max_length=512).save_pretrained(folder)


KINDS = {
    "bert-cased": lambda folder: bert(folder, False),
    "bert-uncased": lambda folder: bert(folder, True),
    "roberta": lambda folder: roberta(folder, False),
    "roberta-prefix": lambda folder: roberta(folder, True),
    "split-bytes": split_bytes,
    "xlm-roberta": unigram,
}


def freeze_lengths(folder):
    """One tokenizer.json carries the truncation and the padding of somebody's last call."""
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_length=5)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(path), pretty=False)


def compact(folder):
    path = folder / "tokenizer.json"
    path.write_text(Tokenizer.from_file(str(path)).to_str(pretty=False), encoding="utf-8")


def encode_words(kind, tokenizer, words):
    """ids, types, words, offsets. Byte-level pieces get the space that a word in a sentence has before it."""
    if kind != "split-bytes":
        out = tokenizer(words, is_split_into_words=True, return_offsets_mapping=True, return_token_type_ids=True)
        return out["input_ids"], out["token_type_ids"], out.word_ids(), out["offset_mapping"]
    spaced = [" " + word if word else word for word in words]
    out = tokenizer(spaced, is_split_into_words=True, return_offsets_mapping=True, return_token_type_ids=True)
    # The space is not in the user's word, so its width goes from every offset.
    offsets = [(max(s - 1, 0), max(e - 1, 0)) for s, e in out["offset_mapping"]]
    # Where the space became a piece of its own it stands for the character behind it.
    offsets = [
        (s, min(1, len(words[w]))) if w is not None and (s, e) == (0, 0) else (s, e)
        for (s, e), w in zip(offsets, out.word_ids())
    ]
    return out["input_ids"], out["token_type_ids"], out.word_ids(), offsets


def align(word_ids, labels, continuation):
    """run_ner's tokenize_and_align_labels, for one sentence."""
    aligned, previous = [], None
    for word in word_ids:
        if word is None:
            aligned.append(-100)
        elif word != previous:
            aligned.append(labels[word])
        else:
            aligned.append(continuation(labels[word]))
        previous = word
    return aligned


def to_inside(label):
    inside = LABELS[label].replace("B-", "I-")
    return LABELS.index(inside) if LABELS[label].startswith("B-") and inside in LABELS else label


def flat(pairs):
    return [number for pair in pairs for number in pair]


def expect(kind, folder):
    forced = {"add_prefix_space": True} if kind == "roberta" else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, **forced)
    as_saved = AutoTokenizer.from_pretrained(folder)
    for line in inputs():
        ids, types, word_ids, offsets = encode_words(kind, tokenizer, line["words"])
        words = {
            "ids": ids,
            "types": types,
            "words": [-1 if word is None else word for word in word_ids],
            "offsets": flat(offsets),
        }
        if kind in ["bert-cased", "roberta"]:
            words["first"] = align(word_ids, line["labels"], lambda _: -100)
            words["inside"] = align(word_ids, line["labels"], to_inside)
            words["repeat"] = align(word_ids, line["labels"], lambda label: label)
            if len(ids) > CUT:
                cut = tokenizer(line["words"], is_split_into_words=True, truncation=True, max_length=CUT)
                words["cut"] = align(cut.word_ids(), line["labels"], lambda _: -100)
        text = as_saved(line["text"], return_offsets_mapping=True)
        text = {"text_ids": text["input_ids"], "text_offsets": flat(text["offset_mapping"])}
        yield words, text


def derive():
    """Every file's lines, from the tokenizers in golden/pieces."""
    files = {"inputs.jsonl": inputs()}
    rows = {kind: list(expect(kind, GOLDEN / kind)) for kind in KINDS}
    assert [words["ids"] for words, _ in rows["roberta"]] == [words["ids"] for words, _ in rows["roberta-prefix"]]
    assert [words["offsets"] for words, _ in rows["roberta"]] == [words["offsets"] for words, _ in rows["roberta-prefix"]]
    for kind in KINDS:
        files[f"{kind}/expect.jsonl"] = [text if kind == "roberta-prefix" else words | text for words, text in rows[kind]]
    return {
        name: "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
        for name, rows in files.items()
    }


def train_missing():
    for kind, build in KINDS.items():
        folder = GOLDEN / kind
        if not (folder / "tokenizer.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            build(folder)
            compact(folder)
            if kind == "bert-uncased":
                freeze_lengths(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        wrong = [name for name, text in derive().items() if (GOLDEN / name).read_text(encoding="utf-8") != text]
        for name in wrong:
            print(f"{name} differs from what is derived now")
        sys.exit(1 if wrong else 0)
    train_missing()
    for name, text in derive().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
