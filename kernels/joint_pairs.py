"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries are no swap, and then the pairs whose
swap changes any variable; a swap leaves a variable alone that has no such category. Where there are no more pairs
than changes, each pair has an entry: some may leave the true vector as it is. The vectors of an item are the
distinct ones of its entries, the true one first.

Most vectors have one change, and are known by that (see pairs). A vector is such a word, or SEVERAL and where its
changes are among those that follow the item's vectors: how many, in the high half, and the first.
"""

import numpy as np

from ._jit import allocating, called, inlined, serial
from .bits import WORD_BITS
from .lanes import WIDTH, loading, store_from
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .pairs import changed_pairs, halves_of, pair_of, pair_scratch, word_of
from .race import race_scratch, run_race
from .room import empty, flat, zeros
from .rows import copy_row
from .tasks import tasks
from .vectors import HAS_AVX512, fma

# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
# The place of changes that are not to be written.
NONE = np.uint32(0xFFFFFFFF)
ZERO, ONE = np.uint64(0), np.uint64(1)
# What is no change but more than any: this and a number, that a pair changes nothing, and the end of a list.
SEVERAL, NOTHING, END = np.uint64(1 << 63), np.uint64(2**64 - 1), np.uint64(2**64 - 2)
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
def with_change(hashes, change, true_actions, multipliers):
    """The pair of hashes of a vector after one more change."""
    k, action = halves_of(change)
    difference = action - np.uint64(true_actions[k])  # modulo 2**64
    return hashes[0] + multipliers[k, 0] * difference, hashes[1] + multipliers[k, 1] * difference


@called
def enter_changes(all_pairs, pairs, changes, stop, entries, more_changes, more_entries, last, n_more):
    """Enter a variable's changes: a pair that has no entry gets the next one, and that keeps its first change.

    Those of entries follow each other at the beginning of pairs and changes; the variable's are from behind the
    last one to before stop. More changes of an entry are listed, after n_more others. The table of entries has a
    place for each pair where all pairs have one, or is a hash table. The results are the last entry, and how many
    more changes there are.
    """
    slots = np.uint64(entries.shape[0] - 1)
    for i in range(last + ONE, np.uint64(stop)):
        pair, change = pairs[i], changes[i]
        slot = entry_of_pair(pair) if all_pairs else ((pair * PAIR_MULTIPLIER) >> WORD_BITS) & slots
        entry = np.uint64(entries[slot])
        while entry > 0 and not all_pairs and pairs[entry] != pair:
            slot = (slot + ONE) & slots
            entry = np.uint64(entries[slot])
        if entry > 0:
            more_changes[n_more], more_entries[n_more] = change, entry
            n_more += ONE
        else:
            last += ONE
            entries[slot] = last
            pairs[last], changes[last] = pair, change
    return last, n_more


@called
def group_changes(
    more_changes, more_entries, changes, true_actions, multipliers, members, member_groups, sizes, hashes
):
    """Put the changes of each entry that has several into a group; how many groups and members there are.

    The entry's own becomes SEVERAL and the number of its group, from 0 on. That gets its size, and the hash of
    all its changes, less that of the true vector.
    """
    n_groups, n_members = ZERO, ZERO
    for i in range(np.uint64(more_changes.shape[0])):
        entry = np.uint64(more_entries[i])
        change = changes[entry]
        group = change ^ SEVERAL
        if change < SEVERAL:
            group = n_groups
            n_groups += ONE
            changes[entry] = SEVERAL | group
            members[n_members], member_groups[n_members] = change, group
            n_members += ONE
            sizes[group] = 1
            own = with_change((ZERO, ZERO), change, true_actions, multipliers)
        else:
            own = hashes[group, ZERO], hashes[group, ONE]
        change = more_changes[i]
        members[n_members], member_groups[n_members] = change, group
        n_members += ONE
        sizes[group] += np.uint32(1)
        hashes[group, ZERO], hashes[group, ONE] = with_change(own, change, true_actions, multipliers)
    return n_groups, n_members


@inlined
def find_group(group, hashes, group_table):
    """The first group of the same changes that is in a hash table, from 1 on, or zero; and the slot it is in."""
    slots = np.uint64(group_table.shape[0] - 1)
    hash_0, hash_1 = hashes[group, ZERO], hashes[group, ONE]
    slot = (hash_0 ^ (hash_0 >> WORD_BITS)) & slots
    other = np.uint64(group_table[slot])
    while other > 0 and (hashes[other - ONE, ZERO] != hash_0 or hashes[other - ONE, ONE] != hash_1):
        slot = (slot + ONE) & slots
        other = np.uint64(group_table[slot])
    return other, slot


@called
def number_vectors(
    changes, offsets, singles, members, member_groups, sizes, hashes, group_table, group_numbers, number, words
):
    """Number an item's distinct vectors in order of first appearance; how many vectors and words there are.

    changes has what each entry is, from 1 on: its change, SEVERAL and a group, or NOTHING; then END. Offsets are
    into singles, from 1 on; both tables are zero. Words become the vectors, and then the changes of those that
    have several.
    """
    words[ZERO], number[ZERO] = SEVERAL, 0
    entry, last, end = ONE, ZERO, ZERO
    found, previous = ZERO, END
    singles[ZERO] = 1
    while True:
        # A vector of one change is known by that; others, which are few where there are few variables, by hash.
        change = changes[entry]
        while change < SEVERAL:
            # It is written as a new vector, whether it is one or not: that costs less than to guess.
            new = last + ONE
            words[new] = change
            k, action = halves_of(change)
            cell = np.uint64(offsets[k]) + action
            # That a number was just written there is not waited for: the one of the change before is at hand.
            other = ZERO - np.uint64(change != previous)
            known = np.uint64(singles[cell & other])
            is_new = np.uint64(known == 0)
            found = found & ~other | known & other | new & (ZERO - is_new)
            singles[cell] = found
            previous = change
            number[entry] = found
            last += is_new
            entry += ONE
            change = changes[entry]
        if change == END:
            break
        if change == NOTHING:
            number[entry] = 0
            entry += ONE
            continue
        group = change ^ SEVERAL
        first, slot = find_group(group, hashes, group_table)
        if first > 0:
            several = np.uint64(group_numbers[first - ONE])
            sizes[group] = NONE
        else:
            last += ONE
            several = last
            group_table[slot] = group + ONE
            group_numbers[group] = last
            size = np.uint64(sizes[group])
            words[last] = SEVERAL | word_of(size, end)
            sizes[group] = end
            end += size
        number[entry] = several
        entry += ONE
    n_vectors = last + ONE
    for member in range(np.uint64(members.shape[0])):
        group = np.uint64(member_groups[member])
        place = sizes[group]
        if place != NONE:
            words[n_vectors + np.uint64(place)] = members[member]
            sizes[group] = place + np.uint32(1)
    return np.int64(n_vectors), np.int64(n_vectors + end)


@allocating
def number_entries(
    all_pairs, changes, n_entries, entries, more_changes, more_entries, offsets, true_actions, multipliers,
    number, words,
):  # fmt: skip
    """Number the vectors of an item (see number_vectors) from what enter_changes found."""
    n_more = more_changes.shape[0]
    members, member_groups = empty(np.uint64, 2 * n_more), empty(np.uint32, 2 * n_more)
    sizes, hashes = empty(np.uint32, n_more), empty(np.uint64, (n_more, 2))
    n_groups, n_members = group_changes(
        more_changes, more_entries, changes, true_actions, multipliers, members, member_groups, sizes, hashes
    )
    own_changes = changes
    if all_pairs:
        own_changes = empty(np.uint64, n_entries + 1)
        for place in range(1, n_entries):
            entry = np.uint64(entries[place])
            own_changes[place] = changes[entry] if entry > 0 else NOTHING
    own_changes[n_entries] = END
    group_table = zeros(np.uint32, table_size(np.int64(n_groups)))
    group_numbers = empty(np.uint32, np.int64(n_groups))
    own_offsets = empty(np.uint32, offsets.shape[0] - 1)
    for k in range(own_offsets.shape[0]):
        own_offsets[k] = offsets[k] - offsets[0] + 1
    singles = zeros(np.uint32, offsets[-1] - offsets[0] + 1)
    return number_vectors(
        own_changes, own_offsets, singles, members[: np.int64(n_members)], member_groups, sizes, hashes,
        group_table, group_numbers, number, words,
    )  # fmt: skip


@allocating
def find_vectors(
    all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    item, room, true_actions, pairs, number, words,
):  # fmt: skip
    """Find the entries and the vectors of an item, if there is room for its changes.

    Results: the number of all changes, of entries, of vectors, of the vectors' words, and of changes of the
    variable with the most.
    """
    problem, sample = item // n_samples, item % n_samples
    own_offsets = offsets[problem * n_variables : (problem + 1) * n_variables + 1]
    rows = empty(np.float64, own_offsets[n_variables] - own_offsets[0] + LANES)
    races = empty(np.float64, (n_variables, 4))
    race_rows(key, noise, sample, problem * n_variables, inverse_weights, offsets, longest, rows, races)
    scratch = pair_scratch(longest)
    changes = empty(np.uint64, 1 + room + longest + WIDTH)
    row_pairs = pairs
    if all_pairs:
        list_all_pairs(longest, pairs)
        row_pairs = empty(np.uint64, changes.shape[0])
    entries = zeros(np.uint32, pairs.shape[0] if all_pairs else table_size(room))
    more_changes, more_entries = empty(np.uint64, room), empty(np.uint32, room)
    last, n_more = ZERO, ZERO
    n_changes, most = np.int64(0), np.int64(0)
    for k in range(n_variables):
        true_actions[k] = np.int64(races[k, 0])
        start, stop = own_offsets[k], own_offsets[k + 1]
        race = np.int64(races[k, 0]), np.int64(races[k, 1]), races[k, 2], races[k, 3]
        own_rows = rows[start - own_offsets[0] : stop - own_offsets[0]]
        first = np.int64(last) + 1
        count = changed_pairs(
            k, own_rows, inverse_weights[start:stop], race, scratch, row_pairs[first:], changes[first:]
        )
        n_changes += count
        most = max(most, count)
        if n_changes <= room:
            last, n_more = enter_changes(
                all_pairs, row_pairs, changes, first + count, entries, more_changes, more_entries, last, n_more
            )
    n_entries = pairs.shape[0] if all_pairs else np.int64(last) + 1
    n_vectors, n_words = np.int64(0), np.int64(0)
    if n_changes <= room:
        n = np.int64(n_more)
        n_vectors, n_words = number_entries(
            all_pairs, changes, n_entries, entries, more_changes[:n], more_entries[:n], own_offsets, true_actions,
            multipliers, number, words,
        )  # fmt: skip
    return n_changes, n_entries, n_vectors, n_words, most


@inlined
def share_of(task, n_tasks, n_items):
    """The items of one of so many tasks, a range: of the last ones it may be empty."""
    per_task = (n_items + n_tasks - 1) // n_tasks
    return range(min(n_items, task * per_task), min(n_items, (task + 1) * per_task))


@tasks("n_tasks")
def find_entries(
    task, n_tasks, first_item, all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
    multipliers, room, found, true_actions, pairs, number, words,
):  # fmt: skip
    """Find the entries and the vectors of items from the first on, of which each has a row of true actions.

    Of item i found[:, i + 1] gets how many entries, vectors and words of these there are, of how many changes in
    all, for which there is so much room, and of how many of the variable with the most. All other arrays have the
    same room for each item; those of a task follow each other at the beginning of what it has: little memory is
    touched.
    """
    n_items = true_actions.shape[0]
    most_entries, most_words = pairs.shape[0] // n_items, words.shape[0] // n_items
    items = share_of(task, n_tasks, n_items)
    entry, word = items.start * most_entries, items.start * most_words
    for i in items:
        n_changes, n_entries, n_vectors, n_words, most = find_vectors(
            all_pairs, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
            first_item + i, room, true_actions[i], pairs[entry : entry + most_entries],
            number[entry : entry + most_entries], words[word : word + most_words],
        )  # fmt: skip
        found[0, i + 1], found[1, i + 1], found[2, i + 1] = n_entries, n_vectors, n_words
        found[3, i + 1], found[4, i + 1] = n_changes, most
        entry += n_entries
        word += n_words


@inlined
def close_ranks(array, task, n_tasks, bounds):
    """Move what a task wrote, with the same room for each item, to behind what those before it did.

    Item i has bounds[i]..bounds[i + 1] - 1.
    """
    n_items = bounds.shape[0] - 1
    items = share_of(task, n_tasks, n_items)
    shift = items.start * (array.shape[0] // n_items) - bounds[items.start]
    for i in range(bounds[items.start], bounds[items.stop]):
        array[i] = array[i + shift]


@serial
def close_entries(n_tasks, bounds, pairs, number, words):
    """Make the results of all tasks of find_entries follow each other; the bounds are added up by now."""
    for task in range(1, n_tasks):
        close_ranks(pairs, task, n_tasks, bounds[0])
        close_ranks(number, task, n_tasks, bounds[0])
        close_ranks(words, task, n_tasks, bounds[2])


@inlined
def changes_of(word):
    """Where the changes of a vector of several are among those of its item, a range."""
    size, first = halves_of(word ^ SEVERAL)
    return range(first, first + size)


@tasks("true_actions.shape[0]")
def hash_vectors(task, true_actions, bounds, words, multipliers, out):
    """The hashes of all vectors, as of distinct.hash_rows."""
    own_actions, own_words = true_actions[task], words[bounds[2, task] :]
    hashes = out[bounds[1, task] : bounds[1, task + 1]]
    base = ZERO, ZERO
    for k in range(own_actions.shape[0]):
        action = np.uint64(own_actions[k])
        base = base[0] + multipliers[k, 0] * action, base[1] + multipliers[k, 1] * action
    several = own_words[hashes.shape[0] :]
    for v in range(np.uint64(hashes.shape[0])):
        word, own = own_words[v], base
        if word < SEVERAL:
            own = with_change(own, word, own_actions, multipliers)
        else:
            for i in changes_of(word):
                own = with_change(own, several[i], own_actions, multipliers)
        hashes[v, ZERO], hashes[v, ONE] = own


@tasks("true_actions.shape[0]")
def form_joint_vectors(task, wanted, wanted_bounds, true_actions, bounds, words, out):
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
    own_words = words[bounds[2, task] :]
    several = own_words[bounds[1, task + 1] - bounds[1, task] :]
    first = ZERO
    for at in range(np.uint64(begin), np.uint64(end)):
        word = own_words[np.uint64(wanted[at] - bounds[1, task])]
        if word < SEVERAL:
            k, action = halves_of(word)
            own[first + k] = action
        else:
            for i in changes_of(word):
                k, action = halves_of(several[i])
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
