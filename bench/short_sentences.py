"""Writes so many short sentences in two columns, for measurements of memory: `short_sentences.py 1000000 > train.conll`."""

import random
import sys

NAMES = ["Jo", "Ann", "Kim", "Lee", "Maria", "Hussein", "Zoe"]
PLACES = ["Graz", "Lyon", "Oslo", "Lima", "Porto", "Kyoto"]
WORDS = "the a his her old new river house street market teacher works lives walked from to in near with and".split()


def main():
    draw = random.Random(1)
    lines = []
    for number in range(int(sys.argv[1])):
        for at in range(draw.randint(3, 12)):
            kind = draw.random()
            if kind < 0.1:
                lines.append(f"{draw.choice(NAMES)} B-PER")
            elif kind < 0.2:
                lines.append(f"{draw.choice(PLACES)} B-LOC")
            else:
                lines.append(f"{draw.choice(WORDS)} O")
        lines.append("")
        if number % 10_000 == 0:
            print("\n".join(lines), end="\n")
            lines = []
    print("\n".join(lines))


main()
