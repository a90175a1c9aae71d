"""Gradients through several stochastic layers, each drawn given the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from ._checks import check_integer, check_values, real_array
from ._draws import true_actions
from ._frozen import Frozen
from ._logits import FloatArray, Logits, check_logits
from ._methods import make_method
from ._noise import Noise
from ._random import SeedLike, generator_key
from .estimators import Auto, ControlVariate, Estimator, Exact, ScopedLeaveOneOut, resolve_estimator
from .proposals import Proposal
from .relaxed_estimators import RELAX, WithRelaxed
from .sampling import dirichlet_noise

__all__ = ["HierarchicalEstimate", "hierarchical_gradient"]

ActionArray = NDArray[np.int32]

# Vectors are completed and evaluated in parts, whose logits in the largest layer are so many, 16 MiB.
PART_LOGITS = 2**21


class HierarchicalEstimate(Frozen):
    """An estimate of the gradient of E[f] with respect to the logits of every layer.

    Attributes
    ----------
    actions : list of ndarray of int32, shape (batch, K_t)
        The true path: one draw of all layers for each problem. Read-only.
    gradients : list of ndarray, shape (batch, K_t, C_t)
        With respect to each layer's logits at its inputs on the true path. For parameters apply the chain rule
        to these and sum: that is unbiased, as the true path is a draw from the network.
    value : ndarray, shape (batch,)
        Estimate of E[f] by problem, from all evaluations.
    n_evaluations : int
        Paths whose values the estimate uses.
    """

    actions: list[ActionArray]
    gradients: list[FloatArray]
    value: FloatArray
    n_evaluations: int


def hierarchical_gradient(
    objective: Callable[..., Any],
    layers: Sequence[Callable[..., Any]],
    *,
    batch: int = 1,
    estimator: Estimator | str | Sequence[Estimator | str] = "arsm",
    share_noise: bool = True,
    rng: SeedLike = None,
) -> HierarchicalEstimate:
    """Estimate the gradient of E[f(z_1, ..., z_T)] with respect to the logits of layers z_t ~ q(z_t | z_{t-1}).

    For each problem a true path is drawn from the first layer to the last. Then, layer by layer, the estimator
    proposes vectors of that layer given its true parents. Of these, one that differs from the true vector is
    completed by draws of the layers below, and its path evaluated; the true vector has the value of the true
    path.

    Parameters
    ----------
    objective : callable
        ``objective(actions, problem) -> (M,)`` values: actions is a list of the layers' vectors, int32 of shape
        (M, K_t), problem the number of the problem that each path belongs to, int32 of shape (M,).
    layers : sequence of callables
        ``layer(actions, problem) -> (M, K_t, C_t)`` logits, given the vectors of the layer before, int32 of
        shape (M, K_{t-1}), or None for the first layer. -inf makes a category unavailable.
    batch : int
        Number of problems. Several samples of one problem are several problems here.
    estimator : Estimator or str, or sequence of them
        For all layers, or one for each: any but `ControlVariate`, or the name of a default one. With
        `LeaveOneOut` one of a layer's draws is the true vector and each of the others is completed; with `Exact`
        there is one completion of each vector of a layer, so that only a single layer's gradient is exact; with
        `DisARM` neither of a pair is the true one. `RELAX` needs a control of its own for each layer, which
        learns by problem: keep them, and the order of the problems, from call to call. Those that need a relaxed
        objective are for a single layer.
    share_noise : bool
        Complete all vectors of a problem with the noise of its true path, so that what does not depend on the
        vector does not change; otherwise each with noise of its own. Both are unbiased.
    rng : None, int, SeedSequence or Generator
        Source of all noise. The same seed gives the same bits for any number of threads.

    Returns
    -------
    HierarchicalEstimate
        The true path, the gradients by layer, the value and the number of evaluations: one for the true path of
        each problem, and one for every other distinct vector of each problem and layer.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument, before any function is called; or for logits or values that a
        function should not return. Exceptions of the functions come through unchanged.

    Notes
    -----
    Unbiased, as the expected value of a path with given vectors up to layer t does not depend on the noise of
    that layer, and the estimators are linear in values. Memory is bounded: vectors are completed and evaluated
    in parts, of which the result does not depend.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), section 3: hierarchical settings.

    Examples
    --------
    >>> import numpy as np
    >>> from arsm_fast import hierarchical_gradient
    >>> weights = np.random.default_rng(0).normal(size=(2, 3, 4, 5))  # two parents of three categories
    >>> layers = [
    ...     lambda _, problem: np.zeros((len(problem), 2, 3)),
    ...     lambda actions, problem: weights[0][actions[:, 0]] + weights[1][actions[:, 1]],
    ... ]
    >>> def f(actions, problem):
    ...     return (actions[0].sum(axis=1) - actions[1].sum(axis=1)) ** 2
    >>> estimate = hierarchical_gradient(f, layers, batch=8, rng=0)
    >>> [gradient.shape for gradient in estimate.gradients]
    [(8, 2, 3), (8, 4, 5)]
    """
    network = _Network(objective, layers)
    n_problems = check_integer(batch, "batch", 1)
    estimators = _check_estimators(estimator, network.n_layers)
    if not isinstance(share_noise, bool):
        raise TypeError(f"share_noise must be True or False; got {share_noise!r}")
    key = int(generator_key(rng))

    problem = _read_only(np.arange(n_problems, dtype=np.int32))
    path: list[ActionArray] = []
    proposals: list[Proposal] = []
    path_noise: list[FloatArray] = []
    for t, resolved in enumerate(estimators):
        logits = network.logits(t, path, problem)
        seed = np.random.SeedSequence(key, spawn_key=(t,))
        method = make_method(logits, resolved, 1, None, seed)
        proposals.append(Proposal(logits, method, 1, exact=isinstance(resolved, Exact)))
        path.append(_draw(logits, Noise(generator_key(seed), 1)))
        if share_noise:
            path_noise.append(dirichlet_noise(np.zeros((n_problems, *network.shapes[t])), rng=seed)[0])
    true_values = network.evaluate(path, problem)

    n_evaluations = n_problems
    estimates = []
    for t, proposal in enumerate(proposals):
        below = range(t + 1, network.n_layers)
        noise: list[_Noise]
        if share_noise:
            noise = [_Shared(path_noise[s]) for s in below]
        else:
            noise = [_Fresh(np.random.default_rng(np.random.SeedSequence(key, spawn_key=(t, s)))) for s in below]
        values = true_values[proposal.problem]
        start = 0
        for vectors, owner in proposal.batches(network.part_size(t)):
            changed = np.flatnonzero((vectors != path[t][owner]).any(axis=1))
            if changed.size:
                own = _read_only(owner[changed])
                known = [*(_read_only(layer[own]) for layer in path[:t]), _read_only(vectors[changed])]
                values[start + changed] = network.evaluate(network.complete(known, own, noise), own)
            n_evaluations += changed.size
            start += owner.size
        estimates.append(proposal.estimate(values))
    gradients = [estimate.gradient for estimate in estimates]
    value = np.mean([estimate.value for estimate in estimates], axis=0)
    return HierarchicalEstimate(path, gradients, value, n_evaluations)


def _check_estimators(estimator: Any, n_layers: int) -> list[Estimator]:
    """One for each layer."""
    if not isinstance(estimator, list | tuple):
        estimator = [estimator] * n_layers
    if len(estimator) != n_layers:
        raise ValueError(
            f"estimator must be one for all layers, or one for each of {n_layers}; got {len(estimator)}"
        )
    resolved = [resolve_estimator(own) for own in estimator]
    for own in resolved:
        if isinstance(own, ControlVariate):
            raise ValueError("estimator ControlVariate is for one problem and one layer; give the one inside it")
        if isinstance(own, WithRelaxed) and n_layers > 1:
            raise ValueError(
                f"estimator {type(own).__name__} needs a relaxed objective, which several layers have not"
            )
        if isinstance(own, Auto | ScopedLeaveOneOut):
            raise ValueError(f"estimator {type(own).__name__} is not for layers; give one that asks for f")
    controls = {id(own.control) for own in resolved if isinstance(own, RELAX)}
    if len(controls) < sum(isinstance(own, RELAX) for own in resolved):
        # It would learn from the values of one layer what it then is for the next.
        raise ValueError("estimator RELAX needs a control of its own for each layer; give one RELAX for each")
    return resolved


@dataclass(eq=False, repr=False)
class _Shared:
    """The noise of the true path at one layer, (batch, K, C)."""

    noise: FloatArray

    def __call__(self, problem: ActionArray, shape: tuple[int, ...]) -> FloatArray:
        """That of each path's problem."""
        return self.noise[problem]


