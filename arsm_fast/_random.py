"""From the user's rng to the key of the counter-based generator (SPEC 7)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._seeds import LEAST_LONG_SEED, first_word

SeedLike = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None


def generator_key(rng: SeedLike) -> np.uint64:
    """Draw the key of one call; a Generator advances by one draw."""
    if type(rng) is int and 0 <= rng < LEAST_LONG_SEED:
        return np.uint64(first_word(rng))
    generator = as_generator(rng)
    if isinstance(generator.bit_generator, np.random.PCG64):
        return np.uint64(generator.bit_generator.random_raw())  # the same number, sooner
    return np.uint64(generator.integers(2**64, dtype=np.uint64))


class Streams:
    """Independent streams of one key, by two numbers. A stream is to be used before another one is asked for."""

    def __init__(self, key: int) -> None:
        bits = np.random.Philox(key=key)
        self._generator = np.random.Generator(bits)
        self._start: Any = bits.state

    def generator(self, *numbers: int) -> np.random.Generator:
        """The generator at the beginning of a stream: a new one would ask the system for bits first."""
        self._start["state"]["counter"][2:] = numbers
        self._generator.bit_generator.state = self._start
        return self._generator


def as_generator(rng: SeedLike) -> np.random.Generator:
    """The generator itself, or a new one."""
    if type(rng) is np.random.Generator:
        return rng  # as default_rng would, but sooner
    if isinstance(rng, bool | np.bool_ | float | str):
        raise TypeError(_message(rng))
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(_message(rng)) from error


def _message(rng: object) -> str:
    return f"rng must be None, a non-negative int (or several), a numpy SeedSequence or Generator; got {rng!r}"
