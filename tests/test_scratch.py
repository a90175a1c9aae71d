"""Arrays that are parts of one, and arrays of which more is asked for."""

import numpy as np
import pytest

from arsm_fast._scratch import arrays_in_one, scratch

KINDS = [((3, 5), np.dtype(np.int32)), ((7,), np.dtype(np.uint64)), ((2, 3, 1), np.dtype(np.float64))]


@pytest.mark.parametrize("factor", [0, 1, 1000, 50_000, 1_000_000])
def test_arrays_in_one_are_as_those_of_their_own(factor):
    kinds = [((shape[0] * factor, *shape[1:]), dtype) for shape, dtype in KINDS]
    arrays = arrays_in_one(*kinds)
    assert [(array.shape, array.dtype) for array in arrays] == kinds
    for i, array in enumerate(arrays):
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
        array[:] = i
    for i, array in enumerate(arrays):
        assert np.all(array == i)


@pytest.mark.parametrize("n", [0, 1, 1000, 50_000, 1_000_000, 5_000_000])
def test_scratch_is_of_the_length_asked_for(n):
    array = scratch(n)
    assert array.shape == (n,)
    assert array.dtype == np.float64
