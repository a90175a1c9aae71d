"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries, the vectors to evaluate, are the true
one and then one for each pair whose swap changes any variable; a swap leaves a variable alone that has no such
category. Where there are no more pairs than changes, each pair has an entry: some may repeat the true vector.
"""

import numba
import numpy as np

from ._jit import allocating, called, inlined, parallel
from .lanes import WIDTH, lane_array, load, spread, store
from .merge import row_scratch
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .pairs import changed_pairs, members_of, pair_of
from .race import race_scratch, run_race
from .rows import copy_row
from .vectors import fma

# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# Variables whose gradients stay in the first-level cache together.
VARIABLES_PER_TASK = 32


@inlined
def list_all_pairs(longest, pairs):
    """Entry 1 + j (j - 1) / 2 + c for each pair c < j."""
    entry = 0
    for j in range(longest):
        for c in range(j):
            entry += 1
            pairs[entry] = pair_of(c, j)


@called
def enter_pairs(row_pairs, pairs, table, last, entries):
    """Write the entry of each pair; new pairs get new ones, after the last. The result is the last one then."""
    slots = np.uint64(table.shape[0] - 1)
    for i in range(row_pairs.shape[0]):
        pair = row_pairs[i]
        slot = ((np.uint64(pair) * PAIR_MULTIPLIER) >> np.uint64(24)) & slots
        while table[slot] > 0 and pairs[table[slot]] != pair:
            slot = (slot + np.uint64(1)) & slots
        if table[slot] == 0:
            last += 1
            table[slot] = last
            pairs[last] = pair
        entries[i] = table[slot]
    return last


@allocating
def find_changes(
    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    item, true_actions, entries, actions, ends, pairs, counts, hashes,
):  # fmt: skip
    """Find the entries of an item and, variable by variable, its changes, as far as there is room for them.

    Change i makes the action of its variable actions[i] in entry entries[i]; those of variable k end at
    ends[k]. Entries get their pairs, the number of their changes, and what those add to the hash of the true
    vector. Results: the number of changes, of entries, and of changes of the variable with the most.
    """
    problem, sample = item // n_samples, item % n_samples
    room = entries.shape[0]
    row_noise = np.empty(longest + LANES)
    minima = race_scratch(longest)
    scratch = row_scratch(longest)
    row_pairs = np.empty(room, np.int64)
    row_actions = np.empty(room, np.int32)
    size = 1
    while size <= room and not all_pairs:
        size *= 2
    table = np.zeros(size, np.uint32)
    last = 0
    if all_pairs:
        last = longest * (longest - 1) // 2
        list_all_pairs(longest, pairs)
    counts[: last + 1] = 0
    hashes[: last + 1] = 0
    n_changes, most = 0, 0
    for k in range(n_variables):
        row = problem * n_variables + k
        start, stop = offsets[row], offsets[row + 1]
        n = stop - start
        weights = inverse_weights[start:stop]
        noise_row(noise, key, sample, row, start, stop, row_noise)
        race = run_race(row_noise[:n], weights, minima)
        winner = race[0]
        true_actions[k] = winner
        count = changed_pairs(row_noise[:n], weights, race, scratch, row_pairs, row_actions)
        if n_changes + count <= room:
            own_entries = entries[n_changes : n_changes + count]
            own_actions = actions[n_changes : n_changes + count]
            if all_pairs:
                for i in range(count):
                    c, j = members_of(row_pairs[i])
                    own_entries[i] = 1 + (j * (j - 1) >> 1) + c
            else:
                known = last
                last = enter_pairs(row_pairs[:count], pairs, table, last, own_entries)
                counts[known + 1 : last + 1] = 0
                hashes[known + 1 : last + 1] = 0
            multiplier_0, multiplier_1 = multipliers[k, 0], multipliers[k, 1]
            for i in range(count):
                own_actions[i] = row_actions[i]
                change = np.uint64(row_actions[i] - winner)  # modulo 2**64
                entry = own_entries[i]
                hashes[entry, 0] += multiplier_0 * change
                hashes[entry, 1] += multiplier_1 * change
                counts[entry] += np.uint32(1)
        n_changes += count
        most = max(most, count)
        ends[k] = n_changes
    return n_changes, last + 1, most


@called
def sort_changes(entries, actions, ends, counts, starts, changes):
    """Sort an item's changes by entry, those of entry e from starts[e] on: variables and their actions."""
    at = np.uint32(0)
    for entry in range(starts.shape[0]):
        starts[entry] = at
        at += counts[entry]
        counts[entry] = starts[entry]
    start = 0
    for k in range(ends.shape[0]):
        for i in range(start, ends[k]):
            place = counts[entries[i]]
            counts[entries[i]] = place + np.uint32(1)
            changes[place, 0] = k
            changes[place, 1] = actions[i]
        start = ends[k]


