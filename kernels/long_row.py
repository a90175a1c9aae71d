"""ARSM of one long row, whose parts are tasks: what arsm_row does, put together in the order of the parts.

The kernels run in this order: draw_parts, join_races, swap_parts, list_members, meet_parts, join_met,
spend_parts, join_swaps and add_parts; and after all samples list_marks.
"""

import numpy as np

from ._jit import inlined, serial
from .arsm_row import (
    draw_and_race,
    heavy_gap_of,
    inverse_weight,
    lightest_of,
    mark_one,
    n_groups_of,
    n_mark_words,
    swap_part,
    take_marks,
    winner_of_row,
)
from .lanes import WIDTH
from .members import buckets_for, fill_members, meet_others, member_room, spend_members, sum_met
from .merge import EXCLUDED
from .moments import add_sample
from .race import NO_RACE, enter_race
from .room import empty, view_as, zeros
from .tasks import CATEGORIES_PER_TASK as PART
from .tasks import tasks
from .weights import largest_of

# So much room a part's lists have, which are written in whole vectors.
LIST = PART + 2 * WIDTH
# Parts are as many tasks at most where two losers are swapped: each needs a sum for each of the fewer kind.
MOST_GROUPS = 4
# So many of the fewer kind are a task.
CHUNK = 2048
# Where all logits are -inf, what they are compared with.
LEAST = -np.finfo(np.float64).max


@inlined
def n_parts_of(n):
    """How many parts a row of n categories has: the last has at least WIDTH."""
    return (n + PART - WIDTH) // PART


@inlined
def part_of(task, n):
    """The categories of a part."""
    return slice(task * PART, n if task == n_parts_of(n) - 1 else (task + 1) * PART)


@serial
def part_room(n):
    """For each part of a row: its largest logit, two first, two numbers of its race, three counts, two sums.

    The last two are of swaps. And words of marks, a bit for each category.
    """
    n_parts = n_parts_of(n)
    races = empty(np.float64, n_parts), empty(np.int64, (n_parts, 2)), empty(np.float64, (n_parts, 2))
    swaps = empty(np.int64, (n_parts, 3)), empty(np.float64, (n_parts, 2))
    return races, swaps, zeros(np.uint64, n_mark_words(n))


@serial
def list_room(n):
    """Lists of light and of heavy losers. Little is ever written: NumPy would have them made in large pages."""
    return empty(np.int32, n_parts_of(n) * LIST), empty(np.int32, n_parts_of(n) * LIST)


@tasks("racers.shape[0]", sums=1)
def draw_parts(task, key, sample, row, logits, tops, noise, racers, numbers):
    """Draw the noise and race it; not 0 where some logits are refused.

    With the first sample comes the largest logit of the part, -inf if all are. The race is run with that, so that
    the first two's race values are yet to be found.
    """
    own = part_of(task, logits.shape[0])
    own_logits = logits[own]
    if sample == 0:
        tops[task] = largest_of(own_logits, np.int64(0), own_logits.shape[0])
    top = max(tops[task], LEAST)
    minima = empty(np.float64, n_groups_of(own.stop - own.start))
    race, total, lightest, good = draw_and_race(
        key, sample, row, own.start, own_logits, top, noise[own.start :], minima
    )
    racers[task, 0], racers[task, 1] = own.start + race[0], own.start + race[1]
    numbers[task, 0], numbers[task, 1] = total, lightest
    return int(not good)


@serial
def join_races(noise, logits, top, racers, numbers):
    """What is the same for all parts of a row.

    The second, and the winner's and its race value; the inverse of the sum of the noise; the winner's noise and
    gap; and the smallest other noise and the gap of what is heavy for it, 0 where two losers do not swap. The
    winner's noise is EXCLUDED now.
    """
    race = NO_RACE
    total = 0.0
    for part in range(racers.shape[0]):
        for i in range(2):
            c = racers[part, i]
            race = enter_race(c, noise[c] * inverse_weight(c, logits, top), race)
        total += numbers[part, 0]
    z, _, limit, _ = race
    winner_noise = noise[z]
    noise[z] = EXCLUDED
    lightest = np.inf
    for part in range(racers.shape[0]):
        own = part_of(part, noise.shape[0])
        is_winners = own.start <= z < own.stop
        lightest = min(lightest, lightest_of(noise[own]) if is_winners else numbers[part, 1])
    heavy_gap = heavy_gap_of(lightest, limit) if lightest < limit else 0.0
    return *race, 1.0 / total, winner_noise, top - logits[z], lightest, heavy_gap


