"""True actions, and the estimators that need nothing else: REINFORCE, leave-one-out, AR and DisARM."""

import numpy as np

from ._jit import called, inlined
from .ars import ars
from .arsm_row import RACE_BLOCK
from .bits import lowest_bit
from .exp import CAUTION, exponential_about
from .exponential import (
    NOISE_STREAM,
    fill_exponentials,
    high_counters,
    low_counters,
    one_and_uniform,
)
from .lanes import WIDTH, lane_of, largest_lane, loading, mask_bits, store_from
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .race import race_scratch, smallest_race_value, winner_of
from .room import empty, flat, tile_of
from .tasks import items_of, tasks
from .tile import BLOCK as NOISE_BLOCK
from .tile import block_room, draw_block, draw_tile, numbers_of_group, winners_of_tile
from .transposed import load_weights
from .vectors import HAS_AVX512, blocks_from, select, spread_over
from .weights import exponentiate, largest_of

REINFORCE, LEAVE_ONE_OUT, AR, ANTITHETIC = 0, 1, 2, 3
# The likeliest category's race value is its noise, at most 52 log(2).
MOST_OF_WINNERS = 40.0
# So many bounds are made at a time: of steps that wait for one another there are few, and no loop is made of two.
MANY = 64 if HAS_AVX512 else 32
ALL_OF_MANY = np.uint64(2**MANY - 1)

