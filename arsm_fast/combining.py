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
    Gradient, value and standard error are those of one machine, bit for bit, whatever the shares and in whatever
    order they come, if the value of a vector does not depend on the vectors that it is evaluated with.

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
        If these are not GradientEstimates.
    ValueError
        If there is none, if one has no share, or if they do not fit together: other logits, estimator, n_samples
        or rng, or samples that are there twice or missing.

    Notes
    -----
    The sums over samples, which one machine adds too, are a tree: neighbours are merged, then pairs of them, and
    so on. A share has whole branches of it, of a range (first, stop) about as many as twice the logarithm to the
    base 2 of its length, and fewest where it begins and ends at multiples of a large power of two. Its estimate
    keeps mean and squared deviations of each, which are merged as in Chan, Golub and LeVeque, The American
    Statistician 37, 1983. An estimate by the ARS and ARSM of one variable keeps the values of f instead, and
    its samples are drawn again here.

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
    shares, one = [share for share, _ in parts], parts[0][1]
    partials: Any = [share.partial for share in shares]
    with np.errstate(over="ignore", invalid="ignore"):  # which is refused next
        moments = partials[0].combine(partials, n_samples)
    moments.check()
    standard_error = None
    if n_samples > 1:
        standard_error = _shaped(moments.standard_error(n_samples), one.gradient)
    return GradientEstimate(
        _shaped(moments.mean, one.gradient),
        moments.value if isinstance(one.value, np.ndarray) else float(moments.value[0]),
        standard_error,
        sum(estimate.n_evaluations for _, estimate in parts),
    )


def _shaped(flat: FloatArray, gradient: Any) -> Any:
    """In the shape of a gradient."""
    if isinstance(gradient, list):
        return np.split(flat, np.cumsum([variable.size for variable in gradient])[:-1])
    return flat.reshape(gradient.shape)


def _arrays(gradient: Any) -> list[FloatArray]:
    return gradient if isinstance(gradient, list) else [gradient]


def _check(estimates: Iterable[GradientEstimate]) -> tuple[list[tuple[Share, GradientEstimate]], int]:
    """Shares in the order of their samples, and how many samples these are."""
    parts = []
    if isinstance(estimates, GradientEstimate) or not isinstance(estimates, Iterable):
        raise TypeError(f"estimates must be a sequence of GradientEstimates; got {type(estimates).__name__}")
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
