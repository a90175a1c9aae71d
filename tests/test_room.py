"""Arrays of kernels are what NumPy would make, and their memory lives as long as one of them does."""

import numpy as np
import pytest
from arsm_fast.kernels._jit import compiled
from arsm_fast.kernels.room import ALIGNMENT, empty, flat, tile_of, view_as, zeros


def numbers_of(kind):
    return compiled(
        lambda n: (empty(kind, n), zeros(kind, n), zeros(kind, (n, 3)), empty(kind, (2, n))), cache=False
    )


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint64, np.int32, np.uint8, np.bool_])
def test_arrays_are_as_numpys(kind):
    make = numbers_of(kind)
    for n in (0, 1, 7, 1000):
        arrays = make(n)
        for array, shape in zip(arrays, [(n,), (n,), (n, 3), (2, n)], strict=True):
            expected = np.empty(shape, kind)
            assert (array.shape, array.dtype) == (shape, expected.dtype)
            assert array.size == 0 or array.strides == expected.strides
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.ctypes.data % ALIGNMENT == 0
        assert not arrays[1].any()
        assert not arrays[2].any()


@compiled
def views(n):
    """Views whose array is known to no one else."""
    words = zeros(np.uint64, n)
    table = zeros(np.float64, (n, 8))
    for i in range(n):
        words[i] = np.uint64(i) << np.uint64(33)
    rows = tile_of(flat(table))
    for i in range(n):
        for j in range(8):
            flat(table)[8 * i + j] = 10.0 * i + j
    return view_as(np.int32, words[1:]), view_as(np.uint8, words), flat(table), rows, tile_of(flat(table)[8:19])


def test_views_are_as_numpys_and_keep_their_memory():
    for n in (2, 5, 100):
        words = np.arange(n, dtype=np.uint64) << np.uint64(33)
        table = 10.0 * np.arange(n)[:, None] + np.arange(8)
        ints, parts, line, rows, few = views(n)
        np.testing.assert_array_equal(ints, words[1:].view(np.int32))
        np.testing.assert_array_equal(parts, words.view(np.uint8))
        np.testing.assert_array_equal(line, table.ravel())
        np.testing.assert_array_equal(rows, table)
        np.testing.assert_array_equal(few, table[1:2])
        rows[0, 3] = -1.0
        assert line[3] == -1.0
        for views_of_one in ((ints, parts), (line, rows, few)):
            assert [view.base.refcount for view in views_of_one] == [len(views_of_one)] * len(views_of_one)


@pytest.mark.parametrize(
    "misuse",
    [lambda a: flat(a[0]), lambda a: flat(a.T), lambda a: tile_of(a), lambda a: view_as(np.uint64, a[:, 0])],
)
def test_other_layouts_are_refused(misuse):
    with pytest.raises(TypeError, match="contiguous array of"):
        compiled(misuse, cache=False)(np.zeros((8, 8)))


def test_longer_numbers_are_refused():
    with pytest.raises(TypeError, match="do not consist of"):
        compiled(lambda a: view_as(np.uint64, a), cache=False)(np.zeros(8, np.int32))
