"""Means and squared deviations over samples, added in an order that their numbers alone decide.

Samples 2 i and 2 i + 1 are merged, then pairs, then pairs of pairs. Where the number of samples is no power of
two, what is left at the end is merged from the smallest to the largest. So are blocks of 2**k samples, each of
which is merged within itself first: the sum is the same for blocks of any such size. Blocks of other numbers are
merged alike, to sums of their own.
"""

import math

import numpy as np

from ._jit import allocating, called, inlined, serial
from .lanes import WIDTH, load, store
from .room import empty
from .rows import copy_row
from .tasks import items_of, tasks

# Blocks are merged by pieces of so many categories: all that is merged of one stays in a cache.
PIECE = 1024


@called
def add_sample(sample, shift, count, mean, squares):
    """Welford's update with sample - shift, the count-th of its block; the first sets both arrays.

    squares may be empty where there is but one. mean may be the sample.
    """
    if count == 1:
        # LLVM's loop goes one by one where the two arrays are one.
        n_eights = sample.shape[0] // WIDTH
        for i in range(n_eights):
            store(mean, i, load(sample, i) - shift)
        for c in range(n_eights * WIDTH, sample.shape[0]):
            mean[c] = sample[c] - shift
        squares[:] = 0.0
    else:
        inverse_count = 1.0 / count
        for c in range(sample.shape[0]):
            deviation = sample[c] - shift - mean[c]
            mean[c] += deviation * inverse_count
            squares[c] += deviation * deviation * (1.0 - inverse_count)


@inlined
def merge_block(block_count, block_mean, block_squares, count, mean, squares):
    """Add a block to the moments of `count` other samples (Chan, Golub and LeVeque)."""
    share = block_count / (count + block_count)
    for c in range(mean.shape[0]):
        deviation = block_mean[c] - mean[c]
        mean[c] += deviation * share
        squares[c] += block_squares[c] + deviation * deviation * (count * share)


@inlined
def n_levels(n):
    """How many levels of parts wait for others while n parts are added."""
    levels = 0
    while (n - 1) >> levels:
        levels += 1
    return levels


@inlined
def levels_to_merge(number, n):
    """Bits of the levels that the part of this number is merged with: all that wait, if it is the last of n."""
    return number if number == n - 1 else number & ~(number + 1)


@inlined
def level_of(levels):
    """Where the result waits then, unless it is of the last part."""
    level = 0
    while (levels >> level) & 1:
        level += 1
    return level


@allocating
def sample_room(n, mean):
    """Where n samples are made, one after the other: one alone is the mean."""
    return mean if n == 1 else empty(np.float64, mean.shape[0])


@allocating
def tree_room(n, size):
    """Room for n samples: means, squared deviations and sums of values of what waits, and last of the result.

    For one sample, made in the mean, there is a value alone.
    """
    rows = n_levels(n) + 1
    columns = size if n > 1 else 0
    return empty(np.float64, (rows, columns)), empty(np.float64, (rows, columns)), empty(np.float64, rows)


@called
def add_to_tree(sample, value, number, n, room):
    """Add a sample, and its value, the number-th of n from 0 on."""
    means, squares, sums = room
    size = means.shape[1]
    levels = levels_to_merge(number, n)
    row = level_of(levels) if number < n - 1 else means.shape[0] - 1
    if levels & 1:
        for c in range(size):
            deviation = means[0, c] - sample[c]
            means[row, c] = sample[c] + deviation * 0.5
            squares[row, c] = deviation * deviation * 0.5
        value += sums[0]
    else:
        for c in range(size):
            means[row, c] = sample[c]
        if row > 0:
            for c in range(size):
                squares[row, c] = 0.0
    count, level = 1 + (levels & 1), 1
    while levels >> level:
        if (levels >> level) & 1:
            share = (1 << level) / np.float64((1 << level) + count)
            weight = count * share
            for c in range(size):
                deviation = means[level, c] - means[row, c]
                means[row, c] += deviation * share
                squares[row, c] += squares[level, c] + deviation * deviation * weight
            value += sums[level]
            count += 1 << level
        level += 1
    sums[row] = value


