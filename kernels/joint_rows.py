"""The joint swap of short rows: each pair of categories has an entry, with the actions of eight variables a word.

What joint_pairs finds for drawn noise, in time and memory O(K C**2) with a small constant. Item (problem, sample)
is number problem * n_samples + sample. Its entries are the true vector and then one for each pair c < j, number
1 + j (j - 1) / 2 + c; an entry whose swap changes no variable repeats the true vector. Level racers, which drawn
noise has as good as never, are not told apart here by number.

Eight variables are a group, and their actions the bytes of a word (see joint_words.py).
"""

import numpy as np
from llvmlite import ir
from numba import types

from ._intrinsics import intrinsic
from ._jit import called, inlined, serial
from .bits import WORD_BITS
from .joint_words import add_hashes, fill_words, group_room
from .lanes import WIDTH, entry, load, spread, store
from .moments import add_to_tree, sample_room, take_result, tree_room
from .room import empty, flat, zeros
from .tasks import tasks
from .tile import BLOCK, block_room, draw_block, tile_of_block
from .transposed import store_rows
from .vectors import fma

# Rows of a product of matrices that are made at a time.
ROWS = 4
ITEMS_PER_TASK = 16
# Vectors that are formed together, and groups of each that are written one after the other: whole lines.
VECTORS, GROUPS = 16, 4
# Smaller tasks take less time than their room.
PAIRS_PER_TASK = 2048


@intrinsic
def store_bytes(typing_context, array, start, word):
    """Set eight entries of an int32 array from start on to the bytes of a word."""

    def codegen(context, builder, sig, arguments):
        array, start, word = arguments
        kind = ir.VectorType(ir.IntType(32), WIDTH)
        data = context.make_array(sig.args[0])(context, builder, array).data
        pointer = builder.bitcast(builder.gep(data, [start]), kind.as_pointer())
        numbers = builder.zext(builder.bitcast(word, ir.VectorType(ir.IntType(8), WIDTH)), kind)
        builder.store(numbers, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), codegen


@inlined
def n_groups_of(n_variables):
    """How many groups there are."""
    return (n_variables + WIDTH - 1) // WIDTH


@called
def number_entries(hashes, table, number, first):
    """Number the distinct hashes in order of first appearance, and list those; how many there are.

    Hashes beyond the room for numbers are not looked at.
    """
    slots = np.uint64(table.shape[0] - 1)
    table[:] = 0
    count = 0
    for e in range(number.shape[0]):
        slot = (hashes[0, e] ^ (hashes[0, e] >> WORD_BITS)) & slots
        while table[slot] > 0:
            other = first[table[slot] - 1]
            if hashes[0, other] == hashes[0, e] and hashes[1, other] == hashes[1, e]:
                break
            slot = (slot + np.uint64(1)) & slots
        if table[slot] == 0:
            first[count] = e
            count += 1
            table[slot] = count
        number[e] = table[slot] - 1
    return count


@tasks("(counts.shape[0] + ITEMS_PER_TASK - 1) // ITEMS_PER_TASK")
def find_row_vectors(
    task, first_item, key, n_samples, n_variables, n, inverse_weights, multipliers,
    number, first_entries, hashes, words, counts,
):  # fmt: skip
    """The distinct vectors of items, of n_variables of n categories each.

    Results: the number of each entry's vector within its item, (items, entries); the entries that they first
    appear at, likewise; the hashes of entries, (items, 2, words); the entries' words, (items, groups, words); and
    how many vectors there are.
    """
    n_groups = n_groups_of(n_variables)
    room, noise_room = group_room(n), block_room(n)
    size = 4
    while size < 2 * number.shape[1]:
        size *= 2
    table = empty(np.int32, size)
    for i in range(task * ITEMS_PER_TASK, min(counts.shape[0], (task + 1) * ITEMS_PER_TASK)):
        problem, sample = (first_item + i) // n_samples, (first_item + i) % n_samples
        own_hashes = hashes[i]
        own_hashes[:] = 0
        for group in range(n_groups):
            row = problem * n_variables + group * WIDTH
            if group % BLOCK == 0:
                n_drawn = min(BLOCK, n_groups - group)
                draw_block(key[0], key[1], sample, row, n_drawn, n, noise_room, (inverse_weights,))
            noise = tile_of_block(noise_room, group % BLOCK, n)
            true_word = fill_words(noise, row, (problem + 1) * n_variables, n, inverse_weights, room)
            add_hashes(room[-1], true_word, group, multipliers, words[i, group], own_hashes)
        counts[i] = number_entries(own_hashes, table, number[i], first_entries[i])