load_many, many_of, pairs_of_many = loading(MANY), spread_over(MANY), blocks_from(range(MANY // 2))


@called
def race_on_few(key, sample, row, start, stop, weights, weighed, top, race, room):
    """The winner and its race value after up to MANY categories from an even one on have joined.

    And False where their weights are logits, one of which is refused.
    """
    winner, least = race
    _, noise, own_weights = room
    n = stop - start
    fill_exponentials(key, NOISE_STREAM, sample, row, start, noise[: (n + LANES - 1) // LANES * LANES])
    part, good = weights[start:stop], True
    if not weighed:
        good = exponentiate(top, part, own_weights)
        part = own_weights[:n]
    value = smallest_race_value(noise[:n], part)
    if value < least:
        for c in range(n):
            if noise[c] * part[c] == value:
                return (start + c, value), good
    return (winner, least), good


@called
def drawn_winner(key, sample, row, weights, weighed, room):
    """The winner of a row whose noise is drawn; and False where the weights are logits, one of which is refused.

    Race values are bounded from below without a logarithm and an exponential: by u, which lies below the noise,
    and a weight that is at most CAUTION times what it should be. The few that may win are computed then.
    """
    n = weights.shape[0]
    top = 0.0 if weighed else largest_of(weights, np.int64(0), n)
    race = np.int64(-1), MOST_OF_WINNERS
    n_bounded = n // 2 * 2 if n > MANY else 0
    bounds = room[0]
    zero, one = np.uint64(0), np.uint64(1)
    high = high_counters(sample, key, NOISE_STREAM)
    numbers = many_of(0.0) == 0.0
    for block in range(0, n_bounded, RACE_BLOCK):
        stop = min(n_bounded, block + RACE_BLOCK)
        leasts = many_of(np.inf)
        for c in range(block, stop, MANY):
            start = min(c, n_bounded - MANY)  # the last overlap those before them
            bits = ars(pairs_of_many(low_counters(start // 2, row), high, one, zero), key[0])
            own_bounds = load_many(weights, start)
            if not weighed:
                gaps = top - own_bounds
                numbers = numbers & (gaps >= 0.0)
                own_bounds = exponential_about(gaps)
            own_bounds = own_bounds * (one_and_uniform(bits) - 1.0)
            store_from(bounds, c - block, own_bounds)
            leasts = select(own_bounds < leasts, own_bounds, leasts)
        limit = -largest_lane(0.0 - leasts)
        if limit < race[1] * CAUTION:
            # After the one with the least bound few others are left.
            for _ in range(2):
                for c in range(block, stop, MANY):
                    found = mask_bits(load_many(bounds, c - block) <= limit)
                    while found:
                        pair = (min(c, n_bounded - MANY) + lowest_bit(found)) // 2
                        found &= found - one
                        if pair != race[0] // 2:
                            race, _ = race_on_few(
                                key, sample, row, 2 * pair, 2 * pair + 2, weights, weighed, top, race, room
                            )
                limit = race[1] * CAUTION
    good = mask_bits(numbers) == ALL_OF_MANY
    if n_bounded < n:
        race, rest_good = race_on_few(key, sample, row, n_bounded, n, weights, weighed, top, race, room)
        good &= rest_good
    return race[0], good


@tasks("out.size", "longest", sums=1)
def draw_actions(task, key, noise, weights, weighed, offsets, longest, out):
    """out[sample, row] is the winner of the race of that row and sample.

    The weights are inverse weights or, for drawn noise unless weighed, logits; the result is how many rows of
    these are refused.
    """
    n_rows, n_bad = offsets.shape[0] - 1, 0
    room = empty(np.float64, RACE_BLOCK), empty(np.float64, MANY + LANES), empty(np.float64, MANY)
    minima = race_scratch(longest)
    for item in items_of(task, out.size, longest):
        sample, row = item // n_rows, item % n_rows
        start, stop = offsets[row], offsets[row + 1]
        if noise.shape[0] > 0:
            out[sample, row] = winner_of(noise[sample, start:stop], weights[start:stop], minima)
        else:
            winner, good = drawn_winner(key, sample, row, weights[start:stop], weighed, room)
            out[sample, row] = winner
            n_bad += not good
    return n_bad


@tasks("(out.shape[0] + WIDTH - 1) // WIDTH * out.shape[1]", "WIDTH * longest")
def draw_actions_of_samples(task, key, inverse_weights, offsets, longest, out):
    """As draw_actions with drawn noise, eight samples of a row side by side."""
    n_draws, n_rows = out.shape
    n_items = (n_draws + WIDTH - 1) // WIDTH * n_rows
    noise = empty(np.float64, (longest + 1, WIDTH))
    for item in items_of(task, n_items, WIDTH * longest):
        first, row = item // n_rows * WIDTH, item % n_rows
        weights = inverse_weights[offsets[row] : offsets[row + 1]]
        draw_tile(key, first, 1, row, 0, weights.shape[0], noise)
        winners = winners_of_tile(noise, weights)
        for lane in range(min(WIDTH, n_draws - first)):
            out[first + lane, row] = np.int64(lane_of(winners, lane))


@inlined
def n_blocks_of(n_rows):
    """How many blocks of NOISE_BLOCK groups of eight rows these are."""
    return (n_rows + NOISE_BLOCK * WIDTH - 1) // (NOISE_BLOCK * WIDTH)


@called
def draw_winners_of_block(key, block, weights, weighed, n, noise_room, own_weights, out):
    """The winners of some groups of eight rows; False where the weights are logits, one of which is refused."""
    n_draws, n_rows = out.shape
    tile = block * NOISE_BLOCK
    n_tiles = min(NOISE_BLOCK, (n_rows + WIDTH - 1) // WIDTH - tile)
    good = True
    for draw in range(n_draws):
        draw_block(key[0], key[1], draw, tile * WIDTH, n_tiles, n, noise_room, (weights,))
        if draw == 0:
            good = load_weights(weights, weighed, tile * WIDTH, n_tiles, n_rows, n, flat(own_weights))
        for i in range(n_tiles):
            first = (tile + i) * WIDTH
            start = i * numbers_of_group(n)
            noise = tile_of(noise_room[1][start : start + n * WIDTH])
            winners = winners_of_tile(noise, own_weights[i * n : (i + 1) * n])
            for lane in range(min(WIDTH, n_rows - first)):
                out[draw, first + lane] = np.int64(lane_of(winners, lane))
    return good


@tasks("n_blocks_of(out.shape[1])", "n * out.shape[0] * NOISE_BLOCK * WIDTH", sums=1)
def draw_actions_of_rows(task, key, weights, weighed, n, out):
    """As draw_actions with drawn noise, eight rows of n categories each side by side."""
    n_draws, n_rows = out.shape
    n_bad = 0
    room = block_room(n)
    own_weights = empty(np.float64, (NOISE_BLOCK * n, WIDTH))
    for block in items_of(task, n_blocks_of(n_rows), n * n_draws * NOISE_BLOCK * WIDTH):
        n_bad += not draw_winners_of_block(key, block, weights, weighed, n, room, own_weights, out)
    return n_bad


@inlined
def reinforce_sample(action, excess, probabilities, gradient):
    """(f - b) (1[z = c] - p_c), Williams 1992."""
    for c in range(gradient.shape[0]):
        gradient[c] = -excess * probabilities[c]
    gradient[action] += excess


@tasks("value.shape[0]")
def draw_moments(
    i, estimator, n_draws, n_samples, n_variables, actions, weights, values, baseline, probabilities, offsets,
    begin_sample, first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    actions is (n_samples * n_draws, rows), values (n_samples * n_draws, problems) and weights, which only
    ANTITHETIC takes, (n_samples, rows). Not for AR.
    """
    problem, block = (first + i) // n_blocks, (first + i) % n_blocks
    first_row = problem * n_variables
    origin = offsets[first_row]
    out = slice(starts[i], starts[i + 1])
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        draws = values[sample * n_draws : (sample + 1) * n_draws, problem]
        draw_mean = draws[0]
        if n_draws > 1:
            for d in range(1, n_draws):
                draw_mean += draws[d]
            draw_mean /= n_draws
        if estimator == REINFORCE:
            excess = draws[0] - baseline[problem]
            for row in range(first_row, first_row + n_variables):
                start, stop = offsets[row], offsets[row + 1]
                own = gradient[start - origin : stop - origin]
                reinforce_sample(actions[sample, row], excess, probabilities[start:stop], own)
        else:
            gradient[:] = 0.0
            for d in range(n_draws):
                excess = (draws[d] - draw_mean) / (n_draws - 1)
                vector = actions[sample * n_draws + d]
                for row in range(first_row, first_row + n_variables):
                    weight = weights[sample, row] if estimator == ANTITHETIC else 1.0
                    # Unsigned numbers are not counted from the end.
                    gradient[np.uint64(offsets[row] - origin + vector[np.uint64(row)])] += weight * excess
        add_to_tree(gradient, draw_mean, sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])


@tasks("value.shape[0]")
def ar_moments(
    i, key, noise, n_samples, n_variables, values, offsets, longest,
    begin_sample, first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """As draw_moments, of AR: f(z) (1 - C pi_c), eq. 5 of Yin, Yue and Zhou 2019. It needs the noise again."""
    problem, block = (first + i) // n_blocks, (first + i) % n_blocks
    first_row = problem * n_variables
    out = slice(starts[i], starts[i + 1])
    row_noise = empty(np.float64, longest + LANES)
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        sample_value = values[sample, problem]
        for row in range(first_row, first_row + n_variables):
            start, stop = offsets[row], offsets[row + 1]
            n, origin = stop - start, start - offsets[first_row]
            total = noise_row(noise, key, sample, row, start, stop, row_noise)
            for c in range(n):
                gradient[origin + c] = sample_value * (1.0 - n * (row_noise[c] / total))
        add_to_tree(gradient, sample_value, sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])
