"""ARSM of one row, eight categories side by side: the gradient of merge.arsm_row for drawn noise.

The gradient depends on the weights only by who wins, so that few of them are ever computed: a race value is
bounded by what an exponential is about, and where one side of a comparison is the same for many categories, it is
their logits that are compared, with a logarithm of it. A gap is the largest logit of the row minus a category's.

One pass makes the swaps of the winner and lists the light and the heavy losers, which pairing.py or, where they
are many, members.py swaps.
Level racers, which drawn noise has as good as never, are not told apart here by number. Rows have at least eight
categories; the last eight of them overlap those before.
"""

import numpy as np

from ._jit import called, inlined
from .bits import bit_count, lowest_bit
from .exp import CAUTION, exponential_about, exponential_of
from .exponential import NOISE_STREAM, fill_exponentials, minus_logarithm
from .lanes import (
    ALL_LANES,
    WIDTH,
    lane_numbers,
    lane_of,
    load_eight,
    mask_bits,
    smallest_lane,
    some_of,
    spread,
    store_from,
    sum_of_lanes,
    two_least,
)
from .marks import list_lanes, spread_bits
from .members import bucket_length, bucket_room, buckets_for, fill_members, meet_others, spend_members
from .merge import EXCLUDED
from .moments import add_sample
from .noise import LANES
from .pairing import MOST_LOSERS, MOST_PAIRS, pairing_length, swap_losers
from .race import NO_RACE, enter_race
from .room import view_as
from .vectors import REGISTER, as_bits, as_float, few_turns, first_half, fma, kept, second_half, select

ALL_OF_REGISTER = np.uint64(2**REGISTER - 1)
HALVES = WIDTH // REGISTER
# So many categories are drawn before they are raced, and raced before it is noted how far the first of them is.
RACE_BLOCK, RACE_GROUP = 512, 128


@inlined
def two_smallest(values, least, others):
    """The two smallest of each lane after more have joined."""
    larger = select(values < least, least, values)
    return select(values < least, values, least), select(larger < others, larger, others)


@inlined
def inverse_weight(c, logits, top):
    """exp(top - logits[c])."""
    return exponential_of(top - logits[c])


@inlined
def enter_some(bits, start, noise, logits, top, race):
    """As race.enter_race of the categories from start on whose bits are set."""
    while bits:
        c = start + lowest_bit(bits)
        bits &= bits - np.uint64(1)
        race = enter_race(c, noise[c] * inverse_weight(c, logits, top), race)
    return race


@inlined
def race_bounds(numbers, gaps, c, start):
    """No less than race values, and no more than CAUTION times them; of lanes below c infinity.

    Gaps above 700 count as that: such a category may be taken for the second, which only matters where its race
    value is no further from the winner's than numbers of noise are from each other.
    """
    return select(lane_numbers() >= np.float64(c - start), numbers * exponential_about(gaps), np.inf)


@called
def run_race(noise, logits, top, minima, bound):
    """The race of those whose bounds are no larger than CAUTION times this one; minima are of their groups."""
    n = logits.shape[0]
    race = NO_RACE
    limit = bound * CAUTION
    for group in range(minima.shape[0]):
        if minima[group] <= limit:
            for c in range(group * RACE_GROUP, min(n, (group + 1) * RACE_GROUP), WIDTH):
                start = min(c, n - WIDTH)
                bounds = race_bounds(load_eight(noise, start), top - load_eight(logits, start), c, start)
                race = enter_some(mask_bits(bounds <= limit), start, noise, logits, top, race)
    return race


@inlined
def n_groups_of(n):
    """How many groups of a race n categories are."""
    return (n + RACE_GROUP - 1) // RACE_GROUP


