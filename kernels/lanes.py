"""Eight numbers at a time, for kernels that keep eight samples, rows or categories side by side."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ._intrinsics import intrinsic
from ._jit import inlined
from .vectors import (
    HAS_AVX512,
    REGISTER,
    Lanes,
    Mask,
    Words,
    as_vector,
    concatenated,
    ir_type,
    shuffled,
    spread_over,
)

WIDTH = 8
ALL_LANES = np.uint64(2**WIDTH - 1)
# Entries of float64 that come from memory at once.
LINE = 8
# Values of less, in sums with weights of less than 4 in all, stay finite.
SMALL = 1e200

lanes, some_lanes = Lanes(WIDTH), Lanes(REGISTER)
mask = Mask(WIDTH)
LANES_TYPE = ir_type(lanes)


@intrinsic
def spread(typing_context, value):
    """The same number in every lane; Lanes stay as they are."""

    def codegen(context, builder, sig, arguments):
        return as_vector(builder, lanes, sig.args[0], arguments[0])

    return lanes(lanes if value == lanes else types.float64), codegen


some_of = spread_over(REGISTER)


@intrinsic
def mask_bits(typing_context, condition):
    """Bit i says whether the condition holds in lane i."""

    def codegen(context, builder, sig, arguments):
        bits = builder.bitcast(arguments[0], ir.IntType(condition.width))
        return bits if condition.width == 64 else builder.zext(bits, ir.IntType(64))

    return types.uint64(condition), codegen


def _reduced(builder, vector, combine):
    """One number from all lanes: halves with halves, so that few steps wait for one another."""
    width = vector.type.count
    while width > 1:
        width //= 2
        first, second = (shuffled(builder, vector, vector, range(i, i + width)) for i in (0, width))
        vector = combine(first, second)
    return builder.extract_element(vector, ir.IntType(32)(0))


@intrinsic
def sum_of_lanes(typing_context, value):
    """The sum, of the lanes' halves first."""

    def codegen(context, builder, sig, arguments):
        return _reduced(builder, arguments[0], builder.fadd)

    return types.float64(value), codegen


def _folded(builder, one, two, combine):
    """What is combined of all lanes of two states, side by side; a state is some vectors."""
    width = one[0].type.count
    odd = [i for pair in zip(range(1, width, 2), range(width + 1, 2 * width, 2), strict=True) for i in pair]
    even = [i - 1 for i in odd]
    pairs = list(zip(one, two, strict=True))
    both = combine(*([shuffled(builder, *pair, order) for pair in pairs] for order in (even, odd)))
    while width > 2:
        width //= 2
        both = combine(*([shuffled(builder, a, a, range(i, i + width)) for a in both] for i in (0, width)))
    return both


@intrinsic
def sums_of_two(typing_context, one, two):
    """The sums of two of Lanes, side by side."""

    def codegen(context, builder, sig, arguments):
        (sums,) = _folded(builder, *([a] for a in arguments), lambda a, b: [builder.fadd(*a, *b)])
        return sums

    return Lanes(2)(one, one), codegen


@inlined
def are_small(values):
    """Which of Lanes are numbers of which sums, with weights of less than 4 in all, stay finite."""
    return (values < SMALL) & (values > -SMALL)


@intrinsic
def lane_of(typing_context, value, lane):
    """One lane of Lanes or Words."""

    def codegen(context, builder, sig, arguments):
        return builder.extract_element(*arguments)

    return value.entry(value, types.int64), codegen


def _first_lane(value, symbol):
    def codegen(context, builder, sig, arguments):
        def before(a, b):
            return builder.select(builder.fcmp_ordered(symbol, a, b), a, b)

        return _reduced(builder, arguments[0], before)

    return types.float64(value), codegen


@intrinsic
def largest_lane(typing_context, value):
    """The largest of any number of Lanes, none of which is nan."""
    return _first_lane(value, ">")


@intrinsic
def smallest_lane(typing_context, value):
    """The smallest of any number of Lanes, none of which is nan."""
    return _first_lane(value, "<")


