"""Copies of rows: `out[:] = row` compiles the error for other lengths too, for seconds."""

from ._jit import inlined


@inlined
def copy_row(row, out):
    """Write the entries of one row to another, which has as many or more."""
    for c in range(row.shape[0]):
        out[c] = row[c]
