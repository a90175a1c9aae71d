"""Noise of eight samples of a row, or eight rows, side by side, and ARSM of such samples.

Entry 8 c + i of a tile is the i-th's category c. The gradient is that of merge.arsm_row, but every step works on
all eight at once, and what they do differently costs no mispredicted branches. Level racers, which drawn noise
has as good as never, are not told apart here by number.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .ars import ars
from .arsm_row import two_smallest
from .bits import LOW_WORD, WORD_BITS
from .exponential import (
    FEW,
    MANY,
    NOISE_STREAM,
    ONE,
    ZERO,
    exponentials,
    exponentials_in_place,
    high_counters,
    in_order,
    load_many,
    low_counters,
)
from .lanes import (
    WIDTH,
    asking_for,
    entry,
    gather,
    lane_of,
    load,
    mark_at,
    mask_bits,
    scatter,
    some_of,
    spread,
    store,
    store_from,
    take,
)
from .losers import swap_losers_by_weight
from .merge import EXCLUDED
from .moments import merge_block
from .room import empty, tile_of, zeros
from .vectors import REGISTER, as_bits, as_float, blocks_from, fma, halves_in_turn, select

LANES_PER_PAGE = 4096 // (8 * WIDTH)
MANY_CATEGORIES, FEW_CATEGORIES = MANY // WIDTH, FEW // WIDTH
# Groups of eight rows whose noise is drawn together.
BLOCK = 4
# So many categories enter a race without branches.
UNPREDICTABLE = 64
STREAM = NOISE_STREAM << WORD_BITS
# Where in_order puts blocks of counters, each of two categories of one lane; there are a power of two of them.
PLACES = np.argsort(in_order(MANY // 2))

lanes_of_many = blocks_from([i % WIDTH for i in in_order(MANY // 2)])
pairs_of_lanes = blocks_from([i // WIDTH for i in in_order(MANY // 2)])
lanes_of_few = blocks_from(in_order(FEW // 2))
ask_for = asking_for(MANY)

turn_into_tiles = exponentials_in_place(halves_in_turn(WIDTH))


@inlined
def draw_tile(key, first_sample, sample_step, first_row, row_step, n, out):
    """The noise of n categories for eight samples or rows; an even number of them is written.

    It is what exponential.fill_exponentials gives for each of them.
    """
    first_sample = np.int64(first_sample) + np.int64(key[1])
    _draw_tile(key[0], first_sample, sample_step, first_row, row_step, n, out)


# With the pair of key as its argument it takes half as long again.
@called
def _draw_tile(key, first_sample, sample_step, first_row, row_step, n, out):
    low, low_step = low_counters(ZERO, first_row), low_counters(ZERO, row_step)
    high, high_step = np.uint64(first_sample), np.uint64(sample_step)
    n_many = n // MANY_CATEGORIES * MANY_CATEGORIES
    # Samples count modulo 2**32.
    many = lanes_of_many(low, high, low_step, high_step) & lanes_of_many(~ZERO, LOW_WORD, ZERO, ZERO)
    for c in range(0, n_many, MANY_CATEGORIES):
        # Not added, as LLVM can join the key to what stays the same.
        blocks = many ^ pairs_of_lanes(np.uint64(c // 2), STREAM, ONE, ZERO)
        store(out, c, as_float(ars(blocks, key)))
    turn_into_tiles(out, np.int64(0), n_many * WIDTH)
    few = lanes_of_few(low, high, low_step, high_step) & lanes_of_few(~ZERO, LOW_WORD, ZERO, ZERO)
    for c in range(n_many, n, FEW_CATEGORIES):
        store(out, c, exponentials(ars(few ^ lanes_of_few(np.uint64(c // 2), STREAM, ZERO, ZERO), key)))


@allocating
def block_room(n):
    """The counters of a block's noise, and room for that, for rows of n categories each.

    For each group and each two categories of it the counters are their number and the rows.
    """
    n_pairs = (n + 1) // 2
    n_words = 2 * BLOCK * n_pairs * WIDTH  # which are drawn MANY at a time, with none left over
    counters = zeros(np.uint64, n_words)
    for group in range(BLOCK):  # without divisions, which would take longer than many a row
        for pair in range(n_pairs):
            for lane in range(WIDTH):
                own = (group * n_pairs + pair) * WIDTH + lane
                place = own & ~(PLACES.size - 1) | PLACES[own & (PLACES.size - 1)]
                counters[2 * place] = low_counters(pair, group * WIDTH + lane)
    return counters, empty(np.float64, n_words)


@called
def draw_block(key, first_sample, sample, first_row, n_groups, n, room, arrays):
    """The noise of n categories of each row of a block, as tile.draw_tile; see tile_of_block.

    First come the generator's key and the number of its first sample. Meanwhile the same rows of the arrays,
    of n entries each, are brought near.
    """
    counters, noise = room
    first = low_counters(ZERO, first_row), high_counters(sample, (key, first_sample), NOISE_STREAM)
    for start in range(0, 2 * n_groups * ((n + 1) // 2) * WIDTH, MANY):
        ask_for(arrays, first_row * n + start)
        blocks = as_bits(load_many(counters, start)) + pairs_of_lanes(*first, ZERO, ZERO)
        store_from(noise, start, as_float(ars(blocks, key)))
    turn_into_tiles(noise, np.int64(0), 2 * n_groups * ((n + 1) // 2) * WIDTH)


@inlined
def numbers_of_group(n):
    """How many numbers of noise each group of a block has: for an even number of categories."""
    return (n + 1) // 2 * 2 * WIDTH


@allocating
def tile_of_block(room, group, n):
    """The noise of one group of a block: entry (c, i) belongs to category c of its i-th row."""
    start = group * numbers_of_group(n)
    return tile_of(room[1][start : start + n * WIDTH])


@inlined
def join_race(value, at, race):
    """The two smallest values of each lane and their numbers after another has joined."""
    first, second, first_at, second_at = race
    before_first = value < first
    return (
        select(before_first, value, first),
        select(before_first, first, select(value < second, value, second)),
        select(before_first, at, first_at),
        select(before_first, first_at, select(value < second, at, second_at)),
    )


@inlined
def race_tile(noise, inverse_weights, lane):
    """The sum of the noise, and the numbers and race values of the two first, of some lanes.

    Where there is no second its number is 0.
    """
    n = inverse_weights.shape[0]
    total, at = some_of(0.0), as_bits(some_of(0.0))
    race = some_of(np.inf), some_of(np.inf), at, at
    # The first few enter often and without a pattern.
    for c in range(min(n, UNPREDICTABLE)):
        noise_c = take(noise, c, lane)
        total = total + noise_c
        race = join_race(noise_c * take(inverse_weights, c, lane), at, race)
        at = at + ONE
    for c in range(UNPREDICTABLE, n):
        noise_c = take(noise, c, lane)
        total = total + noise_c
        value = noise_c * take(inverse_weights, c, lane)
        if mask_bits(value < race[1]):
            race = join_race(value, at, race)
        at = at + ONE
    first, second, first_at, second_at = race
    return total, first_at, second_at, first, second


@inlined
def winners_of_tile(noise, inverse_weights):
    """The number of the winner in each lane."""
    first, at = spread(np.inf), as_bits(spread(0.0))
    first_at = at
    for c in range(inverse_weights.shape[0]):
        value = load(noise, c) * entry(inverse_weights, c)
        before = value < first
        first = select(before, value, first)
        first_at = select(before, at, first_at)
        at = at + ONE
    return first_at


@inlined
def row_of_winner_tile(noise, inverse_weights, values, inverse_total, race, h, seen, lane):
    """Set h to the swaps of z with every j, but for its entry z, in some lanes.

    Results: the entry z of h, the sum of h, the winner's value, the sum of d_zj, and the smallest noise of a
    loser.
    """
    first_at, second_at, _, second_value = race
    base = gather(values, first_at, lane)
    second_difference = gather(values, second_at, lane) - base
    winner_noise = gather(noise, first_at, lane)
    winner_inverse_weight = gather(inverse_weights, first_at, lane)
    zero = some_of(0.0)
    share = some_of(1.0 / inverse_weights.shape[0])
    winner_weight = fma(winner_noise, inverse_total, share)
    difference_sum, weighed = zero, zero
    least, others = some_of(np.inf), some_of(np.inf)
    second_bits = ZERO
    for j in range(inverse_weights.shape[0]):
        noise_j = take(noise, j, lane)
        least, others = two_smallest(noise_j, least, others)
        z_value = noise_j * winner_inverse_weight
        j_value = winner_noise * take(inverse_weights, j, lane)
        # Where j is z all are the same, and j "wins" with a difference of zero; and where it is the second,
        # either the swap lowers its value, or the noise that z gets is smaller, and z still wins.
        j_wins, beats_z = j_value <= select(z_value < second_value, z_value, second_value), second_value < z_value
        own_bits = mask_bits(j_wins)
        seen[j] |= own_bits << np.uint64(lane)
        second_bits |= mask_bits(beats_z) & ~own_bits
        difference = select(beats_z, second_difference, zero)
        difference = select(j_wins, take(values, j, lane) - base, difference)
        store_from(h, j * WIDTH + lane, difference * winner_weight)
        difference_sum = difference_sum + difference
        weighed = fma(difference, noise_j, weighed)
    if second_bits:
        mark_at(seen, second_at, lane, second_bits)
    h_winner = fma(weighed, inverse_total, difference_sum * share)
    h_sum = fma(difference_sum, winner_weight, h_winner)
    lightest = select(least == winner_noise, others, least)
    return h_winner, h_sum, base, difference_sum, lightest


@inlined
def arsm_tile(noise, inverse_weights, values, order, light, h, seen, rest):
    """Write h but for the winner's, and return what it takes to finish it and the mean of f over the swaps.

    The categories are ordered by weight; light is room for a list, and rest for four of the tile's lines.
    """
    n = inverse_weights.shape[0]
    # A register of lanes at a time, so that what stays the same stays in registers.
    for lane in range(0, WIDTH, REGISTER):
        total, first_at, second_at, limit, second_value = race_tile(noise, inverse_weights, lane)
        inverse_total = -1.0 / total
        race = first_at, second_at, limit, second_value
        h_winner, h_sum, base, difference_sum, lightest = row_of_winner_tile(
            noise, inverse_weights, values, inverse_total, race, h, seen, lane
        )
        if n > 2 and mask_bits(lightest <= limit):
            scatter(noise, first_at, lane, EXCLUDED)
            difference_sum = difference_sum + swap_losers_by_weight(
                noise, inverse_weights, values, inverse_total, base, limit, lightest, h, seen, lane, order, light
            )
            new_sum = h_winner
            for c in range(n):
                new_sum = new_sum + take(h, c, lane)
            # To the bit what it is beside others that have no such swaps either.
            h_sum = select(lightest <= limit, new_sum, h_sum)
        scale = 2.0 / (np.float64(n) * n)
        store_from(rest, lane, as_float(first_at))
        store_from(rest, WIDTH + lane, h_winner)
        store_from(rest, 2 * WIDTH + lane, h_sum * (1.0 / n))
        store_from(rest, 3 * WIDTH + lane, base + difference_sum * scale)
    return (as_bits(load(rest, 0)), load(rest, 1), load(rest, 2)), load(rest, 3)


@inlined
def gradient_entry(h, c, rest):
    """One category's gradient, where rest is what arsm_tile left to finish."""
    first_at, h_winner, shift = rest
    return select(first_at != np.uint64(c), load(h, c), h_winner) - shift


