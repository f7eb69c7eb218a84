"""Tiny random taggers and what transformers' token-classification pipeline returns with them: golden/pipeline/.

Each folder is a model with its tokenizer, as `save_pretrained` lays them out, beside `expect.json`: one object a line.
The first has `keys`: the keys of an entity under the strategy `none` and under the others, in their order. The others have
`text`, or the `words` of a call with is_split_into_words. Under each strategy's name stand the entities with `ignore_labels`
of an empty list, each a list of the values of its keys. Scores are rounded to six digits.

All arithmetic is float64 on the float32 weights of the folder. Two things are not the pipeline's own:

- With `words`, the words are the given ones. The pipeline guesses them from spaces and spellings, and so may split a word.
- With `words`, a byte-level tokenizer puts a space before each word, as in running text.

The script asserts that no label hangs on rounding (GAP), that logits are small (HIGHEST), and that labels vary; and that
the default of `ignore_labels`, and others, leave out the entities of just these labels or types.

    python pipeline.py            write golden/pipeline
    python pipeline.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import copy
import filecmp
import json
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForTokenClassification, AutoTokenizer, DebertaV2Tokenizer, TokenizersBackend
from transformers import TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]
POSITIONS = 160
# The least distance between the two highest probabilities that a label was chosen by.
GAP = 1e-4
# No logit is farther from zero, which bounds what float32 may change in a probability.
HIGHEST = 5.0
# How far logits spread, and how much higher those of `O` are.
SPREAD, OUTSIDE = 1.0, 0.7

BERT_LIKE = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=POSITIONS,
)
ROBERTA_LIKE = BERT_LIKE | dict(
    max_position_embeddings=POSITIONS + 2,
    layer_norm_eps=1e-5,
    type_vocab_size=1,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
)
DISTILBERT = dict(dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=POSITIONS)
MODERNBERT = BERT_LIKE | dict(num_hidden_layers=3, local_attention=16, global_attn_every_n_layers=3)
DEBERTA = BERT_LIKE | dict(
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
# Folder: configuration class, its arguments, where its tokenizer comes from, and the seed of its weights.
FAMILIES = {
    "bert": ("BertConfig", BERT_LIKE, "bert-cased", 5),
    "distilbert": ("DistilBertConfig", DISTILBERT, "bert-cased", 1),
    "electra": ("ElectraConfig", BERT_LIKE | dict(embedding_size=8), "bert-uncased", 6),
    "roberta": ("RobertaConfig", ROBERTA_LIKE, "roberta", 7),
    "xlm-roberta": ("XLMRobertaConfig", ROBERTA_LIKE, "xlm-roberta", 7),
    "deberta-v2": ("DebertaV2Config", DEBERTA, None, 1),
    "modernbert": ("ModernBertConfig", MODERNBERT, None, 1),
}

TEXTS = [
    "Jo moved to Zürich in May 2021 .",
    "The harbour of Rotterdam was closed for two days.",
    "Anna O'Neill doesn't work at the mill any more, does she?",
    "Größe und Straße schreibt man in der Schweiz anders: Grösse, Strasse.",
    "Où est passée l'élève de Besançon?",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Москва далеко от Владивостока.",
    "北京和上海都很大。",
    "서울은 한국의 수도이다.",
    "القاهرة مدينة كبيرة.",
    "ירושלים היא עיר עתיקה, said Jo.",
    "दिल्ली भारत की राजधानी है।",
    "The cat 🐈 sat on the mat 🎉🎉 in Zürich.",
    "Family 👩‍👩‍👧‍👦 and flag 🇨🇭 and thumb 👍🏽 .",
    "🎉Jo🎉 𝒜𝓁𝒾𝒸ℯ and 𠮷野家",
    "Zu\u0308rich and A\u030angstro\u0308m, re\u0301sume\u0301",
    "ﬁne ½ ² Ⅷ ｆｕｌｌ İstanbul ẞ ß",
    "soft\u00adhyphen, zero\u200bwidth, left\u200eto\u200fright, no\u00a0break",
    "Jo  moved   to    Rotterdam .",
    "   Jo moved",
    "Jo moved   ",
    "tab\tand\ttabs\t\tto Zürich",
    "Jo moved\nto Zürich\r\n\n in May",
    "\n\tJo\n",
    "",
    " ",
    " \t\n  ",
    "U. S. and U.S. firms, Inc.",
    "ѪѬ ᚠᚢᚦ Jo ꙮ",
    "state-of-the-art mother-in-law New-York-based",
    "pneumonoultramicroscopicsilicovolcanoconiosis in Donaudampfschifffahrtsgesellschaft",
    "x" * 110 + " Jo",
    "[CLS] Jo [SEP] moved [MASK] <s> to </s> <mask> Zürich [UNK] <unk>",
    "##rich ▁to Ġin",
    "x",
    "Wörter ohne Leerzeichen:Zürich,Bern;Genf.",
]
WORDS = [
    ["Jo", "moved", "to", "Zürich", "in", "May", "2021", "."],
    ["Anna", "O'Neill", "doesn't", "work", "."],
    ["New York", "is", "big"],
    ["The", "cat", "🐈", "sat", "🎉🎉", "re\u0301sume\u0301"],
    ["Rotterdam"],
    ["state-of-the-art", "U.S.", "C++", "1,000.00"],
    ["北京市", "القاهرة", "ירושלים"],
    ["a", "", "b"],
    ["\u00ad", "Paris", "\u200b"],
    [" leading", "trailing ", "in\tside"],
]


def spm_pieces():
    """The pieces of the SentencePiece tokenizer in golden/pieces, without its special ones."""
    model = json.loads((GOLDEN / "pieces" / "xlm-roberta" / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return [(piece, score) for piece, score in model["vocab"] if not piece.startswith("<")]


def deberta_tokenizer():
    specials = [(token, 0.0) for token in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    return DebertaV2Tokenizer(vocab=specials + spm_pieces() + [("[MASK]", 0.0)])


def modernbert_tokenizer():
    """The byte pairs of the byte-level tokenizer in golden/pieces, with ModernBERT's steps and special pieces."""
    model = json.loads((GOLDEN / "pieces" / "roberta" / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    pieces = [piece for piece, _ in sorted(model["vocab"].items(), key=lambda item: item[1]) if not piece.startswith("<s")]
    pieces = [piece for piece in pieces if piece not in ("</s>", "<pad>", "<unk>", "<mask>")]
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    vocab = {piece: number for number, piece in enumerate([*names.values(), *pieces])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(merge) for merge in model["merges"]]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = [(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=specials)
    return TokenizersBackend(tokenizer_object=backend, **names)


def save_tokenizer(family, source, folder):
    if source is not None:
        tokenizer = AutoTokenizer.from_pretrained(GOLDEN / "pieces" / source)
    else:
        tokenizer = deberta_tokenizer() if family == "deberta-v2" else modernbert_tokenizer()
    tokenizer.model_max_length = POSITIONS
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    path.write_text(Tokenizer.from_file(str(path)).to_str(pretty=False), encoding="utf-8")


def save_model(family, folder):
    """Saves a random model in float32, with a classifier that gives every label somewhere."""
    config_class, arguments, _, seed = FAMILIES[family]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    labels = dict(enumerate(LABELS))
    ids = {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    if family == "modernbert":
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        ids |= {"cls_token_id": first, "bos_token_id": first, "sep_token_id": last, "eos_token_id": last}
    config = getattr(transformers, config_class)(
        **arguments | ids, id2label=labels, label2id={label: number for number, label in labels.items()}
    )
    model = AutoModelForTokenClassification.from_config(config)
    for name, parameter in model.named_parameters():
        rng = np.random.default_rng([zlib.crc32(family.encode()), zlib.crc32(name.encode()), seed])
        center, spread = 0.0, 0.3
        if "norm" in name.lower():
            center, spread = (1.0, 0.2) if name.endswith("weight") else (0.0, 0.2)
        elif "embeddings." in name:
            spread = 0.5
        parameter.data.copy_(torch.from_numpy(rng.normal(center, spread, parameter.shape).astype(np.float32)))
    with torch.no_grad():
        rows = torch.cat([model.eval()(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS])
        # Rounded, so that every machine gets the same.
        scale = round(SPREAD / float(rows.std(dim=0).mean()), 2)
        model.classifier.weight.mul_(scale)
        center = scale * (rows.mean(dim=0) - model.classifier.bias)
        model.classifier.bias.copy_(torch.round(-center, decimals=1))
        model.classifier.bias[0] += OUTSIDE
    model.save_pretrained(folder)


# Labels and types: under a strategy that groups, no entity has a label with a prefix. None is the default, which is `O`.
IGNORED = [None, ["O"], ["O", "PER"], ["PER"], ["O", "B-PER"], ["I-LOC", "MISC"]]


class Pipeline(TokenClassificationPipeline):
    """The pipeline, which keeps given words whole, ignores no label, and asserts that no label hangs on rounding."""

    def postprocess(self, outputs, aggregation_strategy):
        # Copies, as the pipeline moves the offsets of words in place.
        found = super().postprocess(copy.deepcopy(outputs), aggregation_strategy, ignore_labels=[])
        for ignored in IGNORED:
            rest = super().postprocess(copy.deepcopy(outputs), aggregation_strategy, ignore_labels=ignored)
            ignored = ["O"] if ignored is None else ignored
            assert rest == [entity for entity in found if entity.get("entity", entity.get("entity_group")) not in ignored]
        return found

    def gather_pre_entities(self, *args, word_ids=None, **options):
        found = super().gather_pre_entities(*args, word_ids=word_ids, **options)
        for piece in found:
            apart(piece["scores"])
            if word_ids is not None:
                at = piece["index"]
                piece["is_subword"] = word_ids[at] == word_ids[at - 1]
        return found

    def aggregate_word(self, entities, aggregation_strategy):
        scores = np.stack([entity["scores"] for entity in entities])
        apart(scores.mean(axis=0))
        best = sorted((row.max(), row.argmax()) for row in scores)
        assert all(best[-1][0] - score > GAP for score, label in best if label != best[-1][1]), best
        return super().aggregate_word(entities, aggregation_strategy)

    def _forward(self, model_inputs):
        found = super()._forward(model_inputs)
        assert found["logits"].abs().max() < HIGHEST, found["logits"].abs().max()
        return found


def apart(probabilities):
    second, first = np.sort(probabilities)[-2:]
    assert first - second > GAP, probabilities


def entities(found):
    """The keys of the first entity, and the values of all."""
    rows = []
    for entity in found:
        values = entity | {"score": round(float(entity["score"]), 6)}
        rows.append([int(value) if key in ("index", "start", "end") else value for key, value in values.items()])
    return rows


def expect(family, folder):
    model = AutoModelForTokenClassification.from_pretrained(folder).double().eval()
    tokenizers = {kind: AutoTokenizer.from_pretrained(folder) for kind in ("text", "words")}
    if isinstance(tokenizers["text"].backend_tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel):
        tokenizers["words"] = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
        # RoBERTa's class hears of it by that argument, other classes do not.
        tokenizers["words"].backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pipes = {kind: Pipeline(model=model, tokenizer=tokenizer) for kind, tokenizer in tokenizers.items()}
    keys, rows, labels = {}, [], set()
    for kind, given in [("text", text) for text in TEXTS] + [("words", words) for words in WORDS]:
        row = {kind: given}
        for strategy in AggregationStrategy:
            pipe = pipes[kind]
            options = {"aggregation_strategy": strategy.value}
            found = pipe(given, **options) if kind == "text" else pipe([given], is_split_into_words=True, **options)[0]
            for entity in found:
                name = "none" if strategy == AggregationStrategy.NONE else "others"
                assert keys.setdefault(name, list(entity)) == list(entity)
                labels.add(entity.get("entity"))
            row[strategy.value] = entities(found)
        rows.append(row)
    assert labels - {None} == set(LABELS), (family, labels)
    return [{"keys": keys}, *rows]


def derive(family, folder):
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(family, FAMILIES[family][2], folder)
    save_model(family, folder)
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in expect(family, folder)]
    (folder / "expect.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    differs = 0
    with tempfile.TemporaryDirectory() as temporary:
        for family in FAMILIES:
            there = GOLDEN / "pipeline" / family
            folder = Path(temporary) / family if check else there
            derive(family, folder)
            if check:
                _, wrong, missing = filecmp.cmpfiles(folder, there, [path.name for path in folder.iterdir()], shallow=False)
                differs += len(wrong) + len(missing)
                print(f"golden/pipeline/{family}: {', '.join(wrong + missing) + ' differ' if wrong + missing else 'holds'}")
    sys.exit(int(differs > 0))


if __name__ == "__main__":
    main()
