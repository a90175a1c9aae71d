"""Races of rows, in which the last bits of what is compared are places, and the room that rows have."""

import numpy as np
import pytest
from arsm_fast.kernels._jit import compiled
from arsm_fast.kernels.exponential import MANY
from arsm_fast.kernels.lanes import WIDTH
from arsm_fast.kernels.row_race import race_rows, two_first
from arsm_fast.kernels.row_room import (
    LENGTH,
    LONGEST,
    MOST_ROWS,
    NOISE,
    OF_RACE,
    PLACES,
    RACES,
    ROOM,
    WEIGHTS,
    put,
    row_step,
    rows_of_block,
)
from arsm_fast.kernels.vectors import REGISTER, as_float

LENGTHS = [8, 9, 30, 64, 100, LONGEST]


@compiled
def run_races(noise, inverse_weights, values, room, results):
    """Race rows, and write the first and the second of each."""
    n_rows, n = noise.shape
    step = row_step(n)
    for c in range(step):
        put(room, PLACES + c, as_float(np.uint64(c)))
        for row in range(n_rows):
            put(room, NOISE + row * step + c, noise[row, c] if c < n else np.nan)
            put(room, WEIGHTS + row * step + c, inverse_weights[row, c] if c < n else np.inf)
    race_rows(values, 0, n_rows, n, room)
    for row in range(n_rows):
        results[row, 0], results[row, 1] = two_first(row, row * step, n, room)


def two_first_of(noise, inverse_weights):
    results = np.empty((len(noise), 2), np.int64)
    # Of this room, the places are wrong unless a race is run.
    run_races(noise, inverse_weights, np.zeros(noise.size), np.arange(1.0, ROOM + 1.0), results)
    return results


@pytest.mark.parametrize("n_rows", [1, 2])
@pytest.mark.parametrize("n", LENGTHS)
def test_the_two_first_are_found(n, n_rows):
    rng = np.random.default_rng(n)
    for _ in range(50):
        noise, inverse_weights = rng.exponential(size=(n_rows, n)), rng.uniform(1.0, 50.0, size=(n_rows, n))
        expected = np.argsort(noise * inverse_weights, axis=1)[:, :2]
        np.testing.assert_array_equal(two_first_of(noise, inverse_weights), expected)


def test_a_row_left_alone_is_raced_too():
    rng = np.random.default_rng(3)
    noise = rng.exponential(size=(3, 30))
    expected = np.argsort(noise, axis=1)[:, :2]
    np.testing.assert_array_equal(two_first_of(noise, np.ones((3, 30))), expected)


@pytest.mark.parametrize("distance", [1, REGISTER])  # so that they are in different lanes, or in one
@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("n", [33, 100, LONGEST])
def test_racers_that_differ_in_the_last_bit_come_in_their_order(n, ahead, distance):
    rng = np.random.default_rng(n)
    for _ in range(50):
        noise = rng.uniform(1.0, 2.0, size=(1, n))
        places = rng.permutation(np.arange(rng.integers(REGISTER), n, distance))[: 2 + ahead]
        level = rng.uniform(0.5, 0.9)
        noise[0, places[:ahead]] = np.sort(rng.uniform(0.1, 0.4, size=ahead))
        noise[0, places[ahead:]] = level, np.nextafter(level, 1.0)
        np.testing.assert_array_equal(two_first_of(noise, np.ones((1, n)))[0], places[:2])


@pytest.mark.parametrize("n", [8, 31])
def test_one_that_is_alone_has_any_other_behind(n):
    inverse_weights = np.full((2, n), np.inf)
    inverse_weights[0, 0] = inverse_weights[1, n - 1] = 1.0
    first, second = two_first_of(np.ones((2, n)), inverse_weights).T
    assert first.tolist() == [0, n - 1]
    assert (second != first).all()
    assert set(second) <= set(range(n))


@compiled
def sizes(n):
    """The rows of a block, what each takes up, and what a list of its losers does."""
    return rows_of_block(n), row_step(n), row_step(n + 1)


def test_all_that_blocks_need_has_room():
    for n in range(WIDTH, LONGEST + 1):
        n_rows, step, listed = sizes(n)
        assert 2 <= n_rows <= MOST_ROWS
        assert n_rows % 2 == 0
        assert -(-n_rows * step // MANY) * MANY <= LENGTH  # noise is drawn so many at a time
        assert n_rows * listed + REGISTER <= LENGTH  # lists are written in whole registers
    assert OF_RACE[-1] + MOST_ROWS <= RACES + LENGTH
