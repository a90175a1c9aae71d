"""Vector types: float64 (Lanes), uint64 (Words) and booleans (Mask), several at a time.

LLVM vectorises plain loops over one long row, but not a few samples of a short one, and not always with vectors
as wide as the machine's. Here a kernel says what it wants: `a + b`, `a * b`, `a < b` and so on work on two
vectors, or on a vector and one number, lane by lane, with IEEE arithmetic. LLVM maps them to whatever the machine
has: a vector that is wider than its registers becomes several, worked on in turn.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import get_host_cpu_features
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import models, register_model

from ._intrinsics import intrinsic

# As NUMBA_CPU_FEATURES says, or the processor.
FEATURES = set((get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES).split(","))
HAS_AVX512 = "+avx512f" in FEATURES
# How many float64 a register of the machine holds.
REGISTER = 8 if HAS_AVX512 else 4
# Sixteen of them; with AVX-512, and on ARM, there are twice as many, and without AVX they hold two.
REGISTERS_ARE_FEW = "+avx" in FEATURES and not HAS_AVX512


class Vector(types.Type):
    """So many entries of one kind."""

    entry: types.Type

    def __init__(self, width):
        self.width = width
        super().__init__(name=f"{type(self).__name__}({width})")

    def of(self, entry, width=None):
        """The vector of another kind of entry, of the same width if not said otherwise."""
        return VECTORS[entry](self.width if width is None else width)


class Lanes(Vector):
    """float64 entries."""

    entry = types.float64


class Words(Vector):
    """uint64 entries."""

    entry = types.uint64


class Mask(Vector):
    """Boolean entries."""

    entry = types.boolean


VECTORS = {kind.entry: kind for kind in (Lanes, Words, Mask)}
IR_ENTRIES = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.uint64: ir.IntType(64),
    types.boolean: ir.IntType(1),
}


def ir_type(vector):
    """The LLVM type of a vector or of one entry."""
    if isinstance(vector, Vector):
        return ir.VectorType(IR_ENTRIES[vector.entry], vector.width)
    return IR_ENTRIES[vector]


@register_model(Lanes)
@register_model(Words)
@register_model(Mask)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir_type(vector))


def shuffled(builder, first, second, order):
    """The entries of two vectors in this order; those of the second count on from the first's."""
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
    )


def concatenated(builder, parts):
    """The entries of vectors of one type, one after the other; there are a power of two of them."""
    while len(parts) > 1:
        width = 2 * parts[0].type.count
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [shuffled(builder, *pair, range(width)) for pair in pairs]
    return parts[0]


def as_vector(builder, result, kind, value):
    """The value itself, or one number in every lane where the result is a vector."""
    if isinstance(kind, Vector) or not isinstance(result, Vector):
        return value
    undefined = ir.Constant(ir_type(result), ir.Undefined)
    return shuffled(
        builder, builder.insert_element(undefined, value, ir.IntType(32)(0)), undefined, [0] * result.width
    )


def widest(*kinds):
    """The vector among the types of operands, or float64 where there is none."""
    return next((kind for kind in kinds if isinstance(kind, Vector)), types.float64)


def _define(function, operands, result, instruction):
    """Make an operator work on vectors of one class, or on one and a number."""
    one = types.Float if operands is Lanes else types.Integer

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args, kws):
            vectors = {kind for kind in args if isinstance(kind, operands)}
            if len(args) != 2 or len(vectors) != 1 or not all(isinstance(kind, operands | one) for kind in args):
                return None
            vector = vectors.pop()
            cases = [kind if kind == vector else vector.entry for kind in args]
            return signature(vector.of(result.entry), *cases)

    def lower(context, builder, sig, arguments):
        vector = widest(*sig.args)
        pairs = zip(sig.args, arguments, strict=True)
        return instruction(builder, *(as_vector(builder, vector, *pair) for pair in pairs))

    for kinds in ((operands, operands), (operands, one), (one, operands)):
        lower_builtin(function, *kinds)(lower)


def _named(name):
    return lambda builder, a, b: getattr(builder, name)(a, b)


def _compared(symbol):
    return lambda builder, a, b: builder.fcmp_ordered(symbol, a, b)


