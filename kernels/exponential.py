"""Exp(1) noise addressed by (sample, variable, category), with a -log that LLVM vectorises."""

import numpy as np

from ._jit import called, inlined
from .bits import as_bits, as_float, fma
from .philox import LOW_WORD, WORD_BITS, philox

NOISE_STREAM = np.uint64(0)
REFERENCE_STREAM = np.uint64(1)

SIGN_BIT = np.uint64(0x80000000)
LOW_31_BITS = np.uint64(0x7FFFFFFF)
TWO_52_BITS = np.uint64(0x4330000000000000)
TWO_52 = 2.0**52
ONE_BITS = np.uint64(0x3FF0000000000000)
SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
MANTISSA_BITS = np.uint64(0x000FFFFFFFFFFFFF)
MANTISSA_WIDTH = np.uint64(52)
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
# Minimax coefficients of (log1p(f) - f + f^2/2) in s^2, s = f/(2+f) (Sun's fdlibm, e_log.c).
L1, L2, L3, L4, L5, L6, L7 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)


@inlined
def _to_float(word):
    # Exact for word < 2**52, and vectorises on every x86 (integer conversions do not).
    return as_float(word | TWO_52_BITS) - TWO_52


@inlined
def exponential(high, low):
    """-log(1 - u) for the 64-bit uniform u = (high, low): relative precision at both ends."""
    # Only the low 32 bits of each word count.
    tail = fma(_to_float(high & LOW_31_BITS), 2.0**-32, (_to_float(low & LOW_WORD) + 0.5) * 2.0**-64)
    # tail is u below one half and 1 - u above it; either way it keeps all its bits.
    survival = tail if high & SIGN_BIT else 1.0 - tail
    bits = as_bits(survival) + (ONE_BITS - SQRT_HALF_BITS)
    exponent = _to_float(bits >> MANTISSA_WIDTH) - 1023.0
    mantissa = as_float((bits & MANTISSA_BITS) + SQRT_HALF_BITS)
    f = -tail if exponent == 0.0 else mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = fma(z, L7, L6)
    r = fma(z, r, L5)
    r = fma(z, r, L4)
    r = fma(z, r, L3)
    r = fma(z, r, L2)
    r = fma(z, r, L1)
    half_square = 0.5 * f * f
    remainder = half_square - s * fma(z, r, half_square)
    return fma(exponent, -LN2_HIGH, fma(exponent, -LN2_LOW, remainder) - f)


@called
def fill_exponentials(key, stream, sample, variable, first, out):
    """Write the noise of categories first.. (first even) of one variable and sample to out.

    Here and in all kernels key is a pair: the generator's key, and the number of the sample that is counted as 0.
    """
    key_0, key_1 = key[0] & LOW_WORD, key[0] >> WORD_BITS
    sample = np.uint64(sample) + key[1]
    variable = np.uint64(variable)
    base = np.uint64(first) >> np.uint64(1)
    n = out.shape[0]
    for i in range(n // 2):
        x0, x1, x2, x3 = philox(base + np.uint64(i), variable, sample, stream, key_0, key_1)
        out[2 * i] = exponential(x0, x1)
        out[2 * i + 1] = exponential(x2, x3)
    if n % 2:
        x0, x1, x2, x3 = philox(base + np.uint64(n // 2), variable, sample, stream, key_0, key_1)
        out[n - 1] = exponential(x0, x1)
