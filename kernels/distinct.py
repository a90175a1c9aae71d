"""Distinct vectors by hash, so that f is asked each of them once.

A vector z has the hash sum_k z_k m_k modulo 2**64 for two fixed sequences of random odd numbers m: 128 bits,
in which a change of one variable is one multiplication. Two distinct vectors of a problem share them with a
probability of at most 2**-80 for up to 2**24 categories.
"""

import numba
import numpy as np

from ._jit import allocating, parallel
from .philox import WORD_BITS


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


@allocating
def number_of_one(hashes, number, first):
    """Number the distinct hashes in order of first appearance, and list those; how many there are."""
    n = hashes.shape[0]
    size = 8
    while size < 2 * n:
        size *= 2
    table = np.zeros(size, np.uint32)
    slots = np.uint64(size - 1)
    count = 0
    for entry in range(n):
        slot = (hashes[entry, 0] ^ (hashes[entry, 0] >> WORD_BITS)) & slots
        while True:
            found = np.int64(table[slot]) - 1
            if found < 0:
                first[count] = entry
                number[entry] = count
                count += 1
                table[slot] = count
                break
            other = first[found]
            if hashes[other, 0] == hashes[entry, 0] and hashes[other, 1] == hashes[entry, 1]:
                number[entry] = found
                break
            slot = (slot + np.uint64(1)) & slots
    return count


@parallel
def number_distinct(bounds, hashes):
    """Number the distinct hashes among the entries bounds[b]..bounds[b + 1] - 1 of each problem b.

    Results: each entry's number, counted through all problems in order of first appearance; the entry that each
    number first appears at; and its problem.
    """
    n_problems = bounds.shape[0] - 1
    number = np.empty(hashes.shape[0], np.int64)
    first_entries = np.empty(hashes.shape[0], np.int64)
    counts = np.empty(n_problems, np.int64)
    for b in numba.prange(n_problems):
        own = slice(bounds[b], bounds[b + 1])
        counts[b] = number_of_one(hashes[own], number[own], first_entries[own])
    n_distinct = 0
    for b in range(n_problems):
        n_distinct += counts[b]
    first = np.empty(n_distinct, np.int64)
    problem = np.empty(n_distinct, np.int32)
    done = 0
    for b in range(n_problems):
        for entry in range(bounds[b], bounds[b + 1]):
            number[entry] += done
        for i in range(counts[b]):
            first[done + i] = bounds[b] + first_entries[bounds[b] + i]
            problem[done + i] = b
        done += counts[b]
    return number, first, problem
