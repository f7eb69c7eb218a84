"""Reads column files for the rivals: as little as the race needs, so that no library's weight is held against them."""


def sentences(path):
    """Words and tags: first and last column, a sentence ends at a line of white space."""
    words, tags = [], []
    with open(path, encoding="utf-8") as lines:
        for line in [*lines, "\n"]:
            columns = line.rstrip("\n").split("\t") if "\t" in line.rstrip("\n") else line.split()
            if line.strip() and columns[0] != "-DOCSTART-":
                words.append(columns[0])
                tags.append(columns[-1])
            elif not line.strip() and words:
                yield words, tags
                words, tags = [], []


def labels(rows):
    """The tags of sentences, sorted: the head's order in both programs."""
    return sorted({tag for _, tags in rows for tag in tags})