@parallel
def joint_pair_entries(
    first_item, n_items, all_pairs, room, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, multipliers,
):  # fmt: skip
    """The entries of n_items items, whose changes are expected to need no more than the room.

    Results: the most changes of any one variable; the true actions, (items, variables); bounds: the entries
    of item i are bounds[i]..bounds[i + 1] - 1; the pair and the hash of each entry; and its changes, starts[e]
    to starts[e + 1]: a variable and its action.
    """
    n_pairs = longest * (longest - 1) // 2
    true_actions = np.empty((n_items, n_variables), np.int32)
    ends = np.empty((n_items, n_variables), np.int64)
    found = np.empty((n_items, 3), np.int64)
    needed = room
    while True:
        room = needed
        most_entries = 1 + (n_pairs if all_pairs else room)
        item_entries = np.empty((n_items, room), np.uint32)
        item_actions = np.empty((n_items, room), np.int32)
        item_pairs = np.empty((n_items, most_entries), np.int64)
        item_counts = np.empty((n_items, most_entries), np.uint32)
        item_hashes = np.empty((n_items, most_entries, 2), np.uint64)
        for i in numba.prange(n_items):
            found[i, 0], found[i, 1], found[i, 2] = find_changes(
                all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
                multipliers, first_item + i, true_actions[i], item_entries[i], item_actions[i], ends[i],
                item_pairs[i], item_counts[i], item_hashes[i],
            )  # fmt: skip
        for i in range(n_items):
            needed = max(needed, found[i, 0])
        if needed == room:
            break
    bounds = np.zeros(n_items + 1, np.int64)
    change_bounds = np.zeros(n_items + 1, np.int64)
    most = 0
    for i in range(n_items):
        bounds[i + 1] = bounds[i] + found[i, 1]
        change_bounds[i + 1] = change_bounds[i] + found[i, 0]
        most = max(most, found[i, 2])
    pairs = np.empty(bounds[n_items], np.int64)
    hashes = np.empty((bounds[n_items], 2), np.uint64)
    starts = np.empty(bounds[n_items] + 1, np.int64)
    starts[bounds[n_items]] = change_bounds[n_items]
    changes = np.empty((change_bounds[n_items], 2), np.int32)
    for i in numba.prange(n_items):
        own = slice(bounds[i], bounds[i + 1])
        n_entries = bounds[i + 1] - bounds[i]
        pairs[own] = item_pairs[i, :n_entries]
        true_0, true_1 = np.uint64(0), np.uint64(0)
        for k in range(n_variables):
            true_0 += multipliers[k, 0] * np.uint64(true_actions[i, k])
            true_1 += multipliers[k, 1] * np.uint64(true_actions[i, k])
        own_hashes = hashes[own]
        for entry in range(n_entries):
            own_hashes[entry, 0] = item_hashes[i, entry, 0] + true_0
            own_hashes[entry, 1] = item_hashes[i, entry, 1] + true_1
        sort_changes(
            item_entries[i], item_actions[i], ends[i], item_counts[i], starts[own],
            changes[change_bounds[i] : change_bounds[i + 1]],
        )  # fmt: skip
        own_starts = starts[own]
        own_starts += change_bounds[i]
    return most, true_actions, bounds, pairs, hashes, starts, changes


@parallel
def form_joint_vectors(entries, true_actions, bounds, starts, changes, out):
    """The vectors of the given entries, from the results of joint_pair_entries."""
    for i in numba.prange(entries.shape[0]):
        entry = entries[i]
        vector = out[i]
        copy_row(true_actions[np.searchsorted(bounds, entry, side="right") - 1], vector)
        own_changes = changes[starts[entry] : starts[entry + 1]]
        for change in range(own_changes.shape[0]):
            vector[own_changes[change, 0]] = own_changes[change, 1]


@inlined
def layer_bounds(sizes, bounds):
    """Where the layers are that hold one number of category c for each variable that has it.

    Variables come by descending size; layer c is bounds[c] to bounds[c + 1], in units of WIDTH numbers.
    """
    n_wide = sizes.shape[0]
    bounds[0] = 0
    for c in range(bounds.shape[0] - 1):
        while sizes[n_wide - 1] <= c:
            n_wide -= 1
        bounds[c + 1] = bounds[c] + (n_wide + WIDTH - 1) // WIDTH


