"""Rows as one-variable problems of their own: their gradients from a table, and what f must be asked."""

import numba
import numpy as np

from ._jit import called, serial
from .arsm_row import add_row, n_mark_words, room_length, take_marks
from .bits import bit_count
from .lanes import WIDTH, mask_bits, store_from
from .marks import list_lanes, marks_from, store_same, unpack
from .merge import swap_row, swap_scratch
from .moments import add_sample
from .noise import LANES, fill_references, noise_row
from .race import race_scratch, run_race
from .room import empty, view_as
from .tasks import items_of, tasks
from .tile import tile_moments, tile_room
from .weights import largest_of, weigh_row


@tasks("value.shape[0]", "longest * min(n_samples, block_samples)", sums=1)
def one_variable_moments(
    task, fixed_reference, n_references, key, noise, n_samples, weights, weighed, values, offsets,
    longest, noise_room, weight_room, first, n_blocks, block_samples, starts, mean, squares, value, seen,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one row (see moments.merge_blocks).

    Block i writes mean, squares and seen from starts[i] on, and the sum over its samples in value[i].
    noise_room is for the noise of a row, and LANES more, of each thread. The weights are inverse weights or,
    unless weighed, logits, and weight_room is for the inverse weights of a row of each thread; then the result is
    not 0 where logits are refused.
    """
    n_bad = 0
    row_noise = noise_room[numba.get_thread_id()]
    own_h = empty(np.float64, longest if n_samples > 1 else 0)
    minima = race_scratch(longest)
    scratch = swap_scratch(longest)
    references = empty(np.int64, n_references)
    for i in items_of(task, value.shape[0], longest * min(n_samples, block_samples)):
        row, block = (first + i) // n_blocks, (first + i) % n_blocks
        start, stop = offsets[row], offsets[row + 1]
        n = stop - start
        inverse_weights = weights[start:stop]
        if not weighed:
            inverse_weights = weight_room[numba.get_thread_id(), :n]
            n_bad += not weigh_row(weights[start:stop], inverse_weights)
        out = slice(starts[i], starts[i + 1])
        row_mean = mean[out]
        row_squares = squares[out]
        row_seen = seen[out]
        row_seen[:] = False
        h = own_h[:n] if n_samples > 1 else row_mean
        value_sum = 0.0
        first_sample = block * block_samples
        stop_sample = min(n_samples, first_sample + block_samples)
        for sample in range(first_sample, stop_sample):
            total = noise_row(noise, key, sample, row, start, stop, row_noise)
            race = run_race(row_noise[:n], inverse_weights, minima)
            fill_references(fixed_reference, key, sample, row, n, references)
            sample_value, shift = swap_row(
                row_noise[:n], total, inverse_weights, values[start:stop], race, references,
                h, row_seen, scratch,
            )  # fmt: skip
            add_sample(h, shift, sample - first_sample + 1, row_mean, row_squares)
            value_sum += sample_value
        value[i] = value_sum
    return n_bad


@called
def add_rows(
    key, n_samples, logits, values, offsets, first, n_blocks, block_samples, starts, mean, squares, value, seen,
    items, arrays, words, room,
):  # fmt: skip
    """As row_moments of some of the blocks, with room for a row and for its marks."""
    row_noise, own_h = arrays
    n_seen, n_bad, n_large = 0, 0, 0
    for i in items:
        row, block = (first + i) // n_blocks, (first + i) % n_blocks
        start, stop = offsets[row], offsets[row + 1]
        n = stop - start
        top = largest_of(logits, start, stop)
        out = slice(starts[i], starts[i + 1])
        row_words = words[: n_mark_words(n)]
        for word in range(row_words.shape[0]):
            row_words[word] = np.uint64(0)
        h = own_h[:n] if n_samples > 1 else mean[out]
        value[i] = 0.0
        first_sample = block * block_samples
        for sample in range(first_sample, min(n_samples, first_sample + block_samples)):
            sample_value, good, small = add_row(
                key, sample, row, logits[start:stop], top, values[start:stop], sample - first_sample + 1,
                row_noise, h, mean[out], squares[out], view_as(np.uint8, row_words), room,
            )  # fmt: skip
            value[i] += sample_value
            n_bad += not good
            n_large += not small
        n_seen += take_marks(row_words, n, starts[i], seen)
    return n_seen, n_bad, n_large


@tasks("value.shape[0]", "longest * min(n_samples, block_samples)", sums=3)
def row_moments(
    task, key, n_samples, logits, values, offsets, longest, first, n_blocks, block_samples, starts, mean, squares,
    value, seen,
):  # fmt: skip
    """As one_variable_moments, of ARSM with drawn noise for rows of at least eight categories.

    Results: how many categories the blocks have seen, where seen may be empty; not 0 where logits are refused;
    and not 0 where the squares of some values are no numbers. Of one sample mean may be empty: then only what is
    seen is found.
    """
    n_noise, n_h, n_words = longest + LANES, longest if n_samples > 1 else 0, n_mark_words(longest)
    # Parts of one array: what glibc frees goes back to the system, from which to get it again takes longer than
    # to use it, unless an array as large as half of it was freed before.
    room = empty(np.float64, n_noise + n_h + n_words + room_length(longest))
    arrays, rest = (room[:n_noise], room[n_noise : n_noise + n_h]), room[n_noise + n_h :]
    words, rest = view_as(np.uint64, rest[:n_words]), rest[n_words:]
    items = items_of(task, value.shape[0], longest * min(n_samples, block_samples))
    return add_rows(
        key, n_samples, logits, values, offsets, first, n_blocks, block_samples, starts, mean, squares, value,
        seen, items, arrays, words, rest,
    )  # fmt: skip


@tasks("value.shape[0]", "longest * min(n_samples, block_samples)")
def many_sample_moments(
    task, key, n_samples, inverse_weights, values, offsets, longest, order,
    first, n_blocks, block_samples, starts, mean, squares, value, seen,
):  # fmt: skip
    """As one_variable_moments, of ARSM with drawn noise, eight samples at a time.

    order has the categories of each row by descending weight.
    """
    room = tile_room(longest)
    for i in items_of(task, value.shape[0], longest * min(n_samples, block_samples)):
        row, block = (first + i) // n_blocks, (first + i) % n_blocks
        own = slice(offsets[row], offsets[row + 1])
        out = slice(starts[i], starts[i + 1])
        first_sample = block * block_samples
        value[i] = tile_moments(
            key, first_sample, min(n_samples - first_sample, block_samples), row, inverse_weights[own],
            values[own], order[own], mean[out], squares[out], seen[out], room,
        )  # fmt: skip


@serial
def list_seen(seen, offsets, actions, rows):
    """List what is marked: categories and rows. There must be room for WIDTH more than are."""
    at = 0
    for row in range(offsets.shape[0] - 1):
        start, stop = offsets[row], offsets[row + 1]
        n_eights = (stop - start) // WIDTH
        for i in range(start, start + n_eights * WIDTH, WIDTH):
            store_same(rows, at, row)
            at = list_lanes(actions, at, i - start, marks_from(seen, i))
        for i in range(start + n_eights * WIDTH, stop):
            actions[at], rows[at] = i - start, row
            at += seen[i]


@serial
def spread_seen(seen, values, table):
    """Write the values, in their order, to where there are marks, and 0 elsewhere. There is at least one."""
    at, last = 0, values.shape[0] - 1
    n_eights = table.shape[0] // WIDTH
    for i in range(0, n_eights * WIDTH, WIDTH):
        marks = marks_from(seen, i)
        store_from(table, i, unpack(values, min(at, last), marks))
        at += bit_count(mask_bits(marks))
    for i in range(n_eights * WIDTH, table.shape[0]):
        table[i] = values[min(at, last)] * seen[i]  # a branch would be mispredicted
        at += seen[i]
