"""What the swap of each pair makes of eight variables of up to 64 categories, a group: their actions as words.

As joint_pairs, it follows what changes: the most of a row's pairs leave its winner alone. Level racers, which
drawn noise has as good as never, are not told apart here by number.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .arsm_row import lightest_loser
from .bits import LOW_WORD, WORD_BITS, bit_count, lowest_bit
from .joint_pairs import entry_of_pair
from .lanes import WIDTH, entry, first_lanes, load_eight, mask_bits, spread, store_from, write_choices
from .merge import EXCLUDED
from .pairs import pair_of
from .room import empty, view_as, zeros
from .row_by_row import (
    KEYS,
    LENGTH,
    NOISE,
    WEIGHTS,
    WORD,
    beaten_by,
    block_room,
    draw_rows,
    heaviest_loser,
    load_some,
    noise_length,
    run_race,
    some_of,
    two_first,
)
from .vectors import REGISTER, as_bits, as_float

ZERO, ONE = np.uint64(0), np.uint64(1)


@allocating
def group_room(n):
    """Room for a group: where the bytes of each pair's entry are, and the words; for its noise, and for a row."""
    # The entry of a category and itself is the true vector, whose bytes are zero.
    places = zeros(np.uint16, n * n)
    for c in range(n):
        for j in range(c):
            places[c * n + j] = places[j * n + c] = WIDTH * entry_of_pair(pair_of(c, j))
    n_entries = 1 + n * (n - 1) // 2
    words = zeros(np.uint64, (n_entries + WIDTH - 1) // WIDTH * WIDTH)
    return places, words, empty(np.uint8, WORD), empty(np.uint8, n), block_room(n), zeros(np.float64, 6 * LENGTH)


@inlined
def below(row, factor, limit, n, room):
    """The categories, as bits, whose noise or inverse weight times the factor is below the limit."""
    bits = ZERO
    for c in range(0, n, REGISTER):
        bits |= mask_bits(load_some(room, row + c) * factor < limit) << np.uint64(c)
    return bits & (~ZERO >> np.uint64(64 - n))


@inlined
def put_swaps_of_winner(z, second, second_value, n, lane, places, changes, room, words):
    """Write what follows of the swaps of the winner."""
    j_wins, second_wins = ZERO, ZERO
    winner_noise, winner_inverse_weight = entry(room, NOISE + z), entry(room, WEIGHTS + z)
    for c in range(0, n, REGISTER):
        j_is_first, second_is_first = beaten_by(c, winner_noise, winner_inverse_weight, second_value, room)
        j_wins |= mask_bits(j_is_first) << np.uint64(c)
        second_wins |= mask_bits(second_is_first) << np.uint64(c)
    write_choices(changes, j_wins, z, second_wins, z ^ second)
    actions = view_as(np.uint8, words)
    # All of them, as it is for the most of them and without branches.
    for j in range(n):
        actions[np.uint64(places[np.uint64(z * n + j)]) + np.uint64(lane)] = changes[np.uint64(j)]


@inlined
def put_swaps_of_losers(z, limit, lightest, n, lane, places, others, room, words):
    """Write what follows of the swaps of two losers: the heavy one wins. The winner's noise is EXCLUDED."""
    heaviest = heaviest_loser(n, z, room)
    if not lightest * heaviest < limit:
        return
    light, heavy = below(NOISE, heaviest, limit, n, room), below(WEIGHTS, lightest, limit, n, room)
    heavy &= ~(ONE << np.uint64(z))
    by_light = bit_count(light) <= bit_count(heavy)
    members, bits = (light, heavy) if by_light else (heavy, light)
    member_keys, other_keys = (NOISE, WEIGHTS) if by_light else (WEIGHTS, NOISE)
    n_others = 0
    while bits:
        c = lowest_bit(bits)
        bits &= bits - ONE
        room[np.uint64(KEYS + n_others)] = entry(room, other_keys + c)
        others[np.uint64(n_others)] = c
        n_others += 1
    store_from(room, KEYS + n_others, some_of(np.inf))
    actions = view_as(np.uint8, words)
    while members:
        member = lowest_bit(members)
        members &= members - ONE
        key = entry(room, member_keys + member)
        bits = ZERO
        for c in range(0, n_others, REGISTER):
            bits |= mask_bits(load_some(room, KEYS + c) * key < limit) << np.uint64(c)
        while bits:
            other = np.int64(others[np.uint64(lowest_bit(bits))])
            bits &= bits - ONE
            place = np.uint64(places[np.uint64(member * n + other)]) + np.uint64(lane)
            actions[place] = np.uint8(z ^ (other if by_light else member))


@called
def fill_words(key, sample, first_row, n_rows, n, inverse_weights, rooms):
    """Set words[e] to the actions of up to eight rows in the e-th entry, xor the true ones, which are the result.

    Each action is a byte; rooms is group_room, whose words are zero before.
    """
    places, words, changes, others, block, room = rooms
    draw_rows(key, sample, first_row, n_rows, n, block, ())
    inside = first_lanes(some_of(0.0), n - (n - 1) // REGISTER * REGISTER)
    true_word = ZERO
    for lane in range(n_rows):
        start = (first_row + lane) * n
        _, noise_least, (limit, second_value), _ = run_race(
            block[1], lane * noise_length(n), inverse_weights, start, inverse_weights, start, n, inside, room
        )
        z, second = two_first(n, limit, second_value, room)
        true_word |= np.uint64(z) << np.uint64(8 * lane)
        put_swaps_of_winner(z, second, second_value, n, lane, places, changes, room, words)
        lightest = lightest_loser(entry(room, NOISE + z), noise_least)
        room[np.uint64(NOISE + z)] = EXCLUDED
        if lightest < limit:
            put_swaps_of_losers(z, limit, lightest, n, lane, places, others, room, words)
    return true_word


@called
def add_hashes(changes, true_word, group, multipliers, words, hashes):
    """Set words to the actions, of changes that fill_words wrote, and add to the hashes of an item's vectors.

    The changes are zero afterwards.

    Each hash is NH of Black et al. (UMAC, CRYPTO 1999): the sum modulo 2**64 of (a + m) (b + k), where a and b
    are the halves of a word, m and k the upper halves of multipliers, and those two sums are modulo 2**32. Two
    vectors share one hash with a probability of at most 2**-32, and both with 2**-64: of a million vectors some
    two do with 3e-8. Words and hashes must have room for whole eights of entries; there must be two variables.
    """
    m_00, m_01 = multipliers[2 * group, 0] >> WORD_BITS, multipliers[2 * group, 1] >> WORD_BITS
    m_10, m_11 = multipliers[2 * group + 1, 0] >> WORD_BITS, multipliers[2 * group + 1, 1] >> WORD_BITS
    for e in range(0, words.shape[0], WIDTH):
        low = as_bits(load_eight(changes, e)) ^ true_word
        high = low >> WORD_BITS
        hash_0, hash_1 = as_bits(load_eight(hashes[0], e)), as_bits(load_eight(hashes[1], e))
        store_from(changes, e, spread(0.0))
        store_from(words, e, as_float(low))
        store_from(hashes[0], e, as_float(hash_0 + ((low + m_00) & LOW_WORD) * ((high + m_10) & LOW_WORD)))
        store_from(hashes[1], e, as_float(hash_1 + ((low + m_01) & LOW_WORD) * ((high + m_11) & LOW_WORD)))