@called
def keep_references(pairs, count, kept):
    """ARSM+: mark the references under which some swap changes the variable."""
    kept[:] = False
    for i in range(count):
        c, j = members_of(pairs[i])
        kept[c] = True
        kept[j] = True


@called
def add_pairs(pairs, number, values, base, layers, weights, h):
    """Add what the pairs give to the variables that have both categories; the sum of the differences."""
    n_layers = layers.shape[0] - 1
    difference_sum = 0.0
    for entry in range(pairs.shape[0]):
        difference = values[number[entry]] - base
        difference_sum += difference
        c, j = members_of(pairs[entry])
        if difference != 0.0 and j < n_layers:
            c_layer, j_layer = layers[c], layers[j]
            shared = spread(difference)
            for i in range(layers[j + 1] - j_layer):
                c_weight, j_weight = load(weights, c_layer + i), load(weights, j_layer + i)
                store(h, c_layer + i, fma(shared, j_weight, load(h, c_layer + i)))
                store(h, j_layer + i, fma(shared, c_weight, load(h, j_layer + i)))
    return difference_sum


@parallel
def joint_pair_moments(
    most, plus, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, order, bounds,
    pairs, number, values, begin_sample, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    Entry e has the value values[number[e]]; order has the variables by descending size.
    """
    n_parts = (n_variables + VARIABLES_PER_TASK - 1) // VARIABLES_PER_TASK
    for task in numba.prange(value.shape[0] * n_parts):
        i, part = task // n_parts, task % n_parts
        problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
        first_row = problem * n_variables
        variables = order[part * VARIABLES_PER_TASK : min(n_variables, (part + 1) * VARIABLES_PER_TASK)]
        sizes = offsets[first_row + variables + 1] - offsets[first_row + variables]
        layers = np.empty(sizes[0] + 1, np.int64)
        layer_bounds(sizes, layers)
        h = lane_array(layers[sizes[0]])
        weights = lane_array(layers[sizes[0]])
        weights[:] = 0.0
        row_noise = np.empty(longest + LANES)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        most_pairs = max(most, longest) if plus else 0
        row_pairs = np.empty(most_pairs, np.int64)
        row_actions = np.empty(most_pairs, np.int32)
        kept = np.ones(longest, np.bool_)
        first_sample = begin_sample + block * block_samples
        n_own = min(n_samples - first_sample, block_samples)
        part_mean = np.empty(sizes.sum())
        gradient = sample_room(n_own, part_mean)
        room = tree_room(n_own, gradient.shape[0])
        for sample in range(first_sample, first_sample + n_own):
            item = problem * n_samples + sample
            for at in range(variables.shape[0]):
                row = first_row + variables[at]
                start, stop = offsets[row], offsets[row + 1]
                n = stop - start
                total = noise_row(noise, key, sample, row, start, stop, row_noise)
                inverse_n, inverse_total = 1.0 / n, 1.0 / total
                for c in range(n):
                    weights[layers[c] * WIDTH + at] = inverse_n - row_noise[c] * inverse_total
                if plus:
                    own_weights = inverse_weights[start:stop]
                    race = run_race(row_noise[:n], own_weights, minima)
                    count = changed_pairs(row_noise[:n], own_weights, race, scratch, row_pairs, row_actions)
                    keep_references(row_pairs, count, kept)
                    for c in range(n):
                        if not kept[c]:
                            weights[layers[c] * WIDTH + at] = 0.0
            h[:] = 0.0
            base = values[number[bounds[item]]]
            own = slice(bounds[item] + 1, bounds[item + 1])
            difference_sum = add_pairs(pairs[own], number[own], values, base, layers, weights, h)
            start = 0
            for at in range(variables.shape[0]):
                n = sizes[at]
                own_gradient = gradient[start : start + n]
                h_sum = 0.0
                for c in range(n):
                    own_gradient[c] = h[layers[c] * WIDTH + at]
                    h_sum += own_gradient[c]
                own_gradient -= h_sum / n
                start += n
            sample_value = base + 2.0 * difference_sum / (float(longest) * longest)
            add_to_tree(gradient, sample_value, sample - first_sample, n_own, room)
        part_squares = np.empty(gradient.size if squares.size else 0)
        value_sum = take_result(n_own, room, part_mean, part_squares)
        start = 0
        for at in range(variables.shape[0]):
            n = sizes[at]
            to = starts[i] + offsets[first_row + variables[at]] - offsets[first_row]
            copy_row(part_mean[start : start + n], mean[to : to + n])
            if squares.size:
                copy_row(part_squares[start : start + n], squares[to : to + n])
            start += n
        if part == 0:
            value[i] = value_sum
