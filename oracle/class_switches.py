"""What transformers makes of tokenizer_config.json's switches: golden/class_switches/cases.jsonl.

Each line is a tokenizer of golden/pieces with other switches, and the ids that `AutoTokenizer` gives:

    kind      the folder of golden/pieces that tokenizer.json is from
    json      keys of tokenizer.json that are replaced
    config    tokenizer_config.json
    model     config.json; {} is no file
    ids       one list for each of TEXTS

    python class_switches.py            write golden/class_switches
    python class_switches.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent / "golden"
CASES = ROOT / "class_switches" / "cases.jsonl"

TEXTS = [
    "Jo moved to Zürich in May 2021 .",
    "El niño llegó a Logroño , Élise .",
    "北京 和 上海大学",
    " Anna leads ROTTERDAM",
]

BERT = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
ROBERTA = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "unk_token": "<unk>",
           "pad_token": "<pad>", "mask_token": "<mask>"}


def bert(**switches):
    return {"tokenizer_class": "BertTokenizer", **BERT, **switches}


def normalizer(**changes):
    return {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": True, **changes}}


def cases():
    for switches in [{}, {"strip_accents": False}, {"strip_accents": True}, {"tokenize_chinese_chars": False},
                     {"do_lower_case": False}, {"do_lower_case": False, "strip_accents": True}]:
        yield "bert-uncased", {}, bert(**switches), {}
    yield "bert-uncased", normalizer(strip_accents=False), bert(), {}
    yield "bert-uncased", normalizer(handle_chinese_chars=False), bert(), {}
    yield "bert-cased", {}, bert(), {}
    yield "bert-cased", {}, {**BERT, "do_lower_case": False}, {"model_type": "bert"}
    yield "bert-cased", {}, BERT, {"model_type": "bert"}
    yield "bert-cased", {}, bert(do_lower_case=True) | {"tokenizer_class": "PreTrainedTokenizerFast"}, {}
    yield "bert-uncased", {}, bert(do_lower_case=False, strip_accents=False) | {"tokenizer_class": "PreTrainedTokenizerFast"}, {}
    yield "bert-uncased", {"post_processor": None}, bert(), {}
    yield "bert-uncased", {"post_processor": None}, bert() | {"tokenizer_class": "PreTrainedTokenizerFast"}, {}
    for prefix in [True, False]:
        yield "roberta", {}, {"tokenizer_class": "RobertaTokenizer", **ROBERTA, "add_prefix_space": prefix}, {}
        yield "roberta-prefix", {}, {"tokenizer_class": "RobertaTokenizer", **ROBERTA, "add_prefix_space": prefix}, {}
        yield "roberta", {}, {"tokenizer_class": "PreTrainedTokenizerFast", **ROBERTA, "add_prefix_space": prefix}, {}
        yield "xlm-roberta", {}, {"tokenizer_class": "XLMRobertaTokenizer", **ROBERTA, "add_prefix_space": prefix}, {}
    yield "roberta-prefix", {}, {"tokenizer_class": "RobertaTokenizer", **ROBERTA}, {}


def derive():
    for kind, changes, config, model in cases():
        tokenizer = json.loads((ROOT / "pieces" / kind / "tokenizer.json").read_text()) | changes
        with tempfile.TemporaryDirectory() as folder:
            files = {"tokenizer.json": tokenizer, "tokenizer_config.json": config} | ({"config.json": model} if model else {})
            for name, content in files.items():
                Path(folder, name).write_text(json.dumps(content))
            loaded = AutoTokenizer.from_pretrained(folder)
        ids = [loaded(text)["input_ids"] for text in TEXTS]
        yield json.dumps({"kind": kind, "json": changes, "config": config, "model": model, "ids": ids})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    found = "\n".join([json.dumps(TEXTS, ensure_ascii=False), *derive()]) + "\n"
    if not parser.parse_args().check:
        CASES.parent.mkdir(exist_ok=True)
        CASES.write_text(found)
    elif CASES.read_text() != found:
        sys.exit(f"{CASES} differs")


if __name__ == "__main__":
    main()