@inlined
def add_tile(h, rest, count, mean, squares):
    """Welford's update of eight streams of samples; the count-th tile, the first sets both arrays."""
    inverse_count = 1.0 / count
    share = 1.0 - inverse_count
    for c in range(mean.shape[0]):
        sample = gradient_entry(h, c, rest)
        if count == 1:
            store(mean, c, sample)
            store(squares, c, spread(0.0))
        else:
            old = load(mean, c)
            deviation = sample - old
            store(mean, c, fma(deviation, spread(inverse_count), old))
            store(squares, c, fma(deviation * share, deviation, load(squares, c)))


@inlined
def merge_streams(n_streams, count, stream_mean, stream_squares, mean, squares):
    """The moments of all samples from those of the first streams, of count samples each."""
    for c in range(mean.shape[0]):
        total = 0.0
        for lane in range(n_streams):
            total += stream_mean[c, lane]
        center = total / n_streams
        spread_sum = 0.0
        for lane in range(n_streams):
            deviation = stream_mean[c, lane] - center
            spread_sum += stream_squares[c, lane] + count * deviation * deviation
        mean[c] = center
        squares[c] = spread_sum


@allocating
def tile_room(n):
    """Room for rows of up to n categories: noise, h and two moments; a list; and what is seen.

    The first four are walked through together, and lie so that the same place in two of them is never the
    same place in a page: processors take a load there for one that waits for the other's store.
    """
    pages = (n + 1 + LANES_PER_PAGE) // LANES_PER_PAGE
    length = pages * LANES_PER_PAGE + LANES_PER_PAGE // 4
    room = empty(np.float64, 4 * length * WIDTH)
    step = length * WIDTH
    return (
        tile_of(room[:step]),
        tile_of(room[step : 2 * step]),
        tile_of(room[2 * step : 3 * step]),
        tile_of(room[3 * step : 4 * step]),
        empty(np.int64, n),
        empty(np.uint64, n),
        empty(np.float64, 4 * WIDTH),
    )


