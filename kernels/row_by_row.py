"""ARSM of rows of up to some hundred categories, a register of categories at a time.

The gradient of merge.arsm_row for drawn noise. Each step is done for all rows of a block before the next one, so
that a processor has others to go on with where a row's results take long. A swap of two losers changes the winner
where one is light and the other heavy enough; the light losers of a row are packed together, and the heavy ones,
and the fewer, called members, meet the others. Level racers, which drawn noise has as good as never, are told
apart by number only where they win.
"""

import numpy as np

from ._jit import called, inlined
from .bits import bit_count
from .exponential import ZERO
from .lanes import WIDTH, entry, lane_of, load_some, mask_bits, some_of, store_from, store_up_to, sums_of_two
from .losers import add_where, meet_one
from .marks import mark_bits, spread_bits
from .merge import EXCLUDED
from .moments import add_sample
from .packing import load_mask, pack, store_mask, unpack_some
from .room import empty, view_as
from .row_race import block_counters, draw_rows, find_winners, race_rows, weigh_rows
from .row_room import (
    BASE,
    DIFFERENCE_SUM,
    FACTORS,
    H_SUM,
    HEAVIEST,
    HEAVY,
    HEAVY_AT,
    IN_TURN,
    INVERSE_TOTAL,
    LIGHT,
    LIGHT_AT,
    LIGHTEST,
    LIMIT,
    N_HEAVY,
    N_LIGHT,
    NOISE,
    NUMBERS,
    PAYMENTS,
    PLACES,
    ROOM,
    SECOND,
    SECOND_DIFFERENCE,
    SECOND_VALUE,
    TOTALS,
    VALUES,
    WEIGHTS,
    WINNER,
    WINNER_NOISE,
    WINNER_WEIGHT,
    H,
    mask_step,
    put,
    row_step,
    rows_of_block,
)
from .tasks import items_of, tasks
from .vectors import REGISTER, as_float, few_turns, fma, select

# So many members at a time meet the others: no more than a register holds, as lists are filled up by one.
MEMBERS = 4


@inlined
def two_sums(one, two):
    """The sums of two of Lanes."""
    sums = sums_of_two(one, two)
    return lane_of(sums, 0), lane_of(sums, 1)


