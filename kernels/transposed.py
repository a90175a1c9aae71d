"""Eight rows put side by side, and back: entry 8 c + i of a tile is the i-th row's category c."""

import numpy as np
from llvmlite import ir
from numba import types

from ._intrinsics import intrinsic
from ._jit import inlined
from .lanes import WIDTH, entry_pointer, lanes, load_eight, some_lanes, spread, store_from
from .vectors import REGISTER, Lanes, concatenated, few_turns, select, shuffled
from .weights import exponentiate


def _transposed(builder, vectors):
    """n vectors as columns of what they were rows of, in each n of their entries, in rounds of shuffles."""
    n, width = len(vectors), vectors[0].type.count
    distance = 1
    while distance < n:
        even = [i if not i & distance else width + i - distance for i in range(width)]
        odd = [i + distance if not i & distance else width + i for i in range(width)]
        vectors = [
            shuffled(builder, vectors[i & ~distance], vectors[i | distance], odd if i & distance else even)
            for i in range(n)
        ]
        distance *= 2
    return vectors


def transposing(n_columns):
    """Two intrinsics of (rows, start, step, tile, tile_start, tile_step): copy entries of a register of rows.

    One puts so many columns into a tile, a register each, and the other puts these back.
    """
    n_parts = REGISTER // n_columns

    def places(context, builder, sig, arguments):
        """Where the columns' parts of each row lie, those of one vector together, and where the columns do."""
        rows_type, tile_type = sig.args[0], sig.args[3]
        rows, start, step, tile, tile_start, tile_step = arguments
        part = Lanes(n_columns)

        def pointer(array_type, array, start, step, i, vector):
            place = builder.add(start, builder.mul(step, ir.IntType(64)(i)))
            return entry_pointer(context, builder, array_type, array, place, vector)

        own_rows = [
            [pointer(rows_type, rows, start, step, i + n_columns * k, part) for k in range(n_parts)]
            for i in range(n_columns)
        ]
        columns = [pointer(tile_type, tile, tile_start, tile_step, i, some_lanes) for i in range(n_columns)]
        return own_rows, columns

    def defined(copy):
        @intrinsic
        def _transpose(typing_context, rows, start, step, tile, tile_start, tile_step):
            def codegen(context, builder, sig, arguments):
                copy(builder, *places(context, builder, sig, arguments))
                return context.get_dummy_value()

            numbers = (types.int64, types.int64)
            return types.void(rows, *numbers, tile, *numbers), codegen

        return _transpose

    def to_columns(builder, rows, columns):
        vectors = [concatenated(builder, [builder.load(part, align=8) for part in parts]) for parts in rows]
        for vector, column in zip(_transposed(builder, vectors), columns, strict=True):
            builder.store(vector, column, align=8)

    def to_rows(builder, rows, columns):
        vectors = _transposed(builder, [builder.load(column, align=8) for column in columns])
        for vector, parts in zip(vectors, rows, strict=True):
            for k, part in enumerate(parts):
                entries = range(k * n_columns, (k + 1) * n_columns)
                builder.store(shuffled(builder, vector, vector, entries), part, align=8)

    return defined(to_columns), defined(to_rows)


# Of what is left of a row half a register, as it is often few.
HALF = REGISTER // 2


def walking(copy_columns, copy_half):
    """A helper of (rows, first, n, tile, start): copy eight rows from the first on, by those two intrinsics."""

    @inlined
    def _walk(rows, first, n, tile, start):
        whole = n // REGISTER * REGISTER
        for lane in range(0, WIDTH, REGISTER):
            row, own = (first + lane) * n, start + lane
            for c in range(0, whole, REGISTER):
                copy_columns(rows, row + c, n, tile, own + c * WIDTH, WIDTH)
            for block in range(whole, n, HALF):
                c = min(block, n - HALF)
                copy_half(rows, row + c, n, tile, own + c * WIDTH, WIDTH)

    return _walk


(load_columns, store_columns), (load_half, store_half) = transposing(REGISTER), transposing(HALF)
load_whole, store_whole = walking(load_columns, load_half), walking(store_columns, store_half)


def copying_three(order, to_tile):
    """An intrinsic of (rows, start, tile, tile_start): copy eight rows of three categories to a tile, or back.

    The i-th entry that is written is the order[i]-th.
    """

    @intrinsic
    def _copy(typing_context, rows, start, tile, tile_start):
        def codegen(context, builder, sig, arguments):
            own_rows, columns = (
                [
                    entry_pointer(context, builder, kind, array, builder.add(first, first.type(i * WIDTH)), lanes)
                    for i in range(3)
                ]
                for kind, array, first in zip(sig.args[::2], arguments[::2], arguments[1::2], strict=True)
            )
            sources, targets = (own_rows, columns) if to_tile else (columns, own_rows)
            parts = [builder.load(source, align=8) for source in sources]
            every = concatenated(builder, [*parts, parts[0]])
            for i, target in enumerate(targets):
                own = shuffled(builder, every, every, order[i * WIDTH : (i + 1) * WIDTH])
                builder.store(own, target, align=8)
            return context.get_dummy_value()

        return types.void(rows, types.int64, tile, types.int64), codegen

    return _copy


# Longer rows, and those of three where a register is shorter, are moved by halves of registers.
THREE_IS_SHORT = HALF > 3
load_three = copying_three([3 * lane + c for c in range(3) for lane in range(WIDTH)], to_tile=True)
store_three = copying_three([c * WIDTH + lane for lane in range(WIDTH) for c in range(3)], to_tile=False)


@inlined
def load_rows(rows, first, n_rows, n, tile, start):
    """Put eight rows of n categories into a tile that begins at start; those beyond the last repeat it."""
    if n >= HALF and first + WIDTH <= n_rows:
        load_whole(rows, first, n, tile, start)
    elif THREE_IS_SHORT and n == 3 and first + WIDTH <= n_rows:
        load_three(rows, first * n, tile, start)
    else:
        for c in range(n):
            for lane in range(WIDTH):
                tile[start + c * WIDTH + lane] = rows[min(first + lane, n_rows - 1) * n + c]


@inlined
def store_rows(tile, start, first, n_rows, n, rows):
    """Write a tile that begins at start to eight rows of n categories, or to those that there are."""
    if n >= HALF and first + WIDTH <= n_rows:
        store_whole(rows, first, n, tile, start)
    elif THREE_IS_SHORT and n == 3 and first + WIDTH <= n_rows:
        store_three(rows, first * n, tile, start)
    else:
        for lane in range(min(WIDTH, n_rows - first)):
            for c in range(n):
                rows[(first + lane) * n + c] = tile[start + c * WIDTH + lane]


@inlined
def leave_gaps(tile, start, n):
    """Turn the logits of the n categories of a tile into logits - max."""
    # Here and in short_rows.py: unrolled, loops had ends that in some processes were mispredicted all the time.
    top = spread(-np.inf)
    for c in range(n):
        logits = load_eight(tile, start + c * WIDTH)
        top = select(top < logits, logits, top)
        few_turns()
    for c in range(n):
        store_from(tile, start + c * WIDTH, load_eight(tile, start + c * WIDTH) - top)
        few_turns()


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
