"""The first number of ``np.random.PCG64(seed)``, from the seed: to make the generator for one takes NumPy longer.

It is NumPy's SeedSequence (O'Neill, "Developing a seed_seq alternative", 2015), with a pool of four words, and
the seeding and the step of PCG64. What these give for a seed is one of NumPy's promises.
"""

from itertools import pairwise

WORD_MASK, LONG_MASK, STATE_MASK = 2**32 - 1, 2**64 - 1, 2**128 - 1
N_POOL, N_WORDS = 4, 8
# A longer one has more words than the pool, and is mixed in otherwise.
LEAST_LONG_SEED = 2 ** (32 * N_POOL)
# What two words are mixed with, and the step of PCG64.
LEFT, RIGHT = 0xCA01F9DD, 0x4973F715
STEP = 0x2360ED051FC65DA44385DF649FCCF645


def _factors(first: int, multiplier: int, n: int) -> list[tuple[int, int]]:
    """What the first n words that are hashed are, each, xored with and multiplied by."""
    powers = [first * pow(multiplier, i, 2**32) & WORD_MASK for i in range(n + 1)]
    return list(pairwise(powers))


_POOL_FACTORS = _factors(0x43B0D7E5, 0x931E8875, N_POOL**2)
_FILLS = [(32 * i, *factors) for i, factors in enumerate(_POOL_FACTORS[:N_POOL])]
_PAIRS = [(source, to) for source in range(N_POOL) for to in range(N_POOL) if source != to]
_MIXES = [(*pair, *factors) for pair, factors in zip(_PAIRS, _POOL_FACTORS[N_POOL:], strict=True)]
_OUTPUTS = [(i % N_POOL, *factors) for i, factors in enumerate(_factors(0x8B51F9DD, 0x58F38DED, N_WORDS))]


def first_word(seed: int) -> int:
    """The first number, for seeds from 0 on."""
    pool = []
    for shift, addend, factor in _FILLS:
        word = ((seed >> shift & WORD_MASK) ^ addend) * factor & WORD_MASK
        pool.append(word ^ word >> 16)
    for source, to, addend, factor in _MIXES:
        word = (pool[source] ^ addend) * factor & WORD_MASK
        word = LEFT * pool[to] - RIGHT * (word ^ word >> 16) & WORD_MASK
        pool[to] = word ^ word >> 16
    words = []
    for source, addend, factor in _OUTPUTS:
        word = (pool[source] ^ addend) * factor & WORD_MASK
        words.append(word ^ word >> 16)
    # Two words are a long one, the low half first; two long ones a state, the high half first.
    a, b, c, d, e, f, g, h = words
    start, increment = b << 96 | a << 64 | d << 32 | c, (f << 96 | e << 64 | h << 32 | g) << 1 | 1
    state = ((start + increment) * STEP + increment) * STEP + increment & STATE_MASK
    folded, turn = (state >> 64 ^ state) & LONG_MASK, state >> 122
    return (folded >> turn | folded << (64 - turn)) & LONG_MASK
