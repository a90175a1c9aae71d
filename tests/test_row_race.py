"""Races of rows whose places are told by the last bits of what they are compared by."""

import numpy as np
import pytest
from arsm_fast.kernels._jit import compiled
from arsm_fast.kernels.row_race import race_rows, two_first
from arsm_fast.kernels.row_room import LONGEST, NOISE, PLACES, ROOM, WEIGHTS, put, row_step
from arsm_fast.kernels.vectors import as_float

ROWS = 2


@compiled
def run_races(noise, inverse_weights, values, room, results):
    """Race two rows, and write the first and the second of each."""
    n, step = noise.shape[1], row_step(noise.shape[1])
    for c in range(step):
        put(room, PLACES + c, as_float(np.uint64(c)))
        for row in range(ROWS):
            put(room, NOISE + row * step + c, noise[row, c] if c < n else np.nan)
            put(room, WEIGHTS + row * step + c, inverse_weights[row, c] if c < n else np.inf)
    race_rows(values, 0, ROWS, n, room)
    for row in range(ROWS):
        results[row, 0], results[row, 1] = two_first(row, row * step, n, room)


def two_first_of(noise, inverse_weights):
    results = np.empty((ROWS, 2), np.int64)
    run_races(noise, inverse_weights, np.zeros(noise.size), np.empty(ROOM), results)
    return results


@pytest.mark.parametrize("n", [8, 9, 30, 64, 100, LONGEST])
def test_the_two_first_are_found(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        noise, inverse_weights = rng.exponential(size=(ROWS, n)), rng.uniform(1.0, 50.0, size=(ROWS, n))
        expected = np.argsort(noise * inverse_weights, axis=1)[:, :2]
        np.testing.assert_array_equal(two_first_of(noise, inverse_weights), expected)


@pytest.mark.parametrize("n", [8, 9, 30, 64, 100, LONGEST])
def test_the_first_of_two_that_differ_in_the_last_bit_wins(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        noise = rng.uniform(1.0, 2.0, size=(ROWS, n))
        first, second = rng.permuted(np.tile(np.arange(n), (ROWS, 1)), axis=1)[:, :2].T
        rows = np.arange(ROWS)
        noise[rows, first] = rng.uniform(0.1, 0.9, size=ROWS)
        noise[rows, second] = np.nextafter(noise[rows, first], 1.0)
        np.testing.assert_array_equal(two_first_of(noise, np.ones((ROWS, n))), np.stack([first, second], axis=1))


@pytest.mark.parametrize("n", [8, 31])
def test_one_that_is_alone_has_any_other_behind(n):
    inverse_weights = np.full((ROWS, n), np.inf)
    inverse_weights[0, 0] = inverse_weights[1, n - 1] = 1.0
    first, second = two_first_of(np.ones((ROWS, n)), inverse_weights).T
    assert first.tolist() == [0, n - 1]
    assert (second != first).all()
    assert set(second) <= set(range(n))
