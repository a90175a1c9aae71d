"""Dirichlet(1) noise: the exponentials divided by their sum."""

import numba
import numpy as np

from ._jit import inlined, parallel
from .exponential import NOISE_STREAM, fill_exponentials
from .lanes import WIDTH, load, spread, store, sum_of
from .room import empty, flat
from .tasks import items_of, tasks
from .tile import draw_tile
from .transposed import store_rows


@inlined
def divide_by_sum(noise):
    inverse_total = 1.0 / sum_of(noise)
    for c in range(noise.shape[0]):
        noise[c] *= inverse_total


@inlined
def divide_by_sums(noise, n):
    total = spread(0.0)
    for c in range(n):
        total = total + load(noise, c)
    inverse_total = 1.0 / total
    for c in range(n):
        store(noise, c, load(noise, c) * inverse_total)


@parallel
def fill_dirichlet(key, offsets, out):
    """Dirichlet(1) noise for every sample and row: out is (samples, offsets[-1])."""
    n_rows = offsets.shape[0] - 1
    for item in numba.prange(out.shape[0] * n_rows):
        sample, row = item // n_rows, item % n_rows
        noise = out[sample, offsets[row] : offsets[row + 1]]
        fill_exponentials(key, NOISE_STREAM, sample, row, np.int64(0), noise)
        divide_by_sum(noise)


@tasks("out.shape[0] * ((out.shape[1] // n + WIDTH - 1) // WIDTH)", "n * WIDTH")
def fill_dirichlet_rows(task, key, n, out):
    """As fill_dirichlet for rows of n categories each, eight of them side by side."""
    n_samples, n_all = out.shape
    n_rows = n_all // n
    n_tiles = (n_rows + WIDTH - 1) // WIDTH
    noise = empty(np.float64, (n + 1, WIDTH))
    for item in items_of(task, n_samples * n_tiles, n * WIDTH):
        sample, first = item // n_tiles, item % n_tiles * WIDTH
        draw_tile(key, sample, 0, first, 1, n, noise)
        divide_by_sums(noise, n)
        store_rows(flat(noise), 0, first, n_rows, n, out[sample])
