"""Eight rows put side by side, and back: entry 8 c + i of a tile is the i-th row's category c."""

import numpy as np

from ._jit import inlined
from .lanes import WIDTH, load_eight, spread, store_from, transposing
from .vectors import REGISTER, select
from .weights import exponentiate

# Of what is left of a row half a register, as it is often few.
HALF = REGISTER // 2
load_columns, store_columns = transposing(REGISTER)
load_half, store_half = transposing(HALF)


@inlined
def load_rows(rows, first, n_rows, n, tile, start):
    """Put eight rows of n categories into a tile that begins at start; those beyond the last repeat it."""
    if n >= HALF and first + WIDTH <= n_rows:
        whole = n // REGISTER * REGISTER
        for lane in range(0, WIDTH, REGISTER):
            row, own = (first + lane) * n, start + lane
            for c in range(0, whole, REGISTER):
                load_columns(rows, row + c, n, tile, own + c * WIDTH, WIDTH)
            for block in range(whole, n, HALF):
                c = min(block, n - HALF)
                load_half(rows, row + c, n, tile, own + c * WIDTH, WIDTH)
    else:
        for c in range(n):
            for lane in range(WIDTH):
                tile[start + c * WIDTH + lane] = rows[min(first + lane, n_rows - 1) * n + c]


@inlined
def store_rows(tile, start, first, n_rows, n, rows):
    """Write a tile that begins at start to eight rows of n categories, or to those that there are."""
    if n >= HALF and first + WIDTH <= n_rows:
        whole = n // REGISTER * REGISTER
        for lane in range(0, WIDTH, REGISTER):
            row, own = (first + lane) * n, start + lane
            for c in range(0, whole, REGISTER):
                store_columns(rows, row + c, n, tile, own + c * WIDTH, WIDTH)
            for block in range(whole, n, HALF):
                c = min(block, n - HALF)
                store_half(rows, row + c, n, tile, own + c * WIDTH, WIDTH)
    else:
        for lane in range(min(WIDTH, n_rows - first)):
            for c in range(n):
                rows[(first + lane) * n + c] = tile[start + c * WIDTH + lane]


@inlined
def leave_gaps(tile, start, n):
    """Turn the logits of the n categories of a tile into logits - max."""
    top = spread(-np.inf)
    for c in range(n):
        logits = load_eight(tile, start + c * WIDTH)
        top = select(top < logits, logits, top)
    for c in range(n):
        store_from(tile, start + c * WIDTH, load_eight(tile, start + c * WIDTH) - top)


@inlined
def load_weights(rows, weighed, first, n_tiles, n_rows, n, tiles):
    """As load_rows of inverse weights, for some tiles one after the other.

    The rows are logits unless weighed; False where one is no number.
    """
    size = n * WIDTH
    # In two loops, as the second waits for all of a tile that the first one writes.
    for i in range(n_tiles):
        load_rows(rows, first + i * WIDTH, n_rows, n, tiles, i * size)
    if not weighed:
        for i in range(n_tiles):
            leave_gaps(tiles, i * size, n)
    own = tiles[: n_tiles * size]
    return weighed or exponentiate(0.0, own, own)
