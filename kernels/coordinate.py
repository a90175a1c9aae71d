"""The coordinate swap: one variable at a time, the others at their true action.

An entry is one vector to evaluate. Those of (problem, sample) start with the true vector; each further one has
one variable at a pseudo action. Item (problem, sample) is number problem * n_samples + sample.
"""

import numpy as np

from ._jit import inlined, serial
from .merge import swap_row, swap_scratch
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, fill_references, noise_row
from .pairs import mark_pseudo_actions
from .race import race_scratch, run_race
from .room import empty, zeros
from .tasks import tasks

VARIABLES_PER_TASK = 64


@inlined
def n_parts_of(n_variables):
    """How many tasks the variables of an item are."""
    return (n_variables + VARIABLES_PER_TASK - 1) // VARIABLES_PER_TASK


@tasks("true_actions.shape[0] * n_parts_of(n_variables)")
def draw_coordinate_swaps(
    task, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets, longest,
    true_actions, item_variables, item_categories, counts,
):  # fmt: skip
    """The true actions, (items, variables), and what each item's entries change.

    Each variable of the items' lists has room for all of its categories, and each part leaves some at its end:
    counts, (items, parts), are what it wrote.
    """
    n_parts = n_parts_of(n_variables)
    item, part = task // n_parts, task % n_parts
    problem, sample = item // n_samples, item % n_samples
    row_noise = empty(np.float64, longest + LANES)
    winners = empty(np.int32, longest)
    seen = empty(np.bool_, longest)
    minima = race_scratch(longest)
    references = empty(np.int64, n_references)
    own_variables = item_variables[item, offsets[part * VARIABLES_PER_TASK] :]
    own_categories = item_categories[item, offsets[part * VARIABLES_PER_TASK] :]
    count = 0
    for k in range(part * VARIABLES_PER_TASK, min(n_variables, (part + 1) * VARIABLES_PER_TASK)):
        row = problem * n_variables + k
        start, stop = offsets[row], offsets[row + 1]
        n = stop - start
        noise_row(noise, key, sample, row, start, stop, row_noise)
        weights = inverse_weights[start:stop]
        race = run_race(row_noise[:n], weights, minima)
        winner = race[0]
        true_actions[item, k] = winner
        fill_references(fixed_reference, key, sample, problem, n, references)
        seen[:n] = False
        mark_pseudo_actions(row_noise[:n], weights, race, references, winners[:n], seen[:n])
        for c in range(n):
            if seen[c] and c != winner:
                own_variables[count] = k
                own_categories[count] = c
                count += 1
    counts[item, part] = count


@serial
def coordinate_entries(true_actions, item_variables, item_categories, counts, offsets, multipliers):
    """The entries bounds[item]..bounds[item + 1] - 1 of each item, from draw_coordinate_swaps.

    Entries have the variable and the category that they change in z, and the hash of the vector.
    """
    n_items, n_variables = true_actions.shape
    n_parts = counts.shape[1]
    bounds = zeros(np.int64, n_items + 1)
    for item in range(n_items):
        bounds[item + 1] = bounds[item] + 1
        for part in range(n_parts):
            bounds[item + 1] += counts[item, part]
    variables = empty(np.int32, bounds[n_items])
    categories = empty(np.int32, bounds[n_items])
    hashes = empty(np.uint64, (bounds[n_items], 2))
    for item in range(n_items):
        hash_0, hash_1 = np.uint64(0), np.uint64(0)
        for k in range(n_variables):
            hash_0 += multipliers[k, 0] * np.uint64(true_actions[item, k])
            hash_1 += multipliers[k, 1] * np.uint64(true_actions[item, k])
        entry = bounds[item]
        variables[entry] = 0
        categories[entry] = true_actions[item, 0]
        hashes[entry, 0] = hash_0
        hashes[entry, 1] = hash_1
        for part in range(n_parts):
            origin = offsets[part * VARIABLES_PER_TASK]
            for i in range(origin, origin + counts[item, part]):
                k, c = item_variables[item, i], item_categories[item, i]
                entry += 1
                variables[entry] = k
                categories[entry] = c
                change = np.uint64(c - true_actions[item, k])  # modulo 2**64
                hashes[entry, 0] = hash_0 + multipliers[k, 0] * change
                hashes[entry, 1] = hash_1 + multipliers[k, 1] * change
    return bounds, variables, categories, hashes


@tasks("value.shape[0]")
def coordinate_moments(
    i, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, bounds, variable, category, entry_values,
    begin_sample, first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks)."""
    problem, block = (first + i) // n_blocks, (first + i) % n_blocks
    first_row = problem * n_variables
    out = slice(starts[i], starts[i + 1])
    row_noise = empty(np.float64, longest + LANES)
    table = empty(np.float64, longest)
    seen = empty(np.bool_, longest)
    minima = race_scratch(longest)
    scratch = swap_scratch(longest)
    references = empty(np.int64, n_references)
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        item = problem * n_samples + sample
        base = entry_values[bounds[item]]
        value_sum = 0.0
        entry = bounds[item] + 1
        for k in range(n_variables):
            row = first_row + k
            start, stop = offsets[row], offsets[row + 1]
            n = stop - start
            total = noise_row(noise, key, sample, row, start, stop, row_noise)
            weights = inverse_weights[start:stop]
            race = run_race(row_noise[:n], weights, minima)
            fill_references(fixed_reference, key, sample, problem, n, references)
            table[:n] = base
            while entry < bounds[item + 1] and variable[entry] == k:
                table[category[entry]] = entry_values[entry]
                entry += 1
            origin = start - offsets[first_row]
            h = gradient[origin : origin + n]
            row_value, shift = swap_row(
                row_noise[:n], total, weights, table[:n], race, references, h, seen[:n], scratch
            )
            h -= shift
            value_sum += row_value / n_variables
        add_to_tree(gradient, value_sum, sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])
