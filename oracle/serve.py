"""What real clients ask a server of taggers, and what they make of its answers: golden/serve/clients.jsonl.

Each line is a call of a client: `client` and `call` name it, `exchanges` are its requests (`method`, `path`, `body`, and
`headers` that say a kind of content) with the answers that they got (`status`, `body`), and `made` is what the client returned,
or the error that it raised. A server that gives these answers to these requests is understood by the client.

The server here is a stub. It knows entities of golden/pipeline/bert by heart (transformers derived them), and Presidio's
names of its labels. Its other answers follow Presidio's description of its interface, Label Studio's and Hugging Face's:
scores are not rounded further. Answers to `tasks` are those that label-studio-sdk finds no fault with.

    pip install -r serve.txt
    python serve.py            write golden/serve
    python serve.py --check    derive again and compare; exit status 1 on a difference
"""

import asyncio
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from golden import settle

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "golden" / "pipeline" / "bert"
NAMES = {"PER": "PERSON", "LOC": "LOCATION", "MISC": "MISC"}
STRATEGIES = ("none", "simple", "first", "average", "max")
# Places of texts in golden/pipeline: ordinary, emoji, accents, two lines, nothing.
TEXTS = (0, 1, 12, 22, 24)
KEPT_HEADERS = ("content-type", "accept")


def rows():
    """Texts of golden/pipeline with their entities under each strategy; `O` is among them."""
    first, *rows = json.loads((MODEL / "expect.json").read_text(encoding="utf-8"))
    found = {}
    for row in rows:
        if "text" in row:
            keys = lambda strategy: first["keys"]["none" if strategy == "none" else "others"]
            found[row["text"]] = {one: [dict(zip(keys(one), values)) for values in row[one]] for one in STRATEGIES}
    return found


ROWS = rows()
SAMPLES = [list(ROWS)[place] for place in TEXTS]
CONFIG = """<View>
  <Labels name="kind" toName="words">
    <Label value="PER"/>
    <Label value="Place" alias="LOC"/>
    <Label value="Other" predicted_values="MISC,THING"/>
  </Labels>
  <Text name="words" value="$sentence"/>
</View>"""


def hugging_face(body):
    given = body.get("parameters") or {}
    strategy, ignored = given.get("aggregation_strategy", "simple"), given.get("ignore_labels", ["O"])
    if strategy not in STRATEGIES:
        return 422, {"error": f"`aggregation_strategy` is {strategy}: there are {', '.join(STRATEGIES)}"}
    key = "entity" if strategy == "none" else "entity_group"
    return 200, [entity for entity in ROWS[body["inputs"]][strategy] if entity[key] not in ignored]


def analyze(body):
    """Presidio's analyzer: entities of whole words, by its names, that are asked for and sure enough."""
    if not body.get("text"):
        return 422, {"error": "No text provided"}
    asked, least = body.get("entities"), body.get("score_threshold") or 0
    found = []
    for entity in ROWS[body["text"]]["first"]:
        name = NAMES.get(entity["entity_group"])
        if name and (not asked or name in asked) and entity["score"] >= least:
            place = {"start": entity["start"], "end": entity["end"], "score": entity["score"]}
            found.append({"analysis_explanation": None, "entity_type": name} | place)
    return 200, [dict(sorted(one.items())) for one in found]


def anonymize(body):
    """Presidio's anonymizer with its default operator. The entities here do not overlap."""
    text, items = body["text"], []
    for found in sorted(body["analyzer_results"], key=lambda found: -found["start"]):
        name = found["entity_type"]
        text = f"{text[: found['start']]}<{name}>{text[found['end'] :]}"
        items = [one | {"start": one["start"] + len(name) + 2 - (found["end"] - found["start"]),
                        "end": one["end"] + len(name) + 2 - (found["end"] - found["start"])} for one in items]  # fmt: skip
        at = found["start"]
        items.append({"start": at, "end": at + len(name) + 2, "entity_type": name, "text": f"<{name}>", "operator": "replace",
                      "score": found["score"]})  # fmt: skip
    return 200, {"text": text, "items": items}


def answer(method, path, body):
    path = path.split("?")[0]
    if (method, path) == ("GET", "/supportedentities"):
        return 200, sorted(NAMES.values())
    return {"/": hugging_face, "/analyze": analyze, "/anonymize": anonymize}[path](body)


class Stub(BaseHTTPRequestHandler):
    """Answers, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    exchanges = []

    def reply(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, answered = answer(self.command, self.path, body)
        headers = {name: self.headers[name] for name in KEPT_HEADERS if name in self.headers}
        request = {"method": self.command, "path": self.path, "headers": headers, "body": body}
        self.exchanges.append({"request": request, "answer": {"status": status, "body": answered}})
        text = json.dumps(answered).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = reply

    def log_message(self, *_):
        pass


def of_hub(url, text, **parameters):
    from huggingface_hub import InferenceClient

    return [dict(element) for element in InferenceClient(url).token_classification(text, **parameters)]


def of_presidio(url, text, entities=None):
    """A remote recognizer as Presidio's documentation describes it."""
    import requests
    from presidio_analyzer import RecognizerResult, RemoteRecognizer

    class Remote(RemoteRecognizer):
        def __init__(self):
            super().__init__(supported_entities=[], name=None, supported_language="en", version="1.0")

        def load(self):
            self.supported_entities = requests.get(f"{url}/supportedentities", {"language": "en"}, timeout=200).json()

        def analyze(self, text, entities, nlp_artifacts):
            body = {"text": text, "language": self.supported_language}
            found = requests.post(f"{url}/analyze", json=body, timeout=200).json()
            return [RecognizerResult(**one) for one in found]

        def get_supported_entities(self):
            return self.supported_entities

    remote = Remote()
    found = remote.analyze(text, entities, None)
    results = [{"entity_type": one.entity_type, "start": one.start, "end": one.end, "score": one.score} for one in found]
    return {"supported": remote.get_supported_entities(), "found": results}


