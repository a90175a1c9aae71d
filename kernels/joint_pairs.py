"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries are no swap, and then the pairs whose
swap changes any variable; a swap leaves a variable alone that has no such category. Where there are no more pairs
than changes, each pair has an entry: some may leave the true vector as it is. The vectors of an item are the
distinct ones of its entries, the true one first.
"""

import numpy as np

from ._jit import allocating, called, inlined, serial
from .bits import WORD_BITS
from .lanes import WIDTH, load_eight, loading, store_from
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .pairs import changed_pairs, members_of, pair_of, pair_scratch
from .race import race_scratch, run_race
from .rows import copy_row
from .tasks import tasks
from .vectors import fma

# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# The rank of a category that is no true action, and the place of a change that is not to be written.
NONE = np.uint32(0xFFFFFFFF)
HALF_WIDTH = WIDTH // 2
load_four = loading(HALF_WIDTH)
# Variables whose gradients stay in the first-level cache together.
VARIABLES_PER_TASK = 32


@inlined
def table_size(n):
    """The slots of a hash table for n keys: a power of two, more than half of them empty."""
    size = 2
    while size <= 2 * n:
        size *= 2
    return size


@inlined
def list_all_pairs(longest, pairs):
    """Entry 1 + j (j - 1) / 2 + c for each pair c < j."""
    entry = 0
    for j in range(longest):
        for c in range(j):
            entry += 1
            pairs[entry] = pair_of(c, j)


@allocating
def race_rows(key, noise, sample, first_row, inverse_weights, offsets, longest, rows, races):
    """Draw an item's rows of noise, one after the other, and race them."""
    minima = race_scratch(longest)
    origin = offsets[first_row]
    for k in range(races.shape[0]):
        start, stop = offsets[first_row + k], offsets[first_row + k + 1]
        # Later rows write over what is drawn beyond the end.
        noise_row(noise, key, sample, first_row + k, start, stop, rows[start - origin :])
        race = run_race(rows[start - origin : stop - origin], inverse_weights[start:stop], minima)
        races[k, 0], races[k, 1], races[k, 2], races[k, 3] = race


@called
def enter_pairs(row_pairs, ranks, table, longest, hash_table, pairs, last, entries):
    """Write the entry of each pair; new pairs get new ones, after the last. The result is the last one then.

    The table has a row for each category that has a rank, as true actions have; other pairs are hashed.
    """
    slots, longest = np.uint64(hash_table.shape[0] - 1), np.uint64(longest)
    for i in range(row_pairs.shape[0]):
        pair = row_pairs[i]
        c, j = members_of(pair)
        c_rank, j_rank = ranks[np.uint64(c)], ranks[np.uint64(j)]
        if c_rank != j_rank:
            cell = np.uint64(c_rank) * longest + np.uint64(j)
            if j_rank < c_rank:
                cell = np.uint64(j_rank) * longest + np.uint64(c)
            entry = table[cell]
            if entry == 0:
                last += 1
                entry = np.uint32(last)
                table[cell] = entry
                pairs[last] = pair
        else:
            slot = ((np.uint64(pair) * PAIR_MULTIPLIER) >> WORD_BITS) & slots
            entry = hash_table[slot]
            while entry > 0 and pairs[entry] != pair:
                slot = (slot + np.uint64(1)) & slots
                entry = hash_table[slot]
            if entry == 0:
                last += 1
                entry = np.uint32(last)
                hash_table[slot] = entry
                pairs[last] = pair
        entries[i] = entry
    return last


@called
def add_changes(k, entries, actions, counts, changes, more, n_more):
    """Add changes of variable k: the first of an entry there, and others to the list of more; its length then."""
    for i in range(entries.shape[0]):
        entry, action = entries[i], actions[i]
        count = counts[entry]
        counts[entry] = count + np.uint32(1)
        if count == 0:
            changes[entry, 0], changes[entry, 1] = k, action
        else:
            more[n_more, 0], more[n_more, 1], more[n_more, 2] = entry, k, action
            n_more += 1
    return n_more


