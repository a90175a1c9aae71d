"""Sets of categories drawn without replacement (Kool, van Hoof and Welling, ICLR 2020).

A set S is the first n of a race. With r_a = w_a / (sum of w outside S) it has the probability
I(S) = int_0^inf exp(-x) prod_{a in S} (1 - exp(-r_a x)) dx, and so has S without s among the categories other
than s. How likely each of S was the first, or the first after s, is a ratio of such integrals.
"""

import numpy as np

from ._jit import allocating
from .moments import add_to_tree, sample_room, take_result, tree_room
from .noise import LANES, noise_row
from .room import empty
from .rows import copy_row
from .tasks import items_of, tasks

# What is left of the probability below which a set counts as all categories.
LEAST_OUTSIDE = 1e-100


@tasks("out.shape[0] * out.shape[1]", "longest")
def draw_sets(task, key, noise, inverse_weights, offsets, longest, out):
    """out[sample, row] are the first of the race, in order; -1 where no more are available."""
    n_samples, n_rows, n = out.shape
    row_noise = empty(np.float64, longest + LANES)
    race = empty(np.float64, n)
    for item in items_of(task, n_samples * n_rows, longest):
        sample, row = item // n_rows, item % n_rows
        start, stop = offsets[row], offsets[row + 1]
        noise_row(noise, key, sample, row, start, stop, row_noise)
        categories = out[sample, row]
        categories[:] = -1
        race[:] = np.inf
        for c in range(stop - start):
            value = row_noise[c] * inverse_weights[start + c]
            if value < race[n - 1]:
                place = n - 1
                while place > 0 and value < race[place - 1]:
                    race[place] = race[place - 1]
                    categories[place] = categories[place - 1]
                    place -= 1
                race[place] = value
                categories[place] = c


@allocating
def fill_second_integrals(ratios, nodes, log_weights, inverse_factors, out):
    """out[s, t] is proportional to I(S without s and t) r_s r_t, out[s, s] to I(S without s) r_s.

    The factors 1 - exp(-r x) are divided by min(r, 1), so that none is far from x or 1.
    """
    n = ratios.shape[0]
    logs = log_weights.copy()
    for s in range(n):
        for i in range(nodes.shape[0]):
            factor = -np.expm1(-ratios[s] * nodes[i]) / min(ratios[s], 1.0)
            logs[i] += np.log(factor)
            inverse_factors[s, i] = 1.0 / factor
    weights = np.exp(logs - logs.max())
    for s in range(n):
        for t in range(s, n):
            integral = 0.0
            for i in range(nodes.shape[0]):
                integral += weights[i] * inverse_factors[s, i] * (1.0 if s == t else inverse_factors[t, i])
            scale = max(ratios[s], 1.0) * (1.0 if s == t else max(ratios[t], 1.0))
            out[s, t] = integral * scale
            out[t, s] = out[s, t]


@allocating
def set_row(category, values, probabilities, nodes, log_weights, gradient, room):
    """sum_s q_s (f_s - b_s) (e_s - p); the result is sum_s q_s f_s.

    q_s is how likely s was the first of the set, b_s = p_s f_s + (1 - p_s) sum_t q_t|s f_t with how likely t was
    the second if s was the first.
    """
    n = category.shape[0]
    ratios, integrals, inverse_factors = empty(np.float64, n), room[0][:n, :n], room[1]
    copy_row(probabilities, gradient)
    for i in range(n):
        gradient[category[i]] = 0.0
    outside = gradient.sum()
    if outside < LEAST_OUTSIDE:
        for s in range(n):
            for t in range(n):
                integrals[s, t] = probabilities[category[t]]
            integrals[s, s] = probabilities[category[s]]
    else:
        for s in range(n):
            ratios[s] = probabilities[category[s]] / outside
        fill_second_integrals(ratios, nodes, log_weights, inverse_factors, integrals)
    gradient[:] = 0.0
    mass, mean, total = 0.0, 0.0, 0.0
    for s in range(n):
        mass += integrals[s, s]
    for s in range(n):
        inside, others, other_mean = 0.0, 0.0, 0.0
        for t in range(n):
            if t != s:
                inside += probabilities[category[t]]
                others += integrals[s, t]
                other_mean += integrals[s, t] * (values[t] - values[s])
        share = integrals[s, s] / mass
        mean += share * (values[s] - values[0])
        if others > 0.0:
            # f_s - b_s, with 1 - p_s as a sum
            excess = -share * (inside + outside) * (other_mean / others)
            gradient[category[s]] = excess
            total += excess
    for c in range(gradient.shape[0]):
        gradient[c] -= total * probabilities[c]
    return values[0] + mean


@tasks("value.shape[0]")
def set_moments(
    i, n_samples, size, nodes, log_weights, probabilities, offsets, bounds, category, entry_values,
    begin_sample, first, n_blocks, block_samples, starts, mean, squares, value,
):  # fmt: skip
    """Moments of the gradient of blocks of samples; a block is one row (see moments.merge_blocks).

    Item row * n_samples + sample has its set, of up to `size`, after its first entry.
    """
    row, block = (first + i) // n_blocks, (first + i) % n_blocks
    out = slice(starts[i], starts[i + 1])
    set_room = empty(np.float64, (size, size)), empty(np.float64, (size, nodes.shape[0]))
    first_sample = begin_sample + block * block_samples
    n_own = min(n_samples - first_sample, block_samples)
    gradient = sample_room(n_own, mean[out])
    room = tree_room(n_own, gradient.shape[0])
    for sample in range(first_sample, first_sample + n_own):
        item = row * n_samples + sample
        own = slice(bounds[item] + 1, bounds[item + 1])
        p = probabilities[offsets[row] : offsets[row + 1]]
        mean_value = set_row(category[own], entry_values[own], p, nodes, log_weights, gradient, set_room)
        add_to_tree(gradient, mean_value, sample - first_sample, n_own, room)
    value[i] = take_result(n_own, room, mean[out], squares[out])
