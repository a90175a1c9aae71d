"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries are no swap, and then the pairs whose
swap changes any variable; a swap leaves a variable alone that has no such category. Where there are no more pairs
than changes, each pair has an entry: some may leave the true vector as it is. The vectors of an item are the
distinct ones of its entries, the true one first.
"""

import numpy as np

from ._jit import allocating, called, inlined, serial
from .bits import WORD_BITS
from .lanes import WIDTH, loading, store_from
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .pairs import changed_pairs, halves_of, pair_of, pair_scratch
from .race import race_scratch, run_race
from .room import empty, flat, zeros
from .rows import copy_row
from .tasks import tasks
from .vectors import HAS_AVX512, fma

# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# The rank of a category that is no true action, and the place of a change that is not to be written.
NONE = np.uint32(0xFFFFFFFF)
# So many variables' gradients are added to at a time: as many as fill a register of the machine.
STEP = WIDTH if HAS_AVX512 else WIDTH // 2
load_some = loading(STEP)
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
def entry_of_pair(pair):
    """The number of its entry where all pairs have one, in this order."""
    j, c = halves_of(pair)
    return np.uint64(1) + (j * (j - np.uint64(1)) >> np.uint64(1)) + c


@inlined
def list_all_pairs(longest, pairs):
    """The pair of each entry, where all have one."""
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


@inlined
def enter_pair(pair, ranks, table, longest, hash_table, pairs, last):
    """The entry of a pair, and the last entry then: a new pair gets the next one.

    The table has a row for each category that has a rank, as true actions have; other pairs are hashed.
    """
    j, c = halves_of(pair)
    c_rank, j_rank = ranks[c], ranks[j]
    new = last + np.uint64(1)
    if c_rank != j_rank:
        cell = np.uint64(c_rank) * longest + j
        if j_rank < c_rank:
            cell = np.uint64(j_rank) * longest + c
        entry = np.uint64(table[cell])
        if entry > 0:
            return entry, last
        table[cell] = new
    else:
        slots = np.uint64(hash_table.shape[0] - 1)
        slot = ((pair * PAIR_MULTIPLIER) >> WORD_BITS) & slots
        entry = np.uint64(hash_table[slot])
        while entry > 0:
            if pairs[entry] == pair:
                return entry, last
            slot = (slot + np.uint64(1)) & slots
            entry = np.uint64(hash_table[slot])
        hash_table[slot] = new
    pairs[new] = pair
    return new, new


@inlined
def with_change(hashes, change, true_actions, multipliers):
    """The pair of hashes of a vector after one more change."""
    k, action = halves_of(change)
    difference = action - np.uint64(true_actions[k])  # modulo 2**64
    return hashes[0] + multipliers[k, 0] * difference, hashes[1] + multipliers[k, 1] * difference


@called
def enter_changes(
    all_pairs, row_pairs, row_changes, places, longest, pairs, counts, changes, hashes, true_actions, multipliers,
    more_entries, more_changes, last, n_more, n_many,
):  # fmt: skip
    """Add a variable's changes to the entries of their pairs.

    An entry keeps its first change; others are listed as more, and it gets the hash of all, less that of the true
    vector. The results are the last entry, how many more changes and how many entries with a hash there are then.
    """
    ranks, table, hash_table = places
    for i in range(row_pairs.shape[0]):
        pair, change = row_pairs[i], row_changes[i]
        if all_pairs:
            entry = np.uint64(entry_of_pair(pair))
            count = counts[entry]
        else:
            known = last
            entry, last = enter_pair(pair, ranks, table, longest, hash_table, pairs, last)
            count = counts[entry] if last == known else np.uint32(0)
        counts[entry] = count + np.uint32(1)
        if count == 0:
            changes[entry] = change
            continue
        own = hashes[entry, 0], hashes[entry, 1]
        if count == 1:
            n_many += 1
            own = with_change((np.uint64(0), np.uint64(0)), changes[entry], true_actions, multipliers)
        hashes[entry, 0], hashes[entry, 1] = with_change(own, change, true_actions, multipliers)
        more_entries[n_more], more_changes[n_more] = entry, change
        n_more += np.uint64(1)
    return last, n_more, n_many


@allocating
def number_vectors(
    offsets, n_many, counts, changes, hashes, more_entries, more_changes, number, starts, vector_changes
):  # fmt: skip
    """Number an item's distinct vectors in order of first appearance; how many there are.

    n_many entries have several changes, and hashes. Vectors get their changes, from starts[i] on.
    """
    # A vector of one change is known by that; others, which are few where there are few variables, by hash.
    singles = zeros(np.uint32, offsets[-1] - offsets[0])
    table = zeros(np.uint32, table_size(n_many))
    slots = np.uint64(table.shape[0] - 1)
    first = empty(np.uint32, counts.shape[0] + 1)
    last, end = np.uint32(0), np.uint32(0)
    starts[0] = 0
    for entry in range(counts.shape[0]):
        count = counts[entry]
        if count == 0:
            number[entry] = 0
            continue
        # It is written as a new vector, whether it is one or not: that costs less than to guess.
        new = last + np.uint32(1)
        change = changes[entry]
        starts[new], vector_changes[end] = end, change
        if count == 1:
            k, action = halves_of(change)
            cell = np.uint64(offsets[k] - offsets[0]) + action
            found = singles[cell]
            found = found if found > 0 else new
            singles[cell] = found
        else:
            first[new] = entry
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
            counts[entry] = end + np.uint32(1) if found == new else NONE
        number[entry] = found
        last += np.uint32(found == new)
        end += count if found == new else np.uint32(0)
    for i in range(more_entries.shape[0]):
        entry = more_entries[i]
        place = counts[entry]
        if place != NONE:
            vector_changes[place] = more_changes[i]
            counts[entry] = place + np.uint32(1)
    starts[last + np.uint32(1)] = end
    return np.int64(last) + 1


@allocating
def find_vectors(
    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    item, true_actions, pairs, number, starts, vector_changes,
):  # fmt: skip
    """Find the entries and the vectors of an item, if there is room for its changes.

    Results: the number of all changes, of entries, of vectors, of the vectors' changes, and of changes of the
    variable with the most.
    """
    problem, sample = item // n_samples, item % n_samples
    room = vector_changes.shape[0]
    most_entries = pairs.shape[0]
    own_offsets = offsets[problem * n_variables : (problem + 1) * n_variables + 1]
    rows = empty(np.float64, own_offsets[n_variables] - own_offsets[0] + LANES)
    races = empty(np.float64, (n_variables, 4))
    race_rows(key, noise, sample, problem * n_variables, inverse_weights, offsets, longest, rows, races)
    ranks = empty(np.uint32, 0 if all_pairs else longest)
    ranks[:] = NONE
    n_ranks = np.uint32(0)
    for k in range(n_variables):
        winner = np.int64(races[k, 0])
        true_actions[k] = winner
        if not all_pairs and ranks[winner] == NONE:
            ranks[winner] = n_ranks
            n_ranks += np.uint32(1)
    table = zeros(np.uint32, np.int64(n_ranks) * longest)
    hash_table = zeros(np.uint32, 1 if all_pairs else table_size(room // 2))
    scratch = pair_scratch(longest)
    row_pairs, row_changes = empty(np.uint64, room + WIDTH), empty(np.uint64, room + WIDTH)
    counts = empty(np.uint32, most_entries)
    changes = empty(np.uint64, most_entries)
    hashes = empty(np.uint64, (most_entries, 2))
    more_entries, more_changes = empty(np.uint32, room), empty(np.uint64, room)
    last = np.uint64(0)
    if all_pairs:
        last = np.uint64(longest * (longest - 1) // 2)
        list_all_pairs(longest, pairs)
    counts[: np.int64(last) + 1] = 0
    n_changes, n_many, most = np.int64(0), np.int64(0), np.int64(0)
    n_more = np.uint64(0)
    for k in range(n_variables):
        start, stop = own_offsets[k], own_offsets[k + 1]
        race = np.int64(races[k, 0]), np.int64(races[k, 1]), races[k, 2], races[k, 3]
        own_rows = rows[start - own_offsets[0] : stop - own_offsets[0]]
        count = changed_pairs(k, own_rows, inverse_weights[start:stop], race, scratch, row_pairs, row_changes)
        n_changes += count
        most = max(most, count)
        if n_changes <= room:
            last, n_more, n_many = enter_changes(
                all_pairs, row_pairs[:count], row_changes[:count], (ranks, table, hash_table), np.uint64(longest),
                pairs, counts, changes, hashes, true_actions, multipliers, more_entries, more_changes,
                last, n_more, n_many,
            )  # fmt: skip
    n_entries, n_vectors, n_kept = np.int64(last) + 1, 0, 0
    if n_changes <= room:
        n_vectors = number_vectors(
            own_offsets, n_many, counts[:n_entries], changes, hashes,
            more_entries[: np.int64(n_more)], more_changes, number, starts, vector_changes,
        )  # fmt: skip
        n_kept = np.int64(starts[n_vectors])
    return n_changes, n_entries, n_vectors, n_kept, most


@inlined
def share_of(task, n_tasks, n_items):
    """The items of one of so many tasks, a range: of the last ones it may be empty."""
    per_task = (n_items + n_tasks - 1) // n_tasks
    return range(min(n_items, task * per_task), min(n_items, (task + 1) * per_task))


@tasks("n_tasks")
def find_entries(
    task, n_tasks, first_item, all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
    multipliers, bounds, found, true_actions, pairs, number, starts, changes,
):  # fmt: skip
    """Find the entries and the vectors of items from the first on, of which each has a row of true actions.

    Of item i bounds[:, i + 1] gets how many entries, vectors and changes of these there are, and found[i] of how
    many changes in all, and of how many of the variable with the most. All other arrays have the same room for
    each item; those of a task follow each other at the beginning of what it has: little memory is touched.
    """
    n_items = found.shape[0]
    most_entries, room = pairs.shape[0] // n_items, changes.shape[0] // n_items
    items = share_of(task, n_tasks, n_items)
    entry, start, change = items.start * most_entries, items.start * (most_entries + 1), items.start * room
    for i in items:
        found[i, 0], n_entries, n_vectors, n_changes, found[i, 1] = find_vectors(
            all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
            first_item + i, true_actions[i], pairs[entry : entry + most_entries],
            number[entry : entry + most_entries], starts[start : start + most_entries + 1],
            changes[change : change + room],
        )  # fmt: skip
        bounds[0, i + 1], bounds[1, i + 1], bounds[2, i + 1] = n_entries, n_vectors, n_changes
        entry += n_entries
        start += n_vectors + 1
        change += n_changes


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
def close_entries(n_tasks, bounds, pairs, number, starts, changes):
    """Make the results of all tasks of find_entries follow each other; the bounds are added up by now."""
    n_items = bounds.shape[1] - 1
    most_entries, room = pairs.shape[0] // n_items, changes.shape[0] // n_items
    for task in range(1, n_tasks):
        close_ranks(pairs, most_entries, task, n_tasks, bounds[0], 0)
        close_ranks(number, most_entries, task, n_tasks, bounds[0], 0)
        close_ranks(starts, most_entries + 1, task, n_tasks, bounds[1], 1)
        close_ranks(changes, room, task, n_tasks, bounds[2], 0)


@tasks("true_actions.shape[0]")
def hash_vectors(task, true_actions, bounds, starts, changes, multipliers, out):
    """The hashes of all vectors, as of distinct.hash_rows."""
    first, origin, own_actions = bounds[1, task], bounds[2, task], true_actions[task]
    hashes = out[first : bounds[1, task + 1]]
    hashes[0] = 0
    for k in range(own_actions.shape[0]):
        hashes[0, 0] += multipliers[k, 0] * np.uint64(own_actions[k])
        hashes[0, 1] += multipliers[k, 1] * np.uint64(own_actions[k])
    own_starts = starts[first + task :]
    for v in range(1, hashes.shape[0]):
        own = hashes[0, 0], hashes[0, 1]
        for i in range(own_starts[v], own_starts[v + 1]):
            own = with_change(own, changes[origin + np.int64(i)], own_actions, multipliers)
        hashes[v, 0], hashes[v, 1] = own


@tasks("true_actions.shape[0]")
def form_joint_vectors(task, wanted, wanted_bounds, true_actions, bounds, starts, changes, out):
    """The given vectors, in ascending order, from the results of find_entries.

    Those of item i are wanted_bounds[i]..wanted_bounds[i + 1] - 1 of them.
    """
    n_variables = out.shape[1]
    begin, end = wanted_bounds[task], wanted_bounds[task + 1]
    own = flat(out)[begin * n_variables : end * n_variables]
    copy_row(true_actions[task, : min(n_variables, own.shape[0])], own)
    done = n_variables
    while done < own.shape[0]:
        copy_row(own[: min(done, own.shape[0] - done)], own[done:])
        done *= 2
    own_changes = changes[bounds[2, task] :]
    first = np.uint64(0)
    for at in range(end - begin):
        start = np.uint64(wanted[begin + at] + task)  # there is one number more for each item before
        for i in range(starts[start], starts[start + np.uint64(1)]):
            k, action = halves_of(own_changes[i])
            own[first + k] = action
        first += np.uint64(n_variables)


@inlined
def padded(n):
    """The entries of a layer of n: vectors of two layers never overlap, which loads after stores wait for."""
    return (n + STEP - 1) // STEP * STEP


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
        j, c = halves_of(pairs[i])
        kept[c] = True
        kept[j] = True


@inlined
def add_pair(difference, weights, h, c, j):
    """Add the swap of a pair to a step of variables, at c and j of its two layers."""
    c_weights, j_weights = load_some(weights, c), load_some(weights, j)
    c_sums, j_sums = load_some(h, c), load_some(h, j)
    store_from(h, c, fma(difference, j_weights, c_sums))
    store_from(h, j, fma(difference, c_weights, j_sums))


@called
def add_pairs(pairs, number, values, base, layers, weights, h):
    """Add what the pairs give to the variables that have both categories; the sum of the differences.

    The weights are zero where layers are padded.
    """
    n_layers = np.uint64(layers.shape[0] - 1)
    difference_sum = 0.0
    for entry in range(pairs.shape[0]):
        difference = values[number[entry]] - base
        difference_sum += difference
        j, c = halves_of(pairs[entry])
        if difference != 0.0 and j < n_layers:
            c_layer, j_layer = layers[c], layers[j]
            stop = layers[j + np.uint64(1)]
            while j_layer < stop:
                add_pair(difference, weights, h, c_layer, j_layer)
                c_layer += STEP
                j_layer += STEP
    return difference_sum


@inlined
def n_parts_of(n_variables):
    """How many tasks the variables of a block are."""
    return (n_variables + VARIABLES_PER_TASK - 1) // VARIABLES_PER_TASK


@tasks("value.shape[0] * n_parts_of(n_variables)")
def joint_pair_moments(
    task, most, plus, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, order, bounds,
    pairs, number, values,
    begin_sample, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    Entries and vectors of item i are from bounds[0, i] and bounds[1, i] on; numbers are of its own vectors. order
    has the variables by descending size.
    """
    n_parts = n_parts_of(n_variables)
    i, part = task // n_parts, task % n_parts
    problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
    first_row = problem * n_variables
    variables = order[part * VARIABLES_PER_TASK : min(n_variables, (part + 1) * VARIABLES_PER_TASK)]
    sizes = empty(np.int64, variables.shape[0])
    n_categories = 0
    for at in range(variables.shape[0]):
        row = first_row + variables[at]
        sizes[at] = offsets[row + 1] - offsets[row]
        n_categories += sizes[at]
    layers = empty(np.int64, sizes[0] + 1)
    layer_bounds(sizes, layers)
    h, weights = empty(np.float64, layers[sizes[0]]), zeros(np.float64, layers[sizes[0]])
    row_noise = empty(np.float64, longest + LANES)
    minima = race_scratch(longest)
    scratch = pair_scratch(longest)
    most_pairs = max(most, longest) + WIDTH if plus else 0
    row_pairs, row_changes = empty(np.uint64, most_pairs), empty(np.uint64, most_pairs)
    kept = empty(np.bool_, longest)
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    part_mean = empty(np.float64, n_categories)
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
                count = changed_pairs(at, row_noise[:n], own_weights, race, scratch, row_pairs, row_changes)
                keep_references(row_pairs, count, kept)
                for c in range(n):
                    if not kept[c]:
                        weights[layers[c] + at] = 0.0
        h[:] = 0.0
        own_values = values[bounds[1, item] : bounds[1, item + 1]]
        base = own_values[0]
        own = slice(bounds[0, item] + 1, bounds[0, item + 1])
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
    part_squares = empty(np.float64, gradient.size if squares.size else 0)
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
