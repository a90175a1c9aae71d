"""The generator, the exponentials and the Dirichlet noise."""

import math

import numba
import numpy as np
import pytest
from arsm_fast.kernels import exponential as exponentials
from arsm_fast.kernels import noise
from arsm_fast.kernels.exponential import NOISE_STREAM, counters_of_few, exponential
from arsm_fast.kernels.lanes import load, store
from arsm_fast.kernels.philox import philox
from arsm_fast.kernels.vectors import as_bits, first_word
from helpers import from_python
from scipy import stats

from arsm_fast import dirichlet_noise

fill_exponentials = from_python(exponentials.fill_exponentials)
fill_references = from_python(noise.fill_references)
FIRST = np.uint64(0)

# Random123, kat_vectors: philox4x32 10.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000 00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@numba.njit
def _philox(x0, x1, x2, x3, key_0, key_1):
    c0, c1 = counters_of_few(x0, FIRST, FIRST), counters_of_few(x1, FIRST, FIRST)
    c2, c3 = counters_of_few(x2, FIRST, FIRST), counters_of_few(x3, FIRST, FIRST)
    first, second = philox(c0, c1, c2, c3, key_0, key_1)
    return first_word(first), first_word(second)


@pytest.mark.parametrize(("counter_and_key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers(counter_and_key, expected):
    pairs = _philox(*(np.uint64(int(word, 16)) for word in counter_and_key.split()))
    words = expected.split()
    assert [int(pair) for pair in pairs] == [int(words[0] + words[1], 16), int(words[2] + words[3], 16)]


@numba.njit
def _exponential(bits, out):
    for i in range(out.shape[0] // 8):
        store(out, i, exponential(as_bits(load(bits, i))))


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
    n_categories, n_references, n_samples = 7, 3, 20_000
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
