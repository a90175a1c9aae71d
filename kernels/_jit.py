"""The one place that sets Numba's options, stamps the compile cache and guards parallel entry."""

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock

# The key of the compile cache must cover every file a kernel may call into, and Numba's covers only
# the kernel's own file.
SOURCE_DIGEST = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()

# What else Numba could make parallel, such as `row[:] = 0.0`, is a small part of a task, and slow to compile.
PRANGE_ONLY = dict.fromkeys(
    ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion"), False
)

_entry_lock = threading.RLock()
_no_lock = nullcontext()
_layer: str | None = None
_fork_damage = ""


def _stamp(dispatcher: Any) -> bool:
    """Add the digest of all kernel files to the cache key; False where Numba's internals changed."""
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if not hasattr(cache_file, "_source_stamp"):
        return False
    cache_file._source_stamp = (cache_file._source_stamp, SOURCE_DIGEST)
    return True


def kernel_compiler(*arguments: Any) -> Any:
    """Numba's compiler for kernels: imported here, as what is loaded from the cache does without."""
    from ._compiler import KernelCompiler

    return KernelCompiler(*arguments)


def helper_compiler(*arguments: Any) -> Any:
    """The same for helpers."""
    from ._compiler import HelperCompiler

    return HelperCompiler(*arguments)


def compiled(function: Callable[..., Any], *, cache: bool = True, **options: Any) -> Any:
    """Compile with Numba at the first call."""
    options = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True, "_nrt": True} | options
    if cache and "parallel" not in options:
        options["pipeline_class"] = kernel_compiler
    dispatcher = numba.njit(cache=cache, **options)(function)
    if not cache or numba.config.DISABLE_JIT or _stamp(dispatcher):
        return dispatcher
    return numba.njit(**options)(function)


class Kernel:
    """A function that is given to Numba when it is first asked for: most programs need few of all kernels.

    Not when it is defined, as that takes Numba as long as most modules take to be imported.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        functools.update_wrapper(self, function)
        self._function, self._options = function, options

    @functools.cached_property
    def dispatcher(self) -> Any:
        """What Numba makes of it."""
        return compiled(self._function, **self._options)

    @property
    def _numba_type_(self) -> Any:
        """By which Numba knows it in the code of others."""
        return numba.typeof(self.dispatcher)

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)


class Helper(Kernel):
    """One that is compiled as a part of others."""

    @functools.cached_property
    def dispatcher(self) -> Any:
        """What Numba makes of it."""
        options = {"no_cpython_wrapper": True, "pipeline_class": helper_compiler} | self._options
        return compiled(self._function, cache=False, **options)


class ParallelKernel(Kernel):
    """One with prange loops, which is safe to enter from several Python threads."""

    def __call__(self, *arguments: Any) -> Any:
        with parallel_entry():
            return self.dispatcher(*arguments)


# Arithmetic is IEEE's as written, nowhere reordered or fused by the compiler: the copies of a helper in several
# kernels then round alike, and which of them a process runs depends on what it compiled and what it loaded.
# Sums that are to be vectorised say so (see lanes.py). Only what Python calls is cached on disk, and helpers must
# not be called from Python, nor raise: they are compiled as parts of what calls them (_compiler.py).


# Numba counts references to arrays at each call and slice, by instructions that lock the bus: hundreds of cycles
# for a short row. Helpers that make no array, and return none, do without ("_nrt").


def inlined(function: Callable[..., Any]) -> Kernel:
    """Compile a short helper into what calls it; it must neither make nor return an array."""
    return Helper(function, forceinline=True, _nrt=False)


def called(function: Callable[..., Any]) -> Kernel:
    """Compile a helper so long that as a function of its own it is compiled sooner, and is no slower.

    It must neither make nor return an array.
    """
    return Helper(function, _nrt=False)


def allocating(function: Callable[..., Any]) -> Kernel:
    """Compile a helper that makes arrays, or returns them."""
    return Helper(function)


def serial(function: Callable[..., Any]) -> Kernel:
    """Compile a kernel without loops in parallel."""
    return Kernel(function)


def parallel(function: Callable[..., Any]) -> Kernel:
    """Compile a kernel with prange loops."""
    return ParallelKernel(function, parallel=PRANGE_ONLY)


def serial_uncached(function: Callable[..., Any]) -> Kernel:
    """Compile a helper that takes a compiled function, which no cache on disk can tell apart.

    With Python's errors, as the function may be compiled here for the first time and inherits them.
    """
    return Kernel(function, cache=False, error_model="python")


def parallel_uncached(function: Callable[..., Any]) -> Kernel:
    """As `parallel`, for kernels that take a compiled function."""
    return ParallelKernel(function, cache=False, parallel=PRANGE_ONLY, error_model="python")


def parallel_entry() -> AbstractContextManager[Any]:
    """A lock where the threading layer aborts on concurrent entry, and until the layer is known."""
    if _fork_damage:
        raise RuntimeError(
            f"this process was forked {_fork_damage}; start processes by spawn, forkserver or joblib's loky"
        )
    return _entry_lock if _threading_layer() in (None, "workqueue") else _no_lock


def enters_freely() -> bool:
    """Whether it is known that nothing is to be done at a parallel entry, which is sooner than to do nothing."""
    return _layer not in (None, "workqueue") and not _fork_damage


def _threading_layer() -> str | None:
    global _layer
    if _layer is None:
        try:
            _layer = str(numba.threading_layer())  # which stays
        except ValueError:  # there was no parallel call yet
            return None
    return _layer


def _after_fork_in_child() -> None:
    """Note where a call would hang or end the process."""
    global _fork_damage
    if _threading_layer() == "omp":
        from numba.np.ufunc import omppool

        if omppool.openmp_vendor == "GNU":
            _fork_damage = "after its parent had used the threading layer omp, whose threads do not survive that"
    for lock in (_entry_lock, getattr(global_compiler_lock, "_lock", _entry_lock)):
        if not lock.acquire(blocking=False):
            _fork_damage = "while another thread of its parent was in a call, or compiling"
            break
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
