"""Kernels made of tasks: a loop in parallel over calls by address does what the same loop in Python does."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from arsm_fast.kernels._jit import kernel_compiler
from arsm_fast.kernels.tasks import items_of, n_tasks_of, tasks
from arsm_fast.kernels.vectors import REGISTER


@tasks("out.shape[0]")
def fill(i, factor, pair, out):
    """A row for each task."""
    for j in range(out.shape[1]):
        out[i, j] = factor * i + pair[0] * np.uint64(j) + pair[1]


@tasks("values.shape[0]", "size", sums=2)
def add_up(task, size, values, seen):
    """The sum of items, and how many there are."""
    total, n = 0, 0
    for i in items_of(task, values.shape[0], size):
        total += values[i]
        n += 1
        seen[i] += 1
    return total, n


@tasks("values.shape[0]", sums=1)
def refuse(i, values, out):
    """Counts values, but none below 0."""
    if values[i] < 0:
        raise ValueError("negative")
    out[i, :] = values[i]
    return 1


def test_each_task_is_run_once():
    out = np.zeros((7, 3))
    fill(2.0, (np.uint64(10), np.uint64(1)), out)
    np.testing.assert_array_equal(out, 2.0 * np.arange(7)[:, None] + 10 * np.arange(3) + 1)


@pytest.mark.parametrize("size", [1, 5000, 16384, 20_000])
@pytest.mark.parametrize("n", [0, 1, 5, 40_000])
def test_items_are_shared_out_and_results_added_up(n, size):
    seen = np.zeros(n, np.int64)
    assert add_up(size, np.arange(n), seen) == (n * (n - 1) // 2, n)
    assert (seen == 1).all()


@numba.njit
def lengths(n, size):
    """How many items each task has."""
    return [len(items_of(task, n, size)) for task in range(n_tasks_of(n, size))]


@pytest.mark.parametrize(
    ("n", "size", "n_tasks"),
    [(1, 10**6, 1), (3, 10**6, 3), (625, 160, 8), (10_000, 10, 8), (100, 1000, 8), (1000, 16, 1), (9, 5000, 4)],
)
def test_tasks_are_alike_and_an_even_number_unless_there_is_one_for_each_item(n, size, n_tasks):
    shares = lengths(n, size)
    assert len(shares) == n_tasks
    assert sum(shares) == n
    assert max(shares) - min(shares) <= 1


def test_other_types_than_those_of_the_first_call_are_refused():
    fill(2.0, (np.uint64(10), np.uint64(1)), np.zeros((7, 3)))
    with pytest.raises(TypeError, match="No matching definition"):
        fill(2.0, (np.uint64(10), np.uint64(1)), np.zeros((7, 3), np.float32))


@pytest.mark.parametrize("bad", [0, 1, 999])
def test_an_error_in_any_task_is_raised(bad):
    out = np.zeros((1000, 2))
    with pytest.raises(ValueError, match=r"^negative$"):
        refuse(np.where(np.arange(1000) == bad, -1.0, 1.0), out)
    assert refuse(np.ones(1000), out) == 1000


def test_results_that_cannot_be_added_up_are_refused():
    @tasks("out.shape[0]", sums=1)
    def halve(i, out):
        return out[i] / 2

    @tasks("out.shape[0]")
    def count(i, out):
        return i

    for kernel in (halve, count):
        with pytest.raises(TypeError, match=r"a task must return \d integers"):
            kernel(np.zeros(3))


def test_the_first_calls_may_come_from_several_threads():
    @tasks("out.shape[0]")
    def count(i, step, out):
        out[i] = i * step

    def run(step):
        out = np.empty(1000, np.int64)
        count(step, out)
        return out

    with ThreadPoolExecutor(4) as pool:
        for step, out in enumerate(pool.map(run, range(8))):
            np.testing.assert_array_equal(out, step * np.arange(1000))


def test_kernels_align_their_stack():
    def added(a, b):
        return a + b

    kernel = numba.njit(pipeline_class=kernel_compiler)(added)
    assert kernel(1.0, 2.0) == 3.0
    (code,) = kernel.inspect_llvm().values()
    assert f"alignstack={8 * REGISTER}" in code
