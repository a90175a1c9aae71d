"""LAX: the gradient of an expectation over Gaussian variables, with a control variate that learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_answer, check_count, real_array
from ._random import SeedLike, generator_key
from .control_network import ControlNetwork
from .proposals import GradientEstimate

__all__ = ["lax_gradient"]


def lax_gradient(
    objective: Callable[..., Any],
    mean: ArrayLike,
    log_std: ArrayLike,
    *,
    control: ControlNetwork,
    n_samples: int = 1,
    rng: SeedLike = None,
) -> GradientEstimate:
    """Estimate the gradient of E[f(x)] with respect to the parameters of independent Gaussian variables x.

    ``[f(x) - c(x)] d log p(x) + d c(x)``, the derivatives being with respect to the mean and the logarithm of
    the standard deviation of each variable, with ``x = mean + exp(log_std) e`` and e standard normal. c is the
    control network, as a function of e, that is of x in units of where it is drawn now. Unbiased, as c learns
    from past calls only. f need not be differentiable, and may be noisy. One evaluation a sample.

    Parameters
    ----------
    objective : callable
        Takes points, float64 of shape (M, D), to M values. Called once.
    mean : array_like of shape (D,)
        Means of the variables.
    log_std : array_like of shape (D,)
        Logarithms of their standard deviations.
    control : ControlNetwork
        Keeps what it has learnt: a new one for each objective.
    n_samples : int
        Samples to average over.
    rng : None, int, SeedSequence or Generator
        Source of the noise. Never the same seed twice with one control, which has learnt from the first.

    Returns
    -------
    GradientEstimate
        With lists of two arrays as gradient and standard error: for the mean and for log_std.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument, before f is called; or for values that f should not return. Exceptions
        of f come through unchanged; nothing is learnt then.

    References
    ----------
    Grathwohl, Choi, Wu, Roeder and Duvenaud, ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import ControlNetwork, lax_gradient
    >>> mean, control, rng = np.zeros(2), ControlNetwork(), np.random.default_rng(0)
    >>> for step in range(500):
    ...     estimate = lax_gradient(
    ...         lambda x: ((x - 1) ** 2).sum(axis=1), mean, np.full(2, -2.0), control=control, rng=rng
    ...     )
    ...     mean -= 0.02 * estimate.gradient[0]
    >>> bool((abs(mean - 1) < 0.2).all())
    True
    """
    center, log_width = _checked_parameters(mean, log_std)
    if not isinstance(control, ControlNetwork):
        raise TypeError(f"control must be a ControlNetwork; got {control!r}")
    count = check_count(n_samples, "n_samples")
    width = np.exp(log_width)
    noise = np.random.Generator(np.random.Philox(key=int(generator_key(rng)))).standard_normal(
        (count, center.size)
    )
    network, level, scale, known = control.control(1, center.size, 1)
    values = check_answer(objective(center + width * noise), "values", (count,), "one number for each point")
    outputs, slopes = (part[0] for part in network.evaluate(noise[None]))
    # The derivatives of log p(x), and those of x in units of the width, which the network's slopes are for.
    scores = np.stack([noise / width, noise**2 - 1.0], axis=1)
    factors = np.stack([np.broadcast_to(1.0 / width, noise.shape), noise], axis=1)
    excess = (values - level) / scale - outputs
    samples = excess[:, None, None] * scores + slopes[:, None, :] * factors
    change = samples * known
    derivative = network.sensitivity(
        noise[None],
        -2.0 * (change * scores).sum(axis=(1, 2))[None],
        2.0 * (change * factors).sum(axis=1)[None],
    )
    control.learn(values[None], type(derivative)(*(part / count for part in derivative)))
    samples *= scale
    error = None
    if count > 1:
        error = list(samples.std(axis=0, ddof=1) / np.sqrt(count))
    return GradientEstimate(list(samples.mean(axis=0)), float(values.mean()), error, count)


def _checked_parameters(mean: ArrayLike, log_std: ArrayLike) -> tuple[Any, Any]:
    center, log_width = real_array(mean, "mean"), real_array(log_std, "log_std")
    if center.ndim != 1 or center.size == 0:
        raise ValueError(f"mean must have shape (D,), one number for each variable; got shape {center.shape}")
    if log_width.shape != center.shape:
        raise ValueError(f"log_std must have the shape of mean, {center.shape}; got shape {log_width.shape}")
    for array, name in ((center, "mean"), (log_width, "log_std")):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite; got {array[~np.isfinite(array)][0]}")
    return center.astype(np.float64), log_width.astype(np.float64)
