"""Noise and weights of a block of rows, a register of categories at a time, and who wins; see row_room.py."""

import numpy as np

from ._jit import allocating, called, inlined
from .ars import ars
from .arsm_row import two_smallest
from .bits import bit_count, highest_bit, lowest_bit
from .exponential import (
    MANY,
    NOISE_STREAM,
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
    load_some,
    loading_up_to,
    magnitudes,
    some_of,
    store_from,
    sum_of_lanes,
    two_least,
)
from .merge import EXCLUDED
from .packing import store_mask
from .room import view_as, zeros
from .row_room import (
    BASE,
    HEAVIEST,
    IN_TURN,
    LIGHTEST,
    LIMIT,
    NEXT_LIGHTEST,
    NOISE,
    NUMBERS,
    RACE,
    RACES,
    SECOND,
    SECOND_DIFFERENCE,
    SECOND_VALUE,
    TOTAL,
    VALUES,
    WEIGHTS,
    WINNER,
    WINNER_NOISE,
    WINNER_WEIGHT,
    mask_step,
    put,
    row_step,
    rows_of_block,
)
from .vectors import REGISTER, as_bits, as_float, few_turns, select
from .weights import exponentiate, largest_of

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
        top = 0.0 if weighed else largest_of(weights, start, start + n)
        for c in range(0, last, REGISTER):
            store_from(room, at + c, load_some(weights, start + c) - top)
        store_from(room, at + last, load_up_to(weights, start + last, start + n, beyond) - top)
    if weighed:
        return True
    own = room[WEIGHTS : WEIGHTS + n_rows * step]
    return exponentiate(0.0, own, own)


@inlined
def enter(numbers, inverse_weights, values, at, room, state):
    """Some categories join the race, and their values are copied to the room.

    State: the sum of noise; the two smallest numbers, and the two smallest race values of each lane; and the sum
    of the values' magnitudes.
    """
    total, lightest, next_lightest, least, others, size = state
    store_from(room, VALUES + at, values)
    return (
        total + numbers,
        *two_smallest(numbers, lightest, next_lightest),
        *two_smallest(numbers * inverse_weights, least, others),
        size + magnitudes(values),
    )


@inlined
def race_rows(values, first_row, n_rows, n, room):
    """Race some rows; the sum of their values' magnitudes."""
    infinite, size = some_of(np.inf), some_of(0.0)
    last, step = (n - 1) // REGISTER * REGISTER, row_step(n)
    inside = first_lanes(infinite, n - last)
    for row in range(n_rows):
        start, at, race = (first_row + row) * n, row * step, RACES + row * RACE
        state = some_of(0.0), infinite, infinite, infinite, infinite, size
        for c in range(0, last, REGISTER):
            state = enter(
                load_some(room, NOISE + at + c), load_some(room, WEIGHTS + at + c), load_some(values, start + c),
                at + c, room, state,
            )  # fmt: skip
        numbers, total = load_some(room, NOISE + at + last), state[0]
        _, lightest, next_lightest, least, others, size = enter(
            select(inside, numbers, np.inf), load_some(room, WEIGHTS + at + last),
            load_up_to(values, start + last, start + n, 0.0), at + last, room, state,
        )  # fmt: skip
        numbers = select(inside, numbers, 0.0)
        store_from(room, NOISE + at + last, numbers)
        put(room, race + TOTAL, sum_of_lanes(total + numbers))
        first, second = two_least(lightest, next_lightest)
        put(room, race + LIGHTEST, first)
        put(room, race + NEXT_LIGHTEST, second)
        first, second = two_least(least, others)
        put(room, race + LIMIT, first)
        put(room, race + SECOND_VALUE, second)
    return sum_of_lanes(size)


@inlined
def race_value(room, at):
    """Of one category."""
    return entry(room, NOISE + at) * entry(room, WEIGHTS + at)


@inlined
def level_two(at, n, first_value, second_value, room):
    """As two_first where others are level with these; of the second any other where none is."""
    first, second = 0, 0
    for c in range(n - 1, -1, -1):
        first = c if race_value(room, at + c) == first_value else first
    for c in range(n - 1, -1, -1):
        second = c if c != first and race_value(room, at + c) == second_value else second
    return first, second


