"""Marks of eight lanes, in arrays and words; and lists of the lanes that are marked."""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ._intrinsics import intrinsic
from .lanes import LANES_TYPE, WIDTH, lanes, mask
from .vectors import HAS_AVX512, Words, ir_type, shuffled

MARKS_TYPE = ir.VectorType(ir.IntType(8), WIDTH)


def _marks_pointer(context, builder, sig, array, start):
    data = context.make_array(sig.args[0])(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), MARKS_TYPE.as_pointer())


def _table_of_bytes(module, name, row_of):
    """For each byte a row of WIDTH bytes, made of the numbers of its bits that are set."""
    if name in module.globals:
        return module.globals[name]
    lists = [[lane for lane in range(WIDTH) if byte >> lane & 1] for byte in range(2**WIDTH)]
    rows = [ir.Constant(MARKS_TYPE, row_of(lanes)) for lanes in lists]
    return cgutils.global_constant(module, name, ir.Constant(ir.ArrayType(MARKS_TYPE, 2**WIDTH), rows))


def _looked_up(builder, table, bits):
    return builder.gep(table, [ir.IntType(64)(0), builder.zext(bits, ir.IntType(64))])


def _marks_of_byte(builder, bits):
    """The bits as bytes that are 0 or 1, all in one word."""
    table = _table_of_bytes(
        builder.module, "marks_of_byte", lambda lanes: [int(lane in lanes) for lane in range(WIDTH)]
    )
    return builder.load(builder.bitcast(_looked_up(builder, table, bits), ir.IntType(64).as_pointer()))


@intrinsic
def spread_bits(typing_context, array, start, byte):
    """Set the eight entries of an array of booleans from start on to the bits of a byte."""

    def codegen(context, builder, sig, arguments):
        pointer = _marks_pointer(context, builder, sig, *arguments[:2])
        pointer = builder.bitcast(pointer, ir.IntType(64).as_pointer())
        builder.store(_marks_of_byte(builder, arguments[2]), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint8), codegen


@intrinsic
def mark(typing_context, array, index, condition):
    """Set the index-th eight entries of an array of booleans where the condition holds."""

    def codegen(context, builder, sig, arguments):
        array, index, condition = arguments
        pointer = _marks_pointer(context, builder, sig, array, builder.mul(index, ir.IntType(64)(WIDTH)))
        if HAS_AVX512:
            marks = builder.zext(condition, MARKS_TYPE)
        else:  # to look up the bits takes fewer instructions than to spread them
            marks = _marks_of_byte(builder, builder.bitcast(condition, ir.IntType(WIDTH)))
            pointer = builder.bitcast(pointer, marks.type.as_pointer())
        builder.store(builder.or_(builder.load(pointer, align=1), marks), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, mask), codegen


@intrinsic
def mark_bits(typing_context, array, index, condition):
    """Set the bits of array[index], of an array of uint8, of the lanes where the condition holds."""

    def codegen(context, builder, sig, arguments):
        array, index, condition = arguments
        byte = ir.IntType(8)
        bits = builder.bitcast(condition, ir.IntType(sig.args[2].width))
        bits = bits if bits.type == byte else builder.zext(bits, byte)
        pointer = builder.gep(context.make_array(sig.args[0])(context, builder, array).data, [index])
        builder.store(builder.or_(builder.load(pointer), bits), pointer)
        return context.get_dummy_value()

    return types.void(array, types.int64, condition), codegen


@intrinsic
def store_marks(typing_context, array, start, condition):
    """Set eight entries of an array of booleans from start on to whether the condition holds."""

    def codegen(context, builder, sig, arguments):
        pointer = _marks_pointer(context, builder, sig, *arguments[:2])
        builder.store(builder.zext(arguments[2], MARKS_TYPE), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, mask), codegen


@intrinsic
def mask_bytes(typing_context, condition):
    """A word whose byte i has all bits set where the condition holds in lane i, and none elsewhere."""

    def codegen(context, builder, sig, arguments):
        marks = builder.sext(arguments[0], ir.VectorType(ir.IntType(8), condition.width))
        bits = builder.bitcast(marks, ir.IntType(8 * condition.width))
        return bits if condition.width == 8 else builder.zext(bits, ir.IntType(64))

    return types.uint64(condition), codegen


@intrinsic
def bits_of_bytes(typing_context, array, bit):
    """Bit i is this bit of array[i], of 64 bytes."""

    def codegen(context, builder, sig, arguments):
        array, bit = arguments
        kind = ir.VectorType(ir.IntType(8), 64)
        data = context.make_array(sig.args[0])(context, builder, array).data
        numbers = builder.load(builder.bitcast(data, kind.as_pointer()), align=1)
        own = builder.shl(ir.IntType(8)(1), builder.trunc(bit, ir.IntType(8)))
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), own, ir.IntType(32)(0))
        own = shuffled(builder, one, one, [0] * 64)
        set_there = builder.icmp_unsigned("==", builder.and_(numbers, own), own)
        return builder.bitcast(set_there, ir.IntType(64))

    return types.uint64(array, types.int64), codegen


