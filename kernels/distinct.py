"""Distinct vectors by hash, so that f is asked each of them once.

A vector z has the hash sum_k z_k m_k modulo 2**64 for two fixed sequences of random odd numbers m: 128 bits,
in which a change of one variable is one multiplication. Two distinct vectors of a problem share them with a
probability of at most 2**-80 for up to 2**24 categories.
"""

import numpy as np

from .bits import WORD_BITS
from .room import zeros
from .tasks import items_of, tasks


@tasks("actions.shape[0]", "actions.shape[1]")
def hash_rows(task, actions, multipliers, out):
    """The hashes of the rows of actions: out is (rows, 2)."""
    for i in items_of(task, actions.shape[0], actions.shape[1]):
        hash_0, hash_1 = np.uint64(0), np.uint64(0)
        for k in range(actions.shape[1]):
            action = np.uint64(actions[i, k])
            hash_0 += multipliers[k, 0] * action
            hash_1 += multipliers[k, 1] * action
        out[i, 0] = hash_0
        out[i, 1] = hash_1


@tasks("counts.shape[0]")
def number_distinct(problem, bounds, hashes, numbers, first, counts):
    """Number the distinct hashes among the entries bounds[b]..bounds[b + 1] - 1 of each problem b.

    In order of first appearance: numbers become each entry's, from 0 on in each problem, first from bounds[b] on
    the entry that each number first appears at, and counts how many there are.
    """
    start, stop = bounds[problem], bounds[problem + 1]
    size = 8
    while size < 2 * (stop - start):
        size *= 2
    table = zeros(np.uint32, size)
    slots = np.uint64(size - 1)
    count = 0
    for entry in range(start, stop):
        slot = (hashes[entry, 0] ^ (hashes[entry, 0] >> WORD_BITS)) & slots
        while True:
            found = np.int64(table[slot]) - 1
            if found < 0:
                first[start + count] = entry
                numbers[entry] = count
                count += 1
                table[slot] = count
                break
            other = first[start + found]
            if hashes[other, 0] == hashes[entry, 0] and hashes[other, 1] == hashes[entry, 1]:
                numbers[entry] = found
                break
            slot = (slot + np.uint64(1)) & slots
    counts[problem] = count
