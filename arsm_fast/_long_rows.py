"""ARSM of a few long rows, one after the other, each in parts that are tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray
from .kernels.long_row import (
    CHUNK,
    MOST_GROUPS,
    add_parts,
    draw_parts,
    join_met,
    join_races,
    join_swaps,
    list_marks,
    list_members,
    list_room,
    meet_parts,
    part_room,
    spend_parts,
    swap_parts,
)
from .kernels.noise import LANES


def long_row_moments(
    key: tuple[np.uint64, np.uint64],
    n_samples: int,
    logits: FloatArray,
    table: FloatArray,
    offsets: IntArray,
    longest: int,
    mean: FloatArray,
    squares: FloatArray,
    value: FloatArray,
    seen: NDArray[np.bool_],
) -> tuple[int, int, int]:
    """As kernels.one_variable.row_moments, of all samples of each row."""
    # Parts of one array, as in row_moments.
    room = np.empty((2 if n_samples > 1 else 1) * longest + LANES)
    noise, own_h = room[: longest + LANES], room[longest + LANES :]
    lists = list_room(longest)
    n_seen, n_large = 0, 0
    for row in range(value.size):
        own = slice(offsets[row], offsets[row + 1])
        own_logits, values, own_mean, own_squares = logits[own], table[own], mean[own], squares[own]
        row_noise = noise[: own_logits.size]
        races, swaps, words = part_room(own_logits.size)
        h = own_h[: own_logits.size] if n_samples > 1 else own_mean
        value[row] = 0.0
        for sample in range(n_samples):
            n_bad = draw_parts(key, sample, row, own_logits, races[0], noise, *races[1:])
            top = float(races[0].max())
            if n_bad or top == -np.inf:
                return n_seen, 1, n_large
            drawn = join_races(row_noise, own_logits, top, *races[1:])
            row_arrays = drawn, row_noise, own_logits, top, values
            n_large += swap_parts(*row_arrays, h, words, *swaps, *lists)
            by_light, n_members, buckets, members = list_members(*row_arrays, words, swaps[0], *lists)
            if h.size == 0:
                continue
            n_groups = min(MOST_GROUPS, len(swaps[0])) if n_members else 0
            met = np.empty((n_groups, 4 * (n_members + 1)))
            meet_parts(*row_arrays, h, swaps[0], by_light, buckets, members, lists[1 if by_light else 0], met)
            sums, results = np.empty((2, -(-n_members // CHUNK), 2))
            join_met(met, sums)
            spend_parts(drawn, row_noise, values, h, by_light, members[0], met, sums, results)
            sample_value, shift = join_swaps(drawn, values, h, swaps[1], results)
            value[row] += sample_value
            add_parts(h, shift, sample + 1, own_mean, own_squares)
        n_seen += int(list_marks(words, own_logits.size, own.start, seen))
    return n_seen, 0, n_large
