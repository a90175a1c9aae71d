"""The expectation of an objective as a deterministic function of logits, for SciPy's optimisers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_count, check_integer
from ._logits import FloatArray
from ._random import SeedLike, generator_key
from .estimators import Estimator, learns, resolve_estimator
from .gradients import gradient

__all__ = ["ExpectedObjective"]


class ExpectedObjective:
    """An estimate of E[f] and its gradient, as a deterministic function of flat logits.

    Every call uses the same noise (common random numbers): the same logits give the same bits, and from near
    logits mostly the same vectors are drawn, so that differences between values have far less noise than the
    values themselves. For ``scipy.optimize.minimize(expected.value_and_grad, x0, jac=True, method="L-BFGS-B")``,
    which minimises.

    Parameters
    ----------
    objective : callable
        A Python function of a batch of vectors or a compiled function of one, as `gradient` takes.
    shape : tuple or list of int
        The tuple (C,) for one variable, whose category f is given as a number, or (K, C) for K variables; or a
        list with the number of categories of each variable.
    n_samples : int
        Samples of each estimate. More cost more evaluations and bring the optimum of the estimate nearer to that
        of E[f].
    rng : None, int, SeedSequence or Generator
        Source of the noise, which is fixed from here on.
    estimator : Estimator or str
        As of `gradient`, but for those that learn from call to call. See the notes for why others than
        "local" and "exact" are not for line searches.

    Attributes
    ----------
    n_evaluations : int
        Evaluations of f so far: in each call the distinct vectors.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Notes
    -----
    A line search expects the value to fall as the gradient says. With fixed noise the vectors drawn change at
    certain logits only. A mean of f over them is a step function, whose slope is zero between the steps, while
    the gradient estimates that of the smooth E[f]: searches fail near an optimum or far from it (L-BFGS-B says
    ABNORMAL). With `LocalExpectation`, "local", the value is instead the mean over variables of the exact
    expectation over one of them, the others as drawn. Between its steps it is smooth, and its slope is the K-th
    part of the gradient for K variables, in the same direction; on average the steps make up for the rest. A
    step that is short enough is then accepted (by SciPy's rule while K is below 1,000), and the search ends
    where the gradient is zero. For one variable, as with "exact" for any number, there are no steps: value and
    gradient are those of E[f].

    E[f] has its optimum at infinity, where one vector has all probability, and its gradient vanishes wherever
    all variables are nearly sure. Bounds such as ``[(-6, 6)] * x0.size`` keep all categories alive; a tolerance
    such as ``gtol`` is relative to the size of f. Like any local search it can end in an optimum that is not the
    best: of several rng take the best.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.optimize import minimize
    >>> from arsm_fast import ExpectedObjective
    >>> expected = ExpectedObjective(lambda actions: ((actions - 2) ** 2).sum(axis=1), (10, 5), rng=0)
    >>> x0 = np.zeros(50)
    >>> result = minimize(expected.value_and_grad, x0, jac=True, method="L-BFGS-B", bounds=[(-6, 6)] * 50)
    >>> expected.logits(result.x).argmax(axis=1)
    array([2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        shape: tuple[int, ...] | Sequence[int],
        n_samples: int = 10,
        rng: SeedLike = None,
        estimator: Estimator | str = "local",
    ) -> None:
        if not callable(objective):
            raise TypeError(f"objective must be a function; got {type(objective).__name__}")
        self._objective = objective
        self._shape = _check_shape(shape)
        self._size = sum(self._shape) if isinstance(self._shape, list) else int(np.prod(self._shape))
        self._n_samples = check_count(n_samples, "n_samples")
        self._estimator = resolve_estimator(estimator)
        if learns(self._estimator):
            raise ValueError(
                f"estimator must not be one that learns from call to call; got {type(self._estimator).__name__}"
            )
        self._seed = int(generator_key(rng))
        self.n_evaluations = 0

    def logits(self, flat_logits: ArrayLike) -> Any:
        """Flat logits, of shape (n,), in the given shape: an array, or a list of arrays."""
        flat = np.asarray(flat_logits)
        if flat.shape != (self._size,):
            raise ValueError(
                f"flat_logits must have shape ({self._size},), those of all variables; got shape {flat.shape}"
            )
        if isinstance(self._shape, list):
            return np.split(flat, np.cumsum(self._shape)[:-1])
        return flat.reshape(self._shape)

    def value_and_grad(self, flat_logits: ArrayLike) -> tuple[float, FloatArray]:
        """The estimate of E[f] and its gradient.

        Parameters
        ----------
        flat_logits : array_like, shape (n,)
            The logits of all variables, one variable after the other.

        Returns
        -------
        value : float
            Estimate of E[f].
        gradient : ndarray of float64, shape (n,)
            Estimate of its gradient, unbiased over rng.

        Raises
        ------
        ValueError
            If the logits are of another number, or they or values of f are nan or infinite. Exceptions of f come
            through.
        """
        estimate = gradient(
            self._objective,
            self.logits(flat_logits),
            estimator=self._estimator,
            n_samples=self._n_samples,
            rng=self._seed,
        )
        self.n_evaluations += estimate.n_evaluations
        parts = estimate.gradient if isinstance(self._shape, list) else [estimate.gradient.ravel()]
        return estimate.value, np.concatenate(parts)


def _check_shape(shape: Any) -> tuple[int, ...] | list[int]:
    """A tuple is the shape of an array, a list the numbers of categories."""
    kind = tuple if isinstance(shape, tuple) else list
    if not isinstance(shape, tuple | list) or len(shape) == 0 or (kind is tuple and len(shape) > 2):
        raise ValueError(
            "shape must be a tuple (C,) or (K, C), or a list of the number of categories of each variable; "
            f"got {shape!r}"
        )
    return kind(check_integer(size, f"shape[{i}]", 1) for i, size in enumerate(shape))
