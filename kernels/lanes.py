"""Eight numbers at a time: a vector type for kernels that keep eight samples side by side.

LLVM vectorises plain loops over one long row well, but not a few samples of a short one. Here a kernel says what
it wants: `a + b`, `a * b`, `a < b` and so on work on Lanes and on Lanes with a float, lane by lane, with IEEE
arithmetic; comparisons give a Mask. LLVM maps them to whatever vectors the machine has.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from ._jit import inlined

WIDTH = 8
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)


class Lanes(types.Type):
    """Eight float64."""

    def __init__(self):
        super().__init__(name="Lanes")


class Mask(types.Type):
    """Eight booleans."""

    def __init__(self):
        super().__init__(name="LaneMask")


lanes = Lanes()
mask = Mask()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _VECTOR)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _MASK)


def _spread(builder, scalar):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.IntType(32)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), order)


def _define(function, result, instruction):
    """Make an operator work on Lanes with Lanes or a float."""
    pairs = [(lanes, lanes), (lanes, types.float64), (types.float64, lanes)]

    @infer_global(function)
    class _Template(ConcreteTemplate):
        cases = [signature(result, *pair) for pair in pairs]  # noqa: RUF012 (Numba's own form)

    for pair in pairs:

        @lower_builtin(function, *pair)
        def _lower(context, builder, sig, arguments):
            vectors = [
                value if kind == lanes else _spread(builder, value)
                for value, kind in zip(arguments, sig.args, strict=True)
            ]
            return instruction(builder, *vectors)


_define(operator.add, lanes, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lanes, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lanes, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lanes, lambda builder, a, b: builder.fdiv(a, b))
for _operator, _symbol in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    _define(_operator, mask, lambda builder, a, b, symbol=_symbol: builder.fcmp_ordered(symbol, a, b))


def _define_mask(function, instruction):
    @infer_global(function)
    class _Template(ConcreteTemplate):
        cases = [signature(mask, mask, mask)]  # noqa: RUF012 (Numba's own form)

    @lower_builtin(function, mask, mask)
    def _lower(context, builder, sig, arguments):
        return instruction(builder, *arguments)


_define_mask(operator.and_, lambda builder, a, b: builder.and_(a, b))
_define_mask(operator.or_, lambda builder, a, b: builder.or_(a, b))


@intrinsic
def spread(typing_context, value):
    """The same number in every lane; Lanes stay as they are."""

    def codegen(context, builder, sig, arguments):
        return arguments[0] if sig.args[0] == lanes else _spread(builder, arguments[0])

    return lanes(lanes if value == lanes else types.float64), codegen


@intrinsic
def select(typing_context, condition, yes, no):
    """yes where the condition holds, else no."""

    def codegen(context, builder, sig, arguments):
        return builder.select(*arguments)

    return lanes(mask, lanes, lanes), codegen


@intrinsic
def multiply_add(typing_context, a, b, c):
    """a * b + c, rounded once."""

    def codegen(context, builder, sig, arguments):
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f64")
        return builder.call(fma, arguments)

    return lanes(lanes, lanes, lanes), codegen


@intrinsic
def mask_bits(typing_context, condition):
    """Bit i says whether the condition holds in lane i."""

    def codegen(context, builder, sig, arguments):
        return builder.zext(builder.bitcast(arguments[0], ir.IntType(WIDTH)), ir.IntType(64))

    return types.uint64(mask), codegen


@intrinsic
def sum_of_lanes(typing_context, value):
    """The sum, added in order."""

    def codegen(context, builder, sig, arguments):
        total = builder.extract_element(arguments[0], ir.IntType(32)(0))
        for lane in range(1, WIDTH):
            total = builder.fadd(total, builder.extract_element(arguments[0], ir.IntType(32)(lane)))
        return total

    return types.float64(lanes), codegen


@intrinsic
def lane_of(typing_context, value, lane):
    """One lane."""

    def codegen(context, builder, sig, arguments):
        return builder.extract_element(*arguments)

    return types.float64(lanes, types.int64), codegen


@intrinsic
def lane_index(typing_context, value, lane):
    """One lane as an index, zero where it is negative."""

    def codegen(context, builder, sig, arguments):
        index = builder.fptosi(builder.extract_element(*arguments), ir.IntType(64))
        zero = ir.IntType(64)(0)
        return builder.select(builder.icmp_signed("<", index, zero), zero, index)

    return types.int64(lanes, types.int64), codegen


@intrinsic
def largest_lane(typing_context, value):
    """The largest of numbers none of which is nan."""

    def codegen(context, builder, sig, arguments):
        lanes_left = [builder.extract_element(arguments[0], ir.IntType(32)(lane)) for lane in range(WIDTH)]
        while len(lanes_left) > 1:
            pairs = zip(lanes_left[::2], lanes_left[1::2], strict=True)
            lanes_left = [builder.select(builder.fcmp_ordered(">", a, b), a, b) for a, b in pairs]
        return lanes_left[0]

    return types.float64(lanes), codegen


def _lane_pointer(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(index, ir.IntType(64)(WIDTH))
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


@intrinsic
def load(typing_context, array, index):
    """The index-th eight entries of a float64 array."""

    def codegen(context, builder, sig, arguments):
        return builder.load(_lane_pointer(context, builder, sig.args[0], *arguments), align=8)

    return lanes(array, types.int64), codegen


@intrinsic
def store(typing_context, array, index, value):
    """Set the index-th eight entries of a float64 array."""

    def codegen(context, builder, sig, arguments):
        pointer = _lane_pointer(context, builder, sig.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, lanes), codegen


@intrinsic
def lane_numbers(typing_context):
    """0 to 7."""

    def codegen(context, builder, sig, arguments):
        return ir.Constant(_VECTOR, [float(lane) for lane in range(WIDTH)])

    return lanes(), codegen


@intrinsic
def mark(typing_context, array, index, condition):
    """Set the index-th eight entries of an array of booleans where the condition holds."""

    def codegen(context, builder, sig, arguments):
        kind = ir.VectorType(ir.IntType(8), WIDTH)
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        offset = builder.mul(arguments[1], ir.IntType(64)(WIDTH))
        pointer = builder.bitcast(builder.gep(data, [offset]), kind.as_pointer())
        marks = builder.or_(builder.load(pointer, align=1), builder.zext(arguments[2], kind))
        builder.store(marks, pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, mask), codegen


# A category's weight or value is a number where eight samples of one row lie side by side, and eight numbers
# where eight rows do. Arrays of the latter have two axes: categories and lanes.


@intrinsic
def entry(typing_context, array, index):
    """array[index]: a float64, or Lanes where the array has two axes."""
    if array.ndim == 2:

        def codegen(context, builder, sig, arguments):
            return builder.load(_lane_pointer(context, builder, sig.args[0], *arguments), align=8)

        return lanes(array, types.int64), codegen

    def codegen_scalar(context, builder, sig, arguments):
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return types.float64(array, types.int64), codegen_scalar


@intrinsic
def gather(typing_context, array, index):
    """entry(array, index[i]) of each lane i; a negative index is taken for zero."""

    def codegen(context, builder, sig, arguments):
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        zero = ir.Constant(_VECTOR, [0.0] * WIDTH)
        negative = builder.fcmp_ordered("<", arguments[1], zero)
        integers = ir.VectorType(ir.IntType(64), WIDTH)
        offsets = builder.fptosi(builder.select(negative, zero, arguments[1]), integers)
        if sig.args[0].ndim == 2:
            offsets = builder.mul(offsets, ir.Constant(integers, [WIDTH] * WIDTH))
            offsets = builder.add(offsets, ir.Constant(integers, list(range(WIDTH))))
        result = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(WIDTH):
            place = ir.IntType(32)(lane)
            value = builder.load(builder.gep(data, [builder.extract_element(offsets, place)]))
            result = builder.insert_element(result, value, place)
        return result

    return lanes(array, lanes), codegen


def _transposed(builder, vectors):
    """Eight vectors as the columns of what they were the rows of, in three rounds of shuffles."""
    for distance in (1, 2, 4):
        even = [lane if not lane & distance else WIDTH + lane - distance for lane in range(WIDTH)]
        odd = [lane + distance if not lane & distance else WIDTH + lane for lane in range(WIDTH)]
        orders = [ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), order) for order in (even, odd)]
        vectors = [
            builder.shuffle_vector(vectors[i & ~distance], vectors[i | distance], orders[bool(i & distance)])
            for i in range(WIDTH)
        ]
    return vectors


@intrinsic
def transpose_block(typing_context, source, source_start, source_step, out, out_start, out_step):
    """Copy eight times eight entries, a step between them, as eight times eight the other way round."""

    def codegen(context, builder, sig, arguments):
        def pointers(array_type, array, start, step):
            data = context.make_array(array_type)(context, builder, array).data
            for i in range(WIDTH):
                offset = builder.add(start, builder.mul(step, ir.IntType(64)(i)))
                yield builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())

        rows = [builder.load(p, align=8) for p in pointers(sig.args[0], *arguments[:3])]
        columns = pointers(sig.args[3], *arguments[3:])
        for column, pointer in zip(_transposed(builder, rows), columns, strict=True):
            builder.store(column, pointer, align=8)
        return context.get_dummy_value()

    numbers = (types.int64, types.int64)
    return types.void(source, *numbers, out, *numbers), codegen


@inlined
def sum_of(row):
    """The sum of a row: of every eighth entry first."""
    total, other_total = spread(0.0), spread(0.0)
    n_pairs = row.shape[0] // (2 * WIDTH)
    for i in range(n_pairs):
        total = total + load(row, 2 * i)
        other_total = other_total + load(row, 2 * i + 1)
    result = sum_of_lanes(total + other_total)
    for c in range(n_pairs * 2 * WIDTH, row.shape[0]):
        result += row[c]
    return result


@inlined
def lane_array(n):
    """Uninitialised room for n times eight numbers, each eight in one cache line."""
    room = np.empty((n + 1) * WIDTH)
    shift = (-(room.ctypes.data // 8)) % WIDTH
    return room[shift : shift + n * WIDTH]
