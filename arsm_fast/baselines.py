"""What REINFORCE subtracts from f, learnt from past values."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ._logits import FloatArray

__all__ = ["NVIL", "Baseline", "RunningMean"]


class Baseline(ABC):
    """A prediction of E[f] for each problem, made before f is evaluated and learnt from its values afterwards.

    It holds what it has learnt: use a new one for each objective. To write one, give it the two methods below.
    """

    @abstractmethod
    def predict(self, probabilities: list[FloatArray]) -> FloatArray:
        """The baseline of each problem, (B,).

        The probabilities are a list of B arrays, each those of all variables of a problem one after the other.
        """

    @abstractmethod
    def learn(self, probabilities: list[FloatArray], values: FloatArray) -> None:
        """Take the values of all draws, (B, n_samples), of such problems into account."""


def _check_share(value: float, name: str, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not 0 < value <= largest:
        raise ValueError(f"{name} must be above 0 and at most {largest:g}; got {value!r}")
    return float(value)


class RunningMean(Baseline):
    """The mean of all past values of a problem, or one in which they fade; 0 until there are any.

    Each problem of a batch has a mean of its own, so that it must be the same problem from call to call.

    Parameters
    ----------
    decay : float
        What the weight of past values is multiplied with at each call, above 0. The default, 1, is the plain
        mean; with less, such as 0.9, the mean follows f as the logits move.
    """

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = _check_share(decay, "decay", 1.0)
        self._weight = 0.0
        self._means = np.empty(0)

    def predict(self, probabilities: list[FloatArray]) -> FloatArray:
        """The means so far."""
        n_problems = len(probabilities)
        if self._weight == 0.0:
            return np.zeros(n_problems)
        if n_problems != self._means.size:
            raise ValueError(f"baseline has learnt {self._means.size} problems, and is now used for {n_problems}")
        return self._means.copy()

    def learn(self, probabilities: list[FloatArray], values: FloatArray) -> None:
        """Move the means towards those of the values."""
        means, n = values.mean(axis=1), values.shape[1]
        if self._weight == 0.0:
            self._means = np.zeros_like(means)
        self._weight = self.decay * self._weight + n
        self._means += n / self._weight * (means - self._means)


class NVIL(Baseline):
    """A learnt linear function of the probabilities, and a running mean of what it leaves.

    Both are shared by all problems of a batch. The probabilities are what a problem shows of itself, so that the
    problems may be others at each call, as those of a model's data are. All must have the same number of
    categories.

    Parameters
    ----------
    rate : float
        How much of its error the function unlearns at each call, above 0 and at most 1.
    decay : float
        What the weight of the past is multiplied with at each call in the running mean and in `scale`.

    Attributes
    ----------
    scale : float
        ``1 / max(1, s)``, s being the running root mean square of f less the baseline. NVIL multiplies its
        gradient with it. `gradient` does not, and so stays unbiased: multiply the step with it, as it was
        before the call.

    References
    ----------
    Mnih and Gregor, ICML 2014, section 2.3 and Algorithm 1, with probabilities in place of inputs and normalised
    least mean squares in place of a network.
    """

    def __init__(self, rate: float = 0.1, decay: float = 0.9) -> None:
        self.rate = _check_share(rate, "rate", 1.0)
        self.decay = _check_share(decay, "decay", 1.0)
        self._slope = np.empty(0)
        self._center = 0.0
        self._square = 0.0
        self._weight = 0.0

    @property
    def scale(self) -> float:
        """What NVIL multiplies its gradient with."""
        return 1.0 / max(1.0, float(np.sqrt(self._square)))

    def predict(self, probabilities: list[FloatArray]) -> FloatArray:
        """The linear function and the running mean."""
        sizes = {part.size for part in probabilities} | ({self._slope.size} if self._weight else set())
        if len(sizes) > 1:
            raise ValueError(
                "baseline NVIL is for problems of the same number of categories in all variables together; got "
                f"{sorted(sizes)}"
            )
        if not self._weight:
            return np.zeros(len(probabilities))
        baseline: FloatArray = np.stack(probabilities) @ self._slope + self._center
        return baseline

    def learn(self, probabilities: list[FloatArray], values: FloatArray) -> None:
        """A step of least squares for the function, and the mean and square of what is left."""
        inputs = np.stack(probabilities)
        if not self._weight:
            self._slope = np.zeros(inputs.shape[1])
            self._center = float(values.mean())
        errors = values - (inputs @ self._slope + self._center)[:, None]
        self._weight = self.decay * self._weight + 1.0
        self._center += float(errors.mean()) / self._weight
        self._square += (float((errors**2).mean()) - self._square) / self._weight
        step = errors.mean(axis=1) / (inputs**2).sum(axis=1)
        self._slope += self.rate * (step @ inputs) / len(values)
