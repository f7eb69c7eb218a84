"""How accelerate deals an epoch's batches to several ranks: golden/ranks/batches.jsonl.

One line a case: how many `sentences` (numbered from 0, in order), sentences a `batch`, `ranks`, whether `drop_last`; and
`dealt`, for each rank its batches. Computed by accelerate's BatchSamplerShard over PyTorch's BatchSampler, as the Trainer
has them (`even_batches`, no `split_batches`). Cases in which a rank has nothing to do at all are left out.

    python oracle/ranks.py --check
"""

import itertools
import json
import sys

from accelerate.data_loader import BatchSamplerShard
from golden import settle
from torch.utils.data import BatchSampler, SequentialSampler


def case(sentences, batch, ranks, drop_last):
    sampler = BatchSampler(SequentialSampler(range(sentences)), batch, drop_last)
    shards = [BatchSamplerShard(sampler, ranks, rank, split_batches=False, even_batches=True) for rank in range(ranks)]
    return {
        "sentences": sentences,
        "batch": batch,
        "ranks": ranks,
        "drop_last": drop_last,
        "dealt": [list(shard) for shard in shards],
    }


def main():
    grid = itertools.product([1, 2, 3, 5, 7, 8, 11, 12, 16, 17, 23, 24], [1, 2, 4], [2, 3, 4], [False, True])
    rows = [case(*point) for point in grid]
    text = "".join(json.dumps(row) + "\n" for row in rows if all(row["dealt"]))
    return settle("ranks/batches.jsonl", text, "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
