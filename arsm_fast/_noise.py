"""Where the randomness of one call comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._logits import FloatArray, Logits

# Of longer rows eight samples side by side, which share their weights, take more than one after the other.
LONGEST_TILE = 1024
# Longer rows are drawn one at a time as fast as eight side by side.
LONGEST_SHORT_ROW = 256
NOT_GIVEN = np.empty((0, 0))
ZERO = np.uint64(0)


@dataclass(eq=False, repr=False)
class Noise:
    """The generator's key, or noise that was given, for so many samples; and how references are chosen.

    `first` is the number of the first sample, where these are a share of more. `draws` of the generator's samples
    make one.
    `n_references` is 0 where all categories are references; `fixed_reference` is -1 where they are drawn.
    """

    generator_key: np.uint64
    n_samples: int
    given: FloatArray = field(default_factory=lambda: NOT_GIVEN)
    n_references: int = 0
    fixed_reference: int = -1
    first: int | None = None
    draws: int = 1

    @property
    def key(self) -> tuple[np.uint64, np.uint64]:
        """What kernels take: the generator's key, and where its samples begin."""
        return self.generator_key, ZERO if self.first is None else np.uint64(self.first * self.draws)


def kernel_arguments(logits: Logits, noise: Noise) -> tuple[Any, ...]:
    """What the kernels of several variables take in the same order, wherever they begin."""
    return (
        noise.key,
        noise.given,
        noise.n_samples,
        logits.n_variables,
        logits.inverse_weights,
        logits.offsets,
        logits.longest,
    )
