"""Find the distinct vectors among the entries of each problem."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._logits import IntArray
from .kernels.distinct import fill_multipliers, number_distinct

HashArray = NDArray[np.uint64]


class Distinct(NamedTuple):
    """number: each entry's distinct vector; first: the entry it first appears at; problem: whose it is."""

    number: IntArray
    first: IntArray
    problem: NDArray[np.int32]


def hash_multipliers(n_variables: int) -> HashArray:
    """The multipliers of the hashes of vectors of n variables, (variables, 2)."""
    multipliers = np.empty((n_variables, 2), np.uint64)
    fill_multipliers(multipliers)
    return multipliers


def find_distinct(hashes: HashArray, bounds: IntArray) -> Distinct:
    """Number the distinct hashes of the entries bounds[b]..bounds[b + 1] - 1 of each problem b."""
    n_problems = bounds.size - 1
    number = np.empty(hashes.shape[0], np.int64)
    n_distinct = np.empty(n_problems, np.int64)
    number_distinct(bounds, hashes, number, n_distinct)
    number += np.repeat(np.cumsum(n_distinct) - n_distinct, np.diff(bounds))
    first = np.empty(n_distinct.sum(), np.int64)
    # Backwards, so that the first of equal entries is written last and stays.
    first[number[::-1]] = np.arange(number.size - 1, -1, -1)
    problem = np.repeat(np.arange(n_problems, dtype=np.int32), n_distinct)
    return Distinct(number, first, problem)
