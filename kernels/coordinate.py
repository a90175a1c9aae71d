"""The coordinate swap: one variable at a time, the others at their true action.

An entry is one vector to evaluate. Those of (problem, sample) start with the true vector; each further one has
one variable at a pseudo action. Item (problem, sample) is number problem * n_samples + sample.
"""

import numba
import numpy as np

from ._jit import parallel
from .merge import row_scratch, swap_row
from .moments import add_sample
from .noise import LANES, fill_references, noise_row
from .race import race_scratch, run_race


@parallel
def coordinate_entries(
    fill, fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, multipliers, actions, bounds, variable, category, hashes,
):  # fmt: skip
    """Count the entries of each item, or fill them in: two passes over the same noise.

    The first writes the true actions, (items, variables), and the number of each item's entries to
    bounds[item + 1]. For the second bounds has become their sums: the entries bounds[item].. get what they
    change in z, and their hashes.
    """
    for item in numba.prange(bounds.shape[0] - 1):
        problem, sample = item // n_samples, item % n_samples
        row_noise = np.empty(longest + LANES)
        zeros = np.zeros(longest)
        h = np.empty(longest)
        seen = np.empty(longest, np.bool_)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        references = np.empty(n_references, np.int64)
        hash_0, hash_1 = np.uint64(0), np.uint64(0)
        entry = bounds[item] if fill else 0
        if fill:
            for k in range(n_variables):
                hash_0 += multipliers[k, 0] * np.uint64(actions[item, k])
                hash_1 += multipliers[k, 1] * np.uint64(actions[item, k])
            variable[entry] = 0
            category[entry] = actions[item, 0]
            hashes[entry, 0] = hash_0
            hashes[entry, 1] = hash_1
        for k in range(n_variables):
            row = problem * n_variables + k
            start, stop = offsets[row], offsets[row + 1]
            n = stop - start
            total = noise_row(noise, key, sample, row, start, stop, row_noise)
            weights = inverse_weights[start:stop]
            race = run_race(row_noise[:n], weights, minima)
            winner = race[0]
            actions[item, k] = winner
            fill_references(fixed_reference, key, sample, problem, n, references)
            seen[:n] = False
            # The gradient of nothing, for the categories that it looks up.
            swap_row(row_noise[:n], total, weights, zeros[:n], race, references, h[:n], seen[:n], scratch)
            for c in range(n):
                if seen[c] and c != winner:
                    entry += 1
                    if fill:
                        change = np.uint64(c - winner)  # modulo 2**64
                        variable[entry] = k
                        category[entry] = c
                        hashes[entry, 0] = hash_0 + multipliers[k, 0] * change
                        hashes[entry, 1] = hash_1 + multipliers[k, 1] * change
        if not fill:
            bounds[item + 1] = entry + 1


@parallel
def build_coordinate_vectors(entries, items, actions, variable, category, out):
    """The vector of each of the given entries, whose items are given too."""
    for i in numba.prange(entries.shape[0]):
        vector = out[i]
        vector[:] = actions[items[i]]
        vector[variable[entries[i]]] = category[entries[i]]


@parallel
def coordinate_moments(
    fixed_reference, n_references, key, noise, n_samples, n_variables, inverse_weights, offsets,
    longest, bounds, variable, category, entry_values,
    first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks)."""
    for i in numba.prange(value.shape[0]):
        problem, block = (first + i) // n_blocks, (first + i) % n_blocks
        first_row = problem * n_variables
        out = slice(starts[i], starts[i + 1])
        gradient = np.empty(starts[i + 1] - starts[i])
        row_noise = np.empty(longest + LANES)
        table = np.empty(longest)
        seen = np.empty(longest, np.bool_)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        references = np.empty(n_references, np.int64)
        value_sum = 0.0
        first_sample = block * block_samples
        for sample in range(first_sample, min(n_samples, first_sample + block_samples)):
            item = problem * n_samples + sample
            base = entry_values[bounds[item]]
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
            add_sample(gradient, 0.0, sample - first_sample + 1, mean[out], squares[out])
        value[i] = value_sum
