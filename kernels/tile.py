"""ARSM of one row for eight samples side by side: entry 8 c + i of a tile belongs to category c and sample i.

The same gradient as merge.arsm_row, arranged for many samples of one row: every step works on all eight at
once, so that short rows cost no more for a category than long ones, and what the samples do differently costs
no mispredicted branches. The categories sorted by weight serve all samples: the heavy categories that win the
swap with a light one are then a prefix of that order, walked through directly. Level racers, which drawn noise
has as good as never, are not told apart here by number.
"""

import numpy as np

from ._jit import exact, exact_call
from .exponential import NOISE_STREAM, exponential
from .lanes import WIDTH, lane_array, load, mask_bits, multiply_add, select, spread, store, sum_of_lanes
from .philox import LOW_WORD, WORD_BITS, philox

LANES_PER_PAGE = 4096 // (8 * WIDTH)


@exact
def draw_tile(key, first_sample, row, n, out):
    """The noise of eight samples: what exponential.fill_exponentials gives for each of them."""
    key_0 = key & LOW_WORD
    key_1 = key >> WORD_BITS
    row = np.uint64(row)
    first_sample = np.uint64(first_sample)
    for i in range((n + 1) // 2):
        pair = out[2 * WIDTH * i : 2 * WIDTH * (i + 1)]
        for lane in range(WIDTH):
            sample = first_sample + np.uint64(lane)
            x0, x1, x2, x3 = philox(np.uint64(i), row, sample, NOISE_STREAM, key_0, key_1)
            pair[lane] = exponential(x0, x1)
            pair[WIDTH + lane] = exponential(x2, x3)


@exact
def race_tile(noise, inverse_weights, racers):
    """The sum of the noise; rows 0 to 3 of racers get the two first's numbers and race values."""
    total = spread(0.0)
    first, second = spread(np.inf), spread(np.inf)
    first_at, second_at = spread(-1.0), spread(-1.0)
    for c in range(inverse_weights.shape[0]):
        entry = load(noise, c)
        total = total + entry
        value = entry * inverse_weights[c]
        if mask_bits(value < second):
            at = spread(np.float64(c))
            before_first = value < first
            before_second = value < second
            second = select(before_first, first, select(before_second, value, second))
            second_at = select(before_first, first_at, select(before_second, at, second_at))
            first = select(before_first, value, first)
            first_at = select(before_first, at, first_at)
    store(racers, 0, first_at)
    store(racers, 1, second_at)
    store(racers, 2, first)
    store(racers, 3, second)
    return total


@exact
def gather_racers(noise, inverse_weights, values, racers, seen):
    """Rows 4 to 7 of racers: the two first's values, and the winners' noise and inverse weights.

    The winners' noise becomes infinite in the tile, which takes them out of what follows.
    """
    for lane in range(WIDTH):
        for rank in range(2):
            c = max(0, int(racers[rank * WIDTH + lane]))
            racers[(4 + rank) * WIDTH + lane] = values[c]
        winner = int(racers[lane])
        racers[6 * WIDTH + lane] = noise[winner * WIDTH + lane]
        racers[7 * WIDTH + lane] = inverse_weights[winner]
        noise[winner * WIDTH + lane] = np.inf
        seen[winner] = True


@exact
def row_of_winner_tile(noise, inverse_weights, values, inverse_total, racers, h, seen):
    """Set h to the swaps of z with every j.

    Results: the sums of d_zj and of h, and the smallest noise of a loser.
    """
    second_at, second_value = load(racers, 1), load(racers, 3)
    base = load(racers, 4)
    second_difference = load(racers, 5) - base
    winner_noise, winner_inverse_weight = load(racers, 6), load(racers, 7)
    zero = spread(0.0)
    share = spread(1.0 / inverse_weights.shape[0])
    winner_weight = multiply_add(winner_noise, inverse_total, share)
    difference_sum, h_winner = zero, zero
    lightest = spread(np.inf)
    second_wins_ever = zero < zero
    for j in range(inverse_weights.shape[0]):
        entry = load(noise, j)
        lightest = select(entry < lightest, entry, lightest)
        z_value = entry * winner_inverse_weight
        j_value = winner_noise * inverse_weights[j]
        # Of the two first one still wins after their swap; and where j is z, whose noise is infinite here, j
        # "wins" with a difference of zero.
        rest_value = select(second_at == np.float64(j), spread(np.inf), second_value)
        j_wins = (j_value < rest_value) & (j_value < z_value)
        second_wins = (rest_value < z_value) & (rest_value <= j_value)
        second_wins_ever = second_wins_ever | second_wins
        difference = select(second_wins, second_difference, zero)
        difference = select(j_wins, values[j] - base, difference)
        seen[j] |= mask_bits(j_wins) != 0
        store(h, j, difference * winner_weight)
        difference_sum = difference_sum + difference
        weight = select(difference != 0.0, multiply_add(entry, inverse_total, share), zero)
        h_winner = multiply_add(difference, weight, h_winner)
    store(racers, 8, h_winner)
    second_bits = mask_bits(second_wins_ever)
    for lane in range(WIDTH):
        h[int(racers[lane]) * WIDTH + lane] = racers[8 * WIDTH + lane]
        if second_bits & (np.uint64(1) << np.uint64(lane)):
            seen[int(racers[WIDTH + lane])] = True
    return difference_sum, multiply_add(difference_sum, winner_weight, h_winner), lightest


@exact
def heavy_in_place(place, order, noise, inverse_weights, values, inverse_total, racers, lightest, seen):
    """Number, inverse weight, D a and D of a heavy category; past the last one, of one that never wins."""
    n = inverse_weights.shape[0]
    if place >= n:
        return order[n - 1], spread(np.inf), spread(0.0), spread(0.0)
    c = order[place]
    inverse_weight = spread(inverse_weights[c])
    seen[c] |= mask_bits(lightest * inverse_weight < load(racers, 2)) != 0
    difference = values[c] - load(racers, 4)
    weight = multiply_add(load(noise, c), inverse_total, spread(1.0 / n))
    # Where c is the winner itself, its noise in the tile is infinite and its difference zero.
    weighted = select(difference != 0.0, difference * weight, spread(0.0))
    return c, inverse_weight, weighted, difference


@exact
def swap_with_heavy(entry, weight, limit, category, given, received, differences):
    """Add the swap of light j with one heavy category, in the lanes where that one wins."""
    _, inverse_weight, weighted_difference, difference = category
    zero = spread(0.0)
    wins = entry * inverse_weight < limit
    received = received + select(wins, weighted_difference, zero)
    differences = differences + select(wins, difference, zero)
    return given + select(wins, weight, zero), received, differences, mask_bits(wins)


@exact
def take(category, given, h):
    """Add to h what a heavy category's swaps give it, and return that."""
    c, _, _, difference = category
    total = difference * given
    store(h, c, load(h, c) + total)
    return total


@exact
def away_from_winner_tile(
    noise, inverse_weights, values, order, inverse_total, racers, lightest, h, seen, light
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d and of h."""
    n = inverse_weights.shape[0]
    limit = load(racers, 2)
    zero = spread(0.0)
    share = spread(1.0 / n)
    difference_sum, h_sum = zero, zero
    # Four places of the order at a time, without branches; only the j go on that have a longer prefix.
    for j in range(n):
        light[j] = j
    n_light = n
    place = 0
    while place < n and n_light > 0:
        common = (noise, inverse_weights, values, inverse_total, racers, lightest, seen)
        category_0 = heavy_in_place(place, order, *common)
        category_1 = heavy_in_place(place + 1, order, *common)
        category_2 = heavy_in_place(place + 2, order, *common)
        category_3 = heavy_in_place(place + 3, order, *common)
        given_0, given_1, given_2, given_3 = zero, zero, zero, zero
        n_left = 0
        for i in range(n_light):
            j = light[i]
            entry = load(noise, j)
            weight = multiply_add(entry, inverse_total, share)
            given_0, received, differences, _ = swap_with_heavy(
                entry, weight, limit, category_0, given_0, zero, zero
            )
            given_1, received, differences, _ = swap_with_heavy(
                entry, weight, limit, category_1, given_1, received, differences
            )
            given_2, received, differences, _ = swap_with_heavy(
                entry, weight, limit, category_2, given_2, received, differences
            )
            given_3, received, differences, bits = swap_with_heavy(
                entry, weight, limit, category_3, given_3, received, differences
            )
            light[n_left] = j
            n_left += bits != 0
            store(h, j, load(h, j) + received)
            difference_sum = difference_sum + differences
            h_sum = h_sum + received
        n_light = n_left
        h_sum = h_sum + take(category_0, given_0, h)
        h_sum = h_sum + take(category_1, given_1, h)
        h_sum = h_sum + take(category_2, given_2, h)
        h_sum = h_sum + take(category_3, given_3, h)
        place += 4
    return difference_sum, h_sum


@exact
def arsm_tile(noise, inverse_weights, values, order, h, seen, racers, light):
    """Write h, and return each sample's mean of f over the swaps and what to subtract from its h."""
    n = inverse_weights.shape[0]
    inverse_total = -1.0 / race_tile(noise, inverse_weights, racers)
    gather_racers(noise, inverse_weights, values, racers, seen)
    difference_sum, h_sum, lightest = row_of_winner_tile(
        noise, inverse_weights, values, inverse_total, racers, h, seen
    )
    if mask_bits(lightest <= load(racers, 2)):
        away_difference, away_h = away_from_winner_tile(
            noise, inverse_weights, values, order, inverse_total, racers, lightest, h, seen, light
        )
        difference_sum = difference_sum + away_difference
        h_sum = h_sum + away_h
    scale = 2.0 / (np.float64(n) * n)
    return load(racers, 4) + difference_sum * scale, h_sum * (1.0 / n)


@exact
def add_tile(h, shift, count, mean, squares):
    """Welford's update of eight streams of samples; the count-th tile, the first sets both arrays."""
    inverse_count = 1.0 / count
    share = 1.0 - inverse_count
    for c in range(mean.shape[0] // WIDTH):
        sample = load(h, c) - shift
        if count == 1:
            store(mean, c, sample)
            store(squares, c, spread(0.0))
        else:
            old = load(mean, c)
            deviation = sample - old
            store(mean, c, multiply_add(deviation, spread(inverse_count), old))
            store(squares, c, multiply_add(deviation * share, deviation, load(squares, c)))


@exact
def merge_streams(count, stream_mean, stream_squares, mean, squares):
    """The moments of all samples from those of eight streams of count samples each."""
    for c in range(mean.shape[0]):
        total = 0.0
        for lane in range(WIDTH):
            total += stream_mean[c * WIDTH + lane]
        center = total / WIDTH
        spread_sum = 0.0
        for lane in range(WIDTH):
            deviation = stream_mean[c * WIDTH + lane] - center
            spread_sum += stream_squares[c * WIDTH + lane] + count * deviation * deviation
        mean[c] = center
        squares[c] = spread_sum


@exact
def tile_room(n):
    """Room for tile_moments and rows of up to n categories: noise, h, two moments, racers and a list.

    The first four are walked through together, and lie so that the same place in two of them is never the
    same place in a page: processors take a load there for one that waits for the other's store.
    """
    pages = (n + 1 + LANES_PER_PAGE) // LANES_PER_PAGE
    length = pages * LANES_PER_PAGE + LANES_PER_PAGE // 4
    room = lane_array(4 * length + 9)
    step = length * WIDTH
    return (
        room[:step],
        room[step : 2 * step],
        room[2 * step : 3 * step],
        room[3 * step : 4 * step],
        room[4 * step :],
        np.empty(n + 1, np.int64),
    )


@exact_call
def tile_moments(
    key, first_sample, n_tiles, row, inverse_weights, values, order, mean, squares, seen, room
):  # fmt: skip
    """Moments of the gradient of 8 n_tiles samples of a row; the sum of their values."""
    noise, h, stream_mean, stream_squares, racers, light = room
    n = inverse_weights.shape[0]
    value_sum = 0.0
    for tile in range(n_tiles):
        draw_tile(key, first_sample + tile * WIDTH, row, n, noise)
        value, shift = arsm_tile(noise, inverse_weights, values, order, h, seen, racers, light)
        add_tile(h, shift, tile + 1, stream_mean[: n * WIDTH], stream_squares)
        value_sum += sum_of_lanes(value)
    merge_streams(np.float64(n_tiles), stream_mean, stream_squares, mean, squares)
    return value_sum
