"""One gradient from the shares of several machines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from ._logits import FloatArray
from .proposals import GradientEstimate, Share

__all__ = ["combine"]


def combine(estimates: Iterable[GradientEstimate]) -> GradientEstimate:
    """Combine estimates from shares of the samples to the estimate from all of them.

    Noise is addressed by the numbers of the sample, the variable and the category, so that machines that are
    given the same logits, estimator, n_samples and rng, and a `sample_range` each, draw what one machine would.
    Gradient, value and standard error are then those of one machine but for the last digits: sums are added in
    another order. For the same shares they are the same bits, whoever had them and in whatever order
    they come.

    Parameters
    ----------
    estimates : iterable of GradientEstimate
        From proposals with a sample_range, which together have each sample once.

    Returns
    -------
    GradientEstimate
        In the shapes of the shares. `n_evaluations` is the sum of theirs: a vector that two shares ask for counts
        twice, as it was evaluated twice.

    Raises
    ------
    TypeError
        If any is not a GradientEstimate.
    ValueError
        If there is none, if one has no share, or if they do not fit together: other logits, estimator, n_samples
        or rng, or samples that are there twice or missing.

    Notes
    -----
    Means and squared deviations of the shares are merged as in Chan, Golub and LeVeque, The American Statistician
    37, 1983.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import combine, propose
    >>> def share(first, stop):  # on a machine of its own
    ...     proposal = propose(np.zeros((3, 4)), n_samples=6, rng=0, sample_range=(first, stop))
    ...     return proposal.estimate(proposal.actions.sum(axis=1))
    >>> combine([share(0, 2), share(2, 6)]).gradient.shape
    (3, 4)
    """
    parts, n_samples = _check(estimates)
    one = parts[0][1]
    mean = [np.zeros_like(variable) for variable in _arrays(one.gradient)]
    squares = [np.zeros_like(variable) for variable in mean]
    value = np.zeros_like(one.value, np.float64)
    for share, estimate in parts:
        done, count = share.first, share.stop - share.first
        value += np.multiply(count / n_samples, estimate.value)
        for k, variable in enumerate(_arrays(estimate.gradient)):
            deviation = variable - mean[k]
            mean[k] += deviation * (count / share.stop)
            squares[k] += deviation * deviation * (count * done / share.stop)
            if count > 1:
                squares[k] += _arrays(estimate.standard_error)[k] ** 2 * (count * (count - 1.0))
    standard_error: Any = None
    if n_samples > 1:
        errors = [np.sqrt(variable / (n_samples * (n_samples - 1.0))) for variable in squares]
        standard_error = errors if isinstance(one.gradient, list) else errors[0]
    return GradientEstimate(
        mean if isinstance(one.gradient, list) else mean[0],
        value if value.ndim else float(value),
        standard_error,
        sum(estimate.n_evaluations for _, estimate in parts),
    )


def _arrays(gradient: Any) -> list[FloatArray]:
    return gradient if isinstance(gradient, list) else [gradient]


def _check(estimates: Iterable[GradientEstimate]) -> tuple[list[tuple[Share, GradientEstimate]], int]:
    """Shares in the order of their samples, and how many samples these are."""
    parts = []
    for i, estimate in enumerate(estimates):
        if not isinstance(estimate, GradientEstimate):
            raise TypeError(f"estimates must be GradientEstimates; estimates[{i}] is {type(estimate).__name__}")
        if estimate.share is None:
            raise ValueError(f"estimates must be from proposals with a sample_range; estimates[{i}] is not")
        parts.append((estimate.share, estimate))
    if not parts:
        raise ValueError("estimates must have at least one GradientEstimate; got none")
    parts.sort(key=lambda part: part[0].first)
    for name, what in (
        ("n_samples", lambda part: part[0].n_samples),
        ("estimator", lambda part: part[0].estimator),
        ("rng", lambda part: part[0].key),
        ("logits", lambda part: (part[0].logits, [variable.shape for variable in _arrays(part[1].gradient)])),
    ):
        if any(what(part) != what(parts[0]) for part in parts):
            raise ValueError(f"estimates must be shares of one gradient; these are not of the same {name}")
    n_samples = parts[0][0].n_samples
    bounds = [(0, 0), *((share.first, share.stop) for share, _ in parts), (n_samples, n_samples)]
    for (_, stop), (first, _) in pairwise(bounds):
        if first != stop:
            wrong = f"{stop}..{first - 1} are missing" if first > stop else f"{first}..{stop - 1} are there twice"
            raise ValueError(f"estimates must have each of the {n_samples} samples once; {wrong}, counted from 0")
    return parts, n_samples
