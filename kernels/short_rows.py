"""ARSM of short rows side by side: the gradient of merge.arsm_row for drawn noise, a row in each lane.

What rows do differently costs no mispredicted branches here, and short rows cost no more for a category than long
ones. All steps work on the lanes of `several`, of one tile or of two (see lanes.py). Level racers, which drawn
noise has as good as never, are not told apart by number; and what is level but for the last digit, other kernels
may tell apart otherwise.
"""

import numpy as np

from ._jit import called, inlined
from .bits import bit_count
from .lanes import GROUPS, WIDTH, load_eight, load_several, mask_bits, spread_several, store_from, store_several
from .marks import store_marks
from .merge import EXCLUDED
from .room import empty
from .tasks import items_of, tasks
from .tile import BLOCK, block_room, draw_block, lanes_up_to, numbers_of_group
from .transposed import load_rows, load_weights, store_rows
from .vectors import REGISTER, as_bits, as_float, few_turns, fma, select

ZERO, ONE = np.uint64(0), np.uint64(1)
# So many rows lie side by side.
CHUNK = GROUPS * WIDTH
ALL_OF_SEVERAL = np.uint64(2 ** (GROUPS * REGISTER) - 1)

# A tile here is an array, where in it the first category begins, and how far after that it does for more rows.


@inlined
def category(tile, c):
    """What several rows have of a category."""
    array, start, step = tile
    return load_several(array, start + c * WIDTH, step)


@inlined
def set_category(tile, c, entries):
    """Set that."""
    array, start, step = tile
    store_several(array, start + c * WIDTH, step, entries)


@inlined
def run_race(n, noise, inverse_weights, values):
    """The race of several rows.

    Results: the sum of the noise; the two first race values, and their categories' numbers and values, where
    there is no second infinity, 0 and 0; the winner's noise and inverse weight; and the sum of all values'
    squares.
    """
    zero = spread_several(0.0)
    number = as_bits(zero)
    total, first, second, first_at, second_at = (
        zero,
        spread_several(np.inf),
        spread_several(np.inf),
        number,
        number,
    )
    first_noise, first_inverse_weight, first_value, second_value, squares = zero, zero, zero, zero, zero
    for c in range(n):
        noise_c, inverse_weight_c, value_c = category(noise, c), category(inverse_weights, c), category(values, c)
        race_value = noise_c * inverse_weight_c
        is_first, is_second = race_value < first, race_value < second
        second = select(is_first, first, select(is_second, race_value, second))
        second_at = select(is_first, first_at, select(is_second, number, second_at))
        second_value = select(is_first, first_value, select(is_second, value_c, second_value))
        first = select(is_first, race_value, first)
        first_at = select(is_first, number, first_at)
        first_value = select(is_first, value_c, first_value)
        first_noise = select(is_first, noise_c, first_noise)
        first_inverse_weight = select(is_first, inverse_weight_c, first_inverse_weight)
        total = total + noise_c
        squares = fma(value_c, value_c, squares)
        number = number + ONE
        few_turns()
    winner = first_noise, first_inverse_weight
    return total, (first, first_at, first_value), (second, second_at, second_value), winner, squares


@inlined
def swap_winner(n, noise, inverse_weights, values, race, inverse_total, h, differences, limits, seen_by, lane):
    """Set h to the swaps of the winner with each category, but for the winner's entry, and mark who wins.

    The winner's noise is EXCLUDED afterwards, differences are those of values to the winner's, and a loser wins
    the swap with another whose noise is below its limit. Results: the sum of d_zj, its product with the noise,
    the smallest noise of a loser, and bits of where the second ever wins.
    """
    _, (first_race, first_at, base), (second_race, _, second_value), (winner_noise, winner_inverse_weight), _ = (
        race
    )
    zero, share = spread_several(0.0), spread_several(1.0 / n)
    winner_weight = fma(winner_noise, inverse_total, share)
    second_difference = second_value - base
    difference_sum, weighed, lightest = zero, zero, spread_several(EXCLUDED)
    second_bits = ZERO
    for j in range(n):
        noise_j, inverse_weight_j, value_j = category(noise, j), category(inverse_weights, j), category(values, j)
        z_value, j_value = noise_j * winner_inverse_weight, inverse_weight_j * winner_noise
        set_category(limits, j, first_race / inverse_weight_j)
        # Where j is z all are the same, and j "wins" with a difference of zero; and where it is the second,
        # either the swap lowers its value, or the noise that z gets is smaller, and z still wins.
        j_wins = j_value <= select(z_value < second_race, z_value, second_race)
        beats_z = second_race < z_value
        own_bits = mask_bits(j_wins)
        seen_by[j] |= own_bits << np.uint64(lane)
        second_bits |= mask_bits(beats_z) & ~own_bits
        own_difference = value_j - base
        set_category(differences, j, own_difference)
        difference = select(j_wins, own_difference, select(beats_z, second_difference, zero))
        set_category(h, j, difference * winner_weight)
        difference_sum = difference_sum + difference
        weighed = fma(difference, noise_j, weighed)
        noise_j = select(first_at != np.uint64(j), noise_j, EXCLUDED)
        set_category(noise, j, noise_j)
        lightest = select(noise_j < lightest, noise_j, lightest)
        few_turns()
    return difference_sum, weighed, lightest, second_bits


