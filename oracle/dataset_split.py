"""Which sentences `datasets` puts where when it shuffles and splits: golden/dataset_split/orders.json.

Each case numbers its sentences from 0, shuffles them (unless `shuffle_seed` is null) and holds out `size` of them (below 1, a
part) with `split_seed`; `train` and `test` are the numbers in their new order.

    python dataset_split.py            write the file
    python dataset_split.py --check    derive everything again and compare; exit status 1 on a difference
"""

import json
import sys

from datasets import Dataset, disable_progress_bars
from golden import settle

CASES = [(10, 42, 2, 42), (57, 42, 9, 42), (57, None, 9, 42), (57, 7, 9, 42), (100, 42, 0.25, 1), (101, None, 0.1, 0), (3, 1, 1, 2), (700, 42, 0.5, 123456789)]


def case(sentences, shuffle_seed, size, split_seed):
    data = Dataset.from_dict({"number": list(range(sentences))})
    if shuffle_seed is not None:
        data = data.shuffle(seed=shuffle_seed)
    parts = data.train_test_split(test_size=size, seed=split_seed)
    return {"sentences": sentences, "shuffle_seed": shuffle_seed, "size": size, "split_seed": split_seed,
            "train": list(parts["train"]["number"]), "test": list(parts["test"]["number"])}  # fmt: skip


def main():
    disable_progress_bars()
    text = "[\n" + ",\n".join(json.dumps(case(*given), separators=(",", ":")) for given in CASES) + "\n]\n"
    return settle("dataset_split/orders.json", text, "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