@called
def draw_and_race(key, sample, row, first, logits, top, noise, minima):
    """Draw the noise of a row from a category on and race it, in blocks that stay in the first-level cache.

    Results: the two first categories, counted from 0, and their race values, as of race.run_race; the sum of the
    noise; its smallest entry; and False where a logit is refused, of which top is the largest. `first` is a
    multiple of LANES, and there must be room for LANES more numbers of noise, and for the minima of all groups.
    """
    n = logits.shape[0]
    total, gap_sum = spread(0.0), spread(0.0)
    lightest, least, others = spread(np.inf), spread(np.inf), spread(np.inf)
    for block in range(0, n, RACE_BLOCK):
        stop = min(n, block + RACE_BLOCK)
        n_drawn = (stop - block + LANES - 1) // LANES * LANES
        fill_exponentials(key, NOISE_STREAM, sample, row, first + block, noise[block : block + n_drawn])
        for group in range(block, stop, RACE_GROUP):
            group_least, group_others = spread(np.inf), spread(np.inf)
            group_stop = min(n, group + RACE_GROUP)
            whole = group + (group_stop - group) // (2 * WIDTH) * (2 * WIDTH)
            for c in range(group, whole, 2 * WIDTH):
                numbers, other_numbers = load_eight(noise, c), load_eight(noise, c + WIDTH)
                total = total + (numbers + other_numbers)
                smaller = select(numbers < other_numbers, numbers, other_numbers)
                lightest = select(smaller < lightest, smaller, lightest)
                gaps, other_gaps = top - load_eight(logits, c), top - load_eight(logits, c + WIDTH)
                gap_sum = gap_sum + (gaps + other_gaps)
                bounds = numbers * exponential_about(gaps)
                other_bounds = other_numbers * exponential_about(other_gaps)
                group_least = select(bounds < group_least, bounds, group_least)
                group_others = select(other_bounds < group_others, other_bounds, group_others)
            for c in range(whole, group_stop, WIDTH):
                start = min(c, n - WIDTH)
                numbers, gaps = load_eight(noise, start), top - load_eight(logits, start)
                gap_sum = gap_sum + gaps
                lightest = select(numbers < lightest, numbers, lightest)
                bounds = race_bounds(numbers, gaps, c, start)
                group_least = select(bounds < group_least, bounds, group_least)
            minima[group // RACE_GROUP] = smallest_lane(
                select(group_others < group_least, group_others, group_least)
            )
            least, others = two_smallest(group_least, least, others)
            least, others = two_smallest(group_others, least, others)
    noise_sum = sum_of_lanes(total)
    for c in range(n // (2 * WIDTH) * (2 * WIDTH), n):
        noise_sum += noise[c]
    # Two reach this bound, so neither of the two first lies above it.
    bound = two_least(least, others)[1]
    race = run_race(noise, logits, top, minima[: n_groups_of(n)], bound)
    # What is no number makes no number of the sum.
    return race, noise_sum, smallest_lane(lightest), mask_bits(gap_sum >= 0.0) == ALL_LANES


@called
def lightest_of(noise):
    """The smallest number of a row."""
    n = noise.shape[0]
    least = load_eight(noise, n - WIDTH)
    for c in range(0, n - WIDTH, WIDTH):
        numbers = load_eight(noise, c)
        least = select(numbers < least, numbers, least)
    return smallest_lane(least)


@called
def gap_of(share):
    """The gap of a category whose weight is this share of the largest."""
    return lane_of(minus_logarithm(spread(share)), 0)


@inlined
def heavy_gap_of(lightest, limit):
    """Losers of smaller gaps win with the lightest noise."""
    return gap_of(lightest / limit)


@inlined
def list_length(n):
    """How many float64 a list of up to n losers takes."""
    return (n + WIDTH + 1) // 2


@inlined
def room_length(n):
    """How many float64 are the room of arsm_of_row for up to n categories: three lists, and what swaps losers."""
    return 3 * list_length(n) + max(pairing_length(n), bucket_length(n))


@inlined
def lists_of(n, room):
    """Room for the light losers, for the heavy ones, and for more numbers."""
    length = list_length(n)
    return (
        view_as(np.int32, room[:length]),
        view_as(np.int32, room[length : 2 * length]),
        view_as(np.int32, room[2 * length : 3 * length]),
    )


@called
def add_loser_swaps(
    noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, lists, n_light, n_heavy, h, room
):  # fmt: skip
    """Add the swaps of two losers to h. Results: the sums of d_cj over their unordered pairs, and of h.

    The winner's noise must be EXCLUDED.
    """
    light, heavy, numbers = lists[0][:n_light], lists[1][:n_heavy], lists[2]
    if max(n_light, n_heavy) <= MOST_LOSERS and n_light * n_heavy <= MOST_PAIRS:
        return swap_losers(
            noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, light, heavy, h, room
        )
    by_light = n_light < n_heavy
    fewer, others = (light, heavy) if by_light else (heavy, light)
    n = fewer.shape[0]
    members, met = bucket_room(n, numbers, room)
    buckets, n_buckets = buckets_for(by_light, lightest, heavy_gap, limit, n)
    fill_members(
        by_light, noise, inverse_total, logits, top, values, base, limit, fewer, buckets, n_buckets, members
    )
    for i in range(4 * (n + 1)):
        met[i] = 0.0
    meet_others(by_light, noise, inverse_total, logits, top, values, base, others, buckets, members, met, h)
    return spend_members(
        by_light, noise, inverse_total, values, base, members[0], met, np.int64(0), n, 0.0, 0.0, h
    )


@inlined
def add_product(one, two, total):
    """total + one * two: where a register is half of them, both halves are added to the same lanes."""
    if HALVES == 1:
        return fma(one, two, total)
    return fma(second_half(one), second_half(two), fma(first_half(one), first_half(two), total))


@inlined
def meet_winner(start, noise, logits, winner):
    """Of the eight categories from start on what decides their swaps with the winner, but for the limit of gaps.

    Their noise and gaps; the winner's race value with that noise, and where the second at least beats it.
    """
    _, winner_inverse_weight, second_value, _, top = winner[:5]
    noise_j, gaps = load_eight(noise, start), top - load_eight(logits, start)
    z_value = noise_j * winner_inverse_weight
    return noise_j, gaps, z_value, second_value < z_value


@inlined
def sure_changes(met, winner):
    """Where not z wins, and where of these j does and not the second; but for those in doubt."""
    _, gaps, _, beats_z = met
    return beats_z, gaps < winner[3]


@inlined
def in_doubt(met, winner):
    """Bits of those that are ahead of the second, but perhaps behind z: hardly ever more than one."""
    _, gaps, _, beats_z = met
    return mask_bits(gaps < winner[3]) & ~mask_bits(beats_z)


@inlined
def all_changes(met, winner):
    """As sure_changes, of all."""
    _, gaps, z_value, beats_z = met
    j_wins = (gaps < winner[3]) & (beats_z | (exponential_of(gaps) * winner[0] < z_value))
    return beats_z | j_wins, j_wins


@inlined
def mark_some(start, n_before, bits, marks):
    """Mark some of the eight categories from start on, but for the first n_before."""
    marks[np.uint64(start + n_before) // np.uint64(WIDTH)] |= np.uint8(bits >> np.uint64(n_before))


@inlined
def who_wins(changes):
    """Bits of where j wins the winner's swap, and of where the second does."""
    # Where j is z, whose noise is beyond all others here, j "wins" with a difference of zero; for the second
    # see tile.row_of_winner_tile.
    bits, j_bits = mask_bits(changes[0]), mask_bits(changes[1])
    return bits & j_bits, bits & ~j_bits


@inlined
def swap_eight(start, n_before, listing, met, changes, values, winner, losers, h, marks, lists, counts, sums):
    """As swap_part, of the eight categories from start on but the first n_before, which were swapped.

    counts say how many losers are listed. sums are of d_zj, of its products with the noise above the mean, and of
    the squares of the values; and bits of the lanes in which the second ever wins.
    """
    base, second_difference, winner_weight, mean_noise = winner[5:]
    first, limit, heavy_gap = losers
    n_light, n_heavy = counts
    differences, products, squares, second_bits = sums
    noise_j, gaps, _, _ = met
    j_bits, own_second_bits = who_wins(changes)
    own_values = load_eight(values, start)
    difference = select(changes[1], own_values - base, spread(second_difference))
    difference = select(changes[0], difference, spread(0.0))
    store_from(h, start, difference * winner_weight)
    is_light, is_heavy = noise_j < limit, gaps < heavy_gap
    mark_some(start, n_before, j_bits | mask_bits(is_heavy) if listing else j_bits, marks)
    if n_before > 0:
        inside = lane_numbers() >= np.float64(n_before)
        difference = select(inside, difference, spread(0.0))
        is_light, is_heavy = is_light & inside, is_heavy & inside
    if listing:
        n_light = list_lanes(lists[0], n_light, first + start, is_light)
        n_heavy = list_lanes(lists[1], n_heavy, first + start, is_heavy)
    sums = (
        add_product(difference, spread(1.0), differences),
        add_product(difference, noise_j - mean_noise, products),
        add_product(own_values, own_values, squares), second_bits | own_second_bits,
    )  # fmt: skip
    return (n_light, n_heavy), sums


@inlined
def winner_of_row(winner_noise, gap, second_value, base, value_of_second, top):
    """What swap_part takes of a winner with this gap."""
    # Those of smaller gaps are ahead of the second with the winner's noise: the winner is, whatever is rounded.
    near_gap = max(gap_of(winner_noise / second_value), as_float(as_bits(gap) + np.uint64(1)))
    return winner_noise, exponential_of(gap), second_value, near_gap, top, base, value_of_second - base


@inlined
def settle(start, noise, logits, values, winner, h, marks):
    """What those in doubt add to the sums of d_zj and of the products, of which they were left out."""
    winner_noise, winner_inverse_weight, _, _, top, base, _, winner_weight, mean_noise = winner
    difference_sum, product_sum = 0.0, 0.0
    bits = in_doubt(meet_winner(start, noise, logits, winner), winner)
    while bits:
        c = start + lowest_bit(bits)
        bits &= bits - np.uint64(1)
        if inverse_weight(c, logits, top) * winner_noise < noise[c] * winner_inverse_weight:
            difference = values[c] - base
            mark_one(marks, c, True)
            h[c] = difference * winner_weight
            difference_sum += difference
            product_sum += difference * (noise[c] - mean_noise)
    return difference_sum, product_sum


@inlined
def swap_eights(listing, noise, logits, values, winner, losers, h, marks, lists):
    """As swap_part."""
    n = noise.shape[0]
    arrays = values, winner, losers, h, marks, lists
    sums = some_of(0.0), some_of(0.0), some_of(0.0), np.uint64(0)
    counts, doubtful, n_doubtful = (0, 0), lists[2], np.uint64(0)
    whole = n // WIDTH * WIDTH
    for start in range(0, whole, WIDTH):
        met = meet_winner(start, noise, logits, winner)
        counts, sums = swap_eight(start, 0, listing, met, sure_changes(met, winner), *arrays, counts, sums)
        differences, products, squares = kept(sums[:3])
        sums = differences, products, squares, sums[3]
        doubtful[n_doubtful] = start
        n_doubtful += np.uint64(in_doubt(met, winner) != 0)
    if whole < n:
        start = n - WIDTH
        met = meet_winner(start, noise, logits, winner)
        counts, sums = swap_eight(
            start, whole - start, listing, met, all_changes(met, winner), *arrays, counts, sums
        )
    differences, products, squares, second_bits = sums
    difference_sum, product_sum = sum_of_lanes(differences), sum_of_lanes(products)
    # To settle them in the loop takes registers that it needs.
    for i in range(n_doubtful):
        difference, product = settle(doubtful[i], noise, logits, values, winner, h, marks)
        difference_sum += difference
        product_sum += product
    return counts, difference_sum, product_sum, mask_bits(squares < np.inf) == ALL_OF_REGISTER, second_bits


@called
def swap_part(
    n_categories, first, noise, inverse_total, logits, values, winner, limit, heavy_gap, h, marks, lists
):  # fmt: skip
    """Swap the winner of a row with some of its categories, from the first on, of which all arrays are.

    The winner is of winner_of_row, and its noise is EXCLUDED in the row. And list what may swap with another
    loser: the light, whose noise is below the limit and lets the largest weight of all win, and the heavy, which
    win with the lightest noise and are marked; marks has a bit for each category. The two lists have room for
    WIDTH more; a heavy_gap of 0 says that they are not wanted.

    Results: the sum of d_zj and the winner's entry of h; whether the second ever wins; whether all values are
    small; and how many are light, and how many heavy. An empty h is left alone, and only the second's result
    counts. The third list is room for a number for each eight categories.
    """
    n = noise.shape[0]
    share = 1.0 / n_categories
    own = *winner, share - winner[0] * inverse_total, share / inverse_total
    if h.shape[0] == 0:
        bits = np.uint64(0)
        for c in range(0, n, WIDTH):
            start = min(c, n - WIDTH)
            met = meet_winner(start, noise, logits, own)
            changes = all_changes(met, own) if in_doubt(met, own) else sure_changes(met, own)
            j_bits, second_bits = who_wins(changes)
            mark_some(start, c - start, j_bits | mask_bits(met[1] < heavy_gap), marks)
            bits |= second_bits
        return (0.0, 0.0), bits != 0, True, 0, 0
    losers = first, limit, heavy_gap
    if heavy_gap > 0.0:
        results = swap_eights(True, noise, logits, values, own, losers, h, marks, lists)
    else:
        results = swap_eights(False, noise, logits, values, own, losers, h, marks, lists)
    (n_light, n_heavy), difference_sum, product_sum, small, bits = results
    return (difference_sum, -inverse_total * product_sum), bits != 0, small, n_light, n_heavy


@inlined
def mark_one(marks, c, yes):
    """Set the bit of a category if yes."""
    marks[np.uint64(c) // np.uint64(WIDTH)] |= np.uint8(np.uint64(yes) << (np.uint64(c) % np.uint64(WIDTH)))


@called
def arsm_of_row(noise, total, lightest, logits, top, values, race, h, marks, room):
    """ARSM (eq. 9): h, and as results the mean of f over the swaps and what is to be subtracted from h.

    And False where a value is not small. The row of noise, with that sum and smallest entry, is used up. What f
    was needed at is marked, by a bit for each category, and that alone is done where h is empty. The room is of
    room_length.
    """
    z, second, limit, second_value = race
    n = noise.shape[0]
    base, winner_noise = values[z], noise[z]
    winner = winner_of_row(winner_noise, top - logits[z], second_value, base, values[second], top)
    noise[z] = EXCLUDED
    inverse_total = 1.0 / total
    if lightest < limit and lightest == winner_noise:
        lightest = lightest_of(noise)
    heavy_gap = heavy_gap_of(lightest, limit) if lightest < limit else 0.0
    lists = lists_of(n, room)
    (difference_sum, h_winner), second_ever, small, n_light, n_heavy = swap_part(
        n, 0, noise, inverse_total, logits, values, winner, limit, heavy_gap, h, marks, lists
    )
    mark_one(marks, second, second_ever)
    if h.shape[0] > 0:
        h[z] = h_winner
    h_sum = difference_sum * (1.0 / n - winner_noise * inverse_total) + h_winner
    if n_light > 0:
        loser_difference, loser_h = add_loser_swaps(
            noise, inverse_total, logits, top, values, base, lightest, limit, heavy_gap, lists, n_light, n_heavy,
            h, room[3 * list_length(n) :],
        )  # fmt: skip
        difference_sum += loser_difference
        h_sum += loser_h
    return base + 2.0 * difference_sum / (float(n) * n), h_sum / n, small


@inlined
def take_marks(words, n, start, seen):
    """How many of n categories are marked; unless seen is empty, that is set from start on to which."""
    count = 0
    for word in words:
        count += bit_count(word)
        few_turns()
    if seen.shape[0] > 0:
        marks = view_as(np.uint8, words)
        whole = n // WIDTH * WIDTH
        for c in range(0, whole, WIDTH):
            spread_bits(seen, start + c, marks[c // WIDTH])
        for c in range(whole, n):
            seen[start + c] = (marks[c // WIDTH] >> np.uint8(c % WIDTH)) & np.uint8(1)
    return count


@inlined
def n_mark_words(n):
    """How many words have a bit for each of n categories."""
    return (n + 63) // 64


@inlined
def add_row(key, sample, row, logits, top, values, count, noise, h, mean, squares, marks, room):
    """Add the gradient of one sample of a row, the count-th of its block; top is its largest logit.

    Results: the mean of f over the swaps; False where a logit is refused; and False where a value is not small.
    """
    race, total, lightest, good = draw_and_race(key, sample, row, 0, logits, top, noise, room)
    if not good:
        return 0.0, False, True
    own_noise = noise[: logits.shape[0]]
    value, shift, small = arsm_of_row(own_noise, total, lightest, logits, top, values, race, h, marks, room)
    if h.shape[0] > 0:
        add_sample(h, shift, count, mean, squares)
    return value, good, small