@inlined
def mark_rest(n, limits, lightest, second_at, second_bits, seen_by, lane):
    """Mark what wins the swap with the lightest loser, and the second where it wins with the winner's noise.

    The former are all that win a swap of two losers.
    """
    for c in range(n):
        bits = mask_bits(lightest < category(limits, c)) | (second_bits & ~mask_bits(second_at != np.uint64(c)))
        seen_by[c] |= bits << np.uint64(lane)


@inlined
def loser(c, noise, limits, differences):
    """What decides a loser's swaps: its noise, its limit and its difference."""
    return category(noise, c), category(limits, c), category(differences, c)


@inlined
def difference_of(one, two):
    """d_cj of two losers: of two that swap at most one wins."""
    one_wins, two_wins = two[0] < one[1], one[0] < two[1]
    return select(two_wins, two[2], select(one_wins, one[2], 0.0))


@inlined
def meet_two(c, one, two, weights, losers, h, sums):
    """Swap a loser with two others, and add to h what it receives.

    Of each of the two there are sums of d_cj, and of those times the noise.
    """
    sum_one, sum_two, weighed_one, weighed_two = sums
    other = loser(c, *losers)
    difference = difference_of(other, one)
    sum_one = sum_one + difference
    weighed_one = fma(difference, other[0], weighed_one)
    received = fma(difference, weights[0], category(h, c))
    difference = difference_of(other, two)
    set_category(h, c, fma(difference, weights[1], received))
    return sum_one, sum_two + difference, weighed_one, fma(difference, other[0], weighed_two)


