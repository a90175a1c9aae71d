"""What the swap of each pair makes of eight variables of up to 64 categories, a group: their actions as words.

As joint_pairs, it follows what changes: the most of a row's pairs leave its winner alone. Level racers, which
drawn noise has as good as never, are not told apart here by number.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .bits import LOW_WORD, WORD_BITS, bit_count, lowest_bit
from .joint_pairs import entry_of_pair
from .lanes import (
    WIDTH,
    gather,
    lane_of,
    load_eight,
    load_some,
    mask_bits,
    scatter,
    some_of,
    spread,
    store_from,
    take,
)
from .marks import bits_of_bytes, mask_bytes
from .merge import EXCLUDED
from .pairs import pair_of
from .room import empty, flat, tile_of, view_as, zeros
from .tile import lanes_up_to, race_tile
from .transposed import load_rows
from .vectors import REGISTER, as_bits, as_float, select

ZERO, ONE = np.uint64(0), np.uint64(1)
EACH_BYTE = np.uint64(0x0101010101010101)
# A byte for each lane of a register.
PART = np.uint64 if REGISTER == WIDTH else np.uint32
# A category is a bit of a word.
MOST = 64


@allocating
def group_room(n):
    """Room for a group: the first array says where the bytes of each pair's entry are, the last are the words."""
    n_entries = 1 + n * (n - 1) // 2
    places = empty(np.uint16, n * n)
    for c in range(n):
        places[c * n + c] = WIDTH * n_entries  # no pair: behind all entries
        for j in range(c):
            places[c * n + j] = places[j * n + c] = WIDTH * entry_of_pair(pair_of(c, j))
    words = zeros(np.uint64, n_entries + WIDTH)
    return (
        places,
        tile_of(empty(np.float64, n * WIDTH)),
        empty(np.uint64, n),
        (zeros(np.uint8, MOST), zeros(np.uint8, MOST)),
        (empty(np.uint8, n), empty(np.float64, n + REGISTER)),
        words,
    )


@inlined
def bytes_of_lanes(numbers):
    """Numbers of categories, one in each lane of a register, as the bytes of a word."""
    word = ZERO
    for i in range(REGISTER):
        word |= lane_of(numbers, i) << np.uint64(8 * i)
    return word


@inlined
def byte_of(word, lane):
    """One byte of a word."""
    return np.int64((word >> np.uint64(8 * lane)) & np.uint64(0xFF))


