"""What Presidio's AnonymizerEngine makes of texts and results: golden/anonymize/cases.jsonl.

Each line is one call: `text`, `analyzer_results` and `anonymizers` as a request to Presidio's `/anonymize` holds them,
and `text` and `items` of what the engine returned under `answer`. Where the engine refuses the call, `answer` is null.
Texts were written for this file; some results and operators are drawn. A hash without a salt is different in every call,
so all hashes here have one.

    python anonymize.py            write golden/anonymize/cases.jsonl
    python anonymize.py --check    derive everything again and compare; exit status 1 on a difference
"""

import argparse
import json
import logging
import random
import sys

from golden import settle
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import InvalidParamError
from presidio_anonymizer.services.app_entities_convertor import AppEntitiesConvertor

TEXTS = [
    "Jo Meyer moved from Graz to Zürich in May.",
    "Call 🎉 Anna  Lindt or Łukasz on +43 1 23456, please!",
    "שרה כהן גרה בחיפה מאז 2019",
    "👩‍👩‍👧 und e\u0301tude: José, José",
    "a b  c   d",
    "",
]
SALT = "sixteen bytes it"


def result(start, end, entity_type, score):
    return {"start": start, "end": end, "entity_type": entity_type, "score": score}


def mask(char, count, from_end):
    return {"type": "mask", "masking_char": char, "chars_to_mask": count, "from_end": from_end}


JO = result(0, 8, "PERSON", 0.9)
GRAZ = result(20, 24, "LOCATION", 0.8)
ZURICH = result(28, 34, "LOCATION", 0.7)

# A text's number, results, anonymizers.
WRITTEN = [
    (0, [JO, GRAZ, ZURICH], {}),
    (0, [ZURICH, JO, GRAZ], {"DEFAULT": {"type": "replace", "new_value": "…"}, "PERSON": {"type": "redact"}}),
    (0, [JO, GRAZ], {"PERSON": {"type": "replace"}, "LOCATION": {"type": "replace", "new_value": ""}}),
    (0, [JO, GRAZ], {"PERSON": {"type": "replace", "new_value": None}, "LOCATION": {"type": "keep"}}),
    (0, [JO], {"DEFAULT": mask("*", 4, True)}),
    (0, [JO], {"DEFAULT": mask("*", 4, False)}),
    (0, [JO], {"DEFAULT": mask("🎉", 100, False)}),
    (0, [JO], {"DEFAULT": mask("#", -3, True)}),
    (0, [JO], {"DEFAULT": mask("#", 0, True)}),
    (0, [JO], {"DEFAULT": mask("", 3, True)}),
    (0, [JO, GRAZ], {"DEFAULT": {"type": "hash", "salt": SALT}}),
    (0, [JO, GRAZ], {"DEFAULT": {"type": "hash", "hash_type": "sha512", "salt": "sixteen bytes ü!"}}),
    # Equal places: the highest score stays, the last of equals.
    (0, [result(0, 8, "A", 0.5), result(0, 8, "B", 0.6), result(0, 8, "C", 0.6)], {}),
    # One in another, whatever its score.
    (0, [result(0, 8, "A", 0.1), result(3, 8, "B", 0.99), result(0, 2, "C", 0.99)], {}),
    # Two of one type that share letters, or only touch.
    (0, [result(0, 5, "A", 0.3), result(3, 8, "A", 0.9)], {}),
    (0, [result(0, 3, "A", 0.3), result(3, 8, "A", 0.9)], {}),
    # Two types that share letters.
    (0, [result(0, 5, "A", 0.3), result(3, 8, "B", 0.9)], {}),
    (0, [result(0, 5, "A", 0.3), result(3, 8, "B", 0.9)], {"DEFAULT": mask("*", 9, False)}),
    (0, [result(0, 5, "A", 0.3), result(3, 8, "B", 0.9)], {"A": {"type": "keep"}}),
    # Spaces between two of one type join them.
    (1, [result(7, 11, "P", 0.9), result(13, 18, "P", 0.4)], {}),
    (1, [result(7, 11, "P", 0.9), result(13, 18, "Q", 0.4)], {}),
    (4, [result(0, 1, "X", 0.1), result(2, 3, "X", 0.2), result(5, 6, "X", 0.3), result(9, 10, "X", 0.4)], {}),
    (2, [result(0, 7, "PERSON", 0.9), result(13, 17, "LOCATION", 0.9)], {}),
    (3, [result(0, 5, "E", 1), result(18, 22, "P", 0.5), result(24, 28, "P", 0.5)], {"E": mask("x", 2, True)}),
    # Nothing between start and end; a text without letters.
    (0, [result(3, 3, "A", 0.5)], {}),
    (5, [result(0, 0, "A", 0.5)], {}),
    (5, [], {}),
    # Refused.
    (0, [result(0, 99, "A", 0.5)], {}),
    (0, [result(5, 4, "A", 0.5)], {}),
    (0, [result(-1, 4, "A", 0.5)], {}),
    (0, [result(0, 4, "", 0.5)], {}),
    (0, [result(0, 4, None, 0.5)], {}),
    (0, [result(0, 4, "A", None)], {}),
    (0, [result(None, 4, "A", 0.5)], {}),
    (0, [result("0", 4, "A", 0.5)], {}),
    (0, [JO], {"DEFAULT": {"type": "shuffle"}}),
    (0, [JO], {"DEFAULT": {}}),
    (0, [JO], {"DEFAULT": {"type": "replace", "new_value": 7}}),
    (0, [JO], {"DEFAULT": mask("**", 4, True)}),
    (0, [JO], {"DEFAULT": mask(None, 4, True)}),
    (0, [JO], {"DEFAULT": mask("*", None, True)}),
    (0, [JO], {"DEFAULT": mask("*", 4, None)}),
    (0, [JO], {"DEFAULT": mask("*", "4", True)}),
    (0, [JO], {"DEFAULT": mask("*", 4.5, True)}),
    (0, [JO], {"DEFAULT": {"type": "hash", "hash_type": "md5", "salt": SALT}}),
    (0, [JO], {"DEFAULT": {"type": "hash", "hash_type": None, "salt": SALT}}),
    (0, [JO], {"DEFAULT": {"type": "hash", "salt": "fifteen bytes 1"}}),
    (0, [JO], {"DEFAULT": {"type": "hash", "salt": ""}}),
]

