"""Numba's own imports at a first call, without one that takes a third of the time of a call whose kernels are cached."""

import sys
from importlib import import_module


def import_without_blas() -> None:
    """Import what of Numba asks whether SciPy has a BLAS, without importing SciPy's linear algebra to answer.

    It has, as we depend on it; code that uses it still imports it when it is compiled.
    """
    if "numba.np.arraymath" in sys.modules:
        return
    linalg = import_module("numba.np.linalg")
    ensure_blas = getattr(linalg, "ensure_blas", None)
    if ensure_blas is None:
        return  # Numba's internals changed
    linalg.ensure_blas = lambda: None
    try:
        import_module("numba.np.arraymath").ensure_blas = ensure_blas
    finally:
        linalg.ensure_blas = ensure_blas
