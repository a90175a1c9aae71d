"""How an optimiser goes on from values to new proposals, as settings: small frozen dataclasses with names."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ._frozen import Setting

__all__ = ["Adam", "Annealing", "GradientDescent", "Momentum", "NaturalGradient", "Update", "resolve_update"]

Utilities = Literal["rank", "standard", "none"]


def _check_number(value: object, name: str, least: float, below: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number; got {value!r}")
    if not least < value < below:
        raise ValueError(f"{name} must be above {least:g} and below {below:g}; got {value!r}")


class Annealing(Setting):
    """Change a few variables at a time, and accept what is worse less and less often.

    It holds one vector. A step proposes to change some variables, each alone, in the order in which the changes
    were last tried; every one that makes f worse by d is accepted with probability ``exp(-d / T)``, and what was
    accepted is made together, checked, and taken back where it does not hold. This is Gibbs sampling from the
    product distribution that the natural gradient of ``E[f] - T entropy`` has as its fixed point, with the local
    expectations of the vector that it holds. The temperature T falls linearly to zero over the budget; it begins
    at ``temperature * sqrt(sweeps)`` times the typical change of f, sweeps being how often the budget allows to
    try every change, but no higher than ``highest`` times. Without a budget it goes through cycles, each twice as
    long as the one before. It needs no step size, and only differences of f matter.

    The logits of the distribution are minus the changes of f last measured, divided by T.

    Parameters
    ----------
    temperature : float
        Of a budget of one sweep, relative to the median change of f.
    highest : float
        The highest temperature.

    References
    ----------
    Kirkpatrick, Gelatt and Vecchi, Science 220, 1983.
    """

    temperature: float = 0.075
    highest: float = 0.6

    def __post_init__(self) -> None:
        _check_number(self.temperature, "temperature", 0.0, 100.0)
        _check_number(self.highest, "highest", 0.0, 100.0)


class _Gradient(Setting):
    """What all updates by a gradient share."""

    step: float = 0.2
    utilities: Utilities = "rank"
    margin: float = 0.2

    def __post_init__(self) -> None:
        _check_number(self.step, "step", 0.0, float("inf"))
        if self.utilities not in ("rank", "standard", "none"):
            raise ValueError(f'utilities must be "rank", "standard" or "none"; got {self.utilities!r}')
        _check_number(self.margin, "margin", 0.0, 1.0)


_PARAMETERS = """

    Parameters
    ----------
    step : float
        The step size.
    utilities : {"rank", "standard", "none"}
        What stands for f in the gradient: the ranks of a step's values, these values with mean 0 and standard
        deviation 1, or the values as they are. The first two need no step size of their own for each problem; the
        gradient is then no longer unbiased for that of E[f].
    margin : float
        No category's probability falls below margin / (K C), of K variables and C categories.
"""


class NaturalGradient(_Gradient):
    """Change the probabilities by the gradient with respect to the logits.

    This is the natural gradient of a categorical variable, with the expectations of the indicators as parameters;
    with `LeaveOneOut` and ranks it is the update of PBIL and of the information-geometric family.
    """


class GradientDescent(_Gradient):
    """Change the logits against the gradient."""

    step: float = 1.5


class Momentum(_Gradient):
    """Gradient descent with a running sum of gradients, which keeps 0.9 of itself each step."""

    step: float = 0.15


class Adam(_Gradient):
    """Adam: means of the gradient and of its square, over about 10 and 100 steps.

    References
    ----------
    Kingma and Ba, ICLR 2015.
    """

    step: float = 0.15


for _class in (NaturalGradient, GradientDescent, Momentum, Adam):
    _class.__doc__ = (_class.__doc__ or "").rstrip() + _PARAMETERS

Update = Annealing | NaturalGradient | GradientDescent | Momentum | Adam

_BY_NAME: dict[str, type[Update]] = {
    "annealing": Annealing,
    "natural": NaturalGradient,
    "gradient": GradientDescent,
    "momentum": Momentum,
    "adam": Adam,
}


def resolve_update(update: Update | str) -> Update:
    """The update that was given, or the default one of that name."""
    if isinstance(update, str) and update in _BY_NAME:
        return _BY_NAME[update]()
    if isinstance(update, Update):
        return update
    known = ", ".join(repr(name) for name in _BY_NAME)
    classes = ", ".join(f"{cls.__name__}()" for cls in _BY_NAME.values())
    raise ValueError(f"optimizer must be one of {known}, or one of {classes}; got {update!r}")
