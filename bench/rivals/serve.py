"""Servers in Python that answer as `tagsmith serve` does in Hugging Face's dialect: what bench/race_serve.py races against.

    python bench/rivals/serve.py lock|batch --model MODEL --port 8001 [--threads 2]
    python bench/rivals/serve.py onnx --model MODEL --onnx MODEL.onnx --port 8001 [--threads 2]
    python bench/rivals/serve.py export --model MODEL --onnx MODEL.onnx [--int8]

lock: the way of Hugging Face's container: transformers' pipeline behind FastAPI, one request at a time.
batch: the same pipeline; a thread takes all texts that wait, up to 32, sorted by length, as one batch.
onnx: ONNX Runtime on a model that `export` wrote. A bare ASGI application on uvicorn with uvloop and httptools, the
tokenizer in Rust, batches as above, entities grouped by a few lines here; there is nothing of transformers in it.
All find entities by the strategy `simple`. With `stride`, long texts go through overlapping windows; without it they are
cut at the model's longest sequence, as transformers does.
"""

import argparse
import asyncio
import json
import queue
import threading
from pathlib import Path

BATCH = 32


def pipeline(options):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline

    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForTokenClassification.from_pretrained(options.model).eval()
    tokenizer.model_max_length = longest(options.model)
    return TokenClassificationPipeline(model=model, tokenizer=tokenizer, aggregation_strategy="simple")


def longest(model):
    return json.loads((Path(model) / "config.json").read_text())["max_position_embeddings"]


def plain(found):
    """Entities as JSON can write them: the pipeline's scores are NumPy's."""
    return [entity | {"score": float(entity["score"])} for entity in found]


class Batcher:
    """A thread that takes what waits as one batch. It does not wait for more: an idle server has no added delay."""

    def __init__(self, tag):
        self.tag, self.waiting = tag, queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    async def ask(self, text, stride):
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self.waiting.put((text, stride, loop, answer))
        return await answer

    def work(self):
        while True:
            taken = [self.waiting.get()]
            while len(taken) < BATCH:
                try:
                    taken.append(self.waiting.get_nowait())
                except queue.Empty:
                    break
            for stride in {stride for _, stride, _, _ in taken}:
                part = sorted((one for one in taken if one[1] == stride), key=lambda one: len(one[0]))
                for (_, _, loop, answer), found in zip(part, self.tag([one[0] for one in part], stride)):
                    loop.call_soon_threadsafe(lambda answer=answer, found=found: answer.done() or answer.set_result(found))


def of_pipeline(options):
    import torch

    pipe = pipeline(options)

    @torch.inference_mode()
    def tag(texts, stride):
        more = {} if stride is None else {"stride": stride}
        return [plain(found) for found in pipe(texts, batch_size=BATCH, **more)]

    return tag


def fast_api(options):
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        inputs: str
        parameters: dict = {}

    app, tag = FastAPI(), of_pipeline(options)
    if options.server == "lock":
        lock = threading.Lock()

        @app.post("/")
        def answer_in_turn(asked: Asked):
            with lock:
                return tag([asked.inputs], asked.parameters.get("stride"))[0]

    else:
        batcher = Batcher(tag)

        @app.post("/")
        async def answer_in_batches(asked: Asked):
            return await batcher.ask(asked.inputs, asked.parameters.get("stride"))

    @app.get("/health")
    def health():
        return {}

    return app