_define(operator.add, Lanes, Lanes, _named("fadd"))
_define(operator.sub, Lanes, Lanes, _named("fsub"))
_define(operator.mul, Lanes, Lanes, _named("fmul"))
_define(operator.truediv, Lanes, Lanes, _named("fdiv"))
_define(operator.lt, Lanes, Mask, _compared("<"))
_define(operator.le, Lanes, Mask, _compared("<="))
_define(operator.gt, Lanes, Mask, _compared(">"))
_define(operator.ge, Lanes, Mask, _compared(">="))
_define(operator.eq, Lanes, Mask, _compared("=="))
_define(operator.ne, Lanes, Mask, _compared("!="))
_define(operator.add, Words, Words, _named("add"))
_define(operator.mul, Words, Words, _named("mul"))
_define(operator.and_, Words, Words, _named("and_"))
_define(operator.or_, Words, Words, _named("or_"))
_define(operator.xor, Words, Words, _named("xor"))
_define(operator.lshift, Words, Words, _named("shl"))
_define(operator.rshift, Words, Words, _named("lshr"))
_define(operator.lt, Words, Mask, lambda builder, a, b: builder.icmp_unsigned("<", a, b))
_define(operator.ne, Words, Mask, lambda builder, a, b: builder.icmp_unsigned("!=", a, b))
_define(operator.and_, Mask, Mask, _named("and_"))
_define(operator.or_, Mask, Mask, _named("or_"))


