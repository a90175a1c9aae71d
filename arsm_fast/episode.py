"""Sequences of decisions: the actions of a policy, and the rollouts that its gradient needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_integer, real_array
from ._draws import true_actions
from ._logits import FloatArray, Logits, check_logits
from ._methods import Method, make_method
from ._noise import Noise
from ._random import SeedLike, generator_key
from .estimators import ARS, ARSM, Estimator, LocalExpectation, resolve_estimator
from .sampling import dirichlet_noise

__all__ = ["BatchEpisode", "Episode"]


class _Decisions:
    """Decisions in the order in which they were taken, each with its logits and its noise.

    What it remembers of a decision is as large as twice its logits. Decision d is problem d of one batch when it
    comes to pseudo actions.
    """

    def __init__(
        self,
        n_actions: int,
        *,
        n_variables: int | None = None,
        estimator: Estimator | str = "arsm",
        rng: SeedLike = None,
    ) -> None:
        self._n_actions = check_integer(n_actions, "n_actions", 1)
        variables = () if n_variables is None else (check_integer(n_variables, "n_variables", 1),)
        self._shape = (*variables, self._n_actions)
        resolved = resolve_estimator(estimator)
        if not isinstance(resolved, ARS | ARSM | LocalExpectation):
            raise ValueError(f"estimator of an episode must be ARS, ARSM or LocalExpectation; got {estimator!r}")
        self._estimator = resolved
        self._rng = np.random.default_rng(int(generator_key(rng)))
        self._weights: list[FloatArray] = []
        self._noise: list[FloatArray] = []
        self._actions: list[NDArray[np.int32]] = []
        self._method: Method | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {sum(map(len, self._actions))} decisions>"

    @property
    def steps(self) -> NDArray[np.int64]:
        """The step of each decision, that is the number of the call of `act`: shape (T,)."""
        return np.repeat(np.arange(len(self._actions)), [len(actions) for actions in self._actions])

    @property
    def noise(self) -> FloatArray:
        """The noise that each decision was drawn with: shape (T, C), or (T, K, C) with n_variables.

        The true action is ``argmin(noise * exp(-logits))``. A rollout may draw its later actions with the noise
        of the same steps of its episode (common random numbers), and with fresh noise after the end of that:
        what the pseudo action does not change then cancels in its difference, and the gradient stays unbiased,
        as the noise of a step is independent of that of the steps before. Read-only.

        Raises
        ------
        RuntimeError
            If no decision has been taken.
        """
        if not self._noise:
            raise RuntimeError("noise came before act: the episode has no decisions yet")
        noise = np.concatenate(self._noise, axis=1).reshape(-1, *self._shape)
        noise.flags.writeable = False
        return noise

    def _take(self, logits: Any) -> NDArray[np.int32]:
        """The actions, (n, K), of n decisions; logits are of a shape that was checked."""
        if self._method is not None:
            raise RuntimeError("act came after pseudo_actions, which ended the episode; start a new one")
        checked = check_logits(logits)
        noise = dirichlet_noise(logits, rng=self._rng).reshape(1, -1)
        actions = true_actions(checked, Noise(np.uint64(0), 1, noise), 1)
        self._weights.append(checked.inverse_weights)
        self._noise.append(noise)
        self._actions.append(actions.reshape(-1, int(np.prod(self._shape[:-1]))))
        return self._actions[-1]

    def pseudo_actions(self, max_rollouts: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """End the episode, and ask for the rollouts that its gradient needs.

        A rollout starts from the state of its decision, takes the pseudo action there, and then follows the
        policy with noise of its own. May be called again, for another choice of rollouts.

        Parameters
        ----------
        max_rollouts : int, optional
            Ask for so many rollouts at most, of all N chosen at random with equal probability. The differences
            that they make are weighted by ``N / max_rollouts``, the inverse of the probability with which each
            was chosen, so that the gradient, which is linear in them, stays unbiased. None are spent on steps
            without pseudo actions.

        Returns
        -------
        decisions : ndarray of int64, shape (M,)
            The decision that each rollout starts from, in ascending order. Of an `Episode` that is the step.
        actions : ndarray of int32, shape (M,), or (M, K) with n_variables
            The pseudo actions: those of a decision are distinct, and differ from its true action.

        Raises
        ------
        TypeError, ValueError
            If max_rollouts is not a whole number from 1 on.
        RuntimeError
            If no decision has been taken.
        """
        if max_rollouts is not None:
            max_rollouts = check_integer(max_rollouts, "max_rollouts", 1)
        if not self._actions:
            raise RuntimeError("pseudo_actions came before act: the episode has no decisions yet")
        if self._method is None:
            self._end()
        others = np.flatnonzero(~self._is_true)
        self._scale = 1.0
        if max_rollouts is not None and max_rollouts < others.size:
            self._scale = others.size / max_rollouts
            others = np.sort(self._rng.choice(others, max_rollouts, replace=False, shuffle=False))
        self._asked = others
        actions = self._vectors[others]
        return self._decision[others].astype(np.int64), actions.reshape(-1, *self._shape[:-1])

    def _end(self) -> None:
        true = np.concatenate(self._actions)
        n, n_variables = true.shape
        weights = np.concatenate(self._weights)
        shape = (n, n_variables, self._n_actions)
        logits = Logits(weights, None, n, n_variables, shape)
        method = make_method(logits, self._estimator, 1, self.noise.reshape(1, *shape), self._rng)
        vectors, self._decision = method.propose()
        self._vectors = vectors[:]
        self._is_true = (self._vectors == true[self._decision]).all(axis=1)
        self._method = method

    def gradient(
        self, returns_to_go: ArrayLike, rollout_returns: ArrayLike, *, discount: float = 1.0
    ) -> FloatArray:
        """Turn returns into the gradient of the expected return with respect to the logits of each decision.

        May be called again with other returns. The gradient is linear in them: with learned action values as a
        control variate it is that of what the returns differ from these, for the rollouts of a budget, plus that
        of the learned values themselves, for all pseudo actions.

        Parameters
        ----------
        returns_to_go : array_like, shape (T,)
            Of each decision, the sum of the rewards from its true action to the end of its episode.
        rollout_returns : array_like, shape (M,)
            The same of each rollout, from its pseudo action on.
        discount : float
            The gradient of step t is multiplied by ``discount**t``. Where the returns are discounted by gamma,
            ``discount=gamma`` gives the gradient of the expected discounted return from the start, without
            bias. With 1, as in most programs, late steps count as much as early ones; the gradient is then
            unbiased for returns that are not discounted, and for no objective otherwise.

        Returns
        -------
        ndarray, shape (T, C), or (T, K, C) with n_variables
            To be multiplied by the derivatives of the logits with respect to the parameters of the policy, and
            added up. Exactly zero for ARS and ARSM where a decision has no pseudo action.

        Raises
        ------
        TypeError, ValueError
            If the returns are not finite real numbers, one for each decision and rollout, or if discount is
            not in [0, 1].
        RuntimeError
            If the episode has not ended, that is before pseudo_actions.
        """
        if self._method is None:
            raise RuntimeError(
                "gradient came before pseudo_actions: the episode has not ended, and its rollouts are not known"
            )
        steps = self.steps
        returns = _check_returns(returns_to_go, "returns_to_go", steps.size, "decision")
        rollouts = _check_returns(rollout_returns, "rollout_returns", self._asked.size, "pseudo action")
        if not isinstance(discount, int | float | np.floating) or not 0 <= discount <= 1:
            raise ValueError(f"discount must be a number in [0, 1]; got {discount!r}")
        # What was not asked for makes no difference, and what was makes more.
        values = returns[self._decision]
        with np.errstate(over="ignore", invalid="ignore"):
            values[self._asked] += self._scale * (rollouts - values[self._asked])
        gradient = self._method.estimate(values).mean.reshape(steps.size, *self._shape)
        if not np.isfinite(gradient).all():
            raise ValueError("returns must be smaller: their differences are beyond float64")
        if discount != 1:
            gradient *= (float(discount) ** steps).reshape(-1, *[1] * len(self._shape))
        return gradient


class Episode(_Decisions):
    """One episode of a policy over discrete actions, and the gradient of its expected return.

    The policy acts through `act`; the episode remembers the logits and the noise of every step. When it has
    ended, `pseudo_actions` says which other actions to try, each by one rollout from the state of its step, and
    `gradient` merges their returns with those of the episode itself: equations 10 to 12 of the paper with one
    rollout for each action value. Unbiased. At most C - 1 rollouts a step, and none where the policy is so
    certain that no swap changes its action.

    Parameters
    ----------
    n_actions : int
        Actions to choose from, C. Where some are not available at a step, their logits are -inf.
    n_variables : int, optional
        Choose so many actions at each step, K, that the environment sees together. By default there is
        one, and no axis for it.
    estimator : Estimator or str
        `ARSM`, `ARS` or `LocalExpectation`, or one of their names "arsm", "ars" and "local". LocalExpectation
        asks for a rollout of every other action.
    rng : None, int, SeedSequence or Generator
        Source of the noise and of the choice of rollouts.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    References
    ----------
    Yin, Yue and Zhou, ICML 2019 (version 2), Proposition 4; the choice under a budget differs from their
    Algorithm 3, which stops at the budget without weights, and is biased.

    Examples
    --------
    Three steps of two actions, where the return is the number of times that action 1 was taken:

    >>> import numpy as np
    >>> from arsm_fast import Episode
    >>> episode = Episode(2, rng=1)
    >>> taken = np.array([episode.act(np.zeros(2)) for step in range(3)])
    >>> returns_to_go = taken[::-1].cumsum()[::-1]
    >>> steps, actions = episode.pseudo_actions()
    >>> rollouts = [actions[i] + returns_to_go[t] - taken[t] for i, t in enumerate(steps)]
    >>> episode.gradient(returns_to_go, rollouts).shape
    (3, 2)
    """

    def act(self, logits: ArrayLike) -> Any:
        """Take an action with the probabilities ``softmax(logits)``.

        Parameters
        ----------
        logits : array_like, shape (C,), or (K, C) with n_variables
            Unnormalised log-probabilities, in this state.

        Returns
        -------
        int, or ndarray of int32 of shape (K,) with n_variables
            The true action, as `sample` draws it: ``argmin(noise * exp(-logits))``.

        Raises
        ------
        TypeError, ValueError
            If the logits are not of that shape, or are nan or +inf.
        RuntimeError
            After pseudo_actions, which ends the episode.
        """
        array = real_array(logits, "logits")
        if array.shape != self._shape:
            raise ValueError(
                f"logits must have shape {self._shape} at every step, as the episode was told; "
                f"got shape {array.shape}"
            )
        actions = self._take(array)[0]
        return actions.copy() if len(self._shape) > 1 else int(actions[0])


class BatchEpisode(_Decisions):
    """Many episodes side by side: as `Episode`, with arrays of decisions.

    All begin at the first call of `act`. Those that have ended are left out of the next calls, so that these have
    fewer rows. The rows of all calls, one after the other, are decisions 0, ..., T - 1: pseudo actions, returns
    and the gradient go by these numbers, and `steps` says which call each was in. `max_rollouts` is for all
    episodes together.

    Parameters
    ----------
    n_actions : int
        Actions to choose from, C. Where some are not available in a state, their logits are -inf.
    n_variables : int, optional
        Choose so many actions at each decision, K, that the environment sees together. By default there is
        one, and no axis for it.
    estimator : Estimator or str
        `ARSM`, `ARS` or `LocalExpectation`, or one of their names "arsm", "ars" and "local". LocalExpectation
        asks for a rollout of every other action.
    rng : None, int, SeedSequence or Generator
        Source of the noise and of the choice of rollouts.

    Raises
    ------
    TypeError, ValueError
        For bad input, naming the argument.

    Examples
    --------
    A thousand episodes of one step, where action 2 is rewarded:

    >>> import numpy as np
    >>> from arsm_fast import BatchEpisode
    >>> episodes = BatchEpisode(3, rng=1)
    >>> taken = episodes.act(np.zeros((1000, 3)))
    >>> decisions, actions = episodes.pseudo_actions(max_rollouts=500)
    >>> gradient = episodes.gradient(taken == 2, actions == 2)
    >>> gradient.shape, bool(gradient.mean(axis=0)[2] > 0)
    ((1000, 3), True)
    """

    def act(self, logits: ArrayLike) -> NDArray[np.int32]:
        """Take one action in each episode that has not ended.

        Parameters
        ----------
        logits : array_like, shape (n, C), or (n, K, C) with n_variables
            Unnormalised log-probabilities in the states of these episodes. n may differ from call to call.

        Returns
        -------
        ndarray of int32, shape (n,), or (n, K) with n_variables
            The true actions.

        Raises
        ------
        TypeError, ValueError
            If the logits are not of that shape, or are nan or +inf.
        RuntimeError
            After pseudo_actions, which ends the episodes.
        """
        array = real_array(logits, "logits")
        if array.shape[1:] != self._shape or array.ndim == 0 or len(array) == 0:
            shape = ", ".join(map(str, ["n", *self._shape]))
            raise ValueError(
                f"logits must have shape ({shape}) at every step, n being 1 or more; got shape {array.shape}"
            )
        return self._take(array).reshape(-1, *self._shape[:-1]).copy()


def _check_returns(returns: ArrayLike, name: str, n: int, what: str) -> FloatArray:
    array = real_array(returns, name)
    if array.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one number for each {what}; got shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        where = int(finite.argmin())
        raise ValueError(
            f"{name} must be finite; {int((~finite).sum())} of {n} are not, the first is "
            f"{name}[{where}] = {array[where]}"
        )
    return array.astype(np.float64)