OPERATORS = [
    {"type": "replace"},
    {"type": "replace", "new_value": "⟨x⟩"},
    {"type": "redact"},
    {"type": "keep"},
    {"type": "hash", "salt": SALT},
    mask("*", 3, True),
    mask("µ", 2, False),
]


def drawn():
    """Results anywhere, so that they cover, cross and touch each other."""
    rng = random.Random(19)
    for _ in range(200):
        number = rng.randrange(len(TEXTS))
        letters = len(TEXTS[number])
        results = []
        for _ in range(rng.randrange(8)):
            start, end = sorted([rng.randint(0, letters), rng.randint(0, letters)])
            end = min(end, start + rng.choice([3, 6, 40]))
            results.append(result(start, end, rng.choice("ABC"), rng.choice([0.25, 0.5, 0.75])))
        anonymizers = {name: rng.choice(OPERATORS) for name in ["A", "B", "DEFAULT"] if rng.random() < 0.6}
        yield number, results, anonymizers


def answer(text, results, anonymizers):
    try:
        # The engine changes what it is given, so it gets what a server would read: a copy that shares nothing.
        found = AppEntitiesConvertor.analyzer_results_from_json(json.loads(json.dumps(results)))
        operators = AppEntitiesConvertor.operators_config_from_json(json.loads(json.dumps(anonymizers)))
        return json.loads(AnonymizerEngine().anonymize(text, found, operators).to_json())
    except InvalidParamError:
        return None


def derive():
    for number, results, anonymizers in [*WRITTEN, *drawn()]:
        text = TEXTS[number]
        case = {"text": text, "analyzer_results": results, "anonymizers": anonymizers}
        case["answer"] = answer(text, results, anonymizers)
        yield json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    logging.disable()
    sys.exit(settle("anonymize/cases.jsonl", "".join(derive()), parser.parse_args().check))
