"""Kernels made of tasks: each is compiled on its own, and one loop in parallel runs the tasks of all kernels.

Numba takes about a second for a loop in parallel, and compiles whatever it calls four times more. This one gets a
function by its address, and where that finds its arguments.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import excinfo_ptr_t
from numba.core.compiler_lock import global_compiler_lock

from ._intrinsics import intrinsic
from ._jit import PRANGE_ONLY, compiled, enters_freely, inlined, parallel_entry
from ._numba_context import fill_context

CATEGORIES_PER_TASK = 16384
INT64, CODE = ir.IntType(64), ir.IntType(32)


@inlined
def n_tasks_of(n_items, size):
    """How many tasks so many items of so many categories are.

    An even number, unless one is enough, or each item is one.
    """
    if n_items * size <= CATEGORIES_PER_TASK:
        return min(n_items, 1)
    return min(n_items, 2 * ((n_items * size - 1) // (2 * CATEGORIES_PER_TASK) + 1))


@inlined
def items_of(task, n_items, size):
    """The items of a task, a range: nearly as many as of the others."""
    n_tasks = n_tasks_of(n_items, size)
    return range(task * n_items // n_tasks, (task + 1) * n_items // n_tasks)


def tasks(n_items: str, size: str | None = None, *, sums: int = 0) -> Callable[[Callable[..., Any]], Any]:
    """A kernel from one task of it: a call runs all of them in parallel. The task's number is its first argument.

    There is a task for each item or, if items have a size in categories, for several (see items_of): expressions
    of the other arguments. So many results of a task, which are integers, are added up. All calls are of the
    types of the first. Of several errors one is raised.
    """
    count = n_items if size is None else f"n_tasks_of({n_items}, {size})"
    return lambda function: Tasks(function, count, sums)


class Tasks:
    """A kernel; nothing is made before the first call, as most programs need few of all kernels."""

    def __init__(self, function: Callable[..., Any], count: str, sums: int) -> None:
        functools.update_wrapper(self, function)
        self._function, self._count, self._sums = function, count, sums
        self._addresses: tuple[int, int] | None = None

    @functools.cached_property
    def task(self) -> Any:
        """One task."""
        return compiled(self._function, no_cpython_wrapper=True)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """What Python calls."""
        return compiled(_start_of(self._function, self.task, self._count, self._sums))

    def __call__(self, *arguments: Any) -> Any:
        """Run all tasks."""
        if self._addresses is not None and enters_freely():
            return self.dispatcher(self._addresses, *arguments)
        with parallel_entry():
            if self._addresses is None:
                self._compile(arguments)
            return self.dispatcher(self._addresses, *arguments)

    @global_compiler_lock
    def _compile(self, arguments: tuple[Any, ...]) -> None:
        if self._addresses is not None:
            return  # another thread was first
        fill_context()
        given = tuple(numba.typeof(argument) for argument in arguments)
        self.task.compile((types.int64, *given))
        self.dispatcher.compile((types.UniTuple(types.int64, 2), *given))
        self.dispatcher.disable_compile()  # of other types the address would be another
        self._addresses = _address_of(_loop()), _address_of(self.task)


@functools.cache
def _loop() -> Any:
    """The loop, compiled."""
    loop = compiled(run_tasks, parallel=PRANGE_ONLY, no_cpython_wrapper=True)
    loop.compile((types.int64,) * 3)
    return loop


def _address_of(dispatcher: Any) -> int:
    (overload,) = dispatcher.overloads.values()
    address: int = overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)
    return address


def _call(context: Any, builder: Any, address: Any, result: Any, own: Any, values: Any) -> tuple[Any, Any]:
    """Call a compiled function at an address: its status, and its result if that is no error."""
    function = builder.inttoptr(address, context.call_conv.get_function_type(result, own).as_pointer())
    called: tuple[Any, Any] = context.call_conv.call_function(builder, function, result, own, values)
    return called


ENTRY = types.int64, types.int64
"""What the loop passes on: the task's number, and the address of what all tasks have in common."""


@intrinsic
def call_entry(typing_context: Any, entry: Any, task: Any, common: Any) -> Any:
    """Run a task: the function at the address of an entry, which never fails."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number = context.cast(builder, values[1], signature.args[1], types.int64)
        _call(context, builder, values[0], types.none, ENTRY, (number, values[2]))
        return context.get_dummy_value()

    return types.none(types.int64, task, types.int64), codegen


def run_tasks(entry, n_tasks, common):
    """The one loop in parallel."""
    for task in numba.prange(n_tasks):
        call_entry(entry, task, common)


def _start_of(function: Callable[..., Any], task: Any, count: str, sums: int) -> Callable[..., Any]:
    """What starts the loop, as Python would have it written: its arguments are addresses, and the task's."""
    _, *names = inspect.signature(function).parameters
    lines = [
        f"def {function.__name__}(_addresses, {', '.join(names)}):",
        f"    return _start(_addresses[0], _addresses[1], {count}, {', '.join(names)})",
    ]
    names_of_start = {**function.__globals__, "n_tasks_of": n_tasks_of, "_start": _starter_of(task, sums)}
    # The compile cache goes by the file.
    exec(compile("\n".join(lines), function.__code__.co_filename, "exec"), names_of_start)
    start: Callable[..., Any] = names_of_start[function.__name__]
    return start