def entry_pointer(context, builder, array_type, array, start, vector):
    """Where entries of an array of float64 that are such a vector begin, for what writes code."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), ir_type(vector).as_pointer())


def _lane_pointer(context, builder, array_type, array, index, vector=lanes):
    start = builder.mul(index, ir.IntType(64)(WIDTH))
    return entry_pointer(context, builder, array_type, array, start, vector)


@intrinsic
def load(typing_context, array, index):
    """The index-th eight entries of a float64 array."""

    def codegen(context, builder, sig, arguments):
        return builder.load(_lane_pointer(context, builder, sig.args[0], *arguments), align=8)

    return lanes(array, types.int64), codegen


def loading(width):
    """An intrinsic of (array, start): so many entries of a float64 array from start on."""

    @intrinsic
    def _load(typing_context, array, start):
        vector = Lanes(width)

        def codegen(context, builder, sig, arguments):
            return builder.load(entry_pointer(context, builder, sig.args[0], *arguments, vector), align=8)

        return vector(array, types.int64), codegen

    return _load


load_eight, load_some = loading(WIDTH), loading(REGISTER)


def _first_lanes(builder, vector, n):
    """Which lanes of a vector are the first n."""
    integers = Words(vector.width)
    places = ir.Constant(ir_type(integers), list(range(vector.width)))
    return builder.icmp_signed("<", places, as_vector(builder, integers, types.int64, n))


@intrinsic
def first_lanes(typing_context, vector, n):
    """Which lanes of a vector of this type are the first n."""

    def codegen(context, builder, sig, arguments):
        return _first_lanes(builder, vector, arguments[1])

    return vector.of(types.boolean)(vector, types.int64), codegen


def loading_up_to(width):
    """An intrinsic of (array, start, stop, otherwise): as loading, but from stop on one number for all."""

    @intrinsic
    def _load_up_to(typing_context, array, start, stop, otherwise):
        vector = Lanes(width)

        def codegen(context, builder, sig, arguments):
            array, start, stop, otherwise = arguments
            pointer = entry_pointer(context, builder, sig.args[0], array, start, vector)
            inside = _first_lanes(builder, vector, builder.sub(stop, start))
            others = as_vector(builder, vector, types.float64, otherwise)
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(others.type, [pointer.type, ir.IntType(32), inside.type, others.type]),
                f"llvm.masked.load.v{width}f64.p0",
            )
            return builder.call(function, [pointer, ir.IntType(32)(8), inside, others])

        return vector(array, types.int64, types.int64, types.float64), codegen

    return _load_up_to


@intrinsic
def store(typing_context, array, index, value):
    """Set the index-th eight entries of a float64 array, and those that follow where the Lanes are more."""

    def codegen(context, builder, sig, arguments):
        pointer = _lane_pointer(context, builder, sig.args[0], *arguments[:2], sig.args[2])
        builder.store(arguments[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


def asking_for(n):
    """An intrinsic of (arrays, start): have so many entries of each float64 array brought near, from start on.

    Nothing waits for them. Past its end an array may be asked, and an empty one too.
    """

    @intrinsic
    def _ask_for(typing_context, arrays, start):
        integer, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        to_be_read, in_all_caches, as_data = integer(0), integer(3), integer(1)

        def codegen(context, builder, sig, arguments):
            kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            for array_type, array in zip(arrays, cgutils.unpack_tuple(builder, arguments[0]), strict=True):
                array = context.make_array(array_type)(context, builder, array)
                empty = builder.icmp_signed("==", array.nitems, array.nitems.type(0))
                start = builder.select(empty, array.nitems.type(0), arguments[1])
                for i in range(0, n, LINE):
                    place = builder.gep(array.data, [builder.add(start, start.type(i))])
                    builder.call(function, [builder.bitcast(place, byte), to_be_read, in_all_caches, as_data])
            return context.get_dummy_value()

        return types.void(arrays, types.int64), codegen

    return _ask_for


@intrinsic
def store_from(typing_context, array, start, value):
    """Set the entries of a float64 array from start on."""

    def codegen(context, builder, sig, arguments):
        pointer = entry_pointer(context, builder, sig.args[0], *arguments[:2], sig.args[2])
        builder.store(arguments[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


@intrinsic
def store_up_to(typing_context, array, start, value, stop):
    """Set the entries of a float64 array from start on, but none from stop on."""

    def codegen(context, builder, sig, arguments):
        array, start, vector, stop = arguments
        kind, width = ir_type(value), value.width
        pointer = entry_pointer(context, builder, sig.args[0], array, start, value)
        inside = _first_lanes(builder, value, builder.sub(stop, start))
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [kind, kind.as_pointer(), ir.IntType(32), inside.type]),
            f"llvm.masked.store.v{width}f64.p0",
        )
        builder.call(function, [vector, pointer, ir.IntType(32)(8), inside])
        return context.get_dummy_value()

    return types.void(array, types.int64, value, types.int64), codegen


@intrinsic
def lane_numbers(typing_context):
    """0 to 7."""

    def codegen(context, builder, sig, arguments):
        return ir.Constant(LANES_TYPE, [float(lane) for lane in range(WIDTH)])

    return lanes(), codegen


def _least(builder):
    """How the two or three smallest numbers of a set and of another become those of both."""

    def smaller(a, b):
        return builder.select(builder.fcmp_ordered("<", a, b), a, b)

    def larger(a, b):
        return builder.select(builder.fcmp_ordered("<", a, b), b, a)

    def combine(one, two):
        (first, second, *third), (other_first, other_second, *other_third) = one, two
        rest, seconds = larger(first, other_first), smaller(second, other_second)
        least = [smaller(first, other_first), smaller(rest, seconds)]
        if third:
            last = smaller(larger(rest, seconds), larger(second, other_second))
            least.append(smaller(last, smaller(*third, *other_third)))
        return least

    return combine


# Of the smallest numbers of each lane none is nan, and they come in their order.


@intrinsic
def two_least(typing_context, least, others):
    """The two smallest numbers of all lanes, from the two of each."""

    def codegen(context, builder, sig, arguments):
        both, width = arguments, least.width
        while width > 1:
            width //= 2
            both = _least(builder)(
                *([shuffled(builder, a, a, range(i, i + width)) for a in both] for i in (0, width))
            )
        numbers = [builder.extract_element(vector, ir.IntType(32)(0)) for vector in both]
        return context.make_tuple(builder, sig.return_type, numbers)

    return types.UniTuple(types.float64, 2)(least, others), codegen


@intrinsic
def least_of_two(typing_context, one, two):
    """The smallest numbers of all lanes of two rows side by side, then the second ones, and perhaps the third.

    They are made from as many of each lane, which are a tuple for each row.
    """

    def codegen(context, builder, sig, arguments):
        rows = (cgutils.unpack_tuple(builder, argument) for argument in arguments)
        return context.make_tuple(builder, sig.return_type, _folded(builder, *rows, _least(builder)))

    return types.UniTuple(Lanes(2), len(one))(one, two), codegen


# A category's weight or value is a number where eight samples of one row lie side by side, and eight numbers
# where eight rows do. Arrays of the latter have two axes: categories and lanes.


def _taken(context, builder, sig, array, index, lane):
    if sig.args[0].ndim == 2:
        start = builder.add(builder.mul(index, ir.IntType(64)(WIDTH)), lane)
        return builder.load(entry_pointer(context, builder, sig.args[0], array, start, sig.return_type), align=8)
    return builder.load(builder.gep(context.make_array(sig.args[0])(context, builder, array).data, [index]))


@intrinsic
def entry(typing_context, array, index):
    """array[index]: a float64, or Lanes where the array has two axes."""

    def codegen(context, builder, sig, arguments):
        return _taken(context, builder, sig, *arguments, ir.IntType(64)(0))

    return (lanes if array.ndim == 2 else types.float64)(array, types.int64), codegen


@intrinsic
def take(typing_context, array, index, lane):
    """As entry, but of the lanes only a register, from this lane on."""

    def codegen(context, builder, sig, arguments):
        return _taken(context, builder, sig, *arguments)

    return (some_lanes if array.ndim == 2 else types.float64)(array, types.int64, types.int64), codegen


def _pointers(context, builder, sig, array, index, lane):
    """Each i, and where array[index[i]] is, or of an array of two axes array[index[i], lane + i]."""
    array_type, kind = sig.args[:2]
    data = context.make_array(array_type)(context, builder, array).data
    if array_type.ndim == 2:
        index = builder.mul(index, ir.Constant(ir_type(kind), [WIDTH] * kind.width))
        index = builder.add(index, ir.Constant(ir_type(kind), list(range(kind.width))))
        data = builder.gep(data, [lane])
    for i in map(ir.IntType(32), range(kind.width)):
        yield i, builder.gep(data, [builder.extract_element(index, i)])


@intrinsic
def gather(typing_context, array, index, lane):
    """array[index[i]] of float64 for each i; of an array of two axes array[index[i], lane + i]."""
    gathered = index.of(types.float64)

    def codegen(context, builder, sig, arguments):
        result = ir.Constant(ir_type(gathered), ir.Undefined)
        for i, pointer in _pointers(context, builder, sig, *arguments):
            result = builder.insert_element(result, builder.load(pointer), i)
        return result

    return gathered(array, index, types.int64), codegen


@intrinsic
def scatter(typing_context, array, index, lane, value):
    """Set what gather gives to the value."""

    def codegen(context, builder, sig, arguments):
        for _, pointer in _pointers(context, builder, sig, *arguments[:3]):
            builder.store(arguments[3], pointer)
        return context.get_dummy_value()

    return types.void(array, index, types.int64, types.float64), codegen


@intrinsic
def mark_at(typing_context, array, index, lane, bits):
    """Set bit lane + i of array[index[i]], of an array of uint64, for each bit i that is set."""

    def codegen(context, builder, sig, arguments):
        word = ir.IntType(64)
        for i, pointer in _pointers(context, builder, sig, *arguments[:3]):
            own = builder.and_(arguments[3], builder.shl(word(1), builder.zext(i, word)))
            builder.store(builder.or_(builder.load(pointer), builder.shl(own, arguments[2])), pointer)
        return context.get_dummy_value()

    return types.void(array, index, types.int64, types.uint64), codegen


def copying(order):
    """An intrinsic of (source, start, out, out_start): copy so many entries of float64 arrays in this order."""

    @intrinsic
    def _copy(typing_context, source, start, out, out_start):
        vector = Lanes(len(order))

        def codegen(context, builder, sig, arguments):
            source, start, out, out_start = arguments
            entries = builder.load(entry_pointer(context, builder, sig.args[0], source, start, vector), align=8)
            pointer = entry_pointer(context, builder, sig.args[2], out, out_start, vector)
            builder.store(shuffled(builder, entries, entries, order), pointer, align=8)
            return context.get_dummy_value()

        return types.void(source, types.int64, out, types.int64), codegen

    return _copy


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


# Of rows side by side so many registers are worked on at once, of as many groups of WIDTH.
GROUPS = 2 if HAS_AVX512 else 1
several = Lanes(GROUPS * REGISTER)
spread_several = spread_over(GROUPS * REGISTER)


def _parts(builder, context, array_type, array, start, step):
    for i in range(GROUPS):
        place = builder.add(start, builder.mul(step, ir.IntType(64)(i)))
        yield entry_pointer(context, builder, array_type, array, place, some_lanes)


@intrinsic
def load_several(typing_context, array, start, step):
    """The entries of a register from start on, and of another from start + step on, where there are two."""

    def codegen(context, builder, sig, arguments):
        parts = [builder.load(pointer, align=8) for pointer in _parts(builder, context, sig.args[0], *arguments)]
        return concatenated(builder, parts)

    return several(array, types.int64, types.int64), codegen


@intrinsic
def store_several(typing_context, array, start, step, value):
    """Set what load_several gives."""

    def codegen(context, builder, sig, arguments):
        *place, value = arguments
        for i, pointer in enumerate(_parts(builder, context, sig.args[0], *place)):
            part = shuffled(builder, value, value, range(i * REGISTER, (i + 1) * REGISTER))
            builder.store(part, pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, several), codegen