@inlined
def swap_winners(noise, weights, race, first_lane, changes):
    """Write what follows of each lane's winner's swap with each category: a byte of changes.

    It is of the lanes of a register. Results: the winners' bytes, and the smallest noise and inverse weight of a
    loser. Afterwards winners are EXCLUDED.
    """
    _, first_at, second_at, _, second_value = race
    winner_noise = gather(noise, first_at, first_lane)
    winner_inverse_weight = gather(weights, first_at, first_lane)
    winners = bytes_of_lanes(first_at)
    to_second = winners ^ bytes_of_lanes(second_at)
    scatter(noise, first_at, first_lane, EXCLUDED)
    scatter(weights, first_at, first_lane, np.inf)
    lightest, heaviest = some_of(np.inf), some_of(np.inf)
    number = ZERO
    own_changes, at = view_as(PART, changes), np.uint64(first_lane // REGISTER)
    for j in range(weights.shape[0]):
        noise_j, inverse_weight = take(noise, j, first_lane), take(weights, j, first_lane)
        z_value, j_value = noise_j * winner_inverse_weight, inverse_weight * winner_noise
        # Where j is the second, either the swap lowers its value, or the noise that z gets is smaller, and z
        # still wins. What is written where j is z belongs to no pair.
        j_wins = mask_bytes(j_value < select(z_value < second_value, z_value, second_value))
        beats_z = mask_bytes(second_value < z_value)
        own_changes[at] = PART((j_wins & (winners ^ number)) | (beats_z & ~j_wins & to_second))
        at += np.uint64(WIDTH // REGISTER)
        lightest = select(noise_j < lightest, noise_j, lightest)
        heaviest = select(inverse_weight < heaviest, inverse_weight, heaviest)
        number += EACH_BYTE
    return winners, lightest, heaviest


@inlined
def list_losers(light, heavy, noise, weights, lane, room):
    """List the losers of the kind of which there are more.

    Results: whether they are the heavy ones, the bits of the other kind, and how many are listed.
    """
    others, keys = room
    by_light = bit_count(light) <= bit_count(heavy)
    members, bits = (light, heavy) if by_light else (heavy, light)
    other_keys = weights if by_light else noise
    n_others = 0
    while bits:
        c = lowest_bit(bits)
        bits &= bits - ONE
        keys[np.uint64(n_others)] = other_keys[np.uint64(c), np.uint64(lane)]
        others[np.uint64(n_others)] = c
        n_others += 1
    store_from(keys, n_others, some_of(np.inf))
    return by_light, members, n_others


@inlined
def put_swaps_of_losers(z, light, heavy, limit, n, noise, weights, lane, places, room, words):
    """Write what follows of the swaps of two losers: the heavy one wins. The winner's noise is EXCLUDED."""
    by_light, members, n_others = list_losers(light, heavy, noise, weights, lane, room)
    others, keys = room
    member_keys = noise if by_light else weights
    actions = view_as(np.uint8, words)
    while members:
        member = lowest_bit(members)
        members &= members - ONE
        key = member_keys[np.uint64(member), np.uint64(lane)]
        bits = ZERO
        for i in range(0, n_others, REGISTER):
            bits |= mask_bits(load_some(keys, i) * key < limit) << np.uint64(i)
        while bits:
            other = np.int64(others[np.uint64(lowest_bit(bits))])
            bits &= bits - ONE
            place = np.uint64(places[np.uint64(member * n + other)]) + np.uint64(lane)
            actions[place] = np.uint8(z ^ (other if by_light else member))


@called
def fill_words(noise, first_row, stop_row, n, inverse_weights, room):
    """Set the room's e-th word to the actions of up to eight rows in the e-th entry, xor the true ones.

    The true ones are the result. Each action is a byte. noise is a tile, and used up; room is group_room, whose
    words of entries are zero before.
    """
    places, weights, changes, (light_lanes, heavy_lanes), losers, words = room
    n_rows = min(WIDTH, stop_row - first_row)
    load_rows(inverse_weights, first_row, stop_row, n, flat(weights), 0)
    actions, own_changes = view_as(np.uint8, words), view_as(np.uint8, changes)
    true_word = ZERO
    for first_lane in range(0, n_rows, REGISTER):
        race = race_tile(noise, weights, first_lane)
        limit = race[3]
        winners, lightest, heaviest = swap_winners(noise, weights, race, first_lane, changes)
        true_word |= winners << np.uint64(8 * first_lane)
        n_lanes = min(REGISTER, n_rows - first_lane)
        for lane in range(first_lane, first_lane + n_lanes):
            z = byte_of(winners, lane - first_lane)
            # All of them, as it is for the most of them and without branches.
            for j in range(n):
                place = np.uint64(places[np.uint64(z * n + j)]) + np.uint64(lane)
                actions[place] = own_changes[np.uint64(j * WIDTH + lane)]
        left = mask_bits(lightest * heaviest < limit) & lanes_up_to(n_lanes)
        if left:
            for c in range(n):
                light_lanes[np.uint64(c)] = mask_bits(take(noise, c, first_lane) * heaviest < limit)
                heavy_lanes[np.uint64(c)] = mask_bits(take(weights, c, first_lane) * lightest < limit)
        while left:
            i = lowest_bit(left)
            left &= left - ONE
            lane = first_lane + i
            z = byte_of(winners, i)
            light, heavy = bits_of_bytes(light_lanes, i), bits_of_bytes(heavy_lanes, i)
            put_swaps_of_losers(
                z, light, heavy, lane_of(limit, i), n, noise, weights, lane, places, losers, words
            )
    return true_word & (~ZERO >> np.uint64(8 * (WIDTH - n_rows)))


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
