"""A step of an optimisation, whose values are being waited for."""

from functools import cached_property

import numpy as np

from ._checks import shown
from ._logits import FloatArray, IntArray
from ._vectors import VectorArray


class Step:
    """The vectors that a step needs, by their keys; those that are asked for, and what was told of them."""

    variable: int | None = None  # the one whose categories all are asked for, where it is not whole vectors

    def __init__(self, keys: list[bytes], asked: VectorArray, asked_keys: list[bytes], *, final: bool) -> None:
        self.keys = keys
        self.asked = asked
        self.asked_keys = asked_keys
        self.values = np.full(len(asked), np.nan)
        self.terms = np.empty((len(asked), 0))
        # The rows whose values are still to be told, and their vectors.
        self.waiting: IntArray = np.arange(len(asked))
        self.awaited = asked
        self.final = final
        self.complete = True  # whether all that the step needs is asked for

    @cached_property
    def rows(self) -> dict[bytes, int]:
        """The row of each key that is asked for."""
        return {key: i for i, key in enumerate(self.asked_keys)}

    def take(self, places: IntArray | slice, values: FloatArray, terms: FloatArray) -> None:
        """Note what was told of the vectors in some rows."""
        self.values[places] = values
        if terms.size:
            self.terms[places] = terms
        if places is self.waiting:
            self.waiting, self.awaited = self.waiting[:0], self.asked[:0]
        else:
            self.waiting = np.flatnonzero(np.isnan(self.values))
            self.awaited = self.asked[self.waiting]

    def places(self, vectors: VectorArray, keys: list[bytes]) -> IntArray:
        """The rows that vectors were asked for in, which must be waited for."""
        places = np.array([self.rows.get(key, -1) for key in keys], np.int64)
        # A hash says which vector it must be.
        known = (places >= 0) & (self.asked[places] == vectors).all(axis=1)
        if not known.all():
            raise not_waited_for(vectors, int(known.argmin()))
        told = ~np.isnan(self.values[places])
        if told.any():
            i = int(told.argmax())
            raise ValueError(f"actions[{i}] = {shown(vectors[i])} was told before")
        if len(set(keys)) < len(keys):
            raise ValueError("actions must be distinct; got the same vector twice")
        return places


def not_waited_for(vectors: VectorArray, i: int) -> ValueError:
    """What is wrong with a vector that is not one of a step."""
    return ValueError(
        "actions must be vectors that ask() gave and whose values are still to be told; "
        f"actions[{i}] = {shown(vectors[i])} is not one"
    )
