"""Runs real clients against `tagsmith serve`, and compares what they make of its answers with golden/serve.

    pip install -r serve.txt
    python serve_clients.py --program ../target/debug/tagsmith [CLIENT …]      exit status 1 on a difference

The calls are those of serve.py, which recorded them with a stub: huggingface_hub's InferenceClient, a remote recognizer of
presidio_analyzer, LiteLLM's hook for Presidio. Label Studio's request is sent as it is, and label_studio_sdk judges the
answer. All must be equal but for scores, which may differ by BOUND (see tests/python/test_pipeline.py).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import requests

import serve

BOUND = 4e-6
CLIENTS = ("huggingface_hub", "presidio_analyzer", "litellm", "label_studio_sdk")


def near(found, wanted):
    """Whether two values are equal but for rounding. Results of Presidio may come in any order."""
    if isinstance(wanted, float) and isinstance(found, (int, float)):
        return abs(found - wanted) <= BOUND
    if isinstance(wanted, dict) and isinstance(found, dict):
        return found.keys() == wanted.keys() and all(near(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        place = lambda one: (one.get("start"), one.get("end")) if isinstance(one, dict) and "entity_type" in one else ()
        found, wanted = sorted(found, key=place), sorted(wanted, key=place)
        return len(found) == len(wanted) and all(map(near, found, wanted))
    return found == wanted


def rejects_twins(recorded):
    """Shows that the comparison refuses what differs."""
    one = next(line["made"] for line in recorded if line["made"])
    for key, value in {"start": one[0]["start"] + 1, "score": one[0]["score"] + 3 * BOUND, "entity_group": "X"}.items():
        assert near(one, one) and not near([one[0] | {key: value}, *one[1:]], one)
    assert not near(one[1:], one)


def of_label_studio(url, line):
    """Sends Label Studio's request. Its SDK judges the answer, which must have the entities of the recorded one."""
    from label_studio_sdk.label_interface import LabelInterface

    (exchange,) = line["exchanges"]
    request, wanted = exchange["request"], exchange["answer"]["body"]["results"]
    results = requests.post(url + request["path"], json=request["body"], timeout=100).json()["results"]
    interface = LabelInterface(request["body"]["label_config"])
    faults = [interface.validate_prediction(one, return_errors=True) for one in results]
    # Names of results and of the model are the server's own.
    regions = [[{key: region.get(key) for key in region if key != "id"} for region in one["result"]] for one in results]
    expected = [[{key: region[key] for key in region if key != "id"} for region in one["result"]] for one in wanted]
    return not any(faults) and near(regions, expected), {"faults": faults, "results": results}


def started(program, log):
    """Starts the server on a port that is free, and returns it with its address."""
    words = [program, "serve", "--model", str(serve.MODEL), "--port", "0"]
    process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", open(log.name).read())
        if found:
            try:
                if requests.get(f"{found[0]}/health", timeout=10).ok:
                    return process, found[0]
            except requests.ConnectionError:
                pass
        time.sleep(0.05)
    process.kill()
    sys.exit(f"the server does not answer:\n{open(log.name).read()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=f"{', '.join(CLIENTS)}; all of them where none is named")
    options = parser.parse_args()
    clients = options.clients or CLIENTS
    if unknown := set(clients) - set(CLIENTS):
        parser.error(f"there is no client {unknown.pop()}")
    text = (serve.ROOT / "golden" / "serve" / "clients.jsonl").read_text(encoding="utf-8")
    recorded = [json.loads(line) for line in text.splitlines()]
    rejects_twins(recorded)
    calls = list(serve.cases())
    counts, wrong = dict.fromkeys(clients, 0), 0
    with tempfile.NamedTemporaryFile("w+") as log:
        process, url = started(os.path.abspath(options.program), log)
        try:
            for line, case in zip(recorded, [*calls, None], strict=True):
                if line["client"] not in clients:
                    continue
                if case is None:
                    right, found = of_label_studio(url, line)
                else:
                    client, name, call, arguments, more = case
                    assert (client, name) == (line["client"], line["call"])
                    found = serve.made(call, url, arguments, more)
                    right = near(found, line["made"])
                counts[line["client"]] += 1
                if not right:
                    wrong += 1
                    print(f"{line['client']} {line['call']}: {found}, not {line['made']}")
        finally:
            process.terminate()
            process.wait(timeout=60)
    for client, count in counts.items():
        print(f"{client}: {count} calls")
    print("as recorded" if not wrong else f"{wrong} calls differ")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