def of_litellm(url, text, **options):
    # Otherwise it asks the network for prices of models.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm.proxy.guardrails.guardrail_hooks.presidio import _OPTIONAL_PresidioPIIMasking

    bases = {"presidio_analyzer_api_base": url, "presidio_anonymizer_api_base": url}
    hook = _OPTIONAL_PresidioPIIMasking(guardrail_name="pii", **bases, **options)

    async def call():
        try:
            return await hook.check_pii(text, False, None, {})
        finally:
            await hook._close_http_session()

    return asyncio.run(call())


def cases():
    """Each call: the client, its words, and what to call with a server's address."""
    for text in SAMPLES:
        yield "huggingface_hub", "", of_hub, (text,), {}
    for strategy in STRATEGIES:
        yield "huggingface_hub", strategy, of_hub, (SAMPLES[0],), {"aggregation_strategy": strategy}
    yield "huggingface_hub", "ignore", of_hub, (SAMPLES[0],), {"aggregation_strategy": "simple", "ignore_labels": ["O", "PER"]}
    for strategy in ("none", "simple"):
        yield "huggingface_hub", "nothing is ignored", of_hub, (SAMPLES[0],), {"aggregation_strategy": strategy, "ignore_labels": []}
    yield "huggingface_hub", "stride", of_hub, (SAMPLES[1],), {"aggregation_strategy": "first", "stride": 8}
    yield "huggingface_hub", "a refused strategy", of_hub, (SAMPLES[0],), {"aggregation_strategy": "mean"}
    for text in SAMPLES[:4]:
        yield "presidio_analyzer", "", of_presidio, (text,), {}
        yield "litellm", "", of_litellm, (text,), {}
    yield "litellm", "entities", of_litellm, (SAMPLES[0],), {"pii_entities_config": {"PERSON": "MASK", "LOCATION": "MASK"}}
    yield "litellm", "blocked", of_litellm, (SAMPLES[0],), {"pii_entities_config": {"PERSON": "BLOCK"}}
    yield "litellm", "thresholds", of_litellm, (SAMPLES[0],), {"presidio_score_thresholds": {"ALL": 0.99}}


def made(call, url, arguments, options):
    """What a client returns, or the kind of error that it raises and whether it tells the server's words."""
    try:
        return json.loads(json.dumps(call(url, *arguments, **options), default=str))
    except Exception as error:  # noqa: BLE001
        return {"raises": type(error).__name__, "tells": "there are none" in str(error)}


def predictions():
    """A request of Label Studio's, and an answer that its own SDK accepts, with twins that it refuses."""
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface(CONFIG)
    # A label with an alias goes by it in results: the SDK refuses `Place`.
    names = {"PER": "PER", "LOC": "LOC", "MISC": "Other"}
    results = []
    for place, text in enumerate(SAMPLES):
        found = [one for one in ROWS[text]["first"] if one["entity_group"] in names]
        regions = [
            {"id": f"{place}-{number}", "from_name": "kind", "to_name": "words", "type": "labels", "score": one["score"],
             "value": {"start": one["start"], "end": one["end"], "text": text[one["start"] : one["end"]],
                       "labels": [names[one["entity_group"]]]}}
            for number, one in enumerate(found)
        ]  # fmt: skip
        results.append({"model_version": "bert", "score": min([one["score"] for one in found], default=1.0), "result": regions})
    for result in results:
        errors = interface.validate_prediction(result, return_errors=True)
        assert not errors, errors
    # The SDK refuses a score above 1, a label of the model instead of the project's, and another control's name.
    for twin in (
        results[0] | {"score": 2.0},
        results[0] | {"result": [one | {"from_name": "label"} for one in results[0]["result"]]},
        results[0] | {"result": [one | {"value": one["value"] | {"labels": ["MISC"]}} for one in results[0]["result"]]},
        results[0] | {"result": [one | {"value": one["value"] | {"labels": ["Place"]}} for one in results[0]["result"]]},
    ):
        assert interface.validate_prediction(twin, return_errors=True), twin
    tasks = [{"id": place + 1, "data": {"sentence": text}} for place, text in enumerate(SAMPLES)]
    body = {"tasks": tasks, "project": "1.1700000000", "label_config": CONFIG, "params": {"context": None}}
    request = {"method": "POST", "path": "/predict", "headers": {"content-type": "application/json"}, "body": body}
    exchange = {"request": request, "answer": {"status": 200, "body": {"results": results}}}
    return {"client": "label_studio_sdk", "call": "tasks", "exchanges": [exchange], "made": True}


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    lines = []
    for client, name, call, arguments, options in cases():
        Stub.exchanges = []
        result = made(call, url, arguments, options)
        lines.append({"client": client, "call": name, "exchanges": Stub.exchanges, "made": result})
    lines.append(predictions())
    server.shutdown()
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (ROOT / "golden" / "serve").mkdir(exist_ok=True)
    sys.exit(settle("serve/clients.jsonl", text, "--check" in sys.argv))


if __name__ == "__main__":
    main()
