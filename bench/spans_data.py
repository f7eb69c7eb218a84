"""CoNLL columns become the JSON lines that span taggers learn from: texts, words and spans, labels as words.

    python bench/spans_data.py OUT.jsonl [--limit N] [--with-entities] FILE...

`musicalartist` becomes `musical artist`, `creative-work` `creative work`: a label is read, so it should be English. With
--limit only the first N sentences of each file are taken; with --with-entities only those of them that have an entity.
"""

import argparse
import json
from pathlib import Path

NAMES = {
    "musicalartist": "musical artist", "musicalinstrument": "musical instrument", "musicgenre": "music genre",
    "politicalparty": "political party", "misc": "miscellaneous", "organisation": "organization",
    "creative-work": "creative work",
}


def sentences(path):
    words, tags = [], []
    for line in Path(path).read_text(encoding="utf-8").split("\n") + [""]:
        if line.strip():
            word, *_, tag = line.split("\t") if "\t" in line else line.split()
            words.append(word)
            tags.append(tag.strip())
        elif words:
            yield words, tags
            words, tags = [], []


def spans(tags):
    """The original's machine: B opens, I goes on with whatever is open or opens, O closes."""
    found, open_ = [], False
    for at, tag in enumerate(tags):
        letter, _, label = tag.partition("-")
        if letter == "O":
            open_ = False
        elif open_ and letter == "I":
            found[-1]["end"] = at + 1
        else:
            found.append({"start": at, "end": at + 1, "label": NAMES.get(label, label)})
            open_ = True
    return found


def record(name, words, tags):
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word) + 1
    of_words = spans(tags)
    of_text = [
        {"start": starts[s["start"]], "end": starts[s["end"] - 1] + len(words[s["end"] - 1]), "label": s["label"]}
        for s in of_words
    ]
    return {"id": name, "text": " ".join(words), "char_spans": of_text, "tokens": words, "token_spans": of_words}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--with-entities", action="store_true")
    options = parser.parse_args()
    with options.output.open("w", encoding="utf-8") as out:
        for file in options.files:
            for number, (words, tags) in enumerate(sentences(file)):
                if number == options.limit:
                    break
                found = record(f"eng_{file.parent.name}-{file.stem}-s{number}", words, tags)
                if found["token_spans"] or not options.with_entities:
                    out.write(json.dumps(found, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