@tasks("counts.shape[0]", sums=1)
def swap_parts(
    task, drawn, noise, logits, top, values, h, words, counts, sums, light_numbers, heavy_numbers
):  # fmt: skip
    """Swap the winner with every j, and list the losers that may swap with others; drawn is of join_races.

    The result is not 0 where the squares of some values are no numbers.
    """
    z, second, limit, second_value, inverse_total, winner_noise, gap, _, heavy_gap = drawn
    n = logits.shape[0]
    own = part_of(task, n)
    own_marks = view_as(np.uint8, words)[own.start // WIDTH : (own.stop + WIDTH - 1) // WIDTH]
    winner = winner_of_row(winner_noise, gap, second_value, values[z], values[second], top)
    own_list = slice(task * LIST, (task + 1) * LIST)
    lists = light_numbers[own_list], heavy_numbers[own_list], empty(np.int32, PART // WIDTH)
    (sums[task, 0], sums[task, 1]), second_wins, small, n_light, n_heavy = swap_part(
        n, own.start, noise[own], inverse_total, logits[own], values[own], winner, limit, heavy_gap,
        h[own] if h.shape[0] > 0 else h, own_marks, lists,
    )  # fmt: skip
    counts[task, 0], counts[task, 1], counts[task, 2] = n_light, n_heavy, second_wins
    return int(not small)


@inlined
def join_lists(numbers, counts):
    """Move the lists of all parts to the first; their length."""
    length = counts[0]
    for part in range(1, counts.shape[0]):
        for i in range(part * LIST, part * LIST + counts[part]):
            numbers[length] = numbers[i]
            length += 1
    return length


@serial
def list_members(drawn, noise, logits, top, values, words, counts, light_numbers, heavy_numbers):
    """Of the light or the heavy losers the fewer; mark the second where it wins.

    Results: whether they are the light ones; how many they are, 0 where there are no swaps; and what they have
    others get, as of arsm_row.fill_members, and in which buckets they are.
    """
    z, second, limit, _, inverse_total, _, _, lightest, heavy_gap = drawn
    mark_one(view_as(np.uint8, words), second, counts[:, 2].any())
    n_light, n_heavy = counts[:, 0].sum(), counts[:, 1].sum()
    by_light = n_light < n_heavy
    numbers = light_numbers if by_light else heavy_numbers
    n = join_lists(numbers, counts[:, 0 if by_light else 1]) if n_light > 0 else 0
    members = member_room(n)
    buckets, n_buckets = buckets_for(by_light, lightest, heavy_gap, limit, n)
    if n > 0:
        fill_members(
            by_light, noise, inverse_total, logits, top, values, values[z], limit, numbers[:n], buckets,
            n_buckets, members,
        )  # fmt: skip
    return by_light, n, buckets, members


@tasks("met.shape[0]")
def meet_parts(task, drawn, noise, logits, top, values, h, counts, by_light, buckets, members, others, met):
    """Swap the members with all others of a group of parts; see arsm_row.meet_others."""
    z, inverse_total = drawn[0], drawn[4]
    own_met = met[task]
    own_met[:] = 0.0
    # In turn, as likely categories may all lie together.
    for part in range(task, counts.shape[0], met.shape[0]):
        start = part * LIST
        numbers = others[start : start + counts[part, 1 if by_light else 0]]
        meet_others(
            by_light, noise, inverse_total, logits, top, values, values[z], numbers, buckets, members, own_met, h
        )


@inlined
def chunk_of(task, n):
    """Where the members of a task begin and end."""
    return task * CHUNK, min(n, (task + 1) * CHUNK)


@tasks("sums.shape[0]")
def join_met(task, met, sums):
    """Add what all groups have met to the first of them, and up what members get of it; see members.sum_met."""
    start, stop = chunk_of(task, met.shape[1] // 4 - 1)
    for group in range(1, met.shape[0]):
        for i in range(4 * start + 4, 4 * stop + 4):
            met[0, i] += met[group, i]
    sums[task, 0], sums[task, 1] = sum_met(met[0], start, stop)


@tasks("sums.shape[0]")
def spend_parts(task, drawn, noise, values, h, by_light, members, met, sums, results):
    """Add to h what members get of all groups; the results are of members.spend_members."""
    z, inverse_total = drawn[0], drawn[4]
    start, stop = chunk_of(task, met.shape[1] // 4 - 1)
    factors, total = 0.0, 0.0
    for later in range(task + 1, sums.shape[0]):
        factors += sums[later, 0]
        total += sums[later, 1]
    results[task, 0], results[task, 1] = spend_members(
        by_light, noise, inverse_total, values, values[z], members, met[0], start, stop, factors, total, h
    )


@serial
def join_swaps(drawn, values, h, sums, results):
    """Add up the swaps of all parts. Results: the mean of f over them, and what is to be subtracted from h."""
    z, inverse_total, winner_noise = drawn[0], drawn[4], drawn[5]
    n = h.shape[0]
    difference_sum, h[z] = sums[:, 0].sum(), sums[:, 1].sum()
    h_sum = difference_sum * (1.0 / n - winner_noise * inverse_total) + h[z] + results[:, 1].sum()
    difference_sum += results[:, 0].sum()
    return values[z] + 2.0 * difference_sum / (float(n) * n), h_sum / n


@serial
def list_marks(words, n, start, seen):
    """As arsm_row.take_marks."""
    return take_marks(words, n, start, seen)


@tasks("n_parts_of(h.shape[0])")
def add_parts(task, h, shift, count, mean, squares):
    """As moments.add_sample."""
    own = part_of(task, h.shape[0])
    add_sample(h[own], shift, count, mean[own], squares[own])
