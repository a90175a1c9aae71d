"""Noise and weights of a block of rows, a register of categories at a time, and who wins; see row_room.py."""

import numpy as np

from ._jit import allocating, called, inlined
from .ars import ars
from .arsm_row import two_smallest
from .bits import highest_bit
from .exponential import (
    MANY,
    NOISE_STREAM,
    ONE,
    ZERO,
    high_counters,
    load_many,
    low_counters,
    pairs_of_many,
    turn_into_exponentials,
)
from .lanes import (
    asking_for,
    entry,
    first_lanes,
    largest_lane,
    least_of_two,
    load_some,
    loading_up_to,
    some_of,
    store_from,
    sum_of_lanes,
    sums_of_two,
)
from .merge import EXCLUDED
from .room import zeros
from .row_room import (
    BASE,
    FIRST_KEY,
    HEAVIEST,
    IN_TURN,
    INVERSE_TOTAL,
    LIGHTEST,
    LIMIT,
    NEXT_HEAVIEST,
    NEXT_LIGHTEST,
    NOISE,
    NUMBERS,
    PLACES,
    SECOND,
    SECOND_DIFFERENCE,
    SECOND_KEY,
    SECOND_VALUE,
    THIRD_KEY,
    VALUES,
    WEIGHTS,
    WINNER,
    WINNER_NOISE,
    WINNER_WEIGHT,
    put,
    row_step,
    rows_of_block,
)
from .vectors import REGISTER, as_bits, as_float, few_turns, fma, select
from .weights import exponentiate, larger

INFINITY_BITS = np.uint64(0x7FF0000000000000)

load_up_to = loading_up_to(REGISTER)
ask_for = asking_for(MANY)


