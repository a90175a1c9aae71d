"""The joint swap over all pairs of categories, following what changes: expected O(K C) time and memory a sample.

Item (problem, sample) is number problem * n_samples + sample. Its entries, the vectors to evaluate, are the true
one and then one for each pair whose swap changes any variable; a swap leaves a variable alone that has no such
category. Entries that turn out not to be needed repeat the true vector, as pair (0, 0).
"""

import numba
import numpy as np

from ._jit import kernel, parallel
from .merge import row_scratch
from .moments import add_sample
from .noise import LANES, noise_row
from .pairs import changed_pairs
from .race import race_scratch, run_race

COUNT, HASH, BUILD = 0, 1, 2
# Knuth's multiplicative hash: 2**64 over the golden ratio.
PAIR_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@kernel
def entry_of(c, j, first, second, table, last):
    """The entry of the pair {c, j}, which is last + 1 where the pair is new."""
    low, high = min(c, j), max(c, j)
    slots = np.uint64(table.shape[0] - 1)
    slot = (((np.uint64(high) << np.uint64(32)) | np.uint64(low)) * PAIR_MULTIPLIER) >> np.uint64(24)
    slot &= slots
    while table[slot] >= 0:
        entry = table[slot]
        if first[entry] == low and second[entry] == high:
            return entry
        slot = (slot + np.uint64(1)) & slots
    table[slot] = last + 1
    first[last + 1], second[last + 1] = low, high
    return last + 1


@parallel
def joint_pair_entries(
    step, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, multipliers,
    true_actions, n_changes, bounds, first, second, hashes, place, vectors,
):  # fmt: skip
    """Three steps over the same noise.

    COUNT writes the true actions, (items, variables), and the number of changes of each item: of all its
    variables, and of the one with the most. HASH writes the pairs and hashes of the entries bounds[item]..,
    where there is room for as many as there are changes or pairs. BUILD writes the vectors of the entries
    with a place in vectors, which is not negative.
    """
    for item in numba.prange(n_changes.shape[0]):
        problem, sample = item // n_samples, item % n_samples
        row_noise = np.empty(longest + LANES)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        room = n_changes[item, 1] if step != COUNT else 0
        c_changed = np.empty(room, np.int32)
        j_changed = np.empty(room, np.int32)
        actions = np.empty(room, np.int32)
        start, stop = bounds[item], bounds[item + 1]
        size = 8
        while size < 2 * (stop - start):
            size *= 2
        table = np.full(size, -1, np.int64)
        last = start
        true_0, true_1 = np.uint64(0), np.uint64(0)
        if step == HASH:
            first[start:stop] = 0
            second[start:stop] = 0
            hashes[start:stop] = 0
        elif step == BUILD:
            for entry in range(start, stop):
                if place[entry] >= 0:
                    vectors[place[entry]] = true_actions[item]
        n_all, n_most = 0, 0
        for k in range(n_variables):
            row = problem * n_variables + k
            n = offsets[row + 1] - offsets[row]
            weights = inverse_weights[offsets[row] : offsets[row + 1]]
            noise_row(noise, key, sample, row, offsets[row], offsets[row + 1], row_noise)
            race = run_race(row_noise[:n], weights, minima)
            winner = race[0]
            count = changed_pairs(row_noise[:n], weights, race, scratch, c_changed, j_changed, actions)
            if step == COUNT:
                true_actions[item, k] = winner
                n_all += count
                n_most = max(n_most, count)
                continue
            true_0 += multipliers[k, 0] * np.uint64(winner)
            true_1 += multipliers[k, 1] * np.uint64(winner)
            for i in range(count):
                entry = entry_of(c_changed[i], j_changed[i], first, second, table, last)
                last = max(last, entry)
                if step == HASH:
                    change = np.uint64(actions[i] - winner)  # modulo 2**64
                    hashes[entry, 0] += multipliers[k, 0] * change
                    hashes[entry, 1] += multipliers[k, 1] * change
                elif place[entry] >= 0:
                    vectors[place[entry], k] = actions[i]
        if step == COUNT:
            n_changes[item, 0] = n_all
            n_changes[item, 1] = n_most
        elif step == HASH:
            for entry in range(start, stop):
                hashes[entry, 0] += true_0
                hashes[entry, 1] += true_1


@kernel
def drop_constant_references(noise, inverse_weights, race, scratch, changes, weights):
    """ARSM+: weight 0 for the references under which all swaps leave the variable as it is."""
    first, second, actions = changes
    count = changed_pairs(noise, inverse_weights, race, scratch, first, second, actions)
    kept = np.zeros(weights.shape[0], np.bool_)
    for i in range(count):
        kept[first[i]] = True
        kept[second[i]] = True
    for j in range(weights.shape[0]):
        if not kept[j]:
            weights[j] = 0.0


@parallel
def joint_pair_moments(
    plus, key, noise, n_samples, n_variables, inverse_weights, offsets, longest, n_changes,
    bounds, first, second, entry_values, first_item, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one problem (see moments.merge_blocks)."""
    for i in numba.prange(value.shape[0]):
        problem, block = (first_item + i) // n_blocks, (first_item + i) % n_blocks
        first_row = problem * n_variables
        origin = offsets[first_row]
        out = slice(starts[i], starts[i + 1])
        h = np.empty(starts[i + 1] - starts[i])
        weights = np.empty(starts[i + 1] - starts[i])
        row_noise = np.empty(longest + LANES)
        minima = race_scratch(longest)
        scratch = row_scratch(longest)
        value_sum = 0.0
        first_sample = block * block_samples
        for sample in range(first_sample, min(n_samples, first_sample + block_samples)):
            item = problem * n_samples + sample
            room = n_changes[item, 1] if plus else 0
            changes = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
            for k in range(n_variables):
                start, stop = offsets[first_row + k], offsets[first_row + k + 1]
                n = stop - start
                total = noise_row(noise, key, sample, first_row + k, start, stop, row_noise)
                own_weights = weights[start - origin : stop - origin]
                for j in range(n):
                    own_weights[j] = 1.0 / n - row_noise[j] / total
                if plus:
                    race = run_race(row_noise[:n], inverse_weights[start:stop], minima)
                    drop_constant_references(
                        row_noise[:n], inverse_weights[start:stop], race, scratch, changes,
                        own_weights,
                    )  # fmt: skip
            base = entry_values[bounds[item]]
            h[:] = 0.0
            difference_sum = 0.0
            for entry in range(bounds[item] + 1, bounds[item + 1]):
                difference = entry_values[entry] - base
                if difference != 0.0:
                    difference_sum += difference
                    c, j = first[entry], second[entry]
                    for k in range(n_variables):
                        start, stop = offsets[first_row + k] - origin, offsets[first_row + k + 1] - origin
                        if j < stop - start:  # and so is c, the lower one
                            h[start + c] += difference * weights[start + j]
                            h[start + j] += difference * weights[start + c]
            for k in range(n_variables):
                own_h = h[offsets[first_row + k] - origin : offsets[first_row + k + 1] - origin]
                own_h -= np.mean(own_h)
            add_sample(h, 0.0, sample - first_sample + 1, mean[out], squares[out])
            value_sum += base + 2.0 * difference_sum / (float(longest) * longest)
        value[i] = value_sum
