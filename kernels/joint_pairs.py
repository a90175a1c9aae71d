"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries are no swap, and then the pairs whose
swap changes any variable; a swap leaves a variable alone that has no such category. Where there are no more pairs
than changes, each pair has an entry: some may leave the true vector as it is. The vectors of an item are the
distinct ones of its entries, the true one first.
"""

import numba
import numpy as np

from ._jit import allocating, called, inlined, parallel
from .lanes import WIDTH, lane_numbers, load_eight, spread, store_from
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .pairs import changed_pairs, members_of, pair_of, pair_scratch
from .philox import WORD_BITS
from .race import race_scratch, run_race
from .rows import copy_row
from .tasks import tasks
from .vectors import fma, select

# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# The rank of a category that is no true action, and the place of a change that is not to be written.
NONE = np.uint32(0xFFFFFFFF)
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


@called
def hash_vectors(true_actions, starts, variables, actions, multipliers, hashes):
    """The hashes of an item's vectors, as of distinct.hash_rows."""
    hashes[0] = 0
    for k in range(true_actions.shape[0]):
        hashes[0, 0] += multipliers[k, 0] * np.uint64(true_actions[k])
        hashes[0, 1] += multipliers[k, 1] * np.uint64(true_actions[k])
    for v in range(1, hashes.shape[0]):
        hashes[v, 0], hashes[v, 1] = hashes[0, 0], hashes[0, 1]
        for change in range(starts[v], starts[v + 1]):
            add_hash(variables[change], actions[change], true_actions, multipliers, hashes[v])


