"""The joint swap of short rows: every pair of categories of eight variables of an item side by side.

What joint_pairs finds for drawn noise, in time and memory O(K C**2) with a small constant. Item (problem, sample)
is number problem * n_samples + sample. Its entries are the true vector and then one for each pair c < j, number
1 + j (j - 1) / 2 + c; an entry whose swap changes no variable repeats the true vector. Level racers, which drawn
noise has as good as never, are not told apart here by number.
"""

import numba
import numpy as np

from ._jit import called, parallel
from .lanes import WIDTH, entry, lane_array, load, spread, store
from .tile import draw_tile, load_rows, race_tile
from .vectors import select

ITEMS_PER_TASK = 16


@called
def compare_pairs(noise, inverse_weights, group, n_groups, winners):
    """Write the winners of eight rows, those of entry e to the (e n_groups + group)-th eight numbers."""
    _, first_at, second_at, first_value, second_value = race_tile(noise, inverse_weights)
    store(winners, group, first_at)
    place = group
    for j in range(inverse_weights.shape[0]):
        j_at, noise_j, weight_j = spread(np.float64(j)), load(noise, j), entry(inverse_weights, j)
        j_first = first_at == j_at
        for c in range(j):
            place += n_groups
            c_at = spread(np.float64(c))
            c_value, j_value = noise_j * entry(inverse_weights, c), load(noise, c) * weight_j
            best = select(j_value < c_value, j_at, c_at)
            best_value = select(j_value < c_value, j_value, c_value)
            # Of the two first one still wins after their swap: then the second has no need to be left out.
            moved = j_first | (first_at == c_at)
            rest, rest_value = select(moved, second_at, first_at), select(moved, second_value, first_value)
            store(winners, place, select(rest_value < best_value, rest, best))


@called
def write_entries(winners, multipliers, vectors, hashes):
    """Winners as actions, and the hashes of their vectors."""
    n_entries, n_variables = vectors.shape
    step = winners.shape[0] // n_entries
    for e in range(n_entries):
        own, vector = winners[e * step : (e + 1) * step], vectors[e]
        hash_0, hash_1 = np.uint64(0), np.uint64(0)
        for k in range(n_variables):
            action = np.int32(own[k])
            vector[k] = action
            hash_0 += multipliers[k, 0] * np.uint64(action)
            hash_1 += multipliers[k, 1] * np.uint64(action)
        hashes[e, 0] = hash_0
        hashes[e, 1] = hash_1


@parallel
def joint_row_entries(first_item, key, n_samples, n, inverse_weights, multipliers, vectors, hashes):
    """The vectors, (items, entries, variables), and their hashes, for variables of n categories each."""
    n_items, n_entries, n_variables = vectors.shape
    n_groups = (n_variables + WIDTH - 1) // WIDTH
    for task in numba.prange((n_items + ITEMS_PER_TASK - 1) // ITEMS_PER_TASK):
        noise = lane_array(n + 1).reshape((n + 1, WIDTH))
        weights = lane_array(n).reshape((n, WIDTH))
        winners = lane_array(n_entries * n_groups)
        for i in range(task * ITEMS_PER_TASK, min(n_items, (task + 1) * ITEMS_PER_TASK)):
            problem, sample = (first_item + i) // n_samples, (first_item + i) % n_samples
            for group in range(n_groups):
                first_row = problem * n_variables + group * WIDTH
                load_rows(inverse_weights, first_row, (problem + 1) * n_variables, n, weights)
                draw_tile(key, sample, 0, first_row, 1, 0, n, noise)
                compare_pairs(noise, weights, group, n_groups, winners)
            write_entries(winners, multipliers, vectors[i], hashes[i])