@inlined
def add_hash(k, action, true_actions, multipliers, hashes):
    """Add a change to the hash of a vector less that of the true one."""
    change = np.uint64(action - true_actions[k])  # modulo 2**64
    hashes[0] += multipliers[k, 0] * change
    hashes[1] += multipliers[k, 1] * change


@called
def hash_entries(counts, changes, more, true_actions, multipliers, hashes):
    """The hashes of the entries of several changes, less that of the true vector; how many those are."""
    n_entries = 0
    for entry in range(counts.shape[0]):
        if counts[entry] > 1:
            n_entries += 1
            hashes[entry] = 0
            add_hash(changes[entry, 0], changes[entry, 1], true_actions, multipliers, hashes[entry])
    for i in range(more.shape[0]):
        add_hash(more[i, 1], np.int32(more[i, 2]), true_actions, multipliers, hashes[more[i, 0]])
    return n_entries


@allocating
def number_vectors(offsets, n_many, counts, changes, hashes, more, number, starts, variables, actions):
    """Number an item's distinct vectors in order of first appearance; how many there are.

    n_many entries have several changes, and hashes. Vectors get their changes, from starts[i] on: variables and
    their actions.
    """
    # A vector of one change is known by that; others, which are few where there are few variables, by hash.
    singles = np.zeros(offsets[-1] - offsets[0], np.uint32)
    table = np.zeros(table_size(n_many), np.uint32)
    slots = np.uint64(table.shape[0] - 1)
    first = np.empty(counts.shape[0] + 1, np.uint32)
    last, end = 0, 0
    starts[0] = 0
    for entry in range(counts.shape[0]):
        count = np.int64(counts[entry])
        if count == 0:
            number[entry] = 0
            continue
        # It is written as a new vector, whether it is one or not: that costs less than to guess.
        new = np.uint32(last + 1)
        k, action = changes[entry, 0], changes[entry, 1]
        first[new], starts[new] = entry, end
        variables[end], actions[end] = k, action
        if count == 1:
            cell = np.uint64(offsets[k] - offsets[0] + action)
            found = singles[cell]
            found = found if found > 0 else new
            singles[cell] = found
        else:
            slot = (hashes[entry, 0] ^ (hashes[entry, 0] >> WORD_BITS)) & slots
            found = table[slot]
            while found > 0:
                other = first[found]
                if hashes[other, 0] == hashes[entry, 0] and hashes[other, 1] == hashes[entry, 1]:
                    break
                slot = (slot + np.uint64(1)) & slots
                found = table[slot]
            found = found if found > 0 else new
            table[slot] = found
            counts[entry] = end + 1 if found == new else NONE
        number[entry] = found
        last += found == new
        end += count if found == new else 0
    for i in range(more.shape[0]):
        place = counts[more[i, 0]]
        if place != NONE:
            variables[place], actions[place] = more[i, 1], more[i, 2]
            counts[more[i, 0]] = place + np.uint32(1)
    starts[last + 1] = end
    return last + 1