@serial
def list_row_hashes(bounds, first_entries, hashes, out):
    """The hashes of vectors, of which those of item i are bounds[i]..bounds[i + 1] - 1."""
    for i in range(bounds.shape[0] - 1):
        for at in range(bounds[i + 1] - bounds[i]):
            out[bounds[i] + at, 0] = hashes[i, 0, first_entries[i, at]]
            out[bounds[i] + at, 1] = hashes[i, 1, first_entries[i, at]]


@inlined
def n_below(number, numbers):
    """How many of numbers in ascending order are below another."""
    low, high = 0, numbers.shape[0]
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low


@tasks("words.shape[0]")
def form_row_vectors(i, wanted, bounds, first_entries, words, out):
    """The given vectors, in ascending order, from the results of find_row_vectors."""
    n_variables = out.shape[1]
    numbers, own_words = flat(out), flat(words[i])
    begin, end = n_below(bounds[i], wanted), n_below(bounds[i + 1], wanted)
    own_wanted, first = wanted[begin:end], first_entries[i]
    n_whole, n_words = n_variables // WIDTH, words.shape[2]
    n_in_lines = n_whole // GROUPS * GROUPS
    places = empty(np.int64, VECTORS)
    # Some vectors at a time, so that what is read of them stays in the first-level cache, and of each some whole
    # lines before those of the next.
    for done in range(0, own_wanted.shape[0], VECTORS):
        n_some = min(VECTORS, own_wanted.shape[0] - done)
        for at in range(n_some):
            places[at] = first[own_wanted[done + at] - bounds[i]]
        start = (begin + done) * n_variables
        for group in range(0, n_in_lines, GROUPS):
            to = start + group * WIDTH
            for at in range(n_some):
                place = group * n_words + places[at]
                for more in range(GROUPS):
                    word = own_words[np.uint64(place + more * n_words)]
                    store_bytes(numbers, to + more * WIDTH, word)
                to += n_variables
        for group in range(n_in_lines, n_whole):
            to = start + group * WIDTH
            for at in range(n_some):
                store_bytes(numbers, to, own_words[np.uint64(group * n_words + places[at])])
                to += n_variables
        for at in range(n_some if n_whole < words.shape[1] else 0):
            word = own_words[np.uint64(n_whole * n_words + places[at])]
            for k in range(n_whole * WIDTH, n_variables):
                numbers[start + at * n_variables + k] = word & np.uint64(0xFF)
                word >>= np.uint64(8)


@inlined
def padded(n):
    """n as a multiple of ROWS."""
    return (n + ROWS - 1) // ROWS * ROWS


@called
def tile_gradient(differences, weights, h):
    """Set h to the gradient of eight rows: of their weights and the symmetric matrix of what swaps add to f.

    Matrix and h have padded(n) rows, so that some can be made at a time: sums wait for themselves.
    """
    n = weights.shape[0]
    zero = spread(0.0)
    for c in range(0, n, ROWS):
        sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
        for j in range(n):
            weight, at = load(weights, j), j * padded(n) + c
            sum_0 = fma(entry(differences, at), weight, sum_0)
            sum_1 = fma(entry(differences, at + 1), weight, sum_1)
            sum_2 = fma(entry(differences, at + 2), weight, sum_2)
            sum_3 = fma(entry(differences, at + 3), weight, sum_3)
        store(h, c, sum_0)
        store(h, c + 1, sum_1)
        store(h, c + 2, sum_2)
        store(h, c + 3, sum_3)
    h_sum = zero
    for c in range(n):
        h_sum = h_sum + load(h, c)
    mean = h_sum / np.float64(n)
    for c in range(n):
        store(h, c, load(h, c) - mean)