def _starter_of(task: Any, sums: int) -> Any:
    """An intrinsic that runs the tasks of a kernel, and returns so many sums of their results.

    What tasks have in common lies on its stack: the task's address, the first error there was (its code, and
    where what it says is), the sums, and the arguments.
    """
    total = types.int64 if sums == 1 else types.UniTuple(types.int64, sums) if sums else types.none

    @intrinsic
    def start(typing_context: Any, loop: Any, address: Any, n_tasks: Any, *arguments: Any) -> Any:
        (overload,) = task.overloads.values()
        result, own = overload.signature.return_type, overload.signature.args
        kinds = (
            () if result == types.none else tuple(result) if isinstance(result, types.BaseTuple) else (result,)
        )
        if len(kinds) != sums or not all(isinstance(kind, types.Integer | types.Boolean) for kind in kinds):
            raise TypeError(f"a task must return {sums} integers, to be added up in any order; got {result}")

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            given = zip(cgutils.unpack_tuple(builder, values[3]), signature.args[3], own[1:], strict=True)
            fields = [values[1], ir.Constant(CODE, 0), ir.Constant(excinfo_ptr_t, None)]
            fields += [ir.Constant(INT64, 0)] * sums
            fields += [context.cast(builder, value, of, to) for value, of, to in given]
            common = cgutils.alloca_once(builder, ir.LiteralStructType([field.type for field in fields]))
            places = [cgutils.gep_inbounds(builder, common, 0, i) for i in range(len(fields))]
            for field, place in zip(fields, places, strict=True):
                builder.store(field, place)
            entry = _entry(context, builder.module, common.type, result, own, kinds)
            count = context.cast(builder, values[2], signature.args[2], types.int64)
            place = builder.ptrtoint(common, INT64)
            one = builder.icmp_signed("==", count, INT64(1))
            with builder.if_else(one) as (alone, several):
                with alone:  # to start the loop takes some microseconds
                    context.call_conv.call_function(builder, entry, types.none, ENTRY, (INT64(0), place))
                with several:
                    passed = builder.ptrtoint(entry, INT64), count, place
                    _call(context, builder, values[0], types.none, (types.int64,) * 3, passed)
            status = context.call_conv._get_return_status(builder, *map(builder.load, places[1:3]))
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            totals = [builder.load(place) for place in places[3 : 3 + sums]]
            if sums < 2:
                return totals[0] if sums else context.get_dummy_value()
            return context.make_tuple(builder, total, totals)

        return total(types.int64, types.int64, n_tasks, types.StarArgTuple(arguments)), codegen

    return start


def _entry(context: Any, module: Any, common_type: Any, result: Any, own: Any, kinds: tuple[Any, ...]) -> Any:
    """A function that calls the task with what is in common, and adds its results to the sums there.

    A loop in parallel loses errors of other threads than the first, so they are left there too.
    """
    convention = context.call_conv
    entry = ir.Function(module, convention.get_function_type(types.none, ENTRY), module.get_unique_name("entry"))
    entry.linkage = "internal"
    builder = ir.IRBuilder(entry.append_basic_block())
    number, address = convention.decode_arguments(builder, ENTRY, entry)
    common = builder.inttoptr(address, common_type)
    places = [cgutils.gep_inbounds(builder, common, 0, i) for i in range(len(common_type.pointee.elements))]
    arguments = [number, *(builder.load(place) for place in places[3 + len(kinds) :])]
    status, value = _call(context, builder, builder.load(places[0]), result, own, arguments)
    with builder.if_else(status.is_error, likely=False) as (failed, done):
        with failed:
            none_yet = ir.Constant(CODE, 0)
            exchanged = builder.cmpxchg(places[1], none_yet, status.code, "monotonic", "monotonic")
            with builder.if_then(builder.extract_value(exchanged, 1)):
                builder.store(status.excinfoptr, places[2])
        with done:
            results = cgutils.unpack_tuple(builder, value) if len(kinds) > 1 else [value] * len(kinds)
            for place, own_value, kind in zip(places[3 : 3 + len(kinds)], results, kinds, strict=True):
                added = context.cast(builder, own_value, kind, types.int64)
                builder.atomic_rmw("add", place, added, "monotonic")
    convention.return_value(builder, context.get_dummy_value())
    return entry
