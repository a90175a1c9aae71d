"""The generator, the exponentials and the Dirichlet noise."""

import math

import naive
import numba
import numpy as np
import pytest
from arsm_fast.kernels import exponential, noise
from arsm_fast.kernels.ars import ars
from arsm_fast.kernels.exponential import NOISE_STREAM, exponentials
from arsm_fast.kernels.lanes import load, store, store_from
from arsm_fast.kernels.vectors import as_bits, as_float, blocks_from, exchanged
from helpers import from_python
from scipy import stats

from arsm_fast import dirichlet_noise

fill_exponentials = from_python(exponential.fill_exponentials)
fill_references = from_python(noise.fill_references)
FIRST = np.uint64(0)

# Counter, key and random bits as bytes; of Random123's own test (seven rounds).
KNOWN_ANSWERS = [
    ("01000000 00000000 00000000 00000000", 1, "2b162335 0cd214dc 77401879 93411872"),
    ("00010000 00000000 00000000 00000000", 1, "2de6b66f a461b668 f380126f 32b9cd22"),
]
# For that many rounds, of Random123.jl's test: from the high byte to the low one.
OF_ROUNDS = [
    (1, "1a0b14c7 07b64224 e548ef12 331396ef"),
    (2, "3ced8e09 70690f71 8336318b a22e8ae1"),
    (3, "b6621a8b 006319e8 67c84164 2c32fc19"),
    (10, "ac35df44 f996ed82 4e287697 bad2f9a2"),
]


def _ars_of(width):
    blocks = blocks_from(range(width))

    @numba.njit
    def _ars(low, high, low_step, high_step, key, out):
        store_from(out, 0, as_float(ars(blocks(low, high, low_step, high_step), key)))

    return _ars


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_ars_known_answers(counter, key, expected):
    counter, expected = bytes.fromhex(counter), bytes.fromhex(expected)
    assert naive.ars(counter, key.to_bytes(16, "little")) == expected
    low, high = (np.uint64(word) for word in np.frombuffer(counter, "<u8"))
    out = np.empty(2)
    _ars_of(1)(low, high, FIRST, FIRST, np.uint64(key), out)
    assert out.tobytes() == expected


@pytest.mark.parametrize(("n_rounds", "expected"), OF_ROUNDS)
def test_naive_ars_known_answers(n_rounds, expected):
    counter = (0x9799B5D54F7B9227_B47607190D0DFEFC).to_bytes(16, "little")
    key = (0x07B8E4B6AA98EC24_5A7DA274D3B8146A).to_bytes(16, "little")
    assert naive.ars(counter, key, n_rounds)[::-1] == bytes.fromhex(expected)


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32])
def test_ars_of_many_blocks(width):
    rng = np.random.default_rng(width)
    low, high, low_step, high_step, key = (rng.integers(2**64, size=5, dtype=np.uint64)).tolist()
    out = np.empty(2 * width)
    _ars_of(width)(*map(np.uint64, (low, high, low_step, high_step, key)), out)
    for i in range(width):
        words = (low + i * low_step) % 2**64, (high + i * high_step) % 2**64
        counter = b"".join(word.to_bytes(8, "little") for word in words)
        assert out[2 * i : 2 * i + 2].tobytes() == naive.ars(counter, key.to_bytes(16, "little"))


