"""Distinct vectors by hash, so that f is asked each of them once.

A vector z has the hash sum_k z_k m_k modulo 2**64 for two fixed sequences of random odd numbers m: 128 bits,
in which a change of one variable is one multiplication. Two distinct vectors of a problem share them with a
probability of at most 2**-80 for up to 2**24 categories.
"""

import numba
import numpy as np

from ._jit import inlined, parallel, serial
from .philox import LOW_WORD, WORD_BITS, philox

HASH_KEY_0 = np.uint64(0x8E6F1B3D)
HASH_KEY_1 = np.uint64(0x5C2A97E4)


@inlined
def multiplier(variable, which):
    """The multiplier of one variable in hash 0 or 1."""
    x0, x1, _, _ = philox(
        np.uint64(variable), np.uint64(which), np.uint64(0), np.uint64(0), HASH_KEY_0, HASH_KEY_1
    )
    return ((x0 & LOW_WORD) << WORD_BITS) | (x1 & LOW_WORD) | np.uint64(1)


@serial
def fill_multipliers(out):
    """out is (variables, 2)."""
    for k in range(out.shape[0]):
        out[k, 0] = multiplier(k, 0)
        out[k, 1] = multiplier(k, 1)


@parallel
def hash_rows(actions, multipliers, out):
    """The hashes of the rows of actions: out is (rows, 2)."""
    for i in numba.prange(actions.shape[0]):
        hash_0, hash_1 = np.uint64(0), np.uint64(0)
        for k in range(actions.shape[1]):
            action = np.uint64(actions[i, k])
            hash_0 += multipliers[k, 0] * action
            hash_1 += multipliers[k, 1] * action
        out[i, 0] = hash_0
        out[i, 1] = hash_1


@parallel
def number_distinct(bounds, hashes):
    """Number the distinct hashes among the entries bounds[b]..bounds[b + 1] - 1 of each problem b.

    Results: each entry's number, counted through all problems in order of first appearance; the entry that each
    number first appears at; and its problem.
    """
    n_problems = bounds.shape[0] - 1
    number = np.empty(hashes.shape[0], np.int64)
    first_entries = np.empty(hashes.shape[0], np.int64)
    ends = np.zeros(n_problems + 1, np.int64)
    for b in numba.prange(n_problems):
        start, stop = bounds[b], bounds[b + 1]
        size = 8
        while size < 2 * (stop - start):
            size *= 2
        table = np.full(size, -1, np.int64)
        first_of = first_entries[start:stop]
        slots = np.uint64(size - 1)
        count = 0
        for entry in range(start, stop):
            slot = (hashes[entry, 0] ^ (hashes[entry, 0] >> WORD_BITS)) & slots
            while True:
                found = table[slot]
                if found < 0:
                    table[slot] = count
                    first_of[count] = entry
                    number[entry] = count
                    count += 1
                    break
                other = first_of[found]
                if hashes[other, 0] == hashes[entry, 0] and hashes[other, 1] == hashes[entry, 1]:
                    number[entry] = found
                    break
                slot = (slot + np.uint64(1)) & slots
        ends[b + 1] = count
    for b in range(n_problems):
        ends[b + 1] += ends[b]
    first = np.empty(ends[n_problems], np.int64)
    problem = np.empty(ends[n_problems], np.int32)
    for b in numba.prange(n_problems):
        number[bounds[b] : bounds[b + 1]] += ends[b]
        own = slice(ends[b], ends[b + 1])
        first[own] = first_entries[bounds[b] : bounds[b] + ends[b + 1] - ends[b]]
        problem[own] = b
    return number, first, problem