@dataclass(eq=False, repr=False)
class _Fresh:
    """Noise of its own for each path at one layer, path after path from one stream."""

    generator: np.random.Generator

    def __call__(self, problem: ActionArray, shape: tuple[int, ...]) -> FloatArray:
        """Exponentials: for who wins a race they need not sum to one."""
        return self.generator.standard_exponential(shape)


_Noise = _Shared | _Fresh


class _Network:
    """The user's functions, and checks of what they return."""

    def __init__(self, objective: Any, layers: Any) -> None:
        if not callable(objective):
            raise TypeError(f"objective must be a function of actions and problems; got {objective!r}")
        if isinstance(objective, Dispatcher):
            raise TypeError(
                "objective must be a Python function, which is given a list of arrays and may call compiled "
                f"functions; got {objective!r}, which Numba compiled"
            )
        if callable(layers) or not isinstance(layers, Sequence):
            raise TypeError(f"layers must be a sequence of functions, from the first layer on; got {layers!r}")
        if not layers:
            raise ValueError("layers must have at least one function; got none")
        for t, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"layers[{t}] must be a function of actions and problems; got {layer!r}")
        self._objective = objective
        self._layers = layers
        self.shapes: list[tuple[int, ...]] = []

    @property
    def n_layers(self) -> int:
        """How many layers there are."""
        return len(self._layers)

    def part_size(self, t: int) -> int:
        """How many vectors of a layer to complete at a time."""
        return max(1, PART_LOGITS // max(k * c for k, c in self.shapes[t:]))

    def logits(self, t: int, path: list[ActionArray], problem: ActionArray) -> Logits:
        """The logits of a layer, given the vectors of the layers before."""
        answer = real_array(self._layers[t](path[t - 1] if t else None, problem), f"logits from layers[{t}]")
        if t == len(self.shapes):
            if answer.ndim != 3 or len(answer) != problem.size or answer.size == 0:
                raise ValueError(
                    f"layers[{t}] must return logits of shape (M, K, C), here with M = {problem.size}; "
                    f"got shape {answer.shape}"
                )
            self.shapes.append(answer.shape[1:])
        elif answer.shape != (problem.size, *self.shapes[t]):
            raise ValueError(
                f"layers[{t}] must return logits of shape {(problem.size, *self.shapes[t])}, of as many "
                f"variables and categories as for the true path; got shape {answer.shape}"
            )
        try:
            return check_logits(answer)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layers[{t}] returned logits that cannot be used: {error}") from None

    def complete(
        self, path: list[ActionArray], problem: ActionArray, noise: Sequence[_Noise]
    ) -> list[ActionArray]:
        """Draw the layers below those given."""
        for own_noise, t in zip(noise, range(len(path), self.n_layers), strict=True):
            logits = self.logits(t, path, problem)
            given = own_noise(problem, (problem.size, *self.shapes[t])).reshape(1, -1)
            path.append(_draw(logits, Noise(np.uint64(0), 1, given)))
        return path

    def evaluate(self, path: list[ActionArray], problem: ActionArray) -> FloatArray:
        """The values of whole paths."""
        return check_values(self._objective(list(path), problem), cast(ActionArray, _Paths(path))).copy()


class _Paths:
    """Paths one by one, for messages."""

    def __init__(self, path: list[ActionArray]) -> None:
        self._path = path

    def __len__(self) -> int:
        return len(self._path[0])

    def __getitem__(self, i: int) -> Any:
        return np.concatenate([actions[i] for actions in self._path])


def _draw(logits: Logits, noise: Noise) -> ActionArray:
    """The winners of one race for each variable, (M, K)."""
    return _read_only(true_actions(logits, noise, 1).reshape(logits.n_problems, logits.n_variables))


def _read_only(array: ActionArray) -> ActionArray:
    """Functions that write into what they are given would spoil what comes after."""
    array.flags.writeable = False
    return array
