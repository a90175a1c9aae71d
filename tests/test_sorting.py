"""Sorting by key, in each of its ways."""

import numpy as np
import pytest
from arsm_fast.kernels import sorting
from helpers import from_python

sort_by_key = from_python(sorting.sort_by_key)


def keys_of(kind, n, rng):
    if kind == "spread":
        return np.exp(rng.normal(size=n) * 4)
    if kind == "close":
        return 1 + 1e-9 * rng.random(n)
    if kind == "close but one":
        return np.append(1 + 1e-9 * rng.random(n - 1), 1e300)
    if kind == "few":
        return rng.integers(1, 4, size=n).astype(float)
    return np.ones(n)


@pytest.mark.parametrize("kind", ["spread", "close", "close but one", "few", "level"])
@pytest.mark.parametrize("n", [1, 2, 24, 25, 300, 5000])
def test_sorted_by_key_and_then_by_item(kind, n):
    rng = np.random.default_rng(n)
    keys, items = keys_of(kind, n, rng), rng.permutation(n).astype(np.int32)
    order = np.lexsort((items, keys))
    expected = keys[order], items[order]
    sort_by_key(keys, items)
    np.testing.assert_array_equal(keys, expected[0])
    np.testing.assert_array_equal(items, expected[1])
