"""Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): counter-based random bits.

Words are 32-bit values held in uint64, of which only the low half counts, so that LLVM multiplies them in vector
lanes.
"""

import numpy as np

from ._jit import inlined
from .vectors import raised

MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
LOW_WORD = np.uint64(0xFFFFFFFF)
WORD_BITS = np.uint64(32)


@inlined
def _round(x0, x1, x2, x3, key_0, key_1):
    product_0 = MULTIPLIER_0 * (x0 & LOW_WORD)
    product_1 = MULTIPLIER_1 * (x2 & LOW_WORD)
    return (
        (product_1 >> WORD_BITS) ^ x1 ^ (key_0 & LOW_WORD),
        product_1,
        (product_0 >> WORD_BITS) ^ x3 ^ (key_1 & LOW_WORD),
        product_0,
        key_0 + WEYL_0,
        key_1 + WEYL_1,
    )


@inlined
def philox(x0, x1, x2, x3, key_0, key_1):
    """The output words of counters x0..x3: 0 and 1 as one of 64 bits, and 2 and 3; the first is the high one.

    Counters and results are Words of one width.
    """
    # Written out, as LLVM does not unroll a loop before it has decided what to keep in registers; each round is
    # given the same types, so that it is compiled once.
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    x0, x1, x2, x3, key_0, key_1 = _round(x0, x1, x2, x3, key_0, key_1)
    # The low word of a product is an output, and its high one is a part of the output before that.
    first = MULTIPLIER_1 * (x2 & LOW_WORD) ^ raised(x1) ^ (key_0 << WORD_BITS)
    second = MULTIPLIER_0 * (x0 & LOW_WORD) ^ raised(x3) ^ (key_1 << WORD_BITS)
    return first, second