@inlined
def fill_differences(number, values, n, differences):
    """Write what swaps add to f, as a symmetric matrix; the sum of its lower half."""
    base, size = values[0], padded(n)
    difference_sum = 0.0
    e = 0
    for j in range(n):
        for c in range(j):
            e += 1
            difference = values[number[e]] - base
            differences[j * size + c] = difference
            differences[c * size + j] = difference
            difference_sum += difference
    return difference_sum


@inlined
def weigh_tile(noise, weights):
    """1 / n - noise / sum(noise) of eight rows."""
    n = weights.shape[0]
    total = spread(0.0)
    for c in range(n):
        total = total + load(noise, c)
    inverse_n, inverse_total = 1.0 / n, 1.0 / total
    for c in range(n):
        store(weights, c, inverse_n - load(noise, c) * inverse_total)


@inlined
def n_parts_of(n_variables):
    """How many blocks of groups the variables of a problem are."""
    return (n_groups_of(n_variables) + BLOCK - 1) // BLOCK


@inlined
def parts_of_a_task(n_variables, n_entries, n_samples):
    """How many such blocks make a task."""
    return max(1, PAIRS_PER_TASK // (n_entries * min(BLOCK, n_groups_of(n_variables)) * n_samples))


@inlined
def n_part_tasks(n_blocks, n_variables, n_entries, n_samples):
    """How many tasks the moments of so many blocks of samples are."""
    per_task = parts_of_a_task(n_variables, n_entries, n_samples)
    return (n_blocks * n_parts_of(n_variables) + per_task - 1) // per_task


@tasks("n_part_tasks(value.shape[0], n_variables, number.shape[1], min(n_samples, block_samples))")
def joint_row_moments(
    task, key, n_samples, n_variables, n, bounds, number, values,
    begin_sample, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    Entry e of item i has the value values[bounds[i] + number[i, e]].
    """
    n_parts = n_parts_of(n_variables)
    n_all = value.shape[0] * n_parts
    n_entries = number.shape[1]
    parts_per_task = parts_of_a_task(n_variables, n_entries, min(n_samples, block_samples))
    noise_room = block_room(n)
    weights = empty(np.float64, (n, WIDTH))
    h = empty(np.float64, (padded(n), WIDTH))
    differences = zeros(np.float64, padded(n) * padded(n))
    for own in range(task * parts_per_task, min(n_all, (task + 1) * parts_per_task)):
        i, part = own // n_parts, own % n_parts
        problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
        first_variable = part * BLOCK * WIDTH
        n_own_variables = min(n_variables - first_variable, BLOCK * WIDTH)
        n_own_groups = n_groups_of(n_own_variables)
        first_row = problem * n_variables + first_variable
        start = starts[i] + first_variable * n
        out = slice(start, start + n_own_variables * n)
        first_sample = begin_sample + block * block_samples
        n_own = min(n_samples - first_sample, block_samples)
        gradient = sample_room(n_own, mean[out])
        room = tree_room(n_own, gradient.shape[0])
        for sample in range(first_sample, first_sample + n_own):
            item = problem * n_samples + sample
            own_values, own_number = values[bounds[item] : bounds[item + 1]], number[item]
            difference_sum = fill_differences(own_number, own_values, n, differences)
            draw_block(key[0], key[1], sample, first_row, n_own_groups, n, noise_room, ())
            for group in range(n_own_groups):
                noise = tile_of_block(noise_room, group, n)
                weigh_tile(noise, weights)
                tile_gradient(differences, weights, h)
                store_rows(flat(h), 0, group * WIDTH, n_own_variables, n, gradient)
            sample_value = own_values[0] + 2.0 * difference_sum / (np.float64(n) * n)
            add_to_tree(gradient, sample_value, sample - first_sample, n_own, room)
        value_sum = take_result(n_own, room, mean[out], squares[out])
        if part == 0:
            value[i] = value_sum
