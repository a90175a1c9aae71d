"""ARSM of eight rows side by side, each with weights and values of its own and too long for tile.py.

Noise, race and the swaps of the winner are tile.py's, a row a lane. The swaps of two losers differ too much from
row to row, and are done one row at a time, eight categories side by side.
"""

import numpy as np

from ._jit import called, inlined
from .arsm_row import add_loser_swaps, list_losers, row_room
from .bits import bit_count
from .lanes import WIDTH, lane_array, mask_bits, spread, store, transpose_block
from .merge import EXCLUDED
from .moments import add_sample
from .tasks import items_of, tasks
from .tile import (
    draw_tile,
    lanes_up_to,
    load_values,
    load_weights,
    mark_needed,
    needed_of_tile,
    race_tile,
    row_of_winner_tile,
    store_seen,
)


@inlined
def padded_length(n):
    """The number of categories made whole blocks of eight."""
    return (n + WIDTH - 1) // WIDTH * WIDTH


@inlined
def spread_rows(tile, rows):
    """Write the lanes of a tile of whole blocks to rows one after the other."""
    n = tile.shape[0]
    for block in range(n // WIDTH):
        transpose_block(tile, block * WIDTH * WIDTH, WIDTH, rows, block * WIDTH, n)


@called
def add_tiles(
    key, n_samples, first_tile, stop_tile, n, weights, weighed, values, mean, squares, value, seen,
    tiles, rows, lists,
):  # fmt: skip
    """As medium_row_moments of some tiles, with room for the rows of one."""
    noise, own_weights, own_values, lane_h = tiles
    noise_rows, weight_rows, value_rows, h_rows, rest = rows
    room, row_seen, lanes_seen = lists
    n_padded = own_weights.shape[0]
    for c in range(n, n_padded):  # padding, that never wins
        store(own_weights, c, spread(np.inf))
        store(own_values, c, spread(0.0))
        store(lane_h, c, spread(0.0))
    n_rows = value.shape[0]
    n_seen, n_bad, n_large = 0, 0, 0
    for tile in range(first_tile, stop_tile):
        first_row = tile * WIDTH
        n_own = min(WIDTH, n_rows - first_row)
        lanes_seen[:] = 0
        rows_are_spread = False
        value[first_row : first_row + n_own] = 0.0
        for sample in range(n_samples):
            draw_tile(key, sample, 0, first_row, 1, n, noise, (weights, values, mean))
            if sample == 0:
                n_bad += not load_weights(weights, weighed, first_row, 1, n_rows, n, own_weights)
                if mean.shape[0] > 0:
                    n_large += not load_values(values, first_row, n_rows, n, own_values)
            if mean.shape[0] == 0:
                needed_of_tile(noise, own_weights[:n], lane_h, lanes_seen)
                continue
            total, first_at, second_at, limit, second_value = race_tile(noise, own_weights[:n])
            race = first_at, second_at, limit, second_value
            h_winner, h_sum, base, difference_sum, lightest = row_of_winner_tile(
                noise, own_weights[:n], own_values, -1.0 / total, race, lane_h, lanes_seen
            )
            mark_needed(own_weights[:n], lightest, limit, lanes_seen)
            for i, lanes in enumerate((base, h_sum, difference_sum, first_at, h_winner, total, limit, lightest)):
                store(rest, i, lanes)
            spread_rows(lane_h, h_rows)
            if mask_bits(lightest <= limit):
                spread_rows(noise[:n_padded], noise_rows)
                if not rows_are_spread:
                    spread_rows(own_weights, weight_rows)
                    spread_rows(own_values, value_rows)
                    rows_are_spread = True
            for lane in range(n_own):
                row = first_row + lane
                padded = slice(lane * n_padded, lane * n_padded + n)
                h = h_rows[padded]
                row_h_sum, row_difference_sum = rest[1, lane], rest[2, lane]
                winner = int(rest[3, lane])
                h[winner] = rest[4, lane]
                row_limit, row_lightest = rest[6, lane], rest[7, lane]
                if row_lightest <= row_limit:
                    own_noise, inverse_weights = noise_rows[padded], weight_rows[padded]
                    own_noise[winner] = EXCLUDED
                    n_light, n_heavy = list_losers(
                        0, own_noise, inverse_weights, row_limit, row_lightest, row_seen, room[0], room[1]
                    )
                    away_difference, away_h = add_loser_swaps(
                        own_noise, 1.0 / rest[5, lane], inverse_weights, value_rows[padded], rest[0, lane],
                        row_limit, n_light, n_heavy, h, room,
                    )  # fmt: skip
                    row_h_sum += away_h
                    row_difference_sum += away_difference
                value[row] += rest[0, lane] + 2.0 * row_difference_sum / (float(n) * n)
                own = slice(row * n, (row + 1) * n)
                add_sample(h, row_h_sum / n, sample + 1, mean[own], squares[own])
        own_lanes = lanes_up_to(n_own)
        for c in range(n):
            n_seen += bit_count(lanes_seen[c] & own_lanes)
        if seen.shape[0] > 0:
            store_seen(lanes_seen, first_row, n_own, n, seen)
    return n_seen, n_bad, n_large


@tasks("(value.shape[0] + WIDTH - 1) // WIDTH", "n * n_samples * WIDTH", sums=3)
def medium_row_moments(
    task, key, n_samples, n, weights, weighed, values, mean, squares, value, seen
):  # fmt: skip
    """As tile.short_row_moments, of rows of any length."""
    own_tiles = items_of(task, (value.shape[0] + WIDTH - 1) // WIDTH, n * n_samples * WIDTH)
    n_padded = padded_length(n)
    shape = (n_padded, WIDTH)
    tiles = (
        lane_array(n_padded + 1).reshape((n_padded + 1, WIDTH)), lane_array(n_padded).reshape(shape),
        lane_array(n_padded).reshape(shape), lane_array(n_padded).reshape(shape),
    )  # fmt: skip
    rows = (
        lane_array(n_padded), lane_array(n_padded), lane_array(n_padded), lane_array(n_padded),
        lane_array(8).reshape((8, WIDTH)),
    )  # fmt: skip
    lists = row_room(n), np.empty(n, np.bool_), np.empty(n, np.uint64)
    return add_tiles(
        key, n_samples, own_tiles.start, own_tiles.stop, n, weights, weighed, values, mean, squares, value, seen,
        tiles, rows, lists,
    )  # fmt: skip