@allocating
def find_vectors(
    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    item, true_actions, pairs, number, starts, vector_variables, vector_actions,
):  # fmt: skip
    """Find the entries and the vectors of an item, if there is room for its changes.

    Results: the number of all changes, of entries, of vectors, and of changes of the variable with the most.
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
    n_vectors = 0
    if n_changes <= room:
        own_counts, own_more = counts[: last + 1], more[:n_more]
        n_many = hash_entries(own_counts, changes, own_more, true_actions, multipliers, hashes)
        n_vectors = number_vectors(
            own_offsets, n_many, own_counts, changes, hashes, own_more,
            number, starts, vector_variables, vector_actions,
        )  # fmt: skip
    return n_changes, last + 1, n_vectors, most


@allocating
def close_ranks(array, room, items_per_task, bounds):
    """Move what the tasks wrote, each with room for so much of an item, to follow each other; all of it."""
    for first in range(items_per_task, bounds.shape[0] - 1, items_per_task):
        last = min(first + items_per_task, bounds.shape[0] - 1)
        shift = first * room - bounds[first]
        for i in range(bounds[first], bounds[last]):
            array[i] = array[i + shift]
    return array[: bounds[-1]]


@parallel
def joint_pair_entries(
    first_item, n_items, n_tasks, all_pairs, room, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, multipliers,
):  # fmt: skip
    """The entries and vectors of n_items items, whose changes are expected to need no more than the room.

    Results: the most changes of any one variable; the true actions, (items, variables); bounds: the entries
    of item i are bounds[i]..bounds[i + 1] - 1; their pairs; the number of each one's vector within the item;
    vector_bounds and change_bounds, likewise; the vectors' hashes, if there are several samples; where the
    changes of each vector start within those of its item, and after the last one of an item where they end; and
    the variables of the changes, and their actions. Work is for n_tasks threads.
    """
    n_pairs = longest * (longest - 1) // 2
    items_per_task = (n_items + n_tasks - 1) // n_tasks
    true_actions = np.empty((n_items, n_variables), np.int32)
    found = np.empty((n_items, 4), np.int64)
    needed = room
    while True:
        room = needed
        most_entries = 1 + (n_pairs if all_pairs else room)
        # Each task writes its items one after the other, and touches no more memory than they take.
        pairs = np.empty(n_items * most_entries, np.int64)
        number = np.empty(n_items * most_entries, np.int32)
        starts = np.empty(n_items * (most_entries + 1), np.int32)
        changes = np.empty((2, n_items * room), np.int32)
        for task in numba.prange(n_tasks):
            first = task * items_per_task
            entry, start, change = first * most_entries, first * (most_entries + 1), first * room
            for i in range(first, min(n_items, first + items_per_task)):
                found[i, 0], found[i, 1], found[i, 2], found[i, 3] = find_vectors(
                    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
                    multipliers, first_item + i, true_actions[i], pairs[entry : entry + most_entries],
                    number[entry : entry + most_entries], starts[start : start + most_entries + 1],
                    changes[0, change : change + room], changes[1, change : change + room],
                )  # fmt: skip
                entry += found[i, 1]
                start += found[i, 2] + 1
                change += starts[start - 1]
        for i in range(n_items):
            needed = max(needed, found[i, 0])
        if needed == room:
            break
    bounds, vector_bounds = np.zeros(n_items + 1, np.int64), np.zeros(n_items + 1, np.int64)
    start_bounds, change_bounds = np.zeros(n_items + 1, np.int64), np.zeros(n_items + 1, np.int64)
    most = 0
    for i in range(n_items):
        bounds[i + 1] = bounds[i] + found[i, 1]
        vector_bounds[i + 1] = vector_bounds[i] + found[i, 2]
        start_bounds[i + 1] = vector_bounds[i + 1] + i + 1
        most = max(most, found[i, 3])
    pairs = close_ranks(pairs, most_entries, items_per_task, bounds)
    number = close_ranks(number, most_entries, items_per_task, bounds)
    starts = close_ranks(starts, most_entries + 1, items_per_task, start_bounds)
    for i in range(n_items):
        change_bounds[i + 1] = change_bounds[i] + starts[start_bounds[i + 1] - 1]
    variables = close_ranks(changes[0], room, items_per_task, change_bounds)
    actions = close_ranks(changes[1], room, items_per_task, change_bounds)
    hashes = np.empty((vector_bounds[n_items] if n_samples > 1 else 0, 2), np.uint64)
    if n_samples > 1:
        for i in numba.prange(n_items):
            hash_vectors(
                true_actions[i], starts[start_bounds[i] : start_bounds[i + 1]],
                variables[change_bounds[i] :], actions[change_bounds[i] :], multipliers,
                hashes[vector_bounds[i] : vector_bounds[i + 1]],
            )  # fmt: skip
    return (
        most,
        true_actions,
        bounds,
        pairs,
        number,
        vector_bounds,
        change_bounds,
        hashes,
        starts,
        variables,
        actions,
    )


@parallel
def form_joint_vectors(wanted, true_actions, vector_bounds, change_bounds, starts, variables, actions, out):
    """The given vectors, in ascending order, from the results of joint_pair_entries."""
    n_variables = out.shape[1]
    flat = out.reshape(out.size)
    for i in numba.prange(true_actions.shape[0]):
        begin, end = np.searchsorted(wanted, vector_bounds[i]), np.searchsorted(wanted, vector_bounds[i + 1])
        own = flat[begin * n_variables : end * n_variables]
        copy_row(true_actions[i, : min(n_variables, own.shape[0])], own)
        done = n_variables
        while done < own.shape[0]:
            copy_row(own[: min(done, own.shape[0] - done)], own[done:])
            done *= 2
        own_starts, origin = starts[vector_bounds[i] + i :], change_bounds[i]
        for at in range(end - begin):
            vector = wanted[begin + at] - vector_bounds[i]
            for change in range(origin + own_starts[vector], origin + own_starts[vector + 1]):
                own[at * n_variables + variables[change]] = actions[change]


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
        bounds[c + 1] = bounds[c] + n_wide


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
    """Add what the pairs give to the variables that have both categories; the sum of the differences.

    Behind the last layer of weights and h there must be room for WIDTH numbers.
    """
    n_layers = layers.shape[0] - 1
    difference_sum = 0.0
    for entry in range(pairs.shape[0]):
        difference = values[number[entry]] - base
        difference_sum += difference
        c, j = members_of(pairs[entry])
        if difference != 0.0 and j < n_layers:
            c_layer, j_layer = layers[c], layers[j]
            shared = spread(difference)
            n = layers[j + 1] - j_layer
            for i in range(0, n // WIDTH * WIDTH, WIDTH):
                c_weight, j_weight = load_eight(weights, c_layer + i), load_eight(weights, j_layer + i)
                store_from(h, c_layer + i, fma(shared, j_weight, load_eight(h, c_layer + i)))
                store_from(h, j_layer + i, fma(shared, c_weight, load_eight(h, j_layer + i)))
            if n % WIDTH:
                # What lies behind is another layer's, and gets nothing.
                i, own = n // WIDTH * WIDTH, lane_numbers() < np.float64(n % WIDTH)
                c_weight = select(own, load_eight(weights, c_layer + i), 0.0)
                j_weight = select(own, load_eight(weights, j_layer + i), 0.0)
                store_from(h, c_layer + i, fma(shared, j_weight, load_eight(h, c_layer + i)))
                store_from(h, j_layer + i, fma(shared, c_weight, load_eight(h, j_layer + i)))
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
    sizes = offsets[first_row + variables + 1] - offsets[first_row + variables]
    layers = np.empty(sizes[0] + 1, np.int64)
    layer_bounds(sizes, layers)
    h, weights = np.empty(layers[sizes[0]] + WIDTH), np.empty(layers[sizes[0]] + WIDTH)
    row_noise = np.empty(longest + LANES)
    minima = race_scratch(longest)
    scratch = pair_scratch(longest)
    most_pairs = max(most, longest) + WIDTH if plus else 0
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
