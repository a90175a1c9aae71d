"""ARS4x32-7 by looking up bytes, for processors without instructions for AES: the same bits, but slowly."""

import numpy as np

from ._jit import called, inlined

ROUNDS = 7
WEYL_LOW, WEYL_HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


def s_box():
    """AES's substitution of bytes: an affine map of the inverse in GF(2^8)."""
    box = np.full(256, 0x63, np.uint8)
    power = inverse = 1
    for _ in range(255):  # all powers of 3, and their inverses
        turned = inverse * 0x101
        box[power] ^= (inverse ^ turned >> 4 ^ turned >> 5 ^ turned >> 6 ^ turned >> 7) & 0xFF
        power ^= power << 1 ^ (0x11B if power & 0x80 else 0)
        inverse ^= inverse << 1
        inverse ^= inverse << 2
        inverse ^= inverse << 4
        inverse = inverse & 0xFF ^ (0x09 if inverse & 0x80 else 0)
    return box


S_BOX = s_box()


@inlined
def substituted(low, high, half):
    """Half of a block whose bytes have been substituted and whose rows have been shifted."""
    word = np.uint64(0)
    for i in range(8):
        source = (8 * half + i + 4 * (i % 4)) % 16
        byte = ((low if source < 8 else high) >> np.uint64(8 * (source % 8))) & np.uint64(0xFF)
        word |= np.uint64(S_BOX[byte]) << np.uint64(8 * i)
    return word


@inlined
def turned(columns):
    """Both columns of a word, the second byte first."""
    first_bytes = np.uint64(0x000000FF000000FF)
    return ((columns & ~first_bytes) >> np.uint64(8)) | ((columns & first_bytes) << np.uint64(24))


@inlined
def mixed(columns):
    """Both columns of a word after AES's MixColumns: 2 a + 3 b + c + d, where a, b, c, d follow one another."""
    next_ones = turned(columns)
    sums = columns ^ next_ones
    doubled = (sums & np.uint64(0x7F7F7F7F7F7F7F7F)) << np.uint64(1)
    overflow = (sums >> np.uint64(7)) & np.uint64(0x0101010101010101)
    return doubled ^ (overflow * np.uint64(0x1B)) ^ next_ones ^ turned(turned(sums))


@called
def portable_ars(low, high, key):
    """As ars.ars, of one block."""
    key_low, key_high = key, np.uint64(0)
    low ^= key_low
    for i in range(ROUNDS):
        key_low, key_high = key_low + WEYL_LOW, key_high + WEYL_HIGH
        low, high = substituted(low, high, 0), substituted(low, high, 1)
        if i < ROUNDS - 1:
            low, high = mixed(low), mixed(high)
        low, high = low ^ key_low, high ^ key_high
    return low, high