@allocating
def find_vectors(
    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    item, true_actions, pairs, number, starts, vector_variables, vector_actions,
):  # fmt: skip
    """Find the entries and the vectors of an item, if there is room for its changes.

    Results: the number of all changes, of entries, of vectors, of the vectors' changes, and of changes of the
    variable with the most.
    """
    problem, sample = item // n_samples, item % n_samples
    room = vector_actions.shape[0]
    most_entries = pairs.shape[0]
    own_offsets = offsets[problem * n_variables : (problem + 1) * n_variables + 1]
    rows = np.empty(own_offsets[n_variables] - own_offsets[0] + LANES)
    races = np.empty((n_variables, 4))
    race_rows(key, noise, sample, problem * n_variables, inverse_weights, offsets, longest, rows, races)
    ranks = np.empty(0 if all_pairs else longest, np.uint32)
    ranks[:] = NONE
    n_ranks = np.uint32(0)
    for k in range(n_variables):
        winner = int(races[k, 0])
        true_actions[k] = winner
        if not all_pairs and ranks[winner] == NONE:
            ranks[winner] = n_ranks
            n_ranks += np.uint32(1)
    table = np.zeros(np.int64(n_ranks) * longest, np.uint32)
    hash_table = np.zeros(1 if all_pairs else table_size(room // 2), np.uint32)
    scratch = pair_scratch(longest)
    row_pairs = np.empty(room + WIDTH, np.int64)
    row_actions = np.empty(room + WIDTH, np.int32)
    entries = np.empty(room, np.uint32)
    counts = np.empty(most_entries, np.uint32)
    changes = np.empty((most_entries, 2), np.int32)
    hashes = np.empty((most_entries, 2), np.uint64)
    more = np.empty((room, 3), np.uint32)
    last = 0
    if all_pairs:
        last = longest * (longest - 1) // 2
        list_all_pairs(longest, pairs)
    counts[: last + 1] = 0
    n_changes, n_more, most = 0, 0, 0
    for k in range(n_variables):
        start, stop = own_offsets[k], own_offsets[k + 1]
        race = int(races[k, 0]), int(races[k, 1]), races[k, 2], races[k, 3]
        own_rows = rows[start - own_offsets[0] : stop - own_offsets[0]]
        count = changed_pairs(own_rows, inverse_weights[start:stop], race, scratch, row_pairs, row_actions)
        n_changes += count
        most = max(most, count)
        if n_changes <= room:
            own_pairs, own_entries = row_pairs[:count], entries[:count]
            if all_pairs:
                for i in range(count):
                    c, j = members_of(own_pairs[i])
                    own_entries[i] = 1 + (j * (j - 1) >> 1) + c
            else:
                known = last
                last = enter_pairs(own_pairs, ranks, table, longest, hash_table, pairs, last, own_entries)
                counts[known + 1 : last + 1] = 0
            n_more = add_changes(k, own_entries, row_actions, counts, changes, more, n_more)
    n_vectors, n_kept = 0, 0
    if n_changes <= room:
        own_counts, own_more = counts[: last + 1], more[:n_more]
        n_many = hash_entries(own_counts, changes, own_more, true_actions, multipliers, hashes)
        n_vectors = number_vectors(
            own_offsets, n_many, own_counts, changes, hashes, own_more,
            number, starts, vector_variables, vector_actions,
        )  # fmt: skip
        n_kept = starts[n_vectors]
    return n_changes, last + 1, n_vectors, n_kept, most


@inlined
def share_of(task, n_tasks, n_items):
    """The items of one of so many tasks, a range: of the last ones it may be empty."""
    per_task = (n_items + n_tasks - 1) // n_tasks
    return range(min(n_items, task * per_task), min(n_items, (task + 1) * per_task))


@tasks("n_tasks")
def find_entries(
    task, n_tasks, first_item, all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
    multipliers, found, true_actions, pairs, number, starts, variables, actions,
):  # fmt: skip
    """Find the entries and the vectors of items from the first on, of which each has a row of true actions.

    A row of found gets the results of find_vectors. All other arrays have the same room for each item; those of a
    task follow each other at the beginning of what it has, so that little memory is touched.
    """
    n_items = found.shape[0]
    most_entries, room = pairs.shape[0] // n_items, actions.shape[0] // n_items
    items = share_of(task, n_tasks, n_items)
    entry, start, change = items.start * most_entries, items.start * (most_entries + 1), items.start * room
    for i in items:
        found[i, 0], found[i, 1], found[i, 2], found[i, 3], found[i, 4] = find_vectors(
            all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
            first_item + i, true_actions[i], pairs[entry : entry + most_entries],
            number[entry : entry + most_entries], starts[start : start + most_entries + 1],
            variables[change : change + room], actions[change : change + room],
        )  # fmt: skip
        entry += found[i, 1]
        start += found[i, 2] + 1
        change += found[i, 3]


@inlined
def close_ranks(array, room, task, n_tasks, bounds, extra):
    """Move what a task wrote, with so much room for each item, to behind what those before it did.

    Item i has bounds[i]..bounds[i + 1] - 1, and extra numbers more.
    """
    items = share_of(task, n_tasks, bounds.shape[0] - 1)
    start = bounds[items.start] + extra * items.start
    shift = items.start * room - start
    for i in range(start, bounds[items.stop] + extra * items.stop):
        array[i] = array[i + shift]


@serial
def close_entries(
    n_tasks, bounds, vector_bounds, change_bounds, pairs, number, starts, variables, actions
):  # fmt: skip
    """Make the results of all tasks of find_entries follow each other."""
    n_items = bounds.shape[0] - 1
    most_entries, room = pairs.shape[0] // n_items, actions.shape[0] // n_items
    for task in range(1, n_tasks):
        close_ranks(pairs, most_entries, task, n_tasks, bounds, 0)
        close_ranks(number, most_entries, task, n_tasks, bounds, 0)
        close_ranks(starts, most_entries + 1, task, n_tasks, vector_bounds, 1)
        close_ranks(variables, room, task, n_tasks, change_bounds, 0)
        close_ranks(actions, room, task, n_tasks, change_bounds, 0)


@tasks("true_actions.shape[0]")
def hash_vectors(task, true_actions, vector_bounds, change_bounds, starts, variables, actions, multipliers, out):
    """The hashes of all vectors, as of distinct.hash_rows."""
    first, origin, own_actions = vector_bounds[task], change_bounds[task], true_actions[task]
    hashes = out[first : vector_bounds[task + 1]]
    hashes[0] = 0
    for k in range(own_actions.shape[0]):
        hashes[0, 0] += multipliers[k, 0] * np.uint64(own_actions[k])
        hashes[0, 1] += multipliers[k, 1] * np.uint64(own_actions[k])
    own_starts = starts[first + task :]
    for v in range(1, hashes.shape[0]):
        hashes[v, 0], hashes[v, 1] = hashes[0, 0], hashes[0, 1]
        for change in range(origin + own_starts[v], origin + own_starts[v + 1]):
            add_hash(variables[change], actions[change], own_actions, multipliers, hashes[v])


@tasks("true_actions.shape[0]")
def form_joint_vectors(
    task, wanted, wanted_bounds, true_actions, change_bounds, starts, variables, actions, out
):  # fmt: skip
    """The given vectors, in ascending order, from the results of find_entries.

    Those of item i are wanted_bounds[i]..wanted_bounds[i + 1] - 1 of them.
    """
    n_variables = out.shape[1]
    begin, end = wanted_bounds[task], wanted_bounds[task + 1]
    own = out.reshape(out.size)[begin * n_variables : end * n_variables]
    copy_row(true_actions[task, : min(n_variables, own.shape[0])], own)
    done = n_variables
    while done < own.shape[0]:
        copy_row(own[: min(done, own.shape[0] - done)], own[done:])
        done *= 2
    origin = change_bounds[task]
    for at in range(end - begin):
        start = wanted[begin + at] + task  # there is one number more for each item before
        for change in range(origin + starts[start], origin + starts[start + 1]):
            own[at * n_variables + variables[change]] = actions[change]


@inlined
def padded(n):
    """The entries of a layer of n: vectors of two layers never overlap, which loads after stores wait for."""
    return (n + HALF_WIDTH - 1) // HALF_WIDTH * HALF_WIDTH


@inlined
def layer_bounds(sizes, bounds):
    """Where the layers are that hold one number of category c for each variable that has it.

    Variables come by descending size; layer c is bounds[c] to bounds[c + 1].
    """
    n_wide = sizes.shape[0]
    bounds[0] = 0
    for c in range(bounds.shape[0] - 1):
        while sizes[n_wide - 1] <= c:
            n_wide -= 1
        bounds[c + 1] = bounds[c] + padded(n_wide)


@called
def keep_references(pairs, count, kept):
    """ARSM+: mark the references under which some swap changes the variable."""
    kept[:] = False
    for i in range(count):
        c, j = members_of(pairs[i])
        kept[c] = True
        kept[j] = True


@inlined
def add_pair(load_some, difference, weights, h, c, j):
    """Add the swap of a pair to as many variables as are loaded at a time, at c and j of its two layers."""
    c_weights, j_weights = load_some(weights, c), load_some(weights, j)
    c_sums, j_sums = load_some(h, c), load_some(h, j)
    store_from(h, c, fma(difference, j_weights, c_sums))
    store_from(h, j, fma(difference, c_weights, j_sums))


@called
def add_pairs(pairs, number, values, base, layers, weights, h):
    """Add what the pairs give to the variables that have both categories; the sum of the differences.

    The weights are zero where layers are padded.
    """
    n_layers = layers.shape[0] - 1
    difference_sum = 0.0
    for entry in range(pairs.shape[0]):
        difference = values[number[entry]] - base
        difference_sum += difference
        c, j = members_of(pairs[entry])
        if difference != 0.0 and j < n_layers:
            c_layer, j_layer = layers[c], layers[j]
            n = layers[j + 1] - j_layer
            for i in range(0, n // WIDTH * WIDTH, WIDTH):
                add_pair(load_eight, difference, weights, h, c_layer + i, j_layer + i)
            if n % WIDTH:
                i = n // WIDTH * WIDTH
                add_pair(load_four, difference, weights, h, c_layer + i, j_layer + i)
    return difference_sum


@inlined
def n_parts_of(n_variables):
    """How many tasks the variables of a block are."""
    return (n_variables + VARIABLES_PER_TASK - 1) // VARIABLES_PER_TASK


@tasks("value.shape[0] * n_parts_of(n_variables)")
def joint_pair_moments(
    task, most, plus, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, order, bounds,
    pairs, number, vector_bounds, values,
    begin_sample, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    Entry e of item i has the value values[vector_bounds[i] + number[e]]; order has the variables by descending
    size.
    """
    n_parts = n_parts_of(n_variables)
    i, part = task // n_parts, task % n_parts
    problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
    first_row = problem * n_variables
    variables = order[part * VARIABLES_PER_TASK : min(n_variables, (part + 1) * VARIABLES_PER_TASK)]
    sizes = np.empty(variables.shape[0], np.int64)
    n_categories = 0
    for at in range(variables.shape[0]):
        row = first_row + variables[at]
        sizes[at] = offsets[row + 1] - offsets[row]
        n_categories += sizes[at]
    layers = np.empty(sizes[0] + 1, np.int64)
    layer_bounds(sizes, layers)
    h, weights = np.empty(layers[sizes[0]]), np.zeros(layers[sizes[0]])
    row_noise = np.empty(longest + LANES)
    minima = race_scratch(longest)
    scratch = pair_scratch(longest)
    most_pairs = max(most, longest) + WIDTH if plus else 0
    row_pairs = np.empty(most_pairs, np.int64)
    row_actions = np.empty(most_pairs, np.int32)
    kept = np.empty(longest, np.bool_)
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    part_mean = np.empty(n_categories)
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
                weights[layers[c] + at] = inverse_n - row_noise[c] * inverse_total
            if plus:
                own_weights = inverse_weights[start:stop]
                race = run_race(row_noise[:n], own_weights, minima)
                count = changed_pairs(row_noise[:n], own_weights, race, scratch, row_pairs, row_actions)
                keep_references(row_pairs, count, kept)
                for c in range(n):
                    if not kept[c]:
                        weights[layers[c] + at] = 0.0
        h[:] = 0.0
        own_values = values[vector_bounds[item] : vector_bounds[item + 1]]
        base = own_values[0]
        own = slice(bounds[item] + 1, bounds[item + 1])
        difference_sum = add_pairs(pairs[own], number[own], own_values, base, layers, weights, h)
        start = 0
        for at in range(variables.shape[0]):
            n = sizes[at]
            own_gradient = gradient[start : start + n]
            h_sum = 0.0
            for c in range(n):
                own_gradient[c] = h[layers[c] + at]
                h_sum += own_gradient[c]
            shift = h_sum / n
            for c in range(n):
                own_gradient[c] -= shift
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
