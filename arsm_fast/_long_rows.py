"""ARSM of a few long rows, one after the other, each in parts that are tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._logits import FloatArray, IntArray
from ._moments import Blocks
from .kernels.long_row import (
    MOST_GROUPS,
    add_parts,
    draw_parts,
    find_tops,
    join_races,
    join_swaps,
    list_marks,
    list_members,
    list_room,
    meet_parts,
    part_room,
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
    blocks: Blocks,
    seen: NDArray[np.bool_],
) -> tuple[int, int, int]:
    """As kernels.one_variable.row_moments."""
    noise = np.empty(longest + LANES)
    own_h = np.empty(longest if n_samples > 1 else 0)
    lists = list_room(longest)
    n_seen, n_large = 0, 0
    for i in range(blocks.value.size):
        row, block = divmod(blocks.first + i, blocks.n_blocks)
        own, out = slice(offsets[row], offsets[row + 1]), slice(blocks.starts[i], blocks.starts[i + 1])
        own_logits, values = logits[own], table[own]
        mean, squares = blocks.mean[out], blocks.squares[out]
        row_noise = noise[: own_logits.size]
        races, swaps, words = part_room(own_logits.size)
        tops = np.empty(len(swaps[0]))
        find_tops(own_logits, tops)
        top = float(tops.max())
        h = own_h[: own_logits.size] if n_samples > 1 else mean
        blocks.value[i] = 0.0
        first_sample = block * blocks.samples
        for sample in range(first_sample, min(n_samples, first_sample + blocks.samples)):
            if draw_parts(key, sample, row, own_logits, top, noise, *races):
                return n_seen, 1, n_large
            drawn = join_races(row_noise, own_logits, top, *races)
            row_arrays = drawn, row_noise, own_logits, top, values
            n_large += swap_parts(*row_arrays, h, words, *swaps, *lists)
            by_light, n_members, buckets, members = list_members(*row_arrays, words, swaps[0], *lists)
            if h.size == 0:
                continue
            n_groups = min(MOST_GROUPS, len(swaps[0])) if n_members else 0
            met = np.zeros((n_groups, 4 * (n_members + 1)))
            others = lists[1 if by_light else 0]
            meet_parts(*row_arrays, h, swaps[0], by_light, buckets, members, others, met)
            sample_value, shift = join_swaps(drawn, row_noise, values, h, swaps[1], by_light, members[0], met)
            blocks.value[i] += sample_value
            add_parts(h, shift, sample - first_sample + 1, mean, squares)
        n_seen += int(list_marks(words, own_logits.size, out.start, seen))
    return n_seen, 0, n_large
