"""Rows of Dirichlet(1) noise and of random references, drawn or handed in.

A row of noise is used as e with sum(e), so that e / sum(e) is Dirichlet(1); the race does not need the
division. Row numbers count the variables of all problems.
"""

import numpy as np

from ._jit import called, inlined
from .ars import ars
from .exponential import (
    FEW,
    NOISE_STREAM,
    REFERENCE_STREAM,
    ZERO,
    fill_exponentials,
    high_counters,
    low_counters,
)
from .lanes import sum_of
from .vectors import blocks_from, first_word

# Rows are drawn in whole vectors: out must have room for LANES more than the row.
LANES = FEW

one_block = blocks_from([0])


@called
def noise_row(noise, key, sample, row, start, stop, out):
    """Put one row into out, from the array where there is one, and return its sum."""
    n = stop - start
    if noise.shape[0] > 0:
        for c in range(n):
            out[c] = noise[sample, start + c]
    else:
        fill_exponentials(key, NOISE_STREAM, sample, row, np.int64(0), out[: (n + LANES - 1) // LANES * LANES])
    return sum_of(out[:n])


@inlined
def reference_position(key, sample, problem):
    """A uniform number in [0, 1) that places the references of one problem and sample."""
    counters = one_block(low_counters(ZERO, problem), high_counters(sample, key, REFERENCE_STREAM), ZERO, ZERO)
    return (first_word(ars(counters, key[0])) >> np.uint64(11)) * 2.0**-53


@inlined
def reference(fixed, position, i, n_references, n_categories):
    """The i-th reference: each alone is uniform, and together they differ (systematic sampling)."""
    if fixed >= 0:
        return fixed
    place = position + i / n_references
    if place >= 1.0:
        place -= 1.0
    return min(int(place * n_categories), n_categories - 1)


@called
def fill_references(fixed, key, sample, problem, n_categories, out):
    """The references of one sample for a variable of n_categories; all of one problem share a place."""
    if out.shape[0] == 0:
        return
    position = reference_position(key, sample, problem)
    for i in range(out.shape[0]):
        out[i] = reference(fixed, position, i, out.shape[0], n_categories)
