"""The estimators for relaxed objectives and relaxed noise, as settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._checks import check_positive
from ._frozen import Setting
from .control_network import ControlNetwork

__all__ = ["REBAR", "RELAX", "GumbelSoftmax", "MuProp", "Relaxed"]

Relaxed = Callable[..., Any]
"""A function of relaxed points, to their values and gradients."""


class WithRelaxed(Setting):
    """What estimators that need a relaxed objective have in common."""

    relaxed: Relaxed | None = None

    def __post_init__(self) -> None:
        if self.relaxed is not None and not callable(self.relaxed):
            raise TypeError(f"relaxed must be a function of relaxed points; got {self.relaxed!r}")


class GumbelSoftmax(WithRelaxed):
    """The gradient of the relaxed objective at softmax(z / temperature): **biased**.

    ``d F(s) / d phi`` with ``s = softmax(z / temperature)`` and z the logits phi plus Gumbel noise, F being the
    relaxed objective. It is the gradient of E[F(s)], not of E[f]: the bias falls with the temperature, and the
    variance rises. The gradient of each variable sums to zero. f itself is not evaluated, and the value too is
    that of the relaxed objective; one evaluation of F a sample.

    Parameters
    ----------
    relaxed : callable, optional
        The relaxed objective F: from points, float64 of shape (M, K, C), to a pair of values, (M,), and gradients
        with respect to the points, in their shape. Points have the shape of the actions that f gets, and an axis
        more for categories; of the largest number of them, where the variables have different ones. For logits of
        shape (B, K, C) it gets the problem of each point too, as f does. By default the attribute ``relaxed`` of
        the objective that `gradient` is given, or for an array of values ``sum_c s_c f(c)``.
    temperature : float
        Of the softmax.
    straight_through : bool
        Evaluate F and its gradient at the one-hot vector of the largest z, and take that gradient through the
        softmax as if it were at s. Biased too, but the value is not.

    References
    ----------
    Jang, Gu and Poole, ICLR 2017; Maddison, Mnih and Teh, ICLR 2017 (the Concrete distribution).
    """

    temperature: float = 0.5
    straight_through: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self.temperature, "temperature")
        if not isinstance(self.straight_through, bool):
            raise TypeError(f"straight_through must be True or False; got {self.straight_through!r}")


class REBAR(WithRelaxed):
    """REINFORCE with the relaxed objective as its control variate.

    ``[f(b) - c(z~)] (1[b = i] - p_i) + d c(z) / d phi - d c(z~) / d phi`` with b the largest of z, the logits
    phi plus Gumbel noise, z~ a second draw of z given b, and ``c(z) = eta F(softmax(z / temperature))``, F
    being the relaxed objective. z~ is ``-log(e_b / sum(w))`` at b and ``-log(e_b / sum(w) + e_i / w_i)``
    elsewhere, with w = exp(phi) and exponential noise e that is held fixed in its derivative. Unbiased for
    every F, eta and temperature; the gradient of each variable sums to zero. One evaluation of f and two of F a
    sample; only the former are counted. The rest is NumPy, and takes tens of times as long as drawing actions.

    Parameters
    ----------
    relaxed : callable, optional
        The relaxed objective F, as for `GumbelSoftmax`.
    temperature : float
        Of the softmax.
    eta : float
        Scale of the control variate. The paper learns it and the temperature, which here stay as they are.

    References
    ----------
    Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein, NeurIPS 2017, for two categories; Grathwohl, Choi, Wu,
    Roeder and Duvenaud, ICLR 2018, for any number.
    """

    temperature: float = 0.5
    eta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self.temperature, "temperature")
        if isinstance(self.eta, bool) or not isinstance(self.eta, int | float | np.integer | np.floating):
            raise TypeError(f"eta must be a number; got {self.eta!r}")
        if not np.isfinite(self.eta):
            raise ValueError(f"eta must be finite; got {self.eta!r}")


class MuProp(WithRelaxed):
    """REINFORCE with the relaxed objective's linear part at the mean as its control variate.

    ``[f(b) - F(p) - F'(p) . (b - p)] (1[b = i] - p_i)`` and the gradient of ``F'(p) . p``, with the slope F'(p)
    of the relaxed objective F held fixed, and b as a one-hot vector. Unbiased for every F; the gradient of each
    variable sums to zero. Where F is linear it is the gradient itself, without noise. One evaluation of f a
    sample, and one of F for all samples; only the former are counted.

    Parameters
    ----------
    relaxed : callable, optional
        The relaxed objective F, as for `GumbelSoftmax`.

    References
    ----------
    Gu, Levine, Sutskever and Mnih, ICLR 2016, without its learnt baseline.
    """


class RELAX(Setting):
    """REINFORCE with a network as its control variate, which learns to make the variance small.

    As `REBAR`, with ``c(z) = control(softmax(z / temperature))``. f need not be relaxed: it is asked at actions
    only. Unbiased, as the network learns from past calls only; the gradient of each variable sums to zero. One
    evaluation a sample. The first call has no control variate, and the next ones hardly more than the mean of
    the values so far as a baseline. Its network is NumPy: a sample takes nearly a hundred times as long as
    drawing the actions, for an f that takes longer.

    Parameters
    ----------
    control : ControlNetwork
        Keeps what it has learnt: a new one for each objective.
    temperature : float
        Of the softmax.

    References
    ----------
    Grathwohl, Choi, Wu, Roeder and Duvenaud, ICLR 2018.
    """

    control: ControlNetwork
    temperature: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.control, ControlNetwork):
            raise TypeError(f"control must be a ControlNetwork; got {self.control!r}")
        check_positive(self.temperature, "temperature")
