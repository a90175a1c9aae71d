"""The joint swap with references: in every variable at once, each category c with a reference.

Group i swaps (c, r) for every c, where r is each variable's i-th reference. A swap leaves a variable alone that
has no such category.

Item (problem, sample) is number problem * n_samples + sample. Its entries, the vectors to evaluate, are the true
one and then the swaps in order of group and c; duplicates among them are found by hash.
"""

import numpy as np

from ._jit import allocating, called, inlined
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row, reference, reference_position
from .race import race_scratch, run_race, swap_winner
from .room import empty
from .rows import copy_row
from .tasks import tasks


@called
def problem_noise(
    key, noise, sample, problem, n_variables, inverse_weights, offsets, row_noise, minima,
    problem_row, totals, places, race_values,
):  # fmt: skip
    """The noise of all variables of a problem side by side, its sums, and the two first of each race."""
    first_row = problem * n_variables
    for k in range(n_variables):
        start, stop = offsets[first_row + k], offsets[first_row + k + 1]
        n = stop - start
        totals[k] = noise_row(noise, key, sample, first_row + k, start, stop, row_noise)
        origin = start - offsets[first_row]
        copy_row(row_noise[:n], problem_row[origin : origin + n])
        places[k, 0], places[k, 1], race_values[k, 0], race_values[k, 1] = run_race(
            row_noise[:n], inverse_weights[start:stop], minima
        )


@inlined
def joint_winner(c, j, k, noise, inverse_weights, places, race_values):
    """Variable k's action under the swap (c, j), given its own noise and weights."""
    n = noise.shape[0]
    if c >= n or j >= n:
        return places[k, 0]
    race = places[k, 0], places[k, 1], race_values[k, 0], race_values[k, 1]
    return swap_winner(c, j, noise, inverse_weights, race)


@tasks("hashes.shape[0]")
def hash_joint_entries(
    item, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, multipliers, hashes,
):  # fmt: skip
    """The hashes of all entries of all items: hashes is (items, entries, 2)."""
    problem, sample = item // n_samples, item % n_samples
    first_row = problem * n_variables
    first = offsets[first_row]
    problem_row = empty(np.float64, offsets[first_row + n_variables] - first)
    totals = empty(np.float64, n_variables)
    places = empty(np.int64, (n_variables, 2))
    race_values = empty(np.float64, (n_variables, 2))
    problem_noise(
        key, noise, sample, problem, n_variables, inverse_weights, offsets,
        empty(np.float64, longest + LANES), race_scratch(longest),
        problem_row, totals, places, race_values,
    )  # fmt: skip
    position = reference_position(key, sample, problem)
    true_0, true_1 = np.uint64(0), np.uint64(0)
    for k in range(n_variables):
        true_0 += multipliers[k, 0] * np.uint64(places[k, 0])
        true_1 += multipliers[k, 1] * np.uint64(places[k, 0])
    hashes[item, 0, 0] = true_0
    hashes[item, 0, 1] = true_1
    entry = 0
    for group in range(n_references):
        for c in range(longest):
            hash_0, hash_1 = true_0, true_1
            for k in range(n_variables):
                start, stop = offsets[first_row + k], offsets[first_row + k + 1]
                j = reference(fixed_reference, position, group, n_references, stop - start)
                winner = joint_winner(
                    c, j, k, problem_row[start - first : stop - first],
                    inverse_weights[start:stop], places, race_values,
                )  # fmt: skip
                change = np.uint64(winner - places[k, 0])  # modulo 2**64
                hash_0 += multipliers[k, 0] * change
                hash_1 += multipliers[k, 1] * change
            entry += 1
            hashes[item, entry, 0] = hash_0
            hashes[item, entry, 1] = hash_1


