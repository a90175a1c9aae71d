"""ARSM of rows of up to some hundred categories, one after the other, a register of categories at a time.

The gradient of merge.arsm_row for drawn noise. Noise and weights are made for some rows together, and a row's are
copied to where all steps find them, in whole registers. A swap of two losers changes the winner where one is
light and the other heavy enough; of the light and the heavy losers the fewer are taken one by one, each against
all of the others. Level racers, which drawn noise has as good as never, are told apart by number only where they
win.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .ars import ars
from .arsm_row import two_smallest
from .bits import bit_count, highest_bit, lowest_bit
from .exponential import (
    MANY,
    NOISE_STREAM,
    ONE,
    ZERO,
    exponentials,
    high_counters,
    load_many,
    low_counters,
)
from .lanes import (
    LINE,
    SMALL,
    asking_for,
    entry,
    first_lanes,
    load_some,
    loading_up_to,
    magnitudes,
    mark_bits,
    mask_bits,
    some_of,
    store_from,
    sum_of_lanes,
    two_least,
)
from .losers import meet_one
from .merge import EXCLUDED
from .moments import add_sample
from .room import empty, view_as, zeros
from .tasks import items_of, tasks
from .vectors import REGISTER, as_bits, as_float, blocks_from, exchanged, fma, select
from .weights import exponentiate, write_gaps

# Longer rows are swapped sooner by lists of losers, see arsm_row.py.
LONGEST = 256
# So many categories are drawn and weighed together.
BLOCK = 512
WORD = 64
# Where the parts of a row's room begin: noise, inverse weights, values, race values and h; and of the losers that
# swap with others their key (see losers.py), what one pays to another, the factor of all it is paid, and that.
# A line more than a power of two, so that they do not all have the same place in a page.
LENGTH = LONGEST + LINE
NOISE, WEIGHTS, VALUES, RACES, H, KEYS, PAYMENTS, FACTORS, TOTALS = range(0, 9 * LENGTH, LENGTH)

blocks_of_many = blocks_from(range(MANY // 2))
load_up_to = loading_up_to(REGISTER)
ask_for = asking_for(MANY)


@inlined
def rows_of_block(n):
    """How many rows of n categories make a block."""
    return max(1, BLOCK // n)


@inlined
def noise_length(n):
    """How many numbers of noise are drawn for a row: an even number."""
    return (n + 1) // 2 * 2


@allocating
def block_room(n):
    """The counters of a block's noise, of pairs of categories and rows; room for the noise and the weights."""
    n_rows, n_pairs = rows_of_block(n), noise_length(n) // 2
    n_words = (2 * n_rows * n_pairs + MANY - 1) // MANY * MANY
    counters = zeros(np.uint64, n_words)
    for i in range(n_rows * n_pairs):
        counters[2 * i] = low_counters(i % n_pairs, i // n_pairs)
    return counters, empty(np.float64, n_words + REGISTER), empty(np.float64, n_rows * n)


@called
def draw_rows(key, sample, first_row, n_rows, n, room, arrays):
    """The noise of some rows one after the other, noise_length(n) numbers for each: see fill_exponentials.

    Meanwhile the same rows of the arrays, of n entries each, are brought near.
    """
    counters, noise, _ = room
    first = blocks_of_many(low_counters(ZERO, first_row), high_counters(sample, key, NOISE_STREAM), ZERO, ZERO)
    for start in range(0, n_rows * noise_length(n), MANY):
        ask_for(arrays, first_row * n + start)
        store_from(noise, start, as_float(ars(as_bits(load_many(counters, start)) + first, key[0])))
    for start in range(0, n_rows * noise_length(n), MANY):
        store_from(noise, start, exchanged(exponentials(as_bits(load_many(noise, start)))))


@called
def weigh_rows(logits, first_row, n_rows, n, out):
    """Set out to exp(max - logits) of some rows; False where one is no number."""
    own, own_out = logits[first_row * n : (first_row + n_rows) * n], out[: n_rows * n]
    for row in range(n_rows):
        write_gaps(own, row * n, (row + 1) * n, own_out)
    return exponentiate(0.0, own_out, own_out)


@inlined
def lightest_loser(winner_noise, lightest):
    """Of the two smallest entries of the noise the smallest that is not the winner's."""
    return lightest[1] if lightest[0] == winner_noise else lightest[0]


@inlined
def enter(numbers, inverse_weights, values, c, room, state):
    """Copy some categories of a row, which join the race.

    State: the sum of noise, the two smallest numbers, and the two smallest race values of each lane; and the sum
    of the values' magnitudes.
    """
    total, lightest, second_lightest, least, others, size = state
    race_values = numbers * inverse_weights
    store_from(room, NOISE + c, numbers)
    store_from(room, WEIGHTS + c, inverse_weights)
    store_from(room, VALUES + c, values)
    store_from(room, RACES + c, race_values)
    return (
        total + numbers,
        *two_smallest(numbers, lightest, second_lightest),
        *two_smallest(race_values, least, others),
        size + magnitudes(values),
    )


@inlined
def run_race(noise, noise_start, weights, start, values, values_start, n, inside, room):
    """Copy a row and race it.

    Results: the sum of noise, its two smallest entries, the two smallest race values, and the sum of the values'
    magnitudes. Past the row's end noise and values are 0, and inverse weights and race values infinite.
    """
    infinite = some_of(np.inf)
    state = some_of(0.0), infinite, infinite, infinite, infinite, some_of(0.0)
    last = (n - 1) // REGISTER * REGISTER
    for c in range(0, last, REGISTER):
        state = enter(
            load_some(noise, noise_start + c), load_some(weights, start + c), load_some(values, values_start + c),
            c, room, state,
        )  # fmt: skip
    numbers = select(inside, load_some(noise, noise_start + last), np.inf)
    inverse_weights = load_up_to(weights, start + last, start + n, np.inf)
    own_values = load_up_to(values, values_start + last, values_start + n, 0.0)
    total = state[0]
    _, lightest, second_lightest, least, others, size = enter(
        numbers, inverse_weights, own_values, last, room, state
    )
    numbers = select(inside, numbers, 0.0)
    store_from(room, NOISE + last, numbers)
    return (
        sum_of_lanes(total + numbers),
        two_least(lightest, second_lightest),
        two_least(least, others),
        sum_of_lanes(size),
    )


@inlined
def two_first(n, first_value, second_value, room):
    """The numbers of the first and the second of a race; of the second any other where none is."""
    low, high, count = -1, 0, 0
    for word in range(0, n, WORD):
        bits = ZERO
        for c in range(word, min(word + WORD, n), REGISTER):
            bits |= mask_bits(load_some(room, RACES + c) <= second_value) << np.uint64(c - word)
        if bits:
            low = word + lowest_bit(bits) if low < 0 else low
            high = word + highest_bit(bits)
            count += bit_count(bits)
    if count == 2:
        return (low, high) if entry(room, RACES + low) <= entry(room, RACES + high) else (high, low)
    first, second = 0, 0
    for c in range(n - 1, -1, -1):
        first = c if entry(room, RACES + c) == first_value else first
    for c in range(n - 1, -1, -1):
        second = c if c != first and entry(room, RACES + c) == second_value else second
    return first, second


@inlined
def mark_one(marks, start, c, yes):
    """Mark a category of a row, if yes is 1 and not 0."""
    at = np.uint64(start + c // REGISTER)
    marks[at] |= np.uint8(yes << np.uint64(c % REGISTER))


@inlined
def beaten_by(c, winner_noise, winner_inverse_weight, second_value, room):
    """Where j wins the winner's swap with j, and where the second at least beats z, for some j from c on."""
    z_value = load_some(room, NOISE + c) * winner_inverse_weight
    j_value = load_some(room, WEIGHTS + c) * winner_noise
    # Where j is z, nothing is below its race value; and where it is the second, either the swap lowers its
    # value, or the noise that z gets is smaller, and z still wins.
    return j_value < select(z_value < second_value, z_value, second_value), second_value < z_value


@inlined
def swap_winner(n, z, second, second_value, inverse_total, room, marks, marks_start):
    """Swap the winner with every category, write h but for its own entry, and mark who wins.

    The winner's noise is EXCLUDED afterwards. Results: the sum of d_zj, its factor in the sum of h, and the
    winner's entry of h.
    """
    share = 1.0 / n
    winner_noise, winner_inverse_weight = entry(room, NOISE + z), entry(room, WEIGHTS + z)
    winner_weight = fma(winner_noise, inverse_total, share)
    base = entry(room, VALUES + z)
    second_difference = some_of(entry(room, VALUES + second) - base)
    zero = some_of(0.0)
    difference_sum, h_winner, second_bits = zero, zero, ZERO
    for c in range(0, n, REGISTER):
        j_wins, beats_z = beaten_by(c, winner_noise, winner_inverse_weight, second_value, room)
        second_bits |= mask_bits(beats_z) & ~mask_bits(j_wins)
        difference = select(beats_z, second_difference, zero)
        difference = select(j_wins, load_some(room, VALUES + c) - base, difference)
        store_from(room, H + c, difference * winner_weight)
        difference_sum = difference_sum + difference
        h_winner = fma(difference, fma(load_some(room, NOISE + c), inverse_total, share), h_winner)
        mark_bits(marks, marks_start + c // REGISTER, j_wins)
    mark_one(marks, marks_start, z, ONE)
    mark_one(marks, marks_start, second, np.uint64(second_bits != ZERO))
    room[np.uint64(NOISE + z)] = EXCLUDED
    return sum_of_lanes(difference_sum), winner_weight, sum_of_lanes(h_winner)


@inlined
def heaviest_loser(n, z, room):
    """The inverse weight of the heaviest category but the winner."""
    least, others = some_of(np.inf), some_of(np.inf)
    for c in range(0, n, REGISTER):
        least, others = two_smallest(load_some(room, WEIGHTS + c), least, others)
    heaviest, next_heaviest = two_least(least, others)
    return next_heaviest if entry(room, WEIGHTS + z) == heaviest else heaviest


@inlined
def find_losers(n, z, heaviest, lightest, limit, room, losers, marks, marks_start):
    """Write words whose bits say which losers are light and which heavy, and mark these. How many of each."""
    light, heavy, _ = losers
    n_light, n_heavy = 0, 0
    for word in range(0, n, WORD):
        light_bits, heavy_bits = ZERO, ZERO
        for c in range(word, min(word + WORD, n), REGISTER):
            is_heavy = load_some(room, WEIGHTS + c) * lightest < limit
            light_bits |= mask_bits(load_some(room, NOISE + c) * heaviest < limit) << np.uint64(c - word)
            heavy_bits |= mask_bits(is_heavy) << np.uint64(c - word)
            mark_bits(marks, marks_start + c // REGISTER, is_heavy)
        if n - word < WORD:
            light_bits &= (ONE << np.uint64(n - word)) - ONE
        if z // WORD == word // WORD:
            heavy_bits &= ~(ONE << np.uint64(z - word))  # its difference is zero, and it would add nothing
        light[word // WORD], heavy[word // WORD] = light_bits, heavy_bits
        n_light += bit_count(light_bits)
        n_heavy += bit_count(heavy_bits)
    return n_light, n_heavy


@inlined
def collect(by_light, others, n, base, inverse_total, room, numbers):
    """List losers of one kind, and write what swaps them side by side: see KEYS. How many they are."""
    keys = WEIGHTS if by_light else NOISE
    share = 1.0 / n
    n_others = 0
    for word in range((n + WORD - 1) // WORD):
        bits = others[np.uint64(word)]
        while bits:
            c = word * WORD + lowest_bit(bits)
            bits &= bits - ONE
            factor = entry(room, VALUES + c) - base if by_light else 1.0
            numbers[np.uint64(n_others)] = c
            room[np.uint64(KEYS + n_others)] = entry(room, keys + c)
            room[np.uint64(FACTORS + n_others)] = factor
            room[np.uint64(PAYMENTS + n_others)] = factor * fma(entry(room, NOISE + c), inverse_total, share)
            n_others += 1
    store_from(room, KEYS + n_others, some_of(np.inf))
    for i in range(0, n_others, REGISTER):
        store_from(room, TOTALS + i, some_of(0.0))
    return n_others


@inlined
def swap_losers(by_light, members, others, n, base, limit, inverse_total, room, numbers):
    """Add the swaps of members of one kind with the others to h. Results: the sums of d_cj and of h."""
    n_others = collect(by_light, others, n, base, inverse_total, room, numbers)
    member_keys = NOISE if by_light else WEIGHTS
    share, zero = 1.0 / n, some_of(0.0)
    difference_sum, h_sum = 0.0, 0.0
    for word in range((n + WORD - 1) // WORD):
        bits = members[np.uint64(word)]
        while bits:
            i = word * WORD + lowest_bit(bits)
            bits &= bits - ONE
            factor = 1.0 if by_light else entry(room, VALUES + i) - base
            payment = factor * fma(entry(room, NOISE + i), inverse_total, share)
            key = entry(room, member_keys + i)
            received, units = zero, zero
            for c in range(0, n_others, REGISTER):
                total, received, units = meet_one(
                    load_some(room, KEYS + c), load_some(room, PAYMENTS + c), load_some(room, FACTORS + c), limit,
                    key, payment, load_some(room, TOTALS + c), received, units,
                )  # fmt: skip
                store_from(room, TOTALS + c, total)
            own_total = factor * sum_of_lanes(received)
            room[np.uint64(H + i)] += own_total
            h_sum += own_total
            difference_sum += factor * sum_of_lanes(units)
    for i in range(n_others):
        given = entry(room, TOTALS + i) * entry(room, FACTORS + i)
        room[np.uint64(H + numbers[np.uint64(i)])] += given
        h_sum += given
    return difference_sum, h_sum


@inlined
def arsm_of_row(
    noise, noise_start, weights, start, values, values_start, wanted, n, inside, room, losers, marks, marks_start
):
    """Write h but for the winner's entry, and mark what f is needed at.

    Results: the winner and its entry; the mean of f over the swaps; what is to be subtracted from h; and the sum
    of the values' magnitudes. Unless wanted, only the marks count.
    """
    total, noise_least, (limit, second_value), size = run_race(
        noise, noise_start, weights, start, values, values_start, n, inside, room
    )
    z, second = two_first(n, limit, second_value, room)
    inverse_total = -1.0 / total
    base, lightest = entry(room, VALUES + z), lightest_loser(entry(room, NOISE + z), noise_least)
    difference_sum, winner_weight, h_winner = swap_winner(
        n, z, second, second_value, inverse_total, room, marks, marks_start
    )
    h_sum = fma(difference_sum, winner_weight, h_winner)
    if lightest < limit:
        heaviest = heaviest_loser(n, z, room)
        if lightest * heaviest < limit:
            n_light, n_heavy = find_losers(n, z, heaviest, lightest, limit, room, losers, marks, marks_start)
            if wanted:
                by_light = n_light <= n_heavy
                light, heavy, numbers = losers
                members, others = (light, heavy) if by_light else (heavy, light)
                loser_difference, loser_h = swap_losers(
                    by_light, members, others, n, base, limit, inverse_total, room, numbers
                )
                difference_sum += loser_difference
                h_sum += loser_h
    share = 1.0 / n
    return z, h_winner, base + 2.0 * difference_sum * (share * share), h_sum * share, size


@inlined
def write_row(n, shift, mean, start, room):
    """Set the row of mean that begins at start to h - shift."""
    # The last register overlaps those before it.
    for c in range(0, n - REGISTER, REGISTER):
        store_from(mean, start + c, load_some(room, H + c) - shift)
    store_from(mean, start + n - REGISTER, load_some(room, H + n - REGISTER) - shift)


@inlined
def store_seen(marks, marks_start, start, n, seen):
    """Write the marks of a row to where it begins."""
    for c in range(n):
        seen[start + c] = (marks[marks_start + c // REGISTER] >> np.uint8(c % REGISTER)) & np.uint8(1)


@called
def add_rows(
    key, n_samples, first_row, stop_row, n, weights, weighed, values, mean, squares, value, seen, block, room,
    losers, words,
):  # fmt: skip
    """As row_by_row_moments of some rows, with room for a block and for a row."""
    noise, own_weights = block[1], block[2]
    inside = first_lanes(some_of(0.0), n - (n - 1) // REGISTER * REGISTER)
    n_marks = (n + REGISTER - 1) // REGISTER
    marks = view_as(np.uint8, words)
    # Without values the weights stand for them.
    wanted = mean.shape[0] > 0
    n_seen, n_bad, n_large = 0, 0, 0
    for first in range(first_row, stop_row, rows_of_block(n)):
        n_rows = min(rows_of_block(n), stop_row - first)
        words[:] = ZERO
        value[first : first + n_rows] = 0.0
        for sample in range(n_samples):
            draw_rows(key, sample, first, n_rows, n, block, (weights, values, mean))
            if sample == 0 and not weighed:
                n_bad += not weigh_rows(weights, first, n_rows, n, own_weights)
            for i in range(n_rows):
                row = first + i
                start = row * n
                z, h_winner, sample_value, shift, size = arsm_of_row(
                    noise, i * noise_length(n), weights if weighed else own_weights, start if weighed else i * n,
                    values if wanted else weights, start, wanted, n, inside, room, losers, marks, i * n_marks,
                )  # fmt: skip
                if not wanted:
                    continue
                n_large += not size < SMALL
                value[row] += sample_value
                room[H + z] = h_winner
                if n_samples == 1:
                    write_row(n, shift, mean, start, room)
                else:
                    own = slice(start, start + n)
                    add_sample(room[H : H + n], shift, sample + 1, mean[own], squares[own])
        for word in words:
            n_seen += bit_count(word)
        for i in range(n_rows if seen.shape[0] > 0 else 0):
            store_seen(marks, i * n_marks, (first + i) * n, n, seen)
    return n_seen, n_bad, n_large


@tasks("value.shape[0]", "n * n_samples", sums=3)
def row_by_row_moments(
    task, key, n_samples, n, weights, weighed, values, mean, squares, value, seen
):  # fmt: skip
    """As short_rows.short_row_moments, of rows of REGISTER to LONGEST categories."""
    rows = items_of(task, value.shape[0], n * n_samples)
    n_words = (rows_of_block(n) * ((n + REGISTER - 1) // REGISTER) + 7) // 8
    losers = empty(np.uint64, LONGEST // WORD), empty(np.uint64, LONGEST // WORD), empty(np.int64, LONGEST)
    return add_rows(
        key, n_samples, rows.start, rows.stop, n, weights, weighed, values, mean, squares, value, seen,
        block_room(n), zeros(np.float64, 9 * LENGTH), losers, empty(np.uint64, n_words),
    )  # fmt: skip