@intrinsic
def marks_from(typing_context, array, start):
    """Where the eight entries of an array of booleans from start on are true."""

    def codegen(context, builder, sig, arguments):
        marks = builder.load(_marks_pointer(context, builder, sig, *arguments), align=1)
        return builder.icmp_unsigned("!=", marks, ir.Constant(MARKS_TYPE, [0] * WIDTH))

    return mask(array, types.int64), codegen


INTEGERS = ir.VectorType(ir.IntType(32), WIDTH)


@intrinsic
def words_from(typing_context, array, start):
    """Eight entries of an array of int32, none of them negative, from start on."""
    result = Words(WIDTH)

    def codegen(context, builder, sig, arguments):
        data = context.make_array(sig.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), INTEGERS.as_pointer())
        return builder.zext(builder.load(pointer, align=4), ir_type(result))

    return result(array, types.int64), codegen


def _lanes_listed(builder, condition):
    """The numbers of the lanes where the condition holds, and then of any."""
    # Several instructions, or a slow one, and more than to look it up.
    table = _table_of_bytes(builder.module, "lanes_of_byte", lambda lanes: lanes + [0] * (WIDTH - len(lanes)))
    bits = builder.bitcast(condition, ir.IntType(WIDTH))
    return builder.zext(builder.load(_looked_up(builder, table, bits)), INTEGERS)


@intrinsic
def list_lanes(typing_context, array, at, first, condition):
    """Set the entries of an array of int32 from `at` on to first + i, for each lane i where the condition holds.

    The result is where they end; what follows, up to at + 7, is overwritten too.
    """

    def codegen(context, builder, sig, arguments):
        array, at, first, condition = arguments
        undefined = ir.Constant(INTEGERS, ir.Undefined)
        first = builder.insert_element(undefined, builder.trunc(first, ir.IntType(32)), ir.IntType(32)(0))
        numbers = builder.add(_lanes_listed(builder, condition), shuffled(builder, first, undefined, [0] * WIDTH))
        data = context.make_array(sig.args[0])(context, builder, array).data
        builder.store(numbers, builder.bitcast(builder.gep(data, [at]), INTEGERS.as_pointer()), align=4)
        bits = builder.bitcast(condition, ir.IntType(WIDTH))
        return builder.add(at, builder.zext(builder.ctpop(bits), ir.IntType(64)))

    return types.int64(array, types.int64, types.int64, mask), codegen


@intrinsic
def store_same(typing_context, array, at, number):
    """Set the eight entries of an array of int32 from `at` on to a number."""

    def codegen(context, builder, sig, arguments):
        array, at, number = arguments
        undefined = ir.Constant(INTEGERS, ir.Undefined)
        one = builder.insert_element(undefined, builder.trunc(number, ir.IntType(32)), ir.IntType(32)(0))
        data = context.make_array(sig.args[0])(context, builder, array).data
        pointer = builder.bitcast(builder.gep(data, [at]), INTEGERS.as_pointer())
        builder.store(shuffled(builder, one, undefined, [0] * WIDTH), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@intrinsic
def unpack(typing_context, array, start, condition):
    """The entries of a float64 array from start on in the lanes where the condition holds, 0 in the others.

    The entry at start is read in any case.
    """

    def codegen(context, builder, sig, arguments):
        array, start, condition = arguments
        data = context.make_array(sig.args[0])(context, builder, array).data
        pointer = builder.gep(data, [start])
        zero = ir.Constant(LANES_TYPE, [0.0] * WIDTH)
        if HAS_AVX512:
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(LANES_TYPE, [pointer.type, condition.type, LANES_TYPE]),
                f"llvm.masked.expandload.v{WIDTH}f64",
            )
            return builder.call(function, [pointer, condition, zero])
        # Elsewhere that is a branch for each lane.
        table = _table_of_bytes(
            builder.module,
            "ranks_of_byte",
            lambda lanes: [lanes.index(lane) if lane in lanes else 0 for lane in range(WIDTH)],
        )
        ranks = builder.load(_looked_up(builder, table, builder.bitcast(condition, ir.IntType(WIDTH))))
        result = zero
        for lane in map(ir.IntType(32), range(WIDTH)):
            rank = builder.zext(builder.extract_element(ranks, lane), ir.IntType(64))
            result = builder.insert_element(result, builder.load(builder.gep(pointer, [rank])), lane)
        return builder.select(condition, result, zero)

    return lanes(array, types.int64, mask), codegen