@inlined
def take_result(n, room, mean, squares):
    """The moments of all n samples, and the sum of their values; squares may be empty where there is but one.

    That one is in the mean already (sample_room).
    """
    means, room_squares, sums = room
    row = means.shape[0] - 1
    if n == 1:
        squares[:] = 0.0
    else:
        copy_row(means[row], mean)
        copy_row(room_squares[row], squares)
    return sums[row]


@inlined
def n_pieces(n):
    """How many pieces n categories are."""
    return (n + PIECE - 1) // PIECE


@called
def merge_pieces(
    pieces, first, n_blocks, block_samples, n_samples, starts, block_mean, block_squares, block_value, room,
    offsets, mean, squares, value,
):  # fmt: skip
    """As merge_blocks, of some pieces of every group."""
    means, waiting_squares, sums = room
    for piece in pieces:
        for i in range(starts.shape[0] - 1):
            group, number = (first + i) // n_blocks, (first + i) % n_blocks
            start, stop = piece * PIECE, min((piece + 1) * PIECE, starts[i + 1] - starts[i])
            if start >= stop:
                continue
            levels = levels_to_merge(number, n_blocks)
            if number < n_blocks - 1:
                count = block_samples
                own_mean = means[level_of(levels), start:stop]
                own_squares = waiting_squares[level_of(levels), start:stop]
            else:
                count = n_samples - number * block_samples
                own_mean = mean[offsets[group] + start : offsets[group] + stop]
                own_squares = squares[offsets[group] + start : offsets[group] + stop]
            copy_row(block_mean[starts[i] + start : starts[i] + stop], own_mean)
            copy_row(block_squares[starts[i] + start : starts[i] + stop], own_squares)
            own_value = block_value[i]
            level = 0
            while levels >> level:
                if (levels >> level) & 1:
                    merge_block(
                        np.float64(block_samples << level), means[level, start:stop],
                        waiting_squares[level, start:stop], np.float64(count), own_mean, own_squares,
                    )  # fmt: skip
                    if start == 0:  # only this piece's task reads or writes the sums
                        own_value += sums[level]
                    count += block_samples << level
                level += 1
            if start == 0 and number < n_blocks - 1:
                sums[level_of(levels)] = own_value
            elif start == 0:
                value[group] = own_value


@tasks("n_pieces(room[0].shape[1])", "PIECE * block_value.shape[0]")
def merge_blocks(
    task, first, n_blocks, block_samples, n_samples, starts, block_mean, block_squares, block_value, room,
    offsets, mean, squares, value,
):  # fmt: skip
    """Merge blocks as add_to_tree does samples; the i-th, at starts[i], is number first + i.

    It is number % n_blocks of group number // n_blocks, which has n_samples samples and begins at offsets[group]
    of the results. The room keeps what waits for the blocks to come, of as many categories as the longest has.
    """
    pieces = items_of(task, n_pieces(room[0].shape[1]), PIECE * block_value.shape[0])
    merge_pieces(
        pieces, first, n_blocks, block_samples, n_samples, starts, block_mean, block_squares, block_value, room,
        offsets, mean, squares, value,
    )  # fmt: skip


@serial
def merge_seen(first, n_blocks, starts, block_seen, offsets, seen):
    """Mark in seen what any block of a group has seen, in bytes; blocks as in merge_blocks."""
    for i in range(starts.shape[0] - 1):
        own, block = seen[offsets[(first + i) // n_blocks] :], block_seen[starts[i] : starts[i + 1]]
        for c in range(block.shape[0]):
            own[c] |= block[c]


@tasks("n_pieces(squares.shape[0])", "PIECE")
def turn_into_standard_errors(task, squares, n_samples):
    """Turn squared deviations into standard errors of the means."""
    pieces = items_of(task, n_pieces(squares.shape[0]), PIECE)
    divisor = np.float64(n_samples) * max(1, n_samples - 1)
    own = squares[pieces.start * PIECE : min(pieces.stop * PIECE, squares.shape[0])]
    for c in range(own.shape[0]):
        own[c] = math.sqrt(own[c] / divisor)
