"""From the user's rng to the key of the counter-based generator (SPEC 7)."""

from collections.abc import Sequence

import numpy as np

SeedLike = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None


def philox_key(rng: SeedLike) -> np.uint64:
    """Draw the key of one call; a Generator advances by one draw."""
    if isinstance(rng, bool | np.bool_ | float | str):
        raise TypeError(_message(rng))
    try:
        generator = np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(_message(rng)) from error
    return np.uint64(generator.integers(2**64, dtype=np.uint64))


def _message(rng: object) -> str:
    return f"rng must be None, a non-negative int (or several), a numpy SeedSequence or Generator; got {rng!r}"
