"""ARSM of eight rows side by side, each with weights and values of its own and too long for tile.py.

Noise, race and the swaps of the winner are tile.py's, a row a lane. The swaps of two losers differ too much from
row to row, and are done one row at a time, eight categories side by side.
"""

import numpy as np

from ._jit import called, inlined
from .arsm_row import meet_one
from .bits import bit_count
from .lanes import (
    WIDTH,
    gather_listed,
    lane_array,
    list_lanes,
    load,
    mask_bits,
    spread,
    store,
    store_from,
    sum_of_lanes,
    transpose_block,
)
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
from .vectors import fma


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


@inlined
def list_contenders(noise, inverse_weights, limit, lightest, light, heavy):
    """List the light and the heavy categories of a row; their numbers. Lists end with eight that are there."""
    n_light, n_heavy = 0, 0
    for block in range(noise.shape[0] // WIDTH):
        is_light = load(noise, block) < limit
        is_heavy = load(inverse_weights, block) * lightest < limit
        n_light = list_lanes(light, n_light, block * WIDTH, is_light)
        n_heavy = list_lanes(heavy, n_heavy, block * WIDTH, is_heavy)
    for i in range(WIDTH):
        light[n_light + i], heavy[n_heavy + i] = 0, 0
    return n_light, n_heavy


@inlined
def meet_four(keys, payments, units, limit, members, at, given, sums):
    """As arsm_row.meet_one, of four members from the at-th on, each with sums of its own."""
    (sum_0, units_0), (sum_1, units_1), (sum_2, units_2), (sum_3, units_3) = sums
    member_keys, member_payments = members[0], members[1]
    common = keys, payments, units, limit
    given, sum_0, units_0 = meet_one(*common, member_keys[at], member_payments[at], given, sum_0, units_0)
    given, sum_1, units_1 = meet_one(*common, member_keys[at + 1], member_payments[at + 1], given, sum_1, units_1)
    given, sum_2, units_2 = meet_one(*common, member_keys[at + 2], member_payments[at + 2], given, sum_2, units_2)
    given, sum_3, units_3 = meet_one(*common, member_keys[at + 3], member_payments[at + 3], given, sum_3, units_3)
    return given, ((sum_0, units_0), (sum_1, units_1), (sum_2, units_2), (sum_3, units_3))


@called
def away_from_winner_of_row(
    noise, inverse_weights, values, share, inverse_total, base, limit, lightest, h, lists, members
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    Four light categories at a time or, where those are fewer, four heavy ones, against all of the other kind.
    Lists and members, (4, ...), must have room for 2 * WIDTH more than the row.
    """
    n_blocks = noise.shape[0] // WIDTH
    zero = spread(0.0)
    n_light, n_heavy = list_contenders(noise, inverse_weights, limit, lightest, lists[0], lists[1])
    by_light = n_light <= n_heavy
    n_members = min(n_light, n_heavy)
    numbers = lists[0] if by_light else lists[1]
    # Of each member: its key, of which the product with the other's is below the limit where a swap changes the
    # winner; what the other receives then; and the difference or, of light ones, 1.
    for i in range(0, n_members, WIDTH):
        noise_i = gather_listed(noise, numbers, i)
        weight = fma(noise_i, inverse_total, spread(share))
        difference = gather_listed(values, numbers, i) - base
        if by_light:
            store_from(members[0], i, noise_i)
            store_from(members[1], i, weight)
            store_from(members[2], i, spread(1.0))
        else:
            store_from(members[0], i, gather_listed(inverse_weights, numbers, i))
            store_from(members[1], i, difference * weight)
            store_from(members[2], i, difference)
    store_from(members[0], n_members, spread(np.inf))
    difference_sum, h_lanes = zero, zero
    for i in range(0, n_members, 4):
        sums = (zero, zero), (zero, zero), (zero, zero), (zero, zero)
        for block in range(n_blocks):
            noise_j = load(noise, block)
            weight = fma(noise_j, inverse_total, share)
            if by_light:
                difference = load(values, block) - base
                given, sums = meet_four(
                    load(inverse_weights, block), difference * weight, difference, limit, members, i, zero, sums
                )
                given = given * difference
            else:
                given, sums = meet_four(noise_j, weight, spread(1.0), limit, members, i, zero, sums)
            store(h, block, load(h, block) + given)
            h_lanes = h_lanes + given
        for k in range(4):
            members[3, i + k] = sum_of_lanes(sums[k][0])
            difference_sum = fma(sums[k][1], spread(members[2, i + k]), difference_sum)
    # Put into h at the end: a number there would hold up the next vector that is read.
    h_sum = sum_of_lanes(h_lanes)
    for i in range(n_members):
        total = members[3, i] if by_light else members[3, i] * members[2, i]
        h[np.uint32(numbers[i])] += total
        h_sum += total
    return sum_of_lanes(difference_sum), h_sum


@called
def add_tiles(
    key, n_samples, first_tile, stop_tile, n, weights, weighed, values, mean, squares, value, seen,
    tiles, rows, lists,
):  # fmt: skip
    """As medium_row_moments of some tiles, with room for the rows of one."""
    noise, own_weights, own_values, lane_h = tiles
    noise_rows, weight_rows, value_rows, h_rows, rest = rows
    contenders, members, lanes_seen = lists
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
                for c in range(n, n_padded):
                    store(noise, c, spread(EXCLUDED))
                spread_rows(noise[:n_padded], noise_rows)
                if not rows_are_spread:
                    spread_rows(own_weights, weight_rows)
                    spread_rows(own_values, value_rows)
                    rows_are_spread = True
            for lane in range(n_own):
                row = first_row + lane
                padded = slice(lane * n_padded, (lane + 1) * n_padded)
                h = h_rows[padded]
                row_h_sum, row_difference_sum = rest[1, lane], rest[2, lane]
                winner = int(rest[3, lane])
                h[winner] = rest[4, lane]
                if rest[7, lane] <= rest[6, lane]:
                    own_noise = noise_rows[padded]
                    own_noise[winner] = EXCLUDED
                    away_difference, away_h = away_from_winner_of_row(
                        own_noise, weight_rows[padded], value_rows[padded], 1.0 / n, -1.0 / rest[5, lane],
                        rest[0, lane], rest[6, lane], rest[7, lane], h, contenders, members,
                    )  # fmt: skip
                    row_h_sum += away_h
                    row_difference_sum += away_difference
                value[row] += rest[0, lane] + 2.0 * row_difference_sum / (float(n) * n)
                own = slice(row * n, (row + 1) * n)
                add_sample(h[:n], row_h_sum / n, sample + 1, mean[own], squares[own])
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
    lists = (
        np.empty((2, n_padded + 2 * WIDTH), np.int32),
        np.empty((4, n_padded + 2 * WIDTH)),
        np.empty(n, np.uint64),
    )
    return add_tiles(
        key, n_samples, own_tiles.start, own_tiles.stop, n, weights, weighed, values, mean, squares, value, seen,
        tiles, rows, lists,
    )  # fmt: skip
