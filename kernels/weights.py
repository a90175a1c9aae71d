"""Inverse weights of rows of logits, exp(max - logits), with an exp of many at a time."""

import numpy as np

from ._jit import called, inlined
from .exponential import MANTISSA_WIDTH
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
    as_bits,
    as_float,
    first_half,
    fma,
    in_step,
    second_half,
    select,
    spread_over,
)

MANY = 32 if HAS_AVX512 else 16
ALL_OF_HALF = np.uint64(2 ** (MANY // 2) - 1)
LOG2_E, LOG2_E_REST = 1.4426950408889634, 2.0355273740931033e-17
# Added to a number it leaves the nearest integer in the low bits.
ROUNDER = 1.5 * 2.0**52
LARGEST_EXPONENT = 709.782712893384
# Added to a binary logarithm it leaves that, with the bias of exponents and 32 bits of fraction, in the low bits.
LINE_SHIFTER, LINE_WIDTH = 1.5 * 2.0**20 + 1023.0, np.uint64(20)
LARGEST_LINE = 700.0
# More than what exponential_about is off by: 1.062, and rounding.
CAUTION = 1.0625
# Minimax coefficients of 2**f in powers of f for |f| <= 0.5 (that of 0 is 1), off by 1.3e-17 of it.
E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11 = (
    0.69314718055994530942,
    0.24022650695910076144,
    0.055504108664821582572,
    0.0096181291076186577153,
    0.0013333558146423208934,
    0.00015403530424795379095,
    0.000015252733820805851662,
    1.3215451619146606496e-6,
    1.017806725994698942e-7,
    7.0709810833657682536e-9,
    4.4541051252934160799e-10,
)

load_many, spread_half = loading(MANY), spread_over(MANY // 2)


@inlined
def begin_exponential(x):
    """The first half of the steps of exponential_of."""
    rounded = fma(x, LOG2_E, ROUNDER)
    f = in_step(fma(x, LOG2_E_REST, fma(x, LOG2_E, ROUNDER - rounded)))
    p = fma(f, E11, E10)
    p = in_step(fma(f, p, E9))
    p = fma(f, p, E8)
    p = in_step(fma(f, p, E7))
    return as_bits(rounded) << MANTISSA_WIDTH, f, p, x <= LARGEST_EXPONENT


@inlined
def end_exponential(begun):
    """The other half."""
    exponent, f, p, is_finite = begun
    p = fma(f, p, E6)
    p = in_step(fma(f, p, E5))
    p = fma(f, p, E4)
    p = in_step(fma(f, p, E3))
    p = fma(f, p, E2)
    p = in_step(fma(f, p, E1))
    p = fma(f, p, 1.0)
    return select(is_finite, as_float(as_bits(p) + exponent), np.inf)


@inlined
def exponential_of(x):
    """exp(x) for x >= 0, one number or Lanes, within two units in the last place; infinite for nan."""
    return end_exponential(begin_exponential(x))


@inlined
def exponential_about(x):
    """A number from exp(x) to 1.062 exp(x) for 0 <= x <= 700, of Lanes; for a larger x that of 700.

    The binary logarithm as the exponent and the mantissa: within a power of two it is a straight line.
    """
    clipped = select(x < LARGEST_LINE, x, LARGEST_LINE)
    return as_float(as_bits(fma(clipped, LOG2_E, LINE_SHIFTER)) << LINE_WIDTH)


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