@inlined
def swap_losers(n, noise, limits, differences, inverse_total, h):
    """Add the swaps of two losers to h. Results: the sum of their d_cj, and what they add to that of h.

    All pairs, without branches: of some row nearly every category is light or heavy. Two categories at a time
    meet each other, and half of the others, which follow in a ring: so that nearly all loops have as many turns,
    which a processor foresees. The winner's difference is zero, and its noise EXCLUDED.
    """
    zero, share = spread_several(0.0), spread_several(1.0 / n)
    losers = noise, limits, differences
    if n % 2 == 1:  # one more, for which these tiles have room, and which swaps with nobody
        set_category(noise, n, spread_several(EXCLUDED))
        for tile in (limits, differences, h):
            set_category(tile, n, zero)
    difference_sum, h_sum = zero, zero
    n_pairs = (n + 1) // 2
    for pair in range(n_pairs):
        first = 2 * pair
        one, two = loser(first, *losers), loser(first + 1, *losers)
        weights = fma(one[0], inverse_total, share), fma(two[0], inverse_total, share)
        sums = zero, zero, zero, zero
        c = first
        # If the number of pairs is even, of two that are opposite one meets the other.
        for _ in range((n_pairs - 1 + (pair < n_pairs // 2)) // 2):
            c = c + 2 if c + 2 < n else 0
            sums = meet_two(c, one, two, weights, losers, h, sums)
            sums = meet_two(c + 1, one, two, weights, losers, h, sums)
            few_turns()
        sum_one, sum_two, weighed_one, weighed_two = sums
        difference = difference_of(one, two)
        difference_sum = difference_sum + (sum_one + sum_two + difference)
        received_one = fma(weighed_one, inverse_total, fma(sum_one, share, difference * weights[1]))
        received_two = fma(weighed_two, inverse_total, fma(sum_two, share, difference * weights[0]))
        set_category(h, first, category(h, first) + received_one)
        set_category(h, first + 1, category(h, first + 1) + received_two)
        h_sum = h_sum + fma(sum_one, weights[0], received_one) + fma(sum_two, weights[1], received_two)
    return difference_sum, h_sum


@inlined
def arsm_of_several(n, noise, inverse_weights, values, wanted, h, differences, limits, seen_by, lane):
    """Write h but for the winner's entry, and mark what f is needed at, by bits from a lane on.

    The noise is used up. Results: the winner, its entry of h, what is to be subtracted from h, the mean of f over
    the swaps, and the sum of the values' squares. Unless wanted only the marks count, and values may be any.
    """
    race = run_race(n, noise, inverse_weights, values)
    total, (first_race, first_at, base), (_, second_at, _), (winner_noise, _), squares = race
    inverse_total, share = -1.0 / total, spread_several(1.0 / n)
    difference_sum, weighed, lightest, second_bits = swap_winner(
        n, noise, inverse_weights, values, race, inverse_total, h, differences, limits, seen_by, lane
    )
    mark_rest(n, limits, lightest, second_at, second_bits, seen_by, lane)
    h_winner = fma(weighed, inverse_total, difference_sum * share)
    h_sum = fma(difference_sum, fma(winner_noise, inverse_total, share), h_winner)
    if wanted and n > 2 and mask_bits(lightest <= first_race):
        own_difference_sum, own_h_sum = swap_losers(n, noise, limits, differences, inverse_total, h)
        # Zeros for rows that have no such swaps, as beside others that have none either.
        difference_sum, h_sum = difference_sum + own_difference_sum, h_sum + own_h_sum
    value = fma(difference_sum, 2.0 * share * share, base)
    return first_at, h_winner, h_sum * share, value, squares


@inlined
def add_sample(n, h, first_at, h_winner, shift, count, mean, squares):
    """Add the count-th gradient of several rows to their moments; the first sets them.

    Of single samples mean may be h, and squares are left alone where they are empty.
    """
    inverse_count = 1.0 / count
    rest = spread_several(1.0 - inverse_count)
    for c in range(n):
        sample = select(first_at != np.uint64(c), category(h, c), h_winner) - shift
        few_turns()
        if count == 1:
            set_category(mean, c, sample)
            if squares[0].shape[0] > 0:
                set_category(squares, c, spread_several(0.0))
        else:
            deviation = sample - category(mean, c)
            set_category(mean, c, fma(deviation, spread_several(inverse_count), category(mean, c)))
            set_category(squares, c, fma(deviation * rest, deviation, category(squares, c)))


@inlined
def store_seen(seen_by, group, first, n_own, n, seen):
    """Write what the lanes of a tile have seen to n_own rows."""
    for block in range(0, n if n >= WIDTH else 0, WIDTH):
        c = min(block, n - WIDTH)
        bits = as_bits(load_eight(seen_by, c)) >> np.uint64(group * WIDTH)
        for lane in range(n_own):
            store_marks(seen, (first + lane) * n + c, as_float((bits >> np.uint64(lane)) & ONE) != 0.0)
    for lane in range(n_own if n < WIDTH else 0):
        for c in range(n):
            seen[(first + lane) * n + c] = (seen_by[c] >> np.uint64(group * WIDTH + lane)) & ONE


@called
def add_chunks(
    key, n_samples, first_chunk, stop_chunk, n, weights, weighed, values, mean, squares, value, seen, noise_room,
    tiles, seen_by, value_sums,
):  # fmt: skip
    """As short_row_moments of some chunks, with room."""
    own_weights, own_values, h, differences, limits, own_mean, own_squares = tiles
    noise = noise_room[1]
    n_rows, size, weights_size = value.shape[0], numbers_of_group(n), n * WIDTH
    wanted = mean.shape[0] > 0
    n_seen, n_bad, n_large = 0, 0, 0
    arrays = weights, values, mean
    for block in range(first_chunk, stop_chunk, BLOCK // GROUPS):
        n_chunks, block_row = min(BLOCK // GROUPS, stop_chunk - block), block * CHUNK
        # Of single samples the noise of several chunks is drawn together.
        if n_samples == 1:
            draw_block(key[0], key[1], np.int64(0), block_row, n_chunks * GROUPS, n, noise_room, arrays)
        n_bad += not load_weights(weights, weighed, block_row, n_chunks * GROUPS, n_rows, n, own_weights)
        for chunk in range(n_chunks):
            row = block_row + chunk * CHUNK
            for c in range(n):
                seen_by[c] = ZERO
            for group in range(GROUPS if wanted else 0):
                load_rows(values, row + group * WIDTH, n_rows, n, own_values, group * size)
            for sample in range(n_samples):
                noise_start = chunk * GROUPS * size
                if n_samples > 1:
                    draw_block(key[0], key[1], sample, row, GROUPS, n, noise_room, arrays)
                    noise_start = 0
                for lane in range(0, WIDTH, REGISTER):
                    weights_start = chunk * GROUPS * weights_size + lane
                    inverse_weights, tile_h = (own_weights, weights_start, weights_size), (h, lane, size)
                    first_at, h_winner, shift, sample_value, value_squares = arsm_of_several(
                        n, (noise, noise_start + lane, size), inverse_weights,
                        (own_values, lane, size) if wanted else inverse_weights, wanted, tile_h,
                        (differences, lane, size), (limits, lane, size), seen_by, lane,
                    )  # fmt: skip
                    if not wanted:
                        continue
                    n_large += mask_bits(value_squares < np.inf) != ALL_OF_SEVERAL
                    sums = value_sums, lane, WIDTH
                    set_category(sums, 0, sample_value if sample == 0 else category(sums, 0) + sample_value)
                    add_sample(
                        n, tile_h, first_at, h_winner, shift, sample + 1, (own_mean, lane, size),
                        (own_squares, lane, size),
                    )  # fmt: skip
            for group in range(GROUPS):
                first = row + group * WIDTH
                n_own = min(WIDTH, n_rows - first)
                if wanted:
                    store_rows(own_mean, group * size, first, n_rows, n, mean)
                    if n_own == WIDTH:
                        store_from(value, first, load_eight(value_sums, group * WIDTH))
                    else:
                        for lane in range(n_own):
                            value[first + lane] = value_sums[group * WIDTH + lane]
                if n_samples > 1:
                    store_rows(own_squares, group * size, first, n_rows, n, squares)
                if seen.shape[0] > 0:
                    store_seen(seen_by, group, first, n_own, n, seen)
            own_rows = lanes_up_to(min(CHUNK, n_rows - row))
            for c in range(n):
                n_seen += bit_count(seen_by[c] & own_rows)
    return n_seen, n_bad, n_large


@tasks("(value.shape[0] + CHUNK - 1) // CHUNK", "n * n_samples * CHUNK", sums=3)
def short_row_moments(
    task, key, n_samples, n, weights, weighed, values, mean, squares, value, seen
):  # fmt: skip
    """Moments of the gradient of rows of n categories each, side by side, and sums of values.

    The weights are inverse weights or, unless weighed, logits. squares and seen may be empty: for one sample, and
    where the number of values needed is enough; so may mean, for one sample, where what is seen is, and no values
    are read then. That number is the first result; the others are not 0 where logits are refused, and where the
    squares of some values are no numbers.
    """
    chunks = items_of(task, (value.shape[0] + CHUNK - 1) // CHUNK, n * n_samples * CHUNK)
    size = GROUPS * numbers_of_group(n)
    h, differences, limits = empty(np.float64, size), empty(np.float64, size), empty(np.float64, size)
    own_mean, own_squares = (h, h[:0]) if n_samples == 1 else (empty(np.float64, size), empty(np.float64, size))
    own_weights, own_values = empty(np.float64, BLOCK * n * WIDTH), empty(np.float64, size)
    tiles = own_weights, own_values, h, differences, limits, own_mean, own_squares
    return add_chunks(
        key, n_samples, chunks.start, chunks.stop, n, weights, weighed, values, mean, squares, value, seen,
        block_room(n), tiles, empty(np.uint64, n), empty(np.float64, CHUNK),
    )  # fmt: skip
