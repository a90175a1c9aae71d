"""The race: which category of a row wins, and the one behind it (METHOD: argmin of noise * exp(-logits)).

A race value is `noise[c] * inverse_weights[c]` with `inverse_weights = exp(max(logits) - logits)`: it
cannot overflow for the likeliest category, and is infinite for one of weight zero. The smallest value
wins; of equal values the first, as in `np.argmin`.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .lanes import WIDTH, load, smallest_lane, spread
from .room import empty
from .vectors import select

SHORT_BLOCK, LONG_BLOCK = 16, 64
LONG_ROW = 1024
# Before any category has joined. Of literals, as plain numbers are, Numba would compile functions anew.
NO_RACE = np.int64(-1), np.int64(-1), np.inf, np.inf


@inlined
def beats(value, category, other_value, other_category):
    """Whether a category comes before another one in the race."""
    return value < other_value or (value == other_value and category < other_category)


@inlined
def smallest_race_value(noise, inverse_weights):
    """Of all categories of a part of a row."""
    n_eights = noise.shape[0] // WIDTH
    least = spread(np.inf)
    for i in range(n_eights):
        values = load(noise, i) * load(inverse_weights, i)
        least = select(values < least, values, least)
    smallest = smallest_lane(least)
    for c in range(n_eights * WIDTH, noise.shape[0]):
        smallest = min(smallest, noise[c] * inverse_weights[c])
    return smallest


@inlined
def block_length(n):
    """Long rows want few reductions, short ones few categories to look through one by one."""
    return SHORT_BLOCK if n < LONG_ROW else LONG_BLOCK


@allocating
def race_scratch(n):
    """Room for the minima of the blocks of a row of up to n categories."""
    return empty(np.float64, max(n, LONG_ROW) // SHORT_BLOCK + 1)


@inlined
def block_minima(noise, inverse_weights, length, minima):
    """Write the smallest race value of each block; the result is the second smallest of those."""
    n = noise.shape[0]
    first, second = np.inf, np.inf
    for block in range((n + length - 1) // length):
        part = slice(block * length, min(n, (block + 1) * length))
        value = smallest_race_value(noise[part], inverse_weights[part])
        minima[block] = value
        second = min(second, max(first, value))
        first = min(first, value)
    return second


@inlined
def enter_race(c, value, race):
    """The two first and their race values after a category behind them in number has joined."""
    winner, second, first_value, second_value = race
    if value < first_value or winner < 0:
        return c, winner, value, first_value
    if value < second_value or second < 0:
        return winner, c, first_value, value
    return race


@called
def run_race(noise, inverse_weights, minima):
    """The two first categories and their race values (-1 and infinity where there is no second).

    minima is race_scratch.
    """
    n = noise.shape[0]
    race = NO_RACE
    # Two blocks reach this bound, so neither of the two first lies above it.
    length = block_length(n)
    bound = block_minima(noise, inverse_weights, length, minima)
    for block in range((n + length - 1) // length):
        if minima[block] > bound:
            continue
        for c in range(block * length, min(n, (block + 1) * length)):
            value = noise[c] * inverse_weights[c]
            if value > bound:
                continue
            race = enter_race(c, value, race)
    return race


@called
def winner_of(noise, inverse_weights, minima):
    """The winner alone."""
    n = noise.shape[0]
    length = block_length(n)
    block_minima(noise, inverse_weights, length, minima)
    best_block = 0
    for block in range(1, (n + length - 1) // length):
        if minima[block] < minima[best_block]:
            best_block = block
    for c in range(best_block * length, n):
        if noise[c] * inverse_weights[c] == minima[best_block]:
            return c
    return 0


@inlined
def swap_winner(c, j, noise, inverse_weights, race):
    """The winner after noise[c] and noise[j] are exchanged, in O(1): a pseudo action.

    After the two first have been exchanged one of them still wins: the product of their race values is what it
    was, so that not both lie above the second's old one. The third is never needed.
    """
    winner, second, first_value, second_value = race
    if c == j:
        return winner
    rest, rest_value = winner, first_value
    if c == winner or j == winner:
        rest, rest_value = second, second_value
    value_c = noise[j] * inverse_weights[c]
    value_j = noise[c] * inverse_weights[j]
    best, best_value = c, value_c
    if beats(value_j, j, best_value, best):
        best, best_value = j, value_j
    if rest not in (-1, c, j) and beats(rest_value, rest, best_value, best):
        best = rest
    return best
