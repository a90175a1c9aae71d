"""Distinct vectors by hash, so that f is asked each of them once.

A vector z has the hash sum_k z_k m_k modulo 2**64 for two fixed sequences of random odd numbers m: 128 bits,
in which a change of one variable is one multiplication. Two distinct vectors of a problem share them with a
probability of at most 2**-80 for up to 2**24 categories.
"""

import numpy as np

from .bits import WORD_BITS
from .room import zeros
from .tasks import items_of, tasks

ZERO, ONE = np.uint64(0), np.uint64(1)
# Few entries then meet a slot that is taken, which no processor foresees.
SLOTS_PER_ENTRY = 4


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
    start, stop = np.uint64(bounds[problem]), np.uint64(bounds[problem + 1])
    size = 8
    while size < SLOTS_PER_ENTRY * np.int64(stop - start):
        size *= 2
    table = zeros(np.uint32, size)
    slots = np.uint64(size - 1)
    count = ZERO
    for entry in range(start, stop):
        hash_0, hash_1 = hashes[entry, ZERO], hashes[entry, ONE]
        slot = (hash_0 ^ (hash_0 >> WORD_BITS)) & slots
        number = np.uint64(table[slot])
        while number > 0:
            other = np.uint64(first[start + number - ONE])
            if hashes[other, ZERO] == hash_0 and hashes[other, ONE] == hash_1:
                break
            slot = (slot + ONE) & slots
            number = np.uint64(table[slot])
        if number == 0:
            first[start + count] = entry
            count += ONE
            number = count
            table[slot] = count
        numbers[entry] = number - ONE
    counts[problem] = count