@intrinsic
def select(typing_context, condition, yes, no):
    """yes where the condition holds, else no: of Lanes and floats, of floats alone, or of Words."""
    result = widest(yes, no)
    if isinstance(condition, Mask):
        result = condition.of(result.entry if isinstance(result, Vector) else result)
    choices = [kind if kind == result else types.float64 for kind in (yes, no)]

    def codegen(context, builder, sig, arguments):
        pairs = zip(sig.args[1:], arguments[1:], strict=True)
        return builder.select(arguments[0], *(as_vector(builder, result, *pair) for pair in pairs))

    return result(condition, *choices), codegen


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c, rounded once on every machine: of Lanes and floats, of floats alone, or of three float32."""
    result = types.float32 if a == b == c == types.float32 else widest(a, b, c)
    kinds = [kind if kind == result else types.float64 for kind in (a, b, c)]

    def codegen(context, builder, sig, arguments):
        kind = ir_type(result)
        name = "llvm.fma." + (f"v{result.width}f64" if isinstance(result, Vector) else f"f{result.bitwidth}")
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        pairs = zip(sig.args, arguments, strict=True)
        return builder.call(function, [as_vector(builder, result, *pair) for pair in pairs])

    return result(*kinds), codegen


def _reinterpret(result):
    return lambda context, builder, sig, arguments: builder.bitcast(arguments[0], ir_type(result))


@intrinsic
def as_float(typing_context, bits):
    """The float64 with these bits, of one word or of several."""
    result = bits.of(types.float64) if isinstance(bits, Vector) else types.float64
    return result(bits), _reinterpret(result)


@intrinsic
def as_bits(typing_context, value):
    """The bits of float64; those of positive numbers are ordered as the numbers are."""
    result = value.of(types.uint64) if isinstance(value, Vector) else types.uint64
    return result(value), _reinterpret(result)


@intrinsic
def joined(typing_context, first, second):
    """The entries of two vectors of one type, one after the other."""
    result = first.of(first.entry, 2 * first.width)

    def codegen(context, builder, sig, arguments):
        return shuffled(builder, *arguments, range(result.width))

    return result(first, second), codegen


def _half(vector, start):
    result = vector.of(vector.entry, vector.width // 2)

    def codegen(context, builder, sig, arguments):
        return shuffled(builder, arguments[0], arguments[0], range(start, start + result.width))

    return result(vector), codegen


@intrinsic
def first_half(typing_context, vector):
    """The first half of the entries."""
    return _half(vector, 0)


@intrinsic
def second_half(typing_context, vector):
    """The second half of the entries."""
    return _half(vector, vector.width // 2)


@intrinsic
def first_word(typing_context, words):
    """The first of Words."""

    def codegen(context, builder, sig, arguments):
        return builder.extract_element(arguments[0], ir.IntType(32)(0))

    return types.uint64(words), codegen


@intrinsic
def in_step(typing_context, value):
    """The value itself; of Lanes, whose next step begins in the code when all registers of it are made.

    Where registers are few LLVM puts chains of steps one after the other, and a processor does not look far
    enough ahead to work on several of them.
    """

    def codegen(context, builder, sig, arguments):
        n = value.width // REGISTER if isinstance(value, Lanes) and REGISTERS_ARE_FEW else 1
        if n == 1:
            return arguments[0]
        starts = range(0, value.width, REGISTER)
        parts = [shuffled(builder, *arguments, *arguments, range(i, i + REGISTER)) for i in starts]
        return concatenated(builder, _in_registers(builder, parts))

    return value(value), codegen


def _in_registers(builder, parts):
    """Vectors of a register each, after no instruction, but one of which all are operands."""
    kinds, n = [part.type for part in parts], len(parts)
    constraints = ",".join(["=x"] * n + [str(i) for i in range(n)])
    kind = ir.FunctionType(ir.LiteralStructType(kinds), kinds)
    results = builder.asm(kind, "", constraints, parts, side_effect=False)
    return [builder.extract_value(results, i) for i in range(n)]


@intrinsic
def kept(typing_context, sums):
    """A tuple of Lanes of a register each, itself, which are in registers here: in a loop that adds to them.

    Where registers are few LLVM may keep what stays the same there, and sums in memory, so that each turn waits
    long for the one before.
    """

    def codegen(context, builder, sig, arguments):
        parts = cgutils.unpack_tuple(builder, arguments[0])
        parts = _in_registers(builder, parts) if REGISTERS_ARE_FEW else parts
        return context.make_tuple(builder, sig.return_type, parts)

    return sums(sums), codegen


@intrinsic
def few_turns(typing_context):
    """No instruction; but the loop that it is in is not unrolled, which does not pay where its turns are few."""

    def codegen(context, builder, sig, arguments):
        nothing = builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], side_effect=True)
        for attribute in ("convergent", "nounwind", "readnone"):
            nothing.attributes.add(attribute)
        return context.get_dummy_value()

    return types.void(), codegen


def spread_over(width):
    """An intrinsic of one float64: so many of it."""

    @intrinsic
    def _spread(typing_context, number):
        result = Lanes(width)

        def codegen(context, builder, sig, arguments):
            return as_vector(builder, result, types.float64, arguments[0])

        return result(types.float64), codegen

    return _spread


def blocks_from(numbers):
    """An intrinsic of (low, high, low_step, high_step): blocks of two words, as many as there are numbers.

    With number i they are low + i * low_step and high + i * high_step.
    """

    @intrinsic
    def _blocks_from(typing_context, low, high, low_step, high_step):
        result = Words(2 * len(numbers))
        factors = [number for number in numbers for _ in range(2)]

        def codegen(context, builder, sig, arguments):
            def spread(even, odd):
                block = ir.Constant(ir.VectorType(ir.IntType(64), 2), ir.Undefined)
                for i, word in enumerate((even, odd)):
                    block = builder.insert_element(block, word, ir.IntType(32)(i))
                return shuffled(builder, block, block, [0, 1] * len(numbers))

            steps = builder.mul(spread(*arguments[2:]), ir.Constant(ir_type(result), factors))
            return builder.add(spread(*arguments[:2]), steps)

        return result(*[types.uint64] * 4), codegen

    return _blocks_from


def _reordered(order_of):
    """An intrinsic: a vector's entries in an order that depends on their number."""

    @intrinsic
    def _in_order(typing_context, vector):
        def codegen(context, builder, sig, arguments):
            return shuffled(builder, arguments[0], arguments[0], order_of(vector.width))

        return vector(vector), codegen

    return _in_order


def _exchanged(width):
    """0, h, 2, h + 2, ..., and 1, h + 1, 3, ..., where h is half the width: its own inverse."""
    half = width // 2
    return [i // half + i % half // 2 * 2 + i % 2 * half for i in range(width)]


def _groups_in_turn(group):
    return lambda width: [
        i // (2 * group) * group + i % group + (i // group % 2) * (width // 2) for i in range(width)
    ]


# Odd entries of the first half change places with even ones of the second: one instruction for each vector of the
# machine, of any width.
exchanged = _reordered(_exchanged)


def halves_in_turn(group):
    """An intrinsic: the first entries of a vector's first half, those of its second half, the next ones."""
    return _reordered(_groups_in_turn(group))