@pytest.mark.parametrize("first_sample", [0, 2**32 - 3], ids=["", "modulo 2**32"])
def test_addresses(first_sample):
    key, samples, variable, first, n = 2**63 + 5, range(8), 2**31 + 3, 6, 37

    def expected(sample):
        counters = [
            (((first + c) // 2) | (variable << 32), (first_sample + sample) % 2**32, (first + c) % 2)
            for c in range(n)
        ]
        for low, high, half in counters:
            counter = low.to_bytes(8, "little") + high.to_bytes(8, "little")
            bits = naive.ars(counter, key.to_bytes(16, "little"))[8 * half : 8 * half + 8]
            odd = int.from_bytes(bits, "little") >> 12 | 1
            yield -math.log1p(-odd / 2**52)

    out = np.empty(n)
    for sample in samples:
        fill_exponentials((np.uint64(key), np.uint64(first_sample)), NOISE_STREAM, sample, variable, first, out)
        np.testing.assert_allclose(out, list(expected(sample)), rtol=1e-13)


@numba.njit
def _exponential(bits, out):
    for i in range(out.shape[0] // 8):
        store(out, i, exponentials(exchanged(as_bits(load(bits, i)))))


def test_exponential_is_minus_log_to_the_last_digits():
    rng = np.random.default_rng(1)
    bits = rng.integers(2**64, size=40_000, dtype=np.uint64)
    shift = rng.integers(0, 52, size=20_000, dtype=np.uint64)
    bits[:10_000] >>= shift[:10_000]
    bits[10_000:20_000] = ~(bits[10_000:20_000] >> shift[10_000:])
    full = np.uint64(2**64 - 1)
    bits[:4] = 0, full, 1 << 63, full >> np.uint64(1)  # the smallest and the largest, and the two in the middle
    out = np.empty(bits.size)
    _exponential(bits.view(np.float64), out)
    for word, number in zip(bits, out, strict=True):
        odd = int(word) >> 12 | 1
        # Below one half log1p keeps the digits; above it 1 - u is exact.
        expected = -math.log1p(-odd / 2**52) if odd < 2**51 else -math.log((2**52 - odd) / 2**52)
        assert abs(number / expected - 1) < 1e-15
    assert out[0] == pytest.approx(2.0**-52)
    assert out[1] == pytest.approx(52 * math.log(2))


def test_exponentials_are_exponential():
    draws = np.empty(1_000_000)
    fill_exponentials((np.uint64(2024), FIRST), NOISE_STREAM, 3, 5, 0, draws)
    assert stats.kstest(draws, "expon").pvalue > 1e-3


@numba.njit(parallel=True)
def _tail(n_chunks, chunk, bound, found, counts):
    for i in numba.prange(n_chunks):
        draws = np.empty(chunk)
        fill_exponentials((np.uint64(99), FIRST), NOISE_STREAM, i, 0, 0, draws)
        count = 0
        for k in range(chunk):
            if draws[k] < bound:
                found[i, count] = draws[k]
                count += 1
        counts[i] = count


def test_small_exponentials_of_a_billion_draws_are_exponential():
    n_chunks, chunk, bound = 1000, 1_000_000, 1e-6
    found = np.empty((n_chunks, 40))
    counts = np.zeros(n_chunks, np.int64)
    _tail(n_chunks, chunk, bound, found, counts)
    small = np.concatenate([found[i, : counts[i]] for i in range(n_chunks)])
    # Poisson of mean 1000.
    assert abs(small.size - 1000) < 5 * math.sqrt(1000)
    assert np.unique(small).size == small.size
    assert stats.kstest(small / bound, "uniform").pvalue > 1e-3


def test_numbers_depend_on_their_address_alone():
    long, short = np.empty(101), np.empty(50)
    fill_exponentials((np.uint64(7), FIRST), NOISE_STREAM, 1, 2, 0, long)
    fill_exponentials((np.uint64(7), FIRST), NOISE_STREAM, 1, 2, 0, short)
    np.testing.assert_array_equal(long[:50], short)
    fill_exponentials((np.uint64(7), FIRST), NOISE_STREAM, 1, 2, 20, short)
    np.testing.assert_array_equal(long[20:70], short)
    seen = {tuple(long)}
    for sample, variable in [(0, 2), (1, 0), (2, 1), (2, 2)]:
        fill_exponentials((np.uint64(7), FIRST), NOISE_STREAM, sample, variable, 0, long)
        seen.add(tuple(long))
    assert len(seen) == 5
    later = np.empty(101)
    fill_exponentials((np.uint64(7), FIRST), NOISE_STREAM, 9, 2, 0, long)
    fill_exponentials((np.uint64(7), np.uint64(6)), NOISE_STREAM, 3, 2, 0, later)
    np.testing.assert_array_equal(long, later)


def test_dirichlet_means_and_covariances():
    n, size = 200_000, 5
    noise = dirichlet_noise(np.zeros(size), n, rng=3)
    np.testing.assert_allclose(noise.sum(axis=1), 1.0, rtol=1e-14)
    reference = stats.dirichlet(np.ones(size))
    assert abs(noise.mean(axis=0) - reference.mean()).max() < 5 * math.sqrt(reference.var()[0] / n)
    covariance = (np.eye(size) / size - 1 / size**2) / (size + 1)
    # The fourth moments are bounded by the second ones, as entries are below one.
    assert abs(np.cov(noise.T) - covariance).max() < 5 * math.sqrt(covariance[0, 0] / n)
    assert stats.kstest(noise[:, 2], stats.beta(1, size - 1).cdf).pvalue > 1e-3


def test_references_differ_and_are_uniform():
    n_categories, n_references, n_samples = 7, 3, 100_000
    references = np.empty((n_samples, n_references), np.int64)
    for sample in range(n_samples):
        fill_references(-1, (np.uint64(5), FIRST), sample, 0, n_categories, references[sample])
    assert (np.diff(np.sort(references, axis=1), axis=1) > 0).all()
    for i in range(n_references):
        counts = np.bincount(references[:, i], minlength=n_categories)
        assert stats.chisquare(counts).pvalue > 1e-3


def test_dirichlet_noise_is_what_the_estimators_draw():
    from arsm_fast import gradient

    logits = np.random.default_rng(0).normal(size=(4, 7))
    table = np.random.default_rng(1).normal(size=(4, 7))
    drawn = gradient(table, logits, n_samples=3, rng=11)
    given = gradient(table, logits, n_samples=3, noise=dirichlet_noise(logits, 3, rng=11))
    np.testing.assert_allclose(drawn.gradient, given.gradient, rtol=1e-12, atol=1e-14)
