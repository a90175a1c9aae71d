"""True actions, the noise behind them, and every swap of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_count, check_noise, real_array
from ._draws import true_actions
from ._logits import LogitsLike, check_logits, lay_out
from ._noise import LONGEST_SHORT_ROW, Noise
from ._random import SeedLike, generator_key
from .kernels.dirichlet import fill_dirichlet, fill_dirichlet_rows
from .kernels.swaps import fill_pseudo_actions

__all__ = ["dirichlet_noise", "pseudo_action_matrix", "sample"]


def sample(logits: LogitsLike, n_samples: int | None = None, *, rng: SeedLike = None) -> Any:
    """Draw from categorical variables given by their logits.

    The draw is ``argmin(noise * exp(-logits))`` with Dirichlet(1) noise: the true action that the
    estimators start from, with the same rng.

    Parameters
    ----------
    logits : array_like of shape (C,), (K, C) or (B, K, C), or list of 1-D arrays
        Unnormalised log-probabilities.
    n_samples : int, optional
        By default one draw, without an axis for samples.
    rng : None, int, SeedSequence or Generator
        Source of the noise.

    Returns
    -------
    int or ndarray of int32
        Of shape ``logits.shape[:-1]`` (or (K,) for a list), after an axis of n_samples if that is given.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import sample
    >>> sample(np.zeros((3, 5)), 2, rng=0).shape
    (2, 3)
    """
    checked = lay_out(logits)
    count = 1 if n_samples is None else check_count(n_samples, "n_samples")
    noise = Noise(generator_key(rng), count)
    actions = true_actions(checked, noise, count)
    variables = (checked.n_variables,) if checked.shape is None else checked.shape[:-1]
    if n_samples is not None:
        return actions.reshape((count, *variables))
    return actions.reshape(variables) if variables else int(actions[0, 0])


def dirichlet_noise(logits: LogitsLike, n_samples: int = 1, *, rng: SeedLike = None) -> Any:
    """Draw the Dirichlet(1) noise that an estimator draws for these logits with the same rng.

    Parameters
    ----------
    logits : array_like of shape (C,), (K, C) or (B, K, C), or list of 1-D arrays
        Only their shape matters.
    n_samples : int
        Samples.
    rng : None, int, SeedSequence or Generator
        Source of the noise.

    Returns
    -------
    ndarray or list of ndarray
        Of shape ``(n_samples,) + logits.shape``; a list of such arrays for a list. Each row sums to 1.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.
    """
    checked = lay_out(logits)
    if not np.isfinite(checked.weights).all():
        checked.weigh()  # refuses what the estimators do
    count = check_count(n_samples, "n_samples")
    noise = np.empty((count, checked.n_categories))
    key = Noise(generator_key(rng), count).key
    if checked.shape is None:
        fill_dirichlet(key, checked.offsets, noise)
        return np.split(noise, checked.offsets[1:-1], axis=1)
    if checked.shape[-1] <= LONGEST_SHORT_ROW:
        fill_dirichlet_rows(key, checked.shape[-1], noise)
    else:
        fill_dirichlet(key, checked.offsets, noise)
    return noise.reshape(-1, *checked.shape)


def pseudo_action_matrix(noise: ArrayLike, logits: ArrayLike) -> NDArray[np.int32]:
    """Every pseudo action of one variable: the winners under all swaps of its noise.

    For checking and teaching: it has C**2 entries. The estimators need no such matrix.

    Parameters
    ----------
    noise : array_like, shape (..., C)
        Positive, each row summing to 1.
    logits : array_like, shape (C,) or that of noise
        Unnormalised log-probabilities.

    Returns
    -------
    ndarray of int32, shape (..., C, C)
        Entry (c, j) is ``argmin(swapped * exp(-logits))``, where entries c and j of the noise are
        exchanged; of equal values the first wins. Symmetric, with the true action on the diagonal.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Examples
    --------
    >>> from arsm_fast import pseudo_action_matrix
    >>> pseudo_action_matrix([0.2, 0.5, 0.3], [0.0, 0.0, 0.0])
    array([[0, 1, 2],
           [1, 0, 0],
           [2, 0, 0]], dtype=int32)
    """
    noise, logits = real_array(noise, "noise"), real_array(logits, "logits")
    shape = noise.shape
    if not shape or noise.size == 0:
        raise ValueError(f"noise must have shape (..., C) with at least one row; got shape {shape}")
    if logits.shape not in ((shape[-1],), shape):
        raise ValueError(
            f"logits must have the shape of noise, {shape}, or that of one of its rows, "
            f"({shape[-1]},); got shape {logits.shape}"
        )
    rows = noise.reshape(-1, shape[-1])
    checked = check_logits(np.broadcast_to(logits, shape).reshape(rows.shape))
    flat = check_noise(rows, checked, ()).reshape(rows.shape)
    weights = checked.inverse_weights.reshape(rows.shape)
    out = np.empty((*rows.shape, shape[-1]), np.int32)
    fill_pseudo_actions(flat, weights, out)
    return out.reshape(*shape, shape[-1])
