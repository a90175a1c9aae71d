"""Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): counter-based random bits.

Words are 32-bit values held in uint64, so that LLVM multiplies them in vector lanes.
"""

import numpy as np

from ._jit import inlined

MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint64(0x9E3779B9)
WEYL_1 = np.uint64(0xBB67AE85)
LOW_WORD = np.uint64(0xFFFFFFFF)
WORD_BITS = np.uint64(32)


@inlined
def _round(x0, x1, x2, x3, key_0, key_1, number):
    product_0 = MULTIPLIER_0 * (x0 & LOW_WORD)
    product_1 = MULTIPLIER_1 * (x2 & LOW_WORD)
    round_key_0 = (key_0 + np.uint64(number) * WEYL_0) & LOW_WORD
    round_key_1 = (key_1 + np.uint64(number) * WEYL_1) & LOW_WORD
    return (
        (product_1 >> WORD_BITS) ^ x1 ^ round_key_0,
        product_1,
        (product_0 >> WORD_BITS) ^ x3 ^ round_key_1,
        product_0,
    )


@inlined
def philox(x0, x1, x2, x3, key_0, key_1):
    """Four output words, each in the low half of its result, for the counter x0..x3 and the key."""
    # Written out: LLVM does not vectorise a loop round this one if it has a loop of its own.
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 0)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 1)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 2)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 3)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 4)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 5)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 6)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 7)
    x0, x1, x2, x3 = _round(x0, x1, x2, x3, key_0, key_1, 8)
    return _round(x0, x1, x2, x3, key_0, key_1, 9)
