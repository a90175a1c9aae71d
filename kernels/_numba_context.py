"""What Numba gathers at the first compilation or load of a process, without what it does for nothing meanwhile.

That was nearly half of the time of a first call whose kernels are in the compile cache.
"""

import sys

from numba.core.imputils import builtin_registry
from numba.core.registry import cpu_target


def fill_context() -> None:
    """Have Numba know all it compiles for the CPU, if it does not yet; to be called with its lock held.

    As its own `refresh`, but SciPy's linear algebra is not imported to see whether it is there: it is, as we
    depend on it, and code that uses it imports and checks it when it is compiled. And it is not begun anew, to
    find nothing, for each of some 250 attributes and methods that it comes by. Where Numba's internals changed
    all is left to it.
    """
    context = cpu_target.target_context
    own = ("load_additional_registries", "install_registry", "refresh")
    if "numba.np.arraymath" in sys.modules or not all(hasattr(context, name) for name in own):
        return
    from numba.np import linalg  # here, as it takes long to import

    ensure_blas = getattr(linalg, "ensure_blas", _nothing)
    linalg.ensure_blas = _nothing
    try:
        context.load_additional_registries()
    finally:
        linalg.ensure_blas = ensure_blas
    context.install_registry(builtin_registry)
    context.refresh = _nothing
    try:
        context.typing_context.refresh()
    finally:
        del context.refresh


def _nothing() -> None:
    pass
