"""transformers tagging a column file: what `tagsmith predict` is raced against. Prints one JSON line.

    python bench/rivals/hf_predict.py pipeline --model MODEL --input words.conll [--bf16]
    python bench/rivals/hf_predict.py bare --model MODEL --input words.conll [--bf16]

pipeline: TokenClassificationPipeline on the words of each sentence joined by spaces, in the order of the file.
bare: the model alone on batches sorted by length, the words tokenized all at once; a word has its first piece's label.
model_s is spent in the model's forward; whole_s runs from words in memory to labels, so it has tokenization too.
Neither has imports and loading. peak_mb is the whole process. --output writes what was found, a JSON line a sentence:
labels of the words (bare) or [start, end, label] of the entities (pipeline). --batches writes the token ids that the
bare model reads: a list of batches, each a list of sentences, without padding.
"""

import argparse
import json
import resource
import time

import torch
from conll import sentences
from transformers import AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline


class Watch:
    """Times every forward of a model and counts the pieces it reads, padding apart."""

    def __init__(self, model):
        self.seconds, self.sub_tokens = 0.0, 0
        model.register_forward_pre_hook(self.enter, with_kwargs=True)
        model.register_forward_hook(self.leave)

    def enter(self, _, places, names):
        self.sub_tokens += int(names["attention_mask"].sum())
        self.start = time.perf_counter()

    def leave(self, *_):
        self.seconds += time.perf_counter() - self.start


def pipeline(model, tokenizer, rows, options):
    """The entities of each sentence."""
    tag = TokenClassificationPipeline(model=model, tokenizer=tokenizer, aggregation_strategy=options.aggregation)
    found = tag([" ".join(words) for words in rows], batch_size=options.batch)
    name = "entity" if options.aggregation == "none" else "entity_group"
    return [[[entity["start"], entity["end"], entity[name]] for entity in row] for row in found]


@torch.inference_mode()
def bare(model, tokenizer, rows, options):
    """The label of each word; O for a word without a piece."""
    pieces = tokenizer(rows, is_split_into_words=True, truncation=True)
    lengths = [len(ids) for ids in pieces["input_ids"]]
    order = sorted(range(len(rows)), key=lambda i: lengths[i], reverse=True)
    found = [["O"] * len(words) for words in rows]
    batches = []
    for start in range(0, len(order), options.batch):
        batch = order[start : start + options.batch]
        batches.append([pieces["input_ids"][i] for i in batch])
        inputs = tokenizer.pad({key: [pieces[key][i] for i in batch] for key in pieces}, return_tensors="pt")
        for i, best in zip(batch, model(**inputs).logits.argmax(-1).tolist()):
            before = None
            for word, label in zip(pieces.word_ids(i), best):
                if word is not None and word != before:
                    found[i][word] = model.config.id2label[label]
                before = word
    if options.batches:
        with open(options.batches, "w", encoding="utf-8") as file:
            json.dump(batches, file)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("pipeline", "bare"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output")
    parser.add_argument("--batches")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--aggregation", default="first", help="of the pipeline; its own default is none")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rows = [words for words, _ in sentences(options.input)]
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    model = AutoModelForTokenClassification.from_pretrained(options.model, dtype=dtype).eval()
    spaces = {"add_prefix_space": True} if model.config.model_type in ("roberta", "longformer") else {}
    tokenizer = AutoTokenizer.from_pretrained(options.model, **spaces)
    watch = Watch(model)
    start = time.perf_counter()
    found = {"pipeline": pipeline, "bare": bare}[options.mode](model, tokenizer, rows, options)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    print(json.dumps({"sentences": len(rows), "sub_tokens": watch.sub_tokens, "model_s": watch.seconds,
                      "whole_s": whole, "peak_mb": peak}))


if __name__ == "__main__":
    main()