@inlined
def lanes_up_to(n):
    """The mask of the first n lanes."""
    return (np.uint64(1) << np.uint64(n)) - np.uint64(1)


@allocating
def tile_moments(
    key, first_sample, n_samples, row, inverse_weights, values, order, mean, squares, seen, room
):  # fmt: skip
    """Moments of the gradient of samples of a row; the sum of their values."""
    noise, h, stream_mean, stream_squares, light, lanes_seen, rest_room = room
    n = inverse_weights.shape[0]
    n_tiles = n_samples // WIDTH
    n_left = n_samples - n_tiles * WIDTH
    seen[:] = False
    lanes_seen[:n] = 0
    value_sum = 0.0
    for tile in range(n_tiles + (n_left > 0)):
        if 0 < n_tiles == tile:
            merge_streams(WIDTH, n_tiles, stream_mean, stream_squares, mean, squares)
            for c in range(n):
                seen[c] |= lanes_seen[c] != 0
                lanes_seen[c] = 0
        draw_tile(key, first_sample + tile * WIDTH, 1, row, 0, n, noise)
        rest, value = arsm_tile(noise, inverse_weights, values, order, light, h, lanes_seen, rest_room)
        add_tile(h, rest, tile + 1 if tile < n_tiles else 1, stream_mean[:n], stream_squares)
        for lane in range(WIDTH if tile < n_tiles else n_left):
            value_sum += lane_of(value, lane)
    if n_left == 0:
        merge_streams(WIDTH, n_tiles, stream_mean, stream_squares, mean, squares)
    elif n_tiles == 0:
        merge_streams(n_left, 1, stream_mean, stream_squares, mean, squares)
    else:
        left_mean, left_squares = empty(np.float64, n), empty(np.float64, n)
        merge_streams(n_left, 1, stream_mean, stream_squares, left_mean, left_squares)
        merge_block(np.float64(n_left), left_mean, left_squares, np.float64(n_tiles * WIDTH), mean, squares)
    own_lanes = lanes_up_to(n_left if n_left > 0 else WIDTH)
    for c in range(n):
        seen[c] |= (lanes_seen[c] & own_lanes) != 0
    return value_sum