@tasks("bounds.shape[0] - 1")
def build_joint_vectors(
    item, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, entries_per_item, wanted, bounds, out,
):  # fmt: skip
    """The vectors of the wanted entries; wanted[bounds[item]..] are those of one item, ascending."""
    at, stop_at = bounds[item], bounds[item + 1]
    if at < stop_at:
        problem, sample = item // n_samples, item % n_samples
        first_row = problem * n_variables
        first = offsets[first_row]
        problem_row = empty(np.float64, offsets[first_row + n_variables] - first)
        totals = empty(np.float64, n_variables)
        places = empty(np.int64, (n_variables, 2))
        race_values = empty(np.float64, (n_variables, 2))
        problem_noise(
            key, noise, sample, problem, n_variables, inverse_weights, offsets,
            empty(np.float64, longest + LANES), race_scratch(longest),
            problem_row, totals, places, race_values,
        )  # fmt: skip
        position = reference_position(key, sample, problem)
        entry = item * entries_per_item
        if wanted[at] == entry:
            copy_row(places[:, 0], out[at])
            at += 1
        for group in range(n_references):
            for c in range(longest):
                entry += 1
                if at < stop_at and wanted[at] == entry:
                    for k in range(n_variables):
                        start, stop = offsets[first_row + k], offsets[first_row + k + 1]
                        j = reference(fixed_reference, position, group, n_references, stop - start)
                        out[at, k] = joint_winner(
                            c, j, k, problem_row[start - first : stop - first],
                            inverse_weights[start:stop], places, race_values,
                        )  # fmt: skip
                    at += 1


@called
def drop_constant_references(
    k, n, n_references, fixed_reference, position, noise, inverse_weights, places, race_values, weights
):  # fmt: skip
    """ARSM+: weight 0 for the references of variable k under which all its swaps leave it as it is."""
    for group in range(n_references):
        j = reference(fixed_reference, position, group, n_references, n)
        constant = True
        for c in range(n):
            if joint_winner(c, j, k, noise, inverse_weights, places, race_values) != places[k, 0]:
                constant = False
                break
        if constant:
            weights[group] = 0.0


@allocating
def add_reference_gradient(values, group, longest, first_row, n_variables, offsets, weights, gradient):
    """Add the ARS of one reference; weights holds one number a variable. The result is the sum of d."""
    first = offsets[first_row]
    base = values[0]
    differences = values[1 + group * longest : 1 + (group + 1) * longest] - base
    for k in range(n_variables):
        origin = offsets[first_row + k] - first
        n = offsets[first_row + k + 1] - first - origin
        mean = np.sum(differences[:n]) / n
        for c in range(n):
            gradient[origin + c] += weights[k] * (differences[c] - mean)
    return np.sum(differences)


@tasks("value.shape[0]")
def joint_moments(
    i, plus, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, entry_values, begin_sample, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks).

    entry_values is (items, entries).
    """
    problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
    first_row = problem * n_variables
    first = offsets[first_row]
    out = slice(starts[i], starts[i + 1])
    size = starts[i + 1] - starts[i]
    problem_row = empty(np.float64, size)
    weights = empty(np.float64, n_variables * n_references)
    totals = empty(np.float64, n_variables)
    places = empty(np.int64, (n_variables, 2))
    race_values = empty(np.float64, (n_variables, 2))
    row_noise = empty(np.float64, longest + LANES)
    minima = race_scratch(longest)
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        values = entry_values[problem * n_samples + sample]
        problem_noise(
            key, noise, sample, problem, n_variables, inverse_weights, offsets,
            row_noise, minima, problem_row, totals, places, race_values,
        )  # fmt: skip
        position = reference_position(key, sample, problem)
        for k in range(n_variables):
            start, stop = offsets[first_row + k], offsets[first_row + k + 1]
            n, origin = stop - start, start - first
            row = problem_row[origin : origin + n]
            own_weights = weights[k * n_references : (k + 1) * n_references]
            for group in range(n_references):
                j = reference(fixed_reference, position, group, n_references, n)
                own_weights[group] = (1.0 - n * row[j] / totals[k]) / n_references
            if plus:
                drop_constant_references(
                    k, n, n_references, fixed_reference, position, row,
                    inverse_weights[start:stop], places, race_values, own_weights,
                )  # fmt: skip
        gradient[:] = 0.0
        difference_sum = 0.0
        for group in range(n_references):
            difference_sum += add_reference_gradient(
                values, group, longest, first_row, n_variables, offsets,
                weights[group::n_references], gradient,
            )  # fmt: skip
        sample_value = values[0] + difference_sum / (n_references * longest)
        add_to_tree(gradient, sample_value, sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])