class Onnx:
    """A model in ONNX Runtime with its tokenizer."""

    def __init__(self, options):
        import numpy
        import onnxruntime
        from tokenizers import Tokenizer

        self.numpy = numpy
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
        self.session = onnxruntime.InferenceSession(options.onnx, settings, ["CPUExecutionProvider"])
        self.names = [given.name for given in self.session.get_inputs()]
        names = json.loads((Path(options.model) / "config.json").read_text())["id2label"]
        self.labels = [names[str(place)] for place in range(len(names))]
        self.longest = longest(options.model)
        self.tokenizer = Tokenizer.from_file(str(Path(options.model) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.stride = None

    def windows(self, texts, stride):
        if self.stride != (stride or 0):
            self.stride = stride or 0
            self.tokenizer.enable_truncation(self.longest, stride=self.stride)
        encoded = self.tokenizer.encode_batch(texts)
        if stride is None:
            return [[one] for one in encoded]
        return [[one, *one.overflowing] for one in encoded]

    def scores(self, windows):
        """Probabilities of the pieces of each window. Windows of like length share a batch: padding is at most a third."""
        numpy, found = self.numpy, [None] * len(windows)
        order = sorted(range(len(windows)), key=lambda at: len(windows[at].ids))
        while order:
            shortest = len(windows[order[0]].ids)
            batch = [at for at in order[:BATCH] if len(windows[at].ids) <= 1.5 * shortest]
            order = order[len(batch) :]
            width = len(windows[batch[-1]].ids)
            given = {name: numpy.zeros((len(batch), width), numpy.int64) for name in self.names}
            for row, at in enumerate(batch):
                length = len(windows[at].ids)
                for name, values in (("input_ids", "ids"), ("attention_mask", "attention_mask"), ("token_type_ids", "type_ids")):
                    if name in given:
                        given[name][row, :length] = getattr(windows[at], values)
            logits = self.session.run(None, given)[0]
            powers = numpy.exp(logits - logits.max(-1, keepdims=True))
            scores = powers / powers.sum(-1, keepdims=True)
            for row, at in enumerate(batch):
                found[at] = scores[row]
        return found

    def tag(self, texts, stride):
        of_texts = self.windows(texts, stride)
        scores = iter(self.scores([window for windows in of_texts for window in windows]))
        return [self.merged([self.entities(text, window, next(scores)) for window in windows]) for text, windows in zip(texts, of_texts)]

    def entities(self, text, window, scores):
        best, highest = scores.argmax(-1), scores.max(-1)
        groups = []
        for place, special in enumerate(window.special_tokens_mask):
            if special:
                continue
            label = self.labels[best[place]]
            begins, kind = label.startswith("B-"), label.split("-", 1)[-1]
            if groups and not begins and groups[-1][0] == kind:
                groups[-1][1].append(place)
            else:
                groups.append((kind, [place]))
        found = []
        for kind, places in groups:
            if kind != "O":
                start, end = window.offsets[places[0]][0], window.offsets[places[-1]][1]
                score = float(highest[places].mean())
                found.append({"entity_group": kind, "score": score, "word": text[start:end], "start": start, "end": end})
        return found

    def merged(self, of_windows):
        """Of entities of two windows that overlap, the longer one, or else the surer, as transformers has it."""
        if len(of_windows) == 1:
            return of_windows[0]
        found = []
        for entity in sorted((entity for window in of_windows for entity in window), key=lambda entity: entity["start"]):
            size = lambda one: (one["end"] - one["start"], one["score"])
            if found and entity["start"] < found[-1]["end"]:
                found[-1] = max(found[-1], entity, key=size)
            else:
                found.append(entity)
        return found


def bare(options):
    """An ASGI application without a framework."""
    batcher = Batcher(Onnx(options).tag)

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while scope["method"] == "POST":
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        answer = {}
        if body:
            asked = json.loads(body)
            answer = await batcher.ask(asked["inputs"], asked.get("parameters", {}).get("stride"))
        text = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return app


def export(options):
    """Writes a model for ONNX Runtime; with --int8, its products of whole numbers, quantized as they run."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(options.model, attn_implementation="eager").eval()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    if getattr(model.config, "type_vocab_size", 0) == 0 or model.config.model_type == "distilbert":
        names.pop()
    given = {name: torch.ones(2, 8, dtype=torch.int64) for name in names}
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=longest(options.model))
    plain = f"{options.onnx}.f32" if options.int8 else options.onnx
    torch.onnx.export(
        model, (), plain, kwargs=given, input_names=names, output_names=["logits"], dynamo=True, external_data=False,
        dynamic_shapes={name: {0: batch, 1: length} for name in names},
    )  # fmt: skip
    if options.int8:
        quantize_dynamic(plain, options.onnx, weight_type=QuantType.QInt8, per_channel=True)
        Path(plain).unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=("lock", "batch", "onnx", "export"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--onnx")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--port", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.server == "export":
        export(options)
        return
    import uvicorn

    app = bare(options) if options.server == "onnx" else fast_api(options)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", loop="uvloop", http="httptools", access_log=False)


if __name__ == "__main__":
    main()
