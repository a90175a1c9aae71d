"""Find the distinct vectors among the entries of each problem."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._logits import IntArray
from .kernels.distinct import number_distinct

HashArray = NDArray[np.uint64]


HASH_KEY = 0x8E6F1B3D5C2A97E4


class Distinct(NamedTuple):
    """number: each entry's distinct vector; first: the entry it first appears at; problem: whose it is."""

    number: IntArray
    first: IntArray
    problem: NDArray[np.int32]


@lru_cache(maxsize=4)
def hash_multipliers(n_variables: int) -> HashArray:
    """The multipliers of the hashes of vectors of n variables, (variables, 2)."""
    return np.random.Philox(key=HASH_KEY).random_raw((n_variables, 2)) | np.uint64(1)


def find_distinct(hashes: HashArray, bounds: IntArray) -> Distinct:
    """Number the distinct hashes of the entries bounds[b]..bounds[b + 1] - 1 of each problem b."""
    numbers, first = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.int64)
    counts = np.empty(bounds.size - 1, np.int64)
    number_distinct(bounds, hashes, numbers, first, counts)
    problem = problems_of(counts)
    if counts.size == 1:
        return Distinct(numbers, first[: problem.size].copy(), problem)
    before = np.cumsum(counts) - counts
    numbers += np.repeat(before, bounds[1:] - bounds[:-1])
    listed = np.arange(before[-1] + counts[-1]) + np.repeat(bounds[:-1] - before, counts)
    return Distinct(numbers, first[listed], problem)


def problems_of(counts: IntArray) -> NDArray[np.int32]:
    """The problem of each vector, where each problem has so many."""
    if counts.size == 1:
        return np.zeros(counts[0], np.int32)
    return np.repeat(np.arange(counts.size, dtype=np.int32), counts)