@inlined
def mark_one(marks, start, c, yes):
    """Mark a category of a row, if yes is 1 and not 0."""
    at = np.uint64(start + c // REGISTER)
    marks[at] |= np.uint8(yes << np.uint64(c % REGISTER))


@inlined
def swap_winner(packing, row, at, first_mask, light, heavy, n, room, masks, marks):
    """Swap the winner of a row with every category, write h but for its own entry, and mark who wins.

    If packing, losers are packed from light and heavy on. Results: where these end, whether the second ever wins,
    and the winner's entry of h.
    """
    light_masks, heavy_masks = masks
    share, zero = 1.0 / n, some_of(0.0)
    inverse_total = entry(room, INVERSE_TOTAL + row)
    winner_noise, winner_inverse_weight = entry(room, WINNER_NOISE + row), entry(room, WINNER_WEIGHT + row)
    lightest, heaviest = entry(room, LIGHTEST + row), entry(room, HEAVIEST + row)
    limit, second_value = entry(room, LIMIT + row), entry(room, SECOND_VALUE + row)
    base, second_difference = entry(room, BASE + row), some_of(entry(room, SECOND_DIFFERENCE + row))
    winner_weight = fma(winner_noise, inverse_total, share)
    difference_sum, h_winner, second_bits = zero, zero, ZERO
    for c in range(0, n, REGISTER):
        noise, inverse_weights = load_some(room, NOISE + at + c), load_some(room, WEIGHTS + at + c)
        own = load_some(room, VALUES + at + c) - base
        z_value, j_value = noise * winner_inverse_weight, inverse_weights * winner_noise
        # Where j is z, it wins with a difference of 0; and where it is the second, either the swap lowers its
        # value, or the noise that z gets is smaller, and z still wins.
        beats_z = second_value < z_value
        j_wins = j_value < select(z_value < second_value, z_value, second_value)
        second_bits |= mask_bits(beats_z & (j_value >= second_value))
        difference = select(j_wins, own, select(beats_z, second_difference, zero))
        store_from(room, H + at + c, difference * winner_weight)
        difference_sum = difference_sum + difference
        weights = fma(noise, inverse_total, share)
        h_winner = fma(difference, weights, h_winner)
        if packing:
            is_light, is_heavy = noise * heaviest < limit, inverse_weights * lightest < limit
            store_mask(light_masks, first_mask + c // REGISTER, is_light)
            store_mask(heavy_masks, first_mask + c // REGISTER, is_heavy)
            mark_bits(marks, first_mask + c // REGISTER, j_wins | is_heavy)
            pack(room, LIGHT + light, noise, is_light)
            pack(room, HEAVY + heavy, inverse_weights, is_heavy)
            pack(room, HEAVY + PAYMENTS + heavy, own * weights, is_heavy)
            pack(room, HEAVY + FACTORS + heavy, own, is_heavy)
            light += bit_count(mask_bits(is_light))
            heavy += bit_count(mask_bits(is_heavy))
        else:
            mark_bits(marks, first_mask + c // REGISTER, j_wins)
    differences, own_h = two_sums(difference_sum, h_winner)
    put(room, DIFFERENCE_SUM + row, differences)
    put(room, H_SUM + row, fma(differences, winner_weight, own_h))
    return light, heavy, second_bits != ZERO, own_h


@inlined
def mark_heavy(at, lightest, limit, first_mask, n, room, marks):
    """Mark who of a row wins the swap with its lightest loser."""
    for c in range(0, n, REGISTER):
        is_heavy = load_some(room, WEIGHTS + at + c) * lightest < limit
        mark_bits(marks, first_mask + c // REGISTER, is_heavy)


@inlined
def swap_winners(n_rows, n_swapping, n, wanted, room, numbers, masks, marks):
    """Swap the winner of each row with every category, write h, mark who wins, and pack the losers that swap.

    Unless wanted, only the marks count. Results: where the light ones end, and the heavy ones.
    """
    light, heavy = 0, 0
    for i in range(n_rows):
        row, losers_swap = numbers[np.uint64(i * NUMBERS + IN_TURN)], i < n_swapping
        at, own, first_mask = row * row_step(n), row * NUMBERS, row * mask_step(n)
        row_of_room = row, at, first_mask, light, heavy, n, room, masks, marks
        if losers_swap and wanted:
            first_light, first_heavy = light, heavy
            light, heavy, second_wins, own_h = swap_winner(True, *row_of_room)
            light -= row_step(n) - n  # past the row's end all are light
            put(numbers, own + LIGHT_AT, first_light)
            put(numbers, own + HEAVY_AT, first_heavy)
            put(numbers, own + N_LIGHT, light - first_light)
            put(numbers, own + N_HEAVY, heavy - first_heavy)
            # What fills up a register, and members, meets nobody.
            store_from(room, LIGHT + light, some_of(EXCLUDED))
            store_from(room, HEAVY + heavy, some_of(EXCLUDED))
            store_from(room, HEAVY + PAYMENTS + heavy, some_of(0.0))
            store_from(room, HEAVY + FACTORS + heavy, some_of(0.0))
            light, heavy = row_step(light + 1), row_step(heavy + 1)
        else:
            _, _, second_wins, own_h = swap_winner(False, *row_of_room)
            if losers_swap:
                lightest, limit = entry(room, LIGHTEST + row), entry(room, LIMIT + row)
                mark_heavy(at, lightest, limit, first_mask, n, room, marks)
        mark_one(marks, first_mask, numbers[np.uint64(own + SECOND)], np.uint64(second_wins))
        z = at + numbers[np.uint64(own + WINNER)]
        put(room, H + z, own_h)
        put(room, WEIGHTS + z, entry(room, WINNER_WEIGHT + row))
    return light, heavy


@inlined
def four(room, at):
    """Four numbers of the room."""
    return entry(room, at), entry(room, at + 1), entry(room, at + 2), entry(room, at + 3)


@inlined
def add_products(four_sums, numbers, total):
    """total and four of Lanes, each times a number."""
    total = fma(four_sums[2], numbers[2], fma(four_sums[3], numbers[3], total))
    return fma(four_sums[0], numbers[0], fma(four_sums[1], numbers[1], total))


@inlined
def meet_members(members, n_members, others, n_others, limit, room):
    """Swap each member with all others, and write what they receive; the sums of d_cj and of h.

    Of each loser there are a key, what the other one receives and a factor, see losers.py.
    """
    zero = some_of(0.0)
    difference_sum, members_h, others_h = zero, zero, zero
    for i in range(members, members + n_members, MEMBERS):
        key, payment = four(room, i), four(room, PAYMENTS + i)
        received_0, received_1, received_2, received_3 = zero, zero, zero, zero
        units_0, units_1, units_2, units_3 = zero, zero, zero, zero
        for c in range(others, others + n_others, REGISTER):
            other = load_some(room, c), load_some(room, PAYMENTS + c), load_some(room, FACTORS + c), limit
            total = load_some(room, TOTALS + c)
            total, received_0, units_0 = meet_one(*other, key[0], payment[0], total, received_0, units_0)
            total, received_1, units_1 = meet_one(*other, key[1], payment[1], total, received_1, units_1)
            total, received_2, units_2 = meet_one(*other, key[2], payment[2], total, received_2, units_2)
            total, received_3, units_3 = meet_one(*other, key[3], payment[3], total, received_3, units_3)
            store_from(room, TOTALS + c, total)
            few_turns()
        factor, units = four(room, FACTORS + i), (units_0, units_1, units_2, units_3)
        difference_sum = add_products(units, factor, difference_sum)
        members_h = add_products((received_0, received_1, received_2, received_3), factor, members_h)
        others_h = add_products(units, payment, others_h)
        store_from(room, TOTALS + i, sums_of_two(received_0, received_1))
        store_from(room, TOTALS + i + 2, sums_of_two(received_2, received_3))
    return two_sums(difference_sum, members_h + others_h)


@inlined
def swap_losers(n_swapping, n_light, n_heavy, n, room, numbers):
    """Swap the losers of the rows where some swap, and write what they receive."""
    for at, n_losers in ((LIGHT, n_light), (HEAVY, n_heavy)):
        for c in range(0, n_losers, REGISTER):
            store_from(room, at + TOTALS + c, some_of(0.0))
    for i in range(n_swapping):
        row = numbers[np.uint64(i * NUMBERS + IN_TURN)]
        own, inverse_total = row * NUMBERS, entry(room, INVERSE_TOTAL + row)
        light, n_light = LIGHT + numbers[np.uint64(own + LIGHT_AT)], numbers[np.uint64(own + N_LIGHT)]
        heavy, n_heavy = HEAVY + numbers[np.uint64(own + HEAVY_AT)], numbers[np.uint64(own + N_HEAVY)]
        for c in range(light, light + n_light, REGISTER):
            store_from(room, PAYMENTS + c, fma(load_some(room, c), inverse_total, 1.0 / n))
            few_turns()
        members, others = (light, heavy) if n_light <= n_heavy else (heavy, light)
        differences, h = meet_members(
            members, min(n_light, n_heavy), others, max(n_light, n_heavy), entry(room, LIMIT + row), room
        )
        put(room, DIFFERENCE_SUM + row, entry(room, DIFFERENCE_SUM + row) + differences)
        put(room, H_SUM + row, entry(room, H_SUM + row) + h)


@inlined
def with_losers(c, place, base, light, heavy, room, masks):
    """h of a register of a row's categories with what losers receive, and where what the next ones do begins.

    The row is at a place in the room, and at one in the masks.
    """
    at, first_mask = place
    is_light = load_mask(masks[0], first_mask + c // REGISTER)
    is_heavy = load_mask(masks[1], first_mask + c // REGISTER)
    # Of losers that are not heavy it need not be a number.
    factors = load_some(room, VALUES + at + c) - base
    h = add_where(is_light, load_some(room, H + at + c), unpack_some(room, light, is_light))
    h = select(is_heavy, fma(unpack_some(room, heavy, is_heavy), factors, h), h)
    return h, light + bit_count(mask_bits(is_light)), heavy + bit_count(mask_bits(is_heavy))


@inlined
def write_row(row, losers_swap, shift, n, out, start, room, numbers, masks):
    """Write h of a row, less the shift, to where it begins in an array, which may be that in the room."""
    place = row * row_step(n), row * mask_step(n)
    last = (n - 1) // REGISTER * REGISTER
    if losers_swap:
        base = entry(room, BASE + row)
        light = LIGHT + TOTALS + numbers[np.uint64(row * NUMBERS + LIGHT_AT)]
        heavy = HEAVY + TOTALS + numbers[np.uint64(row * NUMBERS + HEAVY_AT)]
        for c in range(0, last, REGISTER):
            h, light, heavy = with_losers(c, place, base, light, heavy, room, masks)
            store_from(out, start + c, h - shift)
        h, _, _ = with_losers(last, place, base, light, heavy, room, masks)
        store_up_to(out, start + last, h - shift, start + n)
    else:
        own = H + place[0]
        for c in range(0, last, REGISTER):
            store_from(out, start + c, load_some(room, own + c) - shift)
        # The last register overlaps those before it.
        store_from(out, start + n - REGISTER, load_some(room, own + n - REGISTER) - shift)


@inlined
def store_seen(marks, marks_start, start, n, seen):
    """Write the marks of a row to where it begins."""
    whole = n // WIDTH * WIDTH
    for c in range(0, whole, WIDTH):
        bits = np.uint8(0)
        for i in range(0, WIDTH, REGISTER):
            bits |= np.uint8(marks[marks_start + (c + i) // REGISTER] << np.uint8(i))
        spread_bits(seen, start + c, bits)
    for c in range(whole, n):
        seen[start + c] = (marks[marks_start + c // REGISTER] >> np.uint8(c % REGISTER)) & np.uint8(1)


@called
def add_rows(
    key, n_samples, first_row, stop_row, n, weights, weighed, values, mean, squares, value, seen, counters, room,
    numbers, masks, words,
):  # fmt: skip
    """As row_by_row_moments of some rows, with room for a block."""
    marks, share = view_as(np.uint8, words), 1.0 / n
    # Without values the weights stand for them.
    wanted = mean.shape[0] > 0
    # Of light losers, which nothing overwrites.
    for i in range(LIGHT + FACTORS, LIGHT + TOTALS, REGISTER):
        store_from(room, i, some_of(1.0))
    for place in range(row_step(n)):
        put(room, PLACES + place, as_float(np.uint64(place)))
    n_seen, n_bad, n_large = 0, 0, 0
    for first in range(first_row, stop_row, rows_of_block(n)):
        n_rows = min(rows_of_block(n), stop_row - first)
        words[:] = ZERO
        value[first : first + n_rows] = 0.0
        for sample in range(n_samples):
            draw_rows(key, sample, first, n_rows, n, counters, (weights, values, mean), room)
            if sample == 0:
                n_bad += not weigh_rows(weights, weighed, first, n_rows, n, room)
            squares_sum = race_rows(values if wanted else weights, first, n_rows, n, room)
            n_swapping = find_winners(n_rows, n, room, numbers)
            n_light, n_heavy = swap_winners(n_rows, n_swapping, n, wanted, room, numbers, masks, marks)
            if not wanted:
                continue
            n_large += not squares_sum < np.inf  # if it is, sums of differences are numbers too
            swap_losers(n_swapping, n_light, n_heavy, n, room, numbers)
            for i in range(n_rows):
                row = numbers[np.uint64(i * NUMBERS + IN_TURN)]
                start, h = (first + row) * n, H + row * row_step(n)
                difference_sum = entry(room, DIFFERENCE_SUM + row)
                value[first + row] += entry(room, BASE + row) + 2.0 * difference_sum * (share * share)
                shift = entry(room, H_SUM + row) * share
                if n_samples == 1:
                    write_row(row, i < n_swapping, shift, n, mean, start, room, numbers, masks)
                else:
                    write_row(row, i < n_swapping, 0.0, n, room, h, room, numbers, masks)
                    own = slice(start, start + n)
                    add_sample(room[h : h + n], shift, sample + 1, mean[own], squares[own])
        for word in words:
            n_seen += bit_count(word)
        for i in range(n_rows if seen.shape[0] > 0 else 0):
            store_seen(marks, i * mask_step(n), (first + i) * n, n, seen)
    return n_seen, n_bad, n_large


@tasks("value.shape[0]", "n * n_samples", sums=3)
def row_by_row_moments(
    task, key, n_samples, n, weights, weighed, values, mean, squares, value, seen
):  # fmt: skip
    """As short_rows.short_row_moments, of rows of WIDTH to row_room.LONGEST categories."""
    rows = items_of(task, value.shape[0], n * n_samples)
    n_bytes = rows_of_block(n) * mask_step(n)
    masks = empty(np.uint8, n_bytes), empty(np.uint8, n_bytes)
    return add_rows(
        key, n_samples, rows.start, rows.stop, n, weights, weighed, values, mean, squares, value, seen,
        block_counters(n), empty(np.float64, ROOM), empty(np.int64, NUMBERS * rows_of_block(n)), masks,
        empty(np.uint64, n_bytes // 8),
    )  # fmt: skip
