"""ARSM of eight rows side by side, each with weights and values of its own and too long for tile.py.

Noise, race and the swaps of the winner are tile.py's, a row a lane. The swaps of two losers differ too much from
row to row, and are done one row at a time, eight categories side by side.
"""

import numpy as np

from ._jit import called, inlined
from .bits import bit_count, lowest_bit
from .lanes import WIDTH, lane_array, load, mask_bits, spread, store, sum_of_lanes, transpose_block
from .merge import EXCLUDED
from .moments import add_sample
from .tasks import items_of, tasks
from .tile import draw_tile, lanes_up_to, load_rows, load_weights, race_tile, row_of_winner_tile, store_seen
from .vectors import fma, select


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
def count_below(row, factor, limit):
    """The number of entries of a row with row[i] * factor < limit."""
    count = 0
    for block in range(row.shape[0] // WIDTH):
        count += bit_count(mask_bits(load(row, block) * factor < limit))
    return count


@inlined
def list_below(row, factor, limit, members):
    """List the entries of a row with row[i] * factor < limit."""
    n = 0
    for block in range(row.shape[0] // WIDTH):
        bits = mask_bits(load(row, block) * factor < limit)
        while bits:
            members[n] = block * WIDTH + lowest_bit(bits)
            n += 1
            bits &= bits - np.uint64(1)


@called
def away_from_winner_of_row(
    noise, inverse_weights, values, share, inverse_total, base, limit, lightest, h, members, totals
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    From one light category to the next or, where those are fewer, from one heavy one to the next, each against
    all categories of the other kind.
    """
    n_blocks = noise.shape[0] // WIDTH
    zero = spread(0.0)
    n_light = count_below(noise, 1.0, limit)
    n_heavy = count_below(inverse_weights, lightest, limit)
    by_light = n_light <= n_heavy
    if by_light:
        list_below(noise, 1.0, limit, members)
    else:
        list_below(inverse_weights, lightest, limit, members)
    n_members = min(n_light, n_heavy)
    difference_sum, h_sum = 0.0, 0.0
    # What each category's swaps give the other one is kept in `totals` until the end: a number put into h would
    # hold up the next vector that is read there.
    for i in range(n_members):
        member = members[i]
        weight_of_member = fma(noise[member], inverse_total, share)
        differences, received = zero, zero
        if by_light:
            key = noise[member]
            for block in range(n_blocks):
                difference = select(load(inverse_weights, block) * key < limit, load(values, block) - base, zero)
                store(h, block, fma(difference, weight_of_member, load(h, block)))
                differences = differences + difference
                received = fma(difference, fma(load(noise, block), inverse_total, share), received)
            total, difference_total = sum_of_lanes(received), sum_of_lanes(differences)
            h_sum += total + weight_of_member * difference_total
        else:
            key = inverse_weights[member]
            difference = values[member] - base
            given = difference * weight_of_member
            for block in range(n_blocks):
                wins = load(noise, block) * key < limit
                store(h, block, load(h, block) + select(wins, given, zero))
                differences = differences + select(wins, 1.0, zero)
                received = received + select(wins, fma(load(noise, block), inverse_total, share), zero)
            total = sum_of_lanes(received) * difference
            difference_total = sum_of_lanes(differences) * difference
            h_sum += total + weight_of_member * difference_total
        totals[i] = total
        difference_sum += difference_total
    for i in range(n_members):
        h[members[i]] += totals[i]
    return difference_sum, h_sum


@called
def add_tiles(
    key, n_samples, first_tile, stop_tile, n, weights, weighed, values, mean, squares, value, seen,
    tiles, rows, lists,
):  # fmt: skip
    """As medium_row_moments of some tiles, with room for the rows of one."""
    noise, own_weights, own_values, lane_h = tiles
    noise_rows, weight_rows, value_rows, h_rows, rest = rows
    members, totals, lanes_seen = lists
    n_padded = own_weights.shape[0]
    for c in range(n, n_padded):  # padding, that never wins
        store(own_weights, c, spread(np.inf))
        store(own_values, c, spread(0.0))
        store(lane_h, c, spread(0.0))
    n_rows = value.shape[0]
    n_seen, n_bad = 0, 0
    for tile in range(first_tile, stop_tile):
        first_row = tile * WIDTH
        n_own = min(WIDTH, n_rows - first_row)
        n_bad += not load_weights(weights, weighed, first_row, n_rows, n, own_weights)
        load_rows(values, first_row, n_rows, n, own_values)
        spread_rows(own_weights, weight_rows)
        spread_rows(own_values, value_rows)
        lanes_seen[:] = 0
        value[first_row : first_row + n_own] = 0.0
        for sample in range(n_samples):
            draw_tile(key, sample, 0, first_row, 1, n, noise)
            total, first_at, second_at, limit, second_value = race_tile(noise, own_weights[:n])
            race = first_at, second_at, limit, second_value
            h_winner, h_sum, base, difference_sum, lightest = row_of_winner_tile(
                noise, own_weights[:n], own_values, -1.0 / total, race, lane_h, lanes_seen
            )
            for c in range(n):
                lanes_seen[c] |= mask_bits(lightest * load(own_weights, c) < limit)
            for c in range(n, n_padded):
                store(noise, c, spread(EXCLUDED))
            for i, lanes in enumerate((base, h_sum, difference_sum, first_at, h_winner, total, limit, lightest)):
                store(rest, i, lanes)
            spread_rows(lane_h, h_rows)
            spread_rows(noise[:n_padded], noise_rows)
            for lane in range(n_own):
                row = first_row + lane
                padded = slice(lane * n_padded, (lane + 1) * n_padded)
                own_noise, h = noise_rows[padded], h_rows[padded]
                row_h_sum, row_difference_sum = rest[1, lane], rest[2, lane]
                winner = int(rest[3, lane])
                h[winner] = rest[4, lane]
                own_noise[winner] = EXCLUDED
                if rest[7, lane] <= rest[6, lane]:
                    away_difference, away_h = away_from_winner_of_row(
                        own_noise, weight_rows[padded], value_rows[padded], 1.0 / n, -1.0 / rest[5, lane],
                        rest[0, lane], rest[6, lane], rest[7, lane], h, members, totals,
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
    return n_seen, n_bad


@tasks("(value.shape[0] + WIDTH - 1) // WIDTH", "n * n_samples * WIDTH", sums=2)
def medium_row_moments(
    task, key, n_samples, n, weights, weighed, values, mean, squares, value, seen
):  # fmt: skip
    """As tile.short_row_moments, for rows of which not all pairs are to be compared."""
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
    lists = np.empty(n_padded, np.int64), np.empty(n_padded), np.empty(n, np.uint64)
    return add_tiles(
        key, n_samples, own_tiles.start, own_tiles.stop, n, weights, weighed, values, mean, squares, value, seen,
        tiles, rows, lists,
    )  # fmt: skip
