"""Where row_by_row.py and row_race.py keep a block of rows: all numbers are parts of one array, the room.

A row takes up whole registers. Past its end noise and values are 0, and inverse weights infinite.
"""

import numpy as np

from ._jit import inlined
from .lanes import LINE, WIDTH
from .vectors import REGISTER

# Longer rows are swapped sooner by lists of losers, see arsm_row.py.
LONGEST = 60 * REGISTER
# So many categories are worked on together: what is known of them stays in the first-level cache.
BLOCK = 512
# No less than the rows of a block take up with a register more for each, nor than what is known of their races;
# and some lines more than a power of two, so that the parts do not all have the same place in a page.
LENGTH = 2 * max(LONGEST, BLOCK) + 3 * LINE
# Where the parts begin: noise, inverse weights, values and h; what is known of each race; the bits 0, 1, 2, ...,
# which are places in a row; and of light and of heavy losers keys, and so far behind them what one pays, its
# factor and what it receives (see row_by_row.py).
NOISE, WEIGHTS, VALUES, H, RACES, PLACES, LIGHT, HEAVY, ROOM = (
    part * LENGTH for part in (0, 1, 2, 3, 4, 5, 6, 10, 14)
)
PAYMENTS, FACTORS, TOTALS = LENGTH, 2 * LENGTH, 3 * LENGTH

# Where numbers begin of which each race has one: -1 over the sum of noise; the smallest noise and inverse weight
# of a loser, and of another one; the three first race values, with places for their last bits, and two of them
# whole; of the winner noise, inverse weight and value, and the second's value above that; the sums of d_cj and h.
MOST_ROWS = BLOCK // WIDTH
OF_RACE = range(RACES, RACES + 16 * MOST_ROWS, MOST_ROWS)
INVERSE_TOTAL, LIGHTEST, NEXT_LIGHTEST, HEAVIEST, NEXT_HEAVIEST = OF_RACE[:5]
FIRST_KEY, SECOND_KEY, THIRD_KEY, LIMIT, SECOND_VALUE = OF_RACE[5:10]
WINNER_NOISE, WINNER_WEIGHT, BASE, SECOND_DIFFERENCE, DIFFERENCE_SUM, H_SUM = OF_RACE[10:]

# In an array of integers, of each row: the two first, and where its losers begin and how many they are; and not
# of this row, but the number of the one that is swapped in its turn.
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
    """How many rows of n categories make a block: an even number, as they are raced by two."""
    return max(2, BLOCK // row_step(n) // 2 * 2)
