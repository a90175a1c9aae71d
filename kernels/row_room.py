"""Where row_by_row.py and row_race.py keep a block of rows: all numbers are parts of one array, the room.

A row takes up whole registers. Past its end noise and values are 0, and inverse weights infinite.
"""

import numpy as np

from ._jit import inlined
from .lanes import LINE
from .vectors import REGISTER

# Longer rows are swapped sooner by lists of losers, see arsm_row.py.
LONGEST = 80 * REGISTER
# So many categories are worked on together: what is known of them stays in the first-level cache.
BLOCK = 512
# No less than the rows of a block take up with a register more for each; and some lines more than a power of two,
# so that the parts do not all have the same place in a page.
LENGTH = max(LONGEST, 2 * BLOCK) + 3 * LINE
# Where the parts begin: noise, inverse weights, values and h; what is known of each race; and of losers (see
# row_by_row.py) keys, what one pays, its factor and what it receives. All light ones have the factor 1.
NOISE, WEIGHTS, VALUES, H, RACES, *LOSERS, ROOM = range(0, 13 * LENGTH, LENGTH)
LIGHT_KEYS, LIGHT_TOTALS, HEAVY_KEYS, HEAVY_PAYMENTS, HEAVY_FACTORS, HEAVY_TOTALS, ONES = LOSERS

# Of each race: the sum of noise; the smallest noise of a loser, and the smallest of another; the smallest inverse
# weight of a loser; the two first race values; of the winner noise, inverse weight and value, and the second's
# value above that; and the sums of d_cj and of h.
RACE = 16
TOTAL, LIGHTEST, NEXT_LIGHTEST, HEAVIEST, LIMIT, SECOND_VALUE, *OF_WINNER, DIFFERENCE_SUM, H_SUM = range(12)
WINNER_NOISE, WINNER_WEIGHT, BASE, SECOND_DIFFERENCE = OF_WINNER
# In an array of integers: the two first, and where the row's losers begin and how many they are; and not of this
# row, but the number of the one that is swapped in its turn.
NUMBERS = 8
WINNER, SECOND, LIGHT_AT, N_LIGHT, HEAVY_AT, N_HEAVY, IN_TURN = range(7)


@inlined
def put(room, at, value):
    """Set an entry of any array."""
    room[np.uint64(at)] = value


@inlined
def n_registers(n):
    """How many registers hold n categories."""
    return (n + REGISTER - 1) // REGISTER


@inlined
def row_step(n):
    """How many numbers a row of n categories takes up."""
    return n_registers(n) * REGISTER


@inlined
def mask_step(n):
    """How many bytes hold a mask for each register of a row: whole words."""
    return (n_registers(n) + 7) // 8 * 8


@inlined
def rows_of_block(n):
    """How many rows of n categories make a block."""
    return max(1, BLOCK // row_step(n))
