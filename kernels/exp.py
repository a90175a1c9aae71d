"""exp(x) for x >= 0, of numbers and of Lanes: exact to the last digits, or about."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ._intrinsics import intrinsic
from ._jit import inlined
from .exponential import MANTISSA_BITS, MANTISSA_WIDTH
from .vectors import HAS_AVX512, Vector, as_bits, as_float, concatenated, fma, in_step, select, shuffled

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
# And of (2**(f / 8) - 1) / f, off by 3e-18 of 2**(f / 8).
P1, P2, P3, P4, P5, P6, P7 = (
    0.086643397569993165447,
    0.0037535391712361792969,
    0.00010840646223592524421,
    2.348176046129834845e-6,
    4.0690790641503645e-8,
    5.8763602817845160516e-10,
    7.2724003052492303419e-12,
)
EIGHTHS = ir.Constant(ir.VectorType(ir.DoubleType(), 8), [2.0 ** (i / 8) for i in range(8)])


@inlined
def begin_by_polynomial(x):
    """The first half of the steps of exponential_of, by a polynomial."""
    rounded = fma(x, LOG2_E, ROUNDER)
    f = in_step(fma(x, LOG2_E_REST, fma(x, LOG2_E, ROUNDER - rounded)))
    p = fma(f, E11, E10)
    p = in_step(fma(f, p, E9))
    p = fma(f, p, E8)
    p = in_step(fma(f, p, E7))
    return as_bits(rounded) << MANTISSA_WIDTH, f, p, x <= LARGEST_EXPONENT


@inlined
def end_by_polynomial(begun):
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


@intrinsic
def power_of_eighths(typing_context, bits):
    """2**(i / 8), where i are the lowest three bits of a word, or of each of eight Words or more."""
    result = bits.of(types.float64) if isinstance(bits, Vector) else types.float64

    def codegen(context, builder, sig, arguments):
        (value,) = arguments
        if not isinstance(bits, Vector):
            return builder.extract_element(EIGHTHS, builder.and_(value, value.type(7)))
        parts = [shuffled(builder, value, value, range(i, i + 8)) for i in range(0, bits.width, 8)]
        kind = ir.FunctionType(EIGHTHS.type, [EIGHTHS.type, parts[0].type])
        look_up = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.permvar.df.512")
        return concatenated(builder, [builder.call(look_up, [EIGHTHS, part]) for part in parts])

    return result(bits), codegen


@inlined
def begin_by_eighths(x):
    """As begin_by_polynomial, with a table of eight powers: sooner where one instruction looks up eight."""
    rounded = fma(x, 8.0 * LOG2_E, ROUNDER)
    f = fma(x, 8.0 * LOG2_E_REST, fma(x, 8.0 * LOG2_E, ROUNDER - rounded))
    p = fma(f, P7, P6)
    p = fma(f, p, P5)
    p = fma(f, p, P4)
    return as_bits(rounded), f, p, x <= LARGEST_EXPONENT


@inlined
def end_by_eighths(begun):
    """The other half."""
    bits, f, p, is_finite = begun
    p = fma(f, p, P3)
    p = fma(f, p, P2)
    p = fma(f, p, P1)
    power = power_of_eighths(bits)
    exponent = (bits << (MANTISSA_WIDTH - np.uint64(3))) & ~MANTISSA_BITS
    return select(is_finite, as_float(as_bits(fma(power, f * p, power)) + exponent), np.inf)


begin_exponential, end_exponential = (
    (begin_by_eighths, end_by_eighths) if HAS_AVX512 else (begin_by_polynomial, end_by_polynomial)
)


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
