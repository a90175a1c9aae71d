"""Inverse weights of rows of logits, exp(max - logits)."""

import numpy as np

from ._jit import called, inlined
from .exp import begin_exponential, end_exponential, exponential_of
from .lanes import (
    ALL_LANES,
    WIDTH,
    entry,
    largest_lane,
    load_eight,
    loading,
    mask_bits,
    store_from,
)
from .tasks import items_of, tasks
from .vectors import (
    HAS_AVX512,
    first_half,
    second_half,
    select,
    spread_over,
)

MANY = 32 if HAS_AVX512 else 16
ALL_OF_HALF = np.uint64(2 ** (MANY // 2) - 1)
load_many, spread_half = loading(MANY), spread_over(MANY // 2)


@inlined
def larger(tops, entries):
    """The larger of each lane; where an entry is nan the other."""
    return select(tops < entries, entries, tops)


@inlined
def largest_of(logits, start, stop):
    """The largest entry from start to stop, of which there is one at least; where one is nan, any."""
    # By position, as a slice costs more than a short row.
    top = entry(logits, start)
    if stop - start < WIDTH:
        for i in range(start + 1, stop):
            top = entry(logits, i) if entry(logits, i) > top else top
        return top
    # The last eight overlap those before them.
    tops = load_eight(logits, stop - WIDTH)
    other_tops = tops
    whole = start + (stop - start) // (2 * WIDTH) * (2 * WIDTH)
    for i in range(start, whole, 2 * WIDTH):
        tops, other_tops = larger(tops, load_eight(logits, i)), larger(other_tops, load_eight(logits, i + WIDTH))
    if whole < stop - WIDTH:
        tops = larger(tops, load_eight(logits, whole))
    return largest_lane(larger(tops, other_tops))


@inlined
def write_gaps(logits, start, stop, out):
    """Set out to logits - max(logits) from start to stop; the arrays must be two."""
    top = largest_of(logits, start, stop)
    if stop - start < WIDTH:
        for i in range(start, stop):
            out[i] = entry(logits, i) - top
    else:
        for i in range(start, stop - WIDTH, WIDTH):
            store_from(out, i, load_eight(logits, i) - top)
        store_from(out, stop - WIDTH, load_eight(logits, stop - WIDTH) - top)


@inlined
def begin_many(top, logits, start, total):
    """Begin with exp(top - logits) of MANY, and add the exponents to a total, which is a number if all are."""
    gaps = top - load_many(logits, start)
    return begin_exponential(gaps), total + (first_half(gaps) + second_half(gaps))


@called
def exponentiate(top, logits, out):
    """Set out to exp(top - logits); False where one is no number. The two arrays may be one."""
    n = logits.shape[0]
    n_many = n // MANY * MANY
    total = spread_half(0.0)
    if n_many > 0:
        # Each turn begins with the next entries, as in exponential.py.
        begun, total = begin_many(top, logits, np.int64(0), total)
        for start in range(MANY, n_many, MANY):
            next_begun, total = begin_many(top, logits, start, total)
            store_from(out, start - MANY, end_exponential(begun))
            begun = next_begun
        store_from(out, n_many - MANY, end_exponential(begun))
    good = mask_bits(total >= 0.0) == ALL_OF_HALF
    n_eights = n // WIDTH * WIDTH
    for start in range(n_many, n_eights, WIDTH):
        eight = top - load_eight(logits, start)
        good &= mask_bits(eight >= 0.0) == ALL_LANES
        store_from(out, start, exponential_of(eight))
    for i in range(n_eights, n):
        gap = top - logits[i]
        good &= gap >= 0.0
        out[i] = exponential_of(gap)
    return good


@inlined
def weigh_row(logits, out):
    """Set out to exp(max - logits) of one row; False where one is no number."""
    return exponentiate(largest_of(logits, np.int64(0), logits.shape[0]), logits, out)


@inlined
def mean_length(offsets):
    """Of rows, rounded up: their size as items of tasks."""
    return offsets[offsets.shape[0] - 1] // (offsets.shape[0] - 1) + 1


@tasks("offsets.shape[0] - 1", "mean_length(offsets)", sums=1)
def fill_inverse_weights(task, logits, offsets, out):
    """Set out to exp(max - logits) by row; the result is not 0 if anywhere that is no number.

    That is so where an entry is nan, or +inf, or where all of a row are -inf.
    """
    rows = items_of(task, offsets.shape[0] - 1, mean_length(offsets))
    for row in rows:
        write_gaps(logits, offsets[row], offsets[row + 1], out)
    own = out[offsets[rows.start] : offsets[rows.stop]]
    return int(not exponentiate(0.0, own, own))
