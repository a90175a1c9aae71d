"""Exp(1) noise addressed by (sample, variable, category), eight categories at a time."""

import numpy as np

from ._jit import called, inlined
from .ars import ars
from .bits import LOW_WORD, WORD_BITS
from .lanes import WIDTH, loading, store_from, store_up_to
from .vectors import (
    as_bits,
    as_float,
    blocks_from,
    exchanged,
    first_half,
    fma,
    joined,
    second_half,
)

ZERO, ONE = np.uint64(0), np.uint64(1)
NOISE_STREAM = np.uint64(0)
REFERENCE_STREAM = np.uint64(1)

ODD_ONE_BITS = np.uint64(0x3FF0000000000001)
ONE_BITS = np.uint64(0x3FF0000000000000)
SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
TWO_52, TWO_52_BITS = 2.0**52, np.uint64(0x4330000000000000)
MANTISSA_BITS = np.uint64(0x000FFFFFFFFFFFFF)
MANTISSA_WIDTH, EXPONENT_WIDTH = np.uint64(52), np.uint64(12)
LN2 = 0.69314718055994530942
# Minimax coefficients of (2 atanh(s) / s - 2) / s^2 in s^2 for |s| <= 3 - sqrt(8), where -log(m) = 2 atanh(s) for
# s = (1 - m) / (1 + m); off by 2e-16 in log(m).
L1, L2, L3, L4, L5, L6 = (
    0.66666666666587206625,
    0.40000000052275022786,
    0.28571417129572510549,
    0.22223371698908406681,
    0.18123642063616380408,
    0.16819827919226211097,
)
# Each number takes a long chain of steps that wait for one another: of many at a time, some can always go on. No
# more than a loop of two halves keeps in registers, and than what blocks of short rows have over (row_race.py).
# What is left over is drawn few at a time.
MANY = 32
FEW = 2 * WIDTH

load_many = loading(MANY)
# Blocks of counters, of consecutive pairs of categories.
pairs_of_many, pairs_of_few = blocks_from(range(MANY // 2)), blocks_from(range(FEW // 2))


@inlined
def one_and_uniform(bits):
    """1 + u, where u is an odd multiple of 2**-52 in (0, 1): the middle of a 51-bit uniform's interval."""
    return as_float((bits >> EXPONENT_WIDTH) | ODD_ONE_BITS)


@inlined
def exponent_of(bits):
    """The exponent of positive float64 with these bits, as float64; that of zero is negative."""
    return as_float((bits >> MANTISSA_WIDTH) | TWO_52_BITS) - (TWO_52 + 1023.0)


@inlined
def begin_logarithm(x):
    """The first half of the steps of minus_logarithm."""
    shifted = as_bits(x) + (ONE_BITS - SQRT_HALF_BITS)
    exponent = exponent_of(shifted)
    f = 1.0 - as_float((shifted & MANTISSA_BITS) + SQRT_HALF_BITS)
    divisor = 2.0 - f
    first, second = first_half(divisor), second_half(divisor)
    inverse = 1.0 / (first * second)
    return exponent, f * joined(inverse * second, inverse * first)


@inlined
def end_logarithm(begun):
    """The other half."""
    exponent, s = begun
    z = s * s
    r = fma(z, L6, L5)
    r = fma(z, r, L4)
    r = fma(z, r, L3)
    r = fma(z, r, L2)
    r = fma(z, r, L1)
    return fma(exponent, -LN2, s * fma(z, r, 2.0))


@inlined
def minus_logarithm(x):
    """-log(x) of positive Lanes, whose first half shares its divisions with the second. Exact to 6e-16 of itself.

    Of zero 709.1, and of infinity less than the least finite number's: nothing else is near either.
    """
    return end_logarithm(begin_logarithm(x))


# A block's counters are a pair of categories and the variable, and the sample and the stream, of 32 bits each.


@inlined
def low_counters(pair, variable):
    """The low half of a block."""
    return np.uint64(pair) + (np.uint64(variable) << WORD_BITS)


@inlined
def high_counters(sample, key, stream):
    """The high half of a block."""
    return ((np.uint64(sample) + key[1]) & LOW_WORD) | (stream << WORD_BITS)


def in_order(n):
    """Which n blocks to hand to exponentials for the numbers of blocks 0, 1, 2, ..."""
    return [*range(0, n, 2), *range(1, n, 2)]


@inlined
def begin_exponentials(words):
    """The first half of the steps of exponentials."""
    # -log(1 - u), as 1 - u has no more bits than a float64 has: nothing is rounded before the logarithm.
    return begin_logarithm(2.0 - one_and_uniform(exchanged(words)))


@inlined
def exponentials(words):
    """Noise of random bits of blocks: of the first categories of them, then of the second ones; see in_order."""
    return end_logarithm(begin_exponentials(words))


def exponentials_in_place(reordered):
    """A helper of (array, start, stop): turn random bits from start to stop into noise, MANY numbers at a time.

    `reordered` puts so many into the order that they are to have. Past stop there is room for what is left of
    the last MANY.
    """

    @inlined
    def _turn(array, start, stop):
        if start < stop:
            # Each turn begins with the next numbers and ends with the last ones: a processor does not look far
            # enough ahead to go on with others by itself.
            last, begun = start, begin_exponentials(as_bits(load_many(array, start)))
            for i in range(start + MANY, stop, MANY):
                next_begun = begin_exponentials(as_bits(load_many(array, i)))
                store_from(array, last, reordered(end_logarithm(begun)))
                last, begun = i, next_begun
            store_from(array, last, reordered(end_logarithm(begun)))

    return _turn


turn_into_exponentials = exponentials_in_place(exchanged)


@called
def fill_exponentials(key, stream, sample, variable, first, out):
    """Write the noise of categories first.. (first even) of one variable and sample to out.

    Here and in all kernels key is a pair: the generator's key, and the number of the sample that is counted as 0.
    """
    low, high = low_counters(np.uint64(first) >> ONE, variable), high_counters(sample, key, stream)
    n = out.shape[0]
    n_many = n // MANY * MANY
    # The bits first: in one loop a processor does not look far enough ahead to go on with the next numbers.
    for start in range(0, n_many, MANY):
        blocks = pairs_of_many(low + np.uint64(start // 2), high, ONE, ZERO)
        store_from(out, start, as_float(ars(blocks, key[0])))
    turn_into_exponentials(out, np.int64(0), n_many)
    for start in range(n_many, n, FEW):
        blocks = pairs_of_few(low + np.uint64(start // 2), high, ONE, ZERO)
        few = exchanged(exponentials(ars(blocks, key[0])))
        if start + FEW <= n:
            store_from(out, start, few)
        else:
            store_up_to(out, start, few, n)