@allocating
def block_counters(n):
    """The counters of a block's noise, of pairs of categories and rows."""
    n_rows, n_pairs = rows_of_block(n), row_step(n) // 2
    counters = zeros(np.uint64, (2 * n_rows * n_pairs + MANY - 1) // MANY * MANY)
    for row in range(n_rows):  # without divisions, which would take a tenth as long as a task
        for pair in range(n_pairs):
            counters[2 * (row * n_pairs + pair)] = low_counters(pair, row)
    return counters


@called
def draw_rows(key, sample, first_row, n_rows, n, counters, arrays, room):
    """The noise of some rows: see fill_exponentials.

    Meanwhile the same rows of the arrays, of n entries each, are brought near.
    """
    first = pairs_of_many(low_counters(ZERO, first_row), high_counters(sample, key, NOISE_STREAM), ZERO, ZERO)
    for start in range(0, n_rows * row_step(n), MANY):
        ask_for(arrays, first_row * n + start)
        store_from(room, NOISE + start, as_float(ars(as_bits(load_many(counters, start)) + first, key[0])))
    turn_into_exponentials(room, np.int64(NOISE), NOISE + n_rows * row_step(n))


@called
def weigh_rows(weights, weighed, first_row, n_rows, n, room):
    """The inverse weights of some rows, which are given or, unless weighed, exp(max - logits).

    False where one is no number.
    """
    last, step = (n - 1) // REGISTER * REGISTER, row_step(n)
    beyond = np.inf if weighed else -np.inf
    for row in range(n_rows):
        start, at = (first_row + row) * n, WEIGHTS + row * step
        rest = load_up_to(weights, start + last, start + n, beyond)
        top = 0.0
        if not weighed:
            tops = rest
            for c in range(0, last, REGISTER):
                tops = larger(tops, load_some(weights, start + c))
                few_turns()
            top = largest_lane(tops)
        for c in range(0, last, REGISTER):
            store_from(room, at + c, load_some(weights, start + c) - top)
            few_turns()
        store_from(room, at + last, rest - top)
    if weighed:
        return True
    own = room[WEIGHTS : WEIGHTS + n_rows * step]
    return exponentiate(0.0, own, own)


@inlined
def low_bits(n):
    """The bits that places in a row of n categories take up."""
    return (ONE << np.uint64(highest_bit(np.uint64(row_step(n) - 1)) + 1)) - ONE


@inlined
def three_smallest(values, least, second, third):
    """The three smallest of each lane after more have joined; nan never does."""
    larger = select(values < least, least, values)
    largest = select(larger < second, second, larger)
    return (
        select(values < least, values, least),
        select(larger < second, larger, second),
        select(largest < third, largest, third),
    )


@inlined
def enter(numbers, values, at, c, high, room, state):
    """Some categories of a row join the race, and their values are copied to the room.

    State: the sum of noise; and of each lane the two smallest numbers, the two smallest inverse weights, and the
    three smallest race values, with places for their low bits: infinity may be nan then, and never joins.
    """
    total, lightest, next_lightest, heaviest, next_heaviest = state[:5]
    store_from(room, VALUES + at + c, values)
    inverse_weights = load_some(room, WEIGHTS + at + c)
    race_values = as_bits(numbers * inverse_weights) & high
    return (
        total + numbers,
        *two_smallest(numbers, lightest, next_lightest),
        *two_smallest(inverse_weights, heaviest, next_heaviest),
        *three_smallest(as_float(race_values | as_bits(load_some(room, PLACES + c))), *state[5:]),
    )


@inlined
def enter_last(values, at, last, inside, high, room, state):
    """As enter, of what does not fill a register, but the state's total is of the lanes inside."""
    numbers = load_some(room, NOISE + at + last)
    entered = enter(select(inside, numbers, np.inf), values, at, last, high, room, state)
    numbers = select(inside, numbers, 0.0)
    store_from(room, NOISE + at + last, numbers)
    return state[0] + numbers, *entered[1:]


@inlined
def race_rows(values, first_row, n_rows, n, room):
    """Race some rows, two at a time; the sum of their values' squares, in which a row left alone counts twice."""
    infinite, squares = some_of(np.inf), some_of(0.0)
    last, step, high = (n - 1) // REGISTER * REGISTER, row_step(n), ~low_bits(n)
    inside = first_lanes(infinite, n - last)
    for row in range(0, n_rows, 2):
        other = min(row + 1, n_rows - 1)
        start, at = (first_row + row) * n, row * step
        other_start, other_at = (first_row + other) * n, other * step
        one = two = some_of(0.0), infinite, infinite, infinite, infinite, infinite, infinite, infinite
        for c in range(0, last, REGISTER):
            own, others = load_some(values, start + c), load_some(values, other_start + c)
            one = enter(load_some(room, NOISE + at + c), own, at, c, high, room, one)
            two = enter(load_some(room, NOISE + other_at + c), others, other_at, c, high, room, two)
            squares = fma(others, others, fma(own, own, squares))
            few_turns()
        own = load_up_to(values, start + last, start + n, 0.0)
        others = load_up_to(values, other_start + last, other_start + n, 0.0)
        one = enter_last(own, at, last, inside, high, room, one)
        two = enter_last(others, other_at, last, inside, high, room, two)
        squares = fma(others, others, fma(own, own, squares))
        store_from(room, INVERSE_TOTAL + row, -1.0 / sums_of_two(one[0], two[0]))
        lightest, next_lightest = least_of_two(one[1:3], two[1:3])
        heaviest, next_heaviest = least_of_two(one[3:5], two[3:5])
        first, second, third = least_of_two(one[5:], two[5:])
        store_from(room, LIGHTEST + row, lightest)
        store_from(room, NEXT_LIGHTEST + row, next_lightest)
        store_from(room, HEAVIEST + row, heaviest)
        store_from(room, NEXT_HEAVIEST + row, next_heaviest)
        store_from(room, FIRST_KEY + row, first)
        store_from(room, SECOND_KEY + row, second)
        store_from(room, THIRD_KEY + row, third)
    return sum_of_lanes(squares)


@inlined
def race_value(room, at):
    """Of one category."""
    return entry(room, NOISE + at) * entry(room, WEIGHTS + at)


@inlined
def first_but(excluded, at, n, room):
    """The first of a race but for one category."""
    first = 1 if excluded == 0 else 0
    for c in range(first + 1, n):
        if c != excluded and race_value(room, at + c) < race_value(room, at + first):
            first = c
    return first


@inlined
def two_first(row, at, n, room):
    """The numbers of the first and the second of a race."""
    low = low_bits(n)
    first, second = as_bits(entry(room, FIRST_KEY + row)), as_bits(entry(room, SECOND_KEY + row))
    third = as_bits(entry(room, THIRD_KEY + row))
    # Where the other bits of two are the same, or there is no second, the places do not tell.
    if second <= first | low or third <= second | low or second >= INFINITY_BITS:
        z = first_but(-1, at, n, room)
        return z, first_but(z, at, n, room)
    return np.int64(first & low), np.int64(second & low)


@inlined
def but_winners(least, next_least, row, winners, room):
    """The smallest number of a row's losers, which takes the place of the row's: of the winner's the next one."""
    smallest = entry(room, least + row)
    smallest = select(smallest == winners, entry(room, next_least + row), smallest)
    put(room, least + row, smallest)
    return smallest


@inlined
def find_winners(n_rows, n, room, numbers):
    """Find the two first of some races, and put out of these what is known of the losers.

    The winner's noise is EXCLUDED afterwards, and its inverse weight 0: so it is heavy, but not light. Rows in
    which losers swap come first in turn; how many there are.
    """
    n_swapping = 0
    for row in range(n_rows):
        at = row * row_step(n)
        z, second = two_first(row, at, n, room)
        put(numbers, row * NUMBERS + WINNER, z)
        put(numbers, row * NUMBERS + SECOND, second)
        winner_noise, winner_weight = entry(room, NOISE + at + z), entry(room, WEIGHTS + at + z)
        base, limit = entry(room, VALUES + at + z), winner_noise * winner_weight
        put(room, LIMIT + row, limit)
        put(room, SECOND_VALUE + row, race_value(room, at + second))
        put(room, WINNER_NOISE + row, winner_noise)
        put(room, WINNER_WEIGHT + row, winner_weight)
        put(room, BASE + row, base)
        put(room, SECOND_DIFFERENCE + row, entry(room, VALUES + at + second) - base)
        lightest = but_winners(LIGHTEST, NEXT_LIGHTEST, row, winner_noise, room)
        heaviest = but_winners(HEAVIEST, NEXT_HEAVIEST, row, winner_weight, room)
        # No step has to branch on it, which would be mispredicted.
        losers_swap = lightest * heaviest < limit
        turn = n_swapping if losers_swap else n_rows - 1 - row + n_swapping
        put(numbers, turn * NUMBERS + IN_TURN, row)
        n_swapping += losers_swap
        put(room, NOISE + at + z, EXCLUDED)
        put(room, WEIGHTS + at + z, 0.0)
    return n_swapping
