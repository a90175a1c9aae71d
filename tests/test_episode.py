"""Episodes: against the definition, against enumeration on a small Markov decision process, and bad input."""

import itertools
import re

import naive
import numba
import numpy as np
import pytest

from arsm_fast import ARS, ARSM, BatchEpisode, Episode, LeaveOneOut, LocalExpectation, gradient

HORIZON, N_STATES, N_ACTIONS = 3, 3, 3
DISCOUNT = 0.8


class SmallProcess:
    """Random transitions and rewards over three steps; in state 2 action 0 ends the episode.

    With several decisions at a time the environment sees the vector as one number.
    """

    def __init__(self, n_variables=1, seed=4):
        rng = np.random.default_rng(seed)
        n_joint = N_ACTIONS**n_variables
        self.powers = N_ACTIONS ** np.arange(n_variables)
        self.reward = rng.normal(size=(N_STATES, n_joint))
        self.transition = rng.dirichlet(np.ones(N_STATES), size=(N_STATES, n_joint))
        self.logits = rng.normal(size=(N_STATES, n_variables, N_ACTIONS))

    def joint(self, actions):
        return actions.reshape(len(actions), -1) @ self.powers

    def ends(self, states, joint):
        return (states == 2) & (joint == 0)

    def move(self, states, joint, rng):
        cumulated = self.transition[states, joint].cumsum(axis=1)
        return np.minimum((rng.random((len(states), 1)) > cumulated).sum(axis=1), N_STATES - 1)

    def rollouts(self, states, steps, joint, gamma, rng, noise=None):
        """Returns from these states and actions on, with the policy from there.

        Its actions are drawn with ``noise(steps)`` where that is given.
        """
        returns, factor = np.zeros(len(states)), np.ones(len(states))
        running = np.ones(len(states), bool)
        steps = steps.copy()
        p = np.exp(self.logits - self.logits.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        while running.any():
            returns += running * factor * self.reward[states, joint]
            running &= ~self.ends(states, joint)
            states = self.move(states, joint, rng)
            factor *= gamma
            steps += 1
            running &= steps < HORIZON
            if noise is not None:
                actions = (noise(np.minimum(steps, HORIZON - 1)) / p[states]).argmin(axis=-1)
            else:
                draws = rng.random((*states.shape, p.shape[1], 1))
                actions = np.minimum((draws > p[states].cumsum(axis=-1)).sum(axis=-1), N_ACTIONS - 1)
            joint = self.joint(actions)
        return returns

    def exact(self, gamma, weight=None):
        """The gradient of the expected return from state 0 with respect to the table of logits.

        Steps are weighted by weight**t in place of gamma**t where weight is given.
        """
        weight = gamma if weight is None else weight
        p = np.array([[naive.softmax(row) for row in state] for state in self.logits])
        n_variables = p.shape[1]
        vectors = np.array(list(itertools.product(range(N_ACTIONS), repeat=n_variables)))
        joint = self.joint(vectors)
        joint_p = np.prod([p[:, k, vectors[:, k]] for k in range(n_variables)], axis=0)
        values = [np.zeros(N_STATES)]
        q = []
        for _ in range(HORIZON):
            going = np.array([[not self.ends(s, j) for j in joint] for s in range(N_STATES)])
            q.insert(0, self.reward[:, joint] + gamma * going * (self.transition[:, joint] @ values[0]))
            values.insert(0, (joint_p * q[0]).sum(axis=1))
        truth = np.zeros_like(self.logits)
        occupied = np.array([1.0, 0.0, 0.0])
        for t in range(HORIZON):
            for k in range(n_variables):
                for c in range(N_ACTIONS):
                    score = (vectors[:, k] == c) - p[:, k, c, None]
                    truth[:, k, c] += weight**t * occupied * (joint_p * q[t] * score).sum(axis=1)
            occupied = (occupied[:, None, None] * (joint_p * going)[..., None] * self.transition[:, joint]).sum(
                axis=(0, 1)
            )
        return truth


def run(process, episodes, n, rng):
    """Play n episodes. The states, joint actions and rewards of all decisions, and which episode each is of."""
    squeeze = process.logits.shape[1] == 1
    running, states = np.arange(n), np.zeros(n, np.int64)
    parts = []
    for _ in range(HORIZON):
        logits = process.logits[states]
        actions = episodes.act(logits[:, 0] if squeeze else logits)
        joint = process.joint(actions)
        parts.append((running, states, joint, process.reward[states, joint]))
        going = ~process.ends(states, joint)
        states = process.move(states, joint, rng)[going]
        running = running[going]
        if running.size == 0:
            break
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def returns_to_go(numbers, steps, rewards, gamma):
    returns = rewards.copy()
    following = np.zeros(numbers.max() + 1)
    for t in reversed(range(HORIZON)):
        at = steps == t
        returns[at] += gamma * following[numbers[at]]
        following = np.zeros_like(following)
        following[numbers[at]] = returns[at]
    return returns


def batch_gradient(
    process,
    estimator,
    n,
    seed,
    max_rollouts=None,
    gamma=DISCOUNT,
    factor=DISCOUNT,
    drop=False,
    share=None,
    learned=None,
):
    """The mean gradient of the table of logits over n episodes.

    Where share is given, rollouts have the noise of their episode, share steps earlier. Where action values are
    given as learned, (states, joint actions), they are the control variate.
    """
    rng = np.random.default_rng(seed)
    n_variables = process.logits.shape[1]
    variables = None if n_variables == 1 else n_variables
    episodes = BatchEpisode(N_ACTIONS, n_variables=variables, estimator=estimator, rng=rng)
    numbers, states, true, rewards = run(process, episodes, n, rng)
    steps = episodes.steps
    returns = returns_to_go(numbers, steps, rewards, gamma)
    decisions, actions = episodes.pseudo_actions(None if drop else max_rollouts)
    noise = None
    if share is not None:
        # Fresh where the episode had ended.
        table = rng.standard_exponential((HORIZON, n, n_variables, N_ACTIONS))
        table[steps, numbers] = episodes.noise.reshape(-1, n_variables, N_ACTIONS)

        def noise(steps):
            return table[steps - share, numbers[decisions]]

    joint = process.joint(actions)
    rollouts = process.rollouts(states[decisions], steps[decisions], joint, gamma, rng, noise)
    if drop:  # only the first rollouts of each episode, without weights
        order = np.lexsort((decisions, numbers[decisions]))
        first = np.searchsorted(numbers[decisions][order], numbers[decisions][order])
        late = order[np.arange(order.size) - first >= max_rollouts]
        rollouts[late] = returns[decisions[late]]
    if learned is not None:
        returns = returns - learned[states, true]
        rollouts = rollouts - learned[states[decisions], joint]
    estimate = episodes.gradient(returns, rollouts, discount=factor)
    if learned is not None:
        decisions, actions = episodes.pseudo_actions()
        others = learned[states[decisions], process.joint(actions)]
        estimate += episodes.gradient(learned[states, true], others, discount=factor)
    table = np.zeros_like(process.logits)
    np.add.at(table, states, estimate.reshape(-1, *process.logits.shape[1:]))
    return table / n


def z_scores(truth, process, *arguments, n_batches=200, n=500, **options):
    parts = np.array([batch_gradient(process, *arguments, n, seed, **options) for seed in range(n_batches)])
    error = parts.std(axis=0, ddof=1) / np.sqrt(n_batches)
    return ((parts.mean(axis=0) - truth) / error).ravel()


def assert_unbiased(*arguments, n_variables=1, **options):
    """Check the scores of several processes together: one alone has too few for a bound on their spread."""
    processes = [SmallProcess(n_variables, seed) for seed in (4, 5, 6)]
    scores = np.concatenate(
        [z_scores(p.exact(DISCOUNT), p, *arguments, n_batches=100, **options) for p in processes]
    )
    assert abs(scores).max() < 5
    assert 0.5 < np.sqrt(np.mean(scores**2)) < 1.6


@pytest.mark.parametrize("estimator", ["arsm", "ars", ARS(1), "local"], ids=repr)
@pytest.mark.parametrize("max_rollouts", [None, 100])
def test_unbiased(estimator, max_rollouts):
    assert_unbiased(estimator, max_rollouts=max_rollouts)


@pytest.mark.parametrize(
    ("estimator", "max_rollouts"),
    [("arsm", None), ("arsm", 100), ("ars", 100), (ARSM("coordinate"), 100), (LocalExpectation(1), None)],
    ids=repr,
)
def test_unbiased_with_several_variables(estimator, max_rollouts):
    assert_unbiased(estimator, n_variables=2, max_rollouts=max_rollouts)


def test_unbiased_without_discount():
    process = SmallProcess()
    scores = z_scores(process.exact(1.0), process, "arsm", gamma=1.0, factor=1.0)
    assert abs(scores).max() < 5


def test_discounted_returns_without_discounted_steps():
    # The usual choice: the steps' gradients are right, their sum is not that of the discounted return.
    process = SmallProcess()
    for weight, right in ((1.0, True), (DISCOUNT, False)):
        scores = z_scores(process.exact(DISCOUNT, weight=weight), process, "arsm", factor=1.0)
        assert (abs(scores).max() < 5) == right


@pytest.mark.parametrize(("n_variables", "max_rollouts"), [(1, None), (1, 100), (2, 100)])
def test_unbiased_with_the_noise_of_the_episode(n_variables, max_rollouts):
    assert_unbiased("arsm", n_variables=n_variables, max_rollouts=max_rollouts, share=0)


@pytest.mark.parametrize("max_rollouts", [None, 100])
def test_unbiased_with_learned_values(max_rollouts):
    """Whatever they are, as the gradient is linear in values."""
    learned = np.random.default_rng(0).normal(size=(N_STATES, N_ACTIONS))
    assert_unbiased("arsm", max_rollouts=max_rollouts, learned=learned)


def test_the_noise_of_the_step_before_would_be_found():
    process = SmallProcess()
    assert abs(z_scores(process.exact(DISCOUNT), process, "arsm", share=1)).max() > 5


def test_dropping_rollouts_without_weights_would_be_found():
    # As the published code does: the first rollouts of an episode up to the budget.
    process = SmallProcess()
    scores = z_scores(process.exact(DISCOUNT), process, "arsm", max_rollouts=2, drop=True)
    assert abs(scores).max() > 5


@pytest.mark.parametrize("estimator", ["arsm", "ars", "local", ARSM(references=2)], ids=repr)
@pytest.mark.parametrize("n_variables", [None, 3])
def test_is_the_gradient_of_each_decision(estimator, n_variables):
    """With the noise that the actions were taken with, and an action value for every vector."""
    rng = np.random.default_rng(5)
    shape = (4,) if n_variables is None else (n_variables, 4)
    steps = [1.5 * rng.normal(size=(n, *shape)) for n in (6, 4, 1)]
    logits = np.concatenate(steps)
    tables = rng.normal(size=(11, *[4] * (n_variables or 1)))
    episodes = BatchEpisode(4, n_variables=n_variables, estimator=estimator, rng=6)
    true = np.concatenate([episodes.act(part) for part in steps])
    decisions, actions = episodes.pseudo_actions()

    def value(problem, actions):
        return tables[(problem, *actions.reshape(len(actions), -1).T)]

    got = episodes.gradient(value(np.arange(11), true), value(decisions, actions))
    assert got.shape == logits.shape
    noise = episodes.noise.reshape(1, 11, n_variables or 1, 4)
    assert episodes.noise.shape == logits.shape
    assert not episodes.noise.flags.writeable
    for d in range(11):
        rows, phi = noise[0, d], logits[d].reshape(-1, 4)
        np.testing.assert_array_equal(true[d], np.squeeze(naive.true_action(rows, phi)))
        if estimator == "arsm" and n_variables is None:
            swaps = naive.pseudo_action_matrix(rows[0], phi[0])
            assert set(actions[decisions == d]) == set(swaps.ravel()) - {true[d]}
            differences = tables[d][swaps] - tables[d][swaps].mean(axis=0)
            np.testing.assert_allclose(got[d], differences @ (0.25 - rows[0]), atol=1e-14)
    if estimator in ("arsm", "local"):
        expected = gradient(
            lambda actions, problem: tables[(problem, *actions.T)],
            logits.reshape(11, -1, 4),
            estimator=estimator,
            noise=noise,
        )
        np.testing.assert_allclose(got, expected.gradient.reshape(logits.shape), atol=1e-14)


def test_an_episode_is_a_batch_of_one():
    rng = np.random.default_rng(7)
    for n_variables, shape in ((None, (3,)), (2, (2, 3))):
        logits = rng.normal(size=(5, *shape))
        alone = Episode(3, n_variables=n_variables, rng=8)
        batch = BatchEpisode(3, n_variables=n_variables, rng=8)
        for phi in logits:
            np.testing.assert_array_equal(alone.act(phi), batch.act(phi[None])[0])
        for budget in (None, 2):
            steps, actions = alone.pseudo_actions(budget)
            other_steps, other_actions = batch.pseudo_actions(budget)
            np.testing.assert_array_equal(steps, other_steps)
            np.testing.assert_array_equal(actions, other_actions)
            returns, rollouts = rng.normal(size=5), rng.normal(size=steps.size)
            np.testing.assert_array_equal(alone.gradient(returns, rollouts), batch.gradient(returns, rollouts))
        assert repr(alone) == "<Episode of 5 decisions>"


def test_pseudo_actions_are_distinct_and_within_the_budget():
    rng = np.random.default_rng(9)
    logits = rng.normal(size=(50, 5))
    logits[:, 2] = -np.inf
    episodes = BatchEpisode(5, rng=10)
    true = episodes.act(logits)
    decisions, actions = episodes.pseudo_actions()
    assert (actions != true[decisions]).all()
    assert (actions != 2).all()
    assert len(set(zip(decisions, actions, strict=True))) == len(decisions)
    assert (np.diff(decisions) >= 0).all()
    assert decisions.dtype == np.int64
    assert actions.dtype == np.int32
    chosen = set(zip(*episodes.pseudo_actions(7), strict=True))
    assert len(chosen) == 7
    assert chosen < set(zip(decisions, actions, strict=True))
    assert len(episodes.pseudo_actions(10_000)[0]) == len(decisions)
    episodes.pseudo_actions(1)
    assert (episodes.gradient(np.zeros(50), [1.0]).any(axis=1)).sum() <= 1


def test_certain_decisions_need_no_rollouts():
    episode = Episode(3, rng=11)
    assert episode.act([0.0, 800.0, 0.0]) == 1
    assert type(episode.act([0.0, -np.inf, -np.inf])) is int
    steps, actions = episode.pseudo_actions(5)
    assert steps.size == actions.size == 0
    np.testing.assert_array_equal(episode.gradient([3.0, 1.0], []), np.zeros((2, 3)))


def test_returns_that_were_refused_can_be_given_again():
    episode = Episode(2, rng=0)
    for _ in range(4):
        episode.act([0.0, 0.0])
    steps, _ = episode.pseudo_actions()
    first = episode.gradient(np.zeros(4), np.ones(steps.size))
    with pytest.raises(ValueError, match="rollout_returns"):
        episode.gradient(np.zeros(4), np.ones(steps.size + 1))
    np.testing.assert_array_equal(episode.gradient(np.zeros(4), np.ones(steps.size)), first)


def test_inputs_are_kept_as_they_were():
    logits = np.zeros((3, 2))
    episodes = BatchEpisode(2, rng=0)
    actions = episodes.act(logits)
    before = actions.copy()
    logits[:] = 50.0 * np.eye(2)[[0, 1, 0]]
    actions[:] = 9  # neither matters to the episode any more
    decisions, pseudo = episodes.pseudo_actions()
    assert (pseudo == 1 - before[decisions]).all()
    returns = np.zeros(3)
    episodes.gradient(returns, np.ones(decisions.size), discount=0.5)
    assert not returns.any()


def test_same_bits_for_any_number_of_threads_and_kind_of_rng():
    def gradient_of(rng):
        episodes = BatchEpisode(6, rng=rng)
        for n in (700, 300):
            episodes.act(np.random.default_rng(n).normal(size=(n, 6)))
        decisions, actions = episodes.pseudo_actions(400)
        return episodes.gradient(np.arange(1000.0), np.cos(decisions + actions))

    expected = gradient_of(3)
    before = numba.get_num_threads()
    try:
        for n_threads in (1, 2, 4):
            numba.set_num_threads(n_threads)
            np.testing.assert_array_equal(gradient_of(np.random.SeedSequence(3)), expected)
    finally:
        numba.set_num_threads(before)
    assert (gradient_of(None) != gradient_of(None)).any()


def ended(n=3):
    episode = Episode(3, rng=1)
    for _ in range(n):
        episode.act(np.zeros(3))
    episode.pseudo_actions()
    return episode


N_ROLLOUTS = len(ended().pseudo_actions()[0])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Episode(0), ValueError, "n_actions must be at least 1; got 0"),
        (lambda: Episode(2.0), TypeError, "n_actions must be an integer; got 2.0"),
        (lambda: Episode(2, n_variables=0), ValueError, "n_variables must be at least 1; got 0"),
        (lambda: Episode(2, rng="x"), TypeError, "rng must be None, a non-negative int"),
        (lambda: Episode(2, estimator="arms"), ValueError, "estimator must be one of"),
        (
            lambda: Episode(2, estimator=LeaveOneOut(3)),
            ValueError,
            "estimator of an episode must be ARS, ARSM or LocalExpectation; got LeaveOneOut(n=3)",
        ),
        (
            lambda: Episode(3).act(np.zeros(2)),
            ValueError,
            "logits must have shape (3,) at every step, as the episode was told; got shape (2,)",
        ),
        (lambda: Episode(3, n_variables=2).act(np.zeros(3)), ValueError, "logits must have shape (2, 3) at"),
        (
            lambda: BatchEpisode(3).act(np.zeros(3)),
            ValueError,
            "logits must have shape (n, 3) at every step, n being 1 or more; got shape (3,)",
        ),
        (lambda: BatchEpisode(3).act(np.zeros((0, 3))), ValueError, "n being 1 or more; got shape (0, 3)"),
        (
            lambda: BatchEpisode(3, n_variables=2).act(np.zeros((4, 3, 2))),
            ValueError,
            "logits must have shape (n, 2, 3) at every step, n being 1 or more; got shape (4, 3, 2)",
        ),
        (lambda: BatchEpisode(3).act(1.0), ValueError, "got shape ()"),
        (lambda: Episode(2).act(["a", "b"]), TypeError, "logits must be real numbers; got dtype <U1"),
        (lambda: Episode(2).act([0.0, np.nan]), ValueError, "logits must not be nan; got 1 such, the first at"),
        (
            lambda: ended().act(np.zeros(3)),
            RuntimeError,
            "act came after pseudo_actions, which ended the episode",
        ),
        (
            lambda: Episode(2).pseudo_actions(),
            RuntimeError,
            "pseudo_actions came before act: the episode has no decisions yet",
        ),
        (lambda: Episode(2).noise, RuntimeError, "noise came before act: the episode has no decisions yet"),
        (lambda: ended().pseudo_actions(0), ValueError, "max_rollouts must be at least 1; got 0"),
        (lambda: ended().pseudo_actions(1.5), TypeError, "max_rollouts must be an integer; got 1.5"),
        (
            lambda: Episode(2).gradient([], []),
            RuntimeError,
            "gradient came before pseudo_actions: the episode has not ended, and its rollouts are not known",
        ),
        (
            lambda: ended().gradient(np.zeros(2), np.zeros(N_ROLLOUTS)),
            ValueError,
            "returns_to_go must have shape (3,), one number for each decision; got shape (2,)",
        ),
        (
            lambda: ended().gradient(np.zeros(3), np.zeros((N_ROLLOUTS, 1))),
            ValueError,
            f"rollout_returns must have shape ({N_ROLLOUTS},), one number for each pseudo action; got shape (",
        ),
        (
            lambda: ended().gradient([0.0, np.nan, 0.0], np.zeros(N_ROLLOUTS)),
            ValueError,
            "returns_to_go must be finite; 1 of 3 are not, the first is returns_to_go[1] = nan",
        ),
        (
            lambda: ended().gradient(np.zeros(3), np.full(N_ROLLOUTS, np.inf)),
            ValueError,
            f"rollout_returns must be finite; {N_ROLLOUTS} of {N_ROLLOUTS} are not, the first is rollout_",
        ),
        (
            lambda: ended().gradient(np.zeros(3), ["a"] * N_ROLLOUTS),
            TypeError,
            "rollout_returns must be real numbers; got dtype <U1",
        ),
        (
            lambda: ended().gradient(np.zeros(3), np.zeros(N_ROLLOUTS), discount=1.5),
            ValueError,
            "discount must be a number in [0, 1]; got 1.5",
        ),
        (
            lambda: ended().gradient(np.zeros(3), np.zeros(N_ROLLOUTS), discount="x"),
            ValueError,
            "discount must be a number in [0, 1]; got 'x'",
        ),
        (
            lambda: ended().gradient(np.full(3, 1e308), np.full(N_ROLLOUTS, -1e308)),
            ValueError,
            "returns must be smaller: their differences are beyond float64",
        ),
    ],
)
def test_bad_input(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_refused_logits_take_no_decision():
    episode = Episode(2, rng=0)
    with pytest.raises(ValueError, match="logits"):
        episode.act([0.0, np.nan])
    assert episode.steps.size == 0