@inlined
def category_of(word, bit):
    """The category of a bit of a row's masks."""
    return word * 8 * REGISTER + bit // 8 * REGISTER + bit % 8


@inlined
def two_first(at, n, words, first_word, first_value, second_value, room):
    """The numbers of the first and the second of a race, of which the words have the bits."""
    low, high, count = 0, 0, 0
    n_words = mask_step(n) // 8
    # Nothing here branches on the noise, which would be mispredicted.
    for word in range(n_words - 1, -1, -1):
        bits = words[np.uint64(first_word + word)]
        low = category_of(word, lowest_bit(bits)) if bits != ZERO else low
        count += bit_count(bits)
        few_turns()
    for word in range(n_words):
        bits = words[np.uint64(first_word + word)]
        high = category_of(word, highest_bit(bits)) if bits != ZERO else high
        few_turns()
    if count != 2:
        return level_two(at, n, first_value, second_value, room)
    low_wins = race_value(room, at + low) <= race_value(room, at + high)
    return (low if low_wins else high), (high if low_wins else low)


@inlined
def heaviest_loser(at, winner_weight, n, room):
    """The smallest inverse weight of a row but for the winner's."""
    least, others = some_of(np.inf), some_of(np.inf)
    for c in range(0, n, REGISTER):
        least, others = two_smallest(load_some(room, WEIGHTS + at + c), least, others)
    first, second = two_least(least, others)
    return select(first == winner_weight, second, first)


@inlined
def find_winners(n_rows, n, room, words, numbers):
    """Find the two first of some races, and put out of these what is known of the losers.

    The words are room for masks, and set nowhere else. The winner's noise is EXCLUDED afterwards, and its inverse
    weight 0: so it is heavy, but not light. Rows in which losers swap come first in turn; how many there are.
    """
    step, masks = row_step(n), view_as(np.uint8, words)
    for row in range(n_rows):
        at, second_value = row * step, entry(room, RACES + row * RACE + SECOND_VALUE)
        for c in range(0, n, REGISTER):
            race_values = load_some(room, NOISE + at + c) * load_some(room, WEIGHTS + at + c)
            store_mask(masks, row * mask_step(n) + c // REGISTER, race_values <= second_value)
    n_swapping = 0
    for row in range(n_rows):
        at, race = row * step, RACES + row * RACE
        limit, second_value = entry(room, race + LIMIT), entry(room, race + SECOND_VALUE)
        z, second = two_first(at, n, words, row * (mask_step(n) // 8), limit, second_value, room)
        put(numbers, row * NUMBERS + WINNER, z)
        put(numbers, row * NUMBERS + SECOND, second)
        winner_noise, winner_weight = entry(room, NOISE + at + z), entry(room, WEIGHTS + at + z)
        base = entry(room, VALUES + at + z)
        put(room, race + WINNER_NOISE, winner_noise)
        put(room, race + WINNER_WEIGHT, winner_weight)
        put(room, race + BASE, base)
        put(room, race + SECOND_DIFFERENCE, entry(room, VALUES + at + second) - base)
        lightest = entry(room, race + LIGHTEST)
        lightest = select(lightest == winner_noise, entry(room, race + NEXT_LIGHTEST), lightest)
        put(room, race + LIGHTEST, lightest)
        heaviest = 1.0  # as no category is heavier
        if lightest < limit:
            heaviest = heaviest_loser(at, winner_weight, n, room)
        put(room, race + HEAVIEST, heaviest)
        # No step has to branch on it, which would be mispredicted.
        losers_swap = lightest * heaviest < limit
        turn = n_swapping if losers_swap else n_rows - 1 - row + n_swapping
        put(numbers, turn * NUMBERS + IN_TURN, row)
        n_swapping += losers_swap
        put(room, NOISE + at + z, EXCLUDED)
        put(room, WEIGHTS + at + z, 0.0)
    return n_swapping
