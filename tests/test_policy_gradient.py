"""The policies of examples/policy_gradient.py: simulators that follow gymnasium's, returns, and a short run."""

import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from classic_control import Acrobot, CartPole
from networks import Adam, Network
from policy_gradient import (
    ActorCritic,
    Critic,
    CriticSettings,
    Held,
    Path,
    Run,
    Settings,
    SwapLearner,
    ascend,
    draw,
    entropy_gradient,
    expected,
    exploration_gradient,
    look,
    main,
    play,
    race,
    roll_out,
)

from arsm_fast import BatchEpisode

PNG = b"\x89PNG"


@pytest.mark.parametrize("simulator", [CartPole(), Acrobot()], ids=lambda simulator: simulator.name)
def test_follows_gymnasium_step_for_step(simulator):
    rng = np.random.default_rng(0)
    game = gymnasium.make(simulator.name)
    for seed in range(6):
        observation, _ = game.reset(seed=seed)
        state = np.array(game.unwrapped.state, np.float64)[None]
        np.testing.assert_allclose(simulator.observe(state)[0], observation, atol=1e-6)
        ended, step = False, 0
        while not ended and step < 60:
            action = int(rng.integers(simulator.n_actions))
            state, reward, ends = simulator.step(state, np.array([action], np.int32))
            observation, expected_reward, ended, _, _ = game.step(action)
            np.testing.assert_allclose(state[0], game.unwrapped.state, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(simulator.observe(state)[0], observation, rtol=1e-6, atol=1e-6)
            assert reward[0] == expected_reward
            assert ends[0] == ended
            step += 1
        assert ended or simulator.name == "Acrobot-v1"


def test_acrobot_that_swings_up_ends_as_gymnasium_says():
    simulator, game = Acrobot(), gymnasium.make("Acrobot-v1").unwrapped
    game.reset(seed=0)
    rng = np.random.default_rng(1)
    states = rng.uniform([-4, -4, -12, -28], [4, 4, 12, 28], (300, 4))
    states[:, :2] = (states[:, :2] + np.pi) % (2 * np.pi) - np.pi
    actions = rng.integers(0, 3, 300).astype(np.int32)
    following, rewards, ended = simulator.step(states, actions)
    for i in range(300):
        game.state = states[i].copy()
        observation, reward, terminated, _, _ = game.step(actions[i])
        # Angles that differ by a full turn are the same.
        np.testing.assert_allclose(simulator.observe(following)[i], observation, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(following[i, 2:], game.state[2:], rtol=1e-9, atol=1e-9)
        assert (rewards[i], ended[i]) == (reward, terminated)
    assert 10 < ended.sum() < 290


@pytest.mark.parametrize("simulator", [CartPole(), Acrobot()], ids=lambda simulator: simulator.name)
def test_limits_and_first_states_are_gymnasiums(simulator):
    spec = gymnasium.spec(simulator.name)
    assert simulator.limit == spec.max_episode_steps
    assert simulator.solved == spec.reward_threshold
    game = gymnasium.make(simulator.name)
    assert game.action_space.n == simulator.n_actions
    assert game.observation_space.shape == (simulator.n_observations,)
    game.reset(seed=0)
    first = np.array([(game.reset(), game.unwrapped.state)[1] for _ in range(500)])
    own = simulator.reset(500, np.random.default_rng(0))
    np.testing.assert_allclose(own.min(axis=0), first.min(axis=0), rtol=0.03)
    np.testing.assert_allclose(own.max(axis=0), first.max(axis=0), rtol=0.03)


def test_draws_have_the_probabilities_of_the_logits():
    logits = np.log([[0.2, 0.5, 0.3]])
    counts = np.bincount(draw(np.repeat(logits, 20_000, axis=0), np.random.default_rng(0)), minlength=3)
    np.testing.assert_allclose(counts / 20_000, [0.2, 0.5, 0.3], atol=0.02)


def test_returns_to_go():
    # Episode 0 has three steps, episode 1 one, episode 2 two.
    numbers, steps = np.array([0, 1, 2, 0, 2, 0]), np.array([0, 0, 0, 1, 1, 2])
    rewards = np.array([100.0, 200.0, 300.0, 400.0, 500.0, 600.0])
    path = Path(np.zeros((6, 1)), np.zeros(6, np.int32), rewards, numbers, steps, np.zeros((1, 1)), np.array([2]))
    np.testing.assert_allclose(path.returns_to_go(0.5, 10), [4.5, 2.0, 5.5, 7.0, 5.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 3), [4.5, 2.0, 5.5, 7.0, 5.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 2), [3.0, 2.0, 5.5, 7.0, 5.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 1), rewards / 100)
    # With a value of 8 in every state.
    rest = np.full(6, 8.0)
    np.testing.assert_allclose(path.returns_to_go(0.5, 3, rest), [4.5, 2.0, 5.5, 7.0, 5.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 2, rest), [5.0, 2.0, 5.5, 7.0, 5.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 1, rest), [5.0, 2.0, 7.0, 8.0, 5.0, 6.0])
    # And of 4 after episode 2, which was cut short.
    last = np.array([4.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 3, rest, last), [4.5, 2.0, 6.5, 7.0, 7.0, 6.0])
    np.testing.assert_allclose(path.returns_to_go(0.5, 1, rest, last), [5.0, 2.0, 7.0, 8.0, 7.0, 6.0])


def test_episodes_that_are_cut_short():
    environment = CartPole()

    def push_left(observations):
        return np.zeros(len(observations), np.int32)

    whole = play(environment, push_left, 20, np.random.default_rng(10))
    assert whole.last_numbers.size == 0
    path = play(environment, push_left, 20, np.random.default_rng(10), 9)
    assert path.steps.max() == 8
    later = whole.steps == 9
    assert 0 < path.last_numbers.size < 20
    np.testing.assert_array_equal(path.last_numbers, whole.numbers[later])
    np.testing.assert_array_equal(path.last_states, whole.states[later])


def test_held_actions_are_repeated_until_the_end():
    environment, rng = CartPole(), np.random.default_rng(11)
    states, actions = environment.reset(30, rng), rng.integers(0, 2, 30).astype(np.int32)
    states[:, 2:] *= 12  # some near the end, which is at 0.21 rad
    kept = states.copy()
    held = Held(environment, 4)
    assert held.limit == 125
    following, rewards, ended = held.step(states, actions)
    np.testing.assert_array_equal(states, kept)
    for i in range(30):
        state, total, end = states[i : i + 1], 0.0, False
        while not end and total < 4:
            state, (reward,), (end,) = environment.step(state, actions[i : i + 1])
            total += reward
        np.testing.assert_array_equal(following[i], state[0])
        assert (rewards[i], ended[i]) == (total, end)
    assert 0 < (rewards < 4).sum() < 30


def test_rollouts_share_the_noise_of_their_episode():
    """A rollout that begins with the true action is the rest of the episode."""
    environment, rng = CartPole(), np.random.default_rng(6)
    policy = Network([4, 10, 2], rng=rng, slope=0.0)
    settings = Settings(steps=1, enough=0, episodes=5, rollouts=1, rate=0.1, entropy=0.0, horizon=12)
    episodes = BatchEpisode(2, rng=rng)
    path = play(environment, lambda observations: episodes.act(policy(observations)), 5, rng)
    noise = path.noise_by_step(episodes.noise, environment.limit, rng)
    np.testing.assert_array_equal(race(episodes.noise, policy(path.states)), path.actions)
    decisions = np.arange(path.steps.size)
    returns, _ = roll_out(environment, policy, path, decisions, path.actions, noise, settings)
    np.testing.assert_allclose(returns, path.returns_to_go(settings.gamma, 12))
    # Also where a learned value stands for the rest.
    critic = Critic(environment, CriticSettings(), rng, 2)
    returns, _ = roll_out(environment, policy, path, decisions, path.actions, noise, settings, critic)
    rest = expected(critic(path.states), policy(path.states))
    with_rest = path.returns_to_go(settings.gamma, 12, rest)
    assert (with_rest != path.returns_to_go(settings.gamma, 12)).any()
    np.testing.assert_allclose(returns, with_rest)


def test_critic_learns_the_mean_of_returns():
    rng = np.random.default_rng(7)
    for settings in (CriticSettings(rate=0.02), CriticSettings((16,), rate=0.02, passes=3, batch=64)):
        critic = Critic(CartPole(), settings, rng, 2)
        for _ in range(300):
            observations, actions = rng.normal(size=(150, 4)), rng.integers(0, 2, 150)
            critic.learn(observations, actions, observations[:, 0] * actions + rng.normal(size=150))
        observations = rng.normal(size=(500, 4))
        truth = np.stack([np.zeros(500), observations[:, 0]], axis=1)
        assert np.mean((critic(observations) - truth) ** 2) < 0.1


@pytest.mark.parametrize("method", ["arsm", "a2c"])
def test_slower_learners_step_less(method):
    """Rates of policy and critic alike: Adam's first step is as long as the rate."""
    settings = Settings(1, 0, episodes=2, rollouts=8, rate=0.1, entropy=0.1, horizon=20, critic=CriticSettings())

    def first_step(share):
        rng, environment = np.random.default_rng(8), CartPole()
        learner = (
            ActorCritic(environment, settings, rng)
            if method == "a2c"
            else SwapLearner(environment, settings, method, rng)
        )
        parameters = [*learner.policy.parameters, *learner._critic._network.parameters]
        before = [parameter.copy() for parameter in parameters]
        learner.slow(share)
        learner.iterate()
        return max(abs(after - old).max() for after, old in zip(parameters, before, strict=True))

    assert first_step(0.0) == 0
    assert 0 < first_step(0.25) <= 0.0251 < first_step(1.0)


def test_steps_of_adam_take_batches_of_decisions():
    """The mean gradient of each batch, all decisions once; or by default one step, in episodes' units."""
    rng = np.random.default_rng(9)
    observations, gradient = rng.normal(size=(10, 4)), rng.normal(size=(10, 2))
    settings = Settings(1, 0, episodes=5, rollouts=8, rate=0.1, entropy=0.0, horizon=20)

    class Recorder(Adam):
        def descend(self, gradients):
            self.seen.append(gradients[-1])  # that of the last biases, which is a sum over decisions

    for batch, sizes, total in ((None, [10], 5), (4, [4, 3, 3], 1), (10, [10], 10)):
        policy = Network([4, 3, 2], rng=rng, slope=0.0)
        adam = Recorder(policy.parameters, 0.1)
        adam.seen = []
        ascend(policy, adam, observations, gradient, replace(settings, batch=batch), rng)
        assert len(adam.seen) == len(sizes)
        divisors = [total] if len(sizes) == 1 else sizes
        sums = sum(divisor * seen for divisor, seen in zip(divisors, adam.seen, strict=True))
        np.testing.assert_allclose(sums, -gradient.sum(axis=0))


def test_expected_value():
    values, p = np.array([[1.0, 5.0]]), np.array([[0.25, 0.75]])
    np.testing.assert_allclose(expected(values, np.log(p) + 3), [4.0])


def test_rollouts_are_episodes_that_begin_elsewhere():
    environment, rng = CartPole(), np.random.default_rng(2)
    policy = Network([4, 10, 2], rng=rng, slope=0.0)
    settings = Settings(steps=1, enough=0, episodes=1, rollouts=1, rate=0.1, entropy=0.0, horizon=500, gamma=1.0)
    states, actions = environment.reset(2000, rng), np.tile(np.array([0, 1], np.int32), 1000)
    kept = states.copy()

    def rollouts(step, settings):
        steps = np.full(2000, step)
        none = np.zeros(0, np.int64)
        path = Path(states, actions, np.ones(2000), np.arange(2000), steps, states[:0], none)
        noise = rng.standard_exponential((500, 2000, 2))
        return roll_out(environment, policy, path, np.arange(2000), actions, noise, settings)

    returns, n_steps = rollouts(3, settings)
    assert n_steps == pytest.approx(100 * returns.sum())  # a reward of 1, scaled by 0.01, at every step
    np.testing.assert_array_equal(states, kept)
    # From a first state, with the first action drawn from the policy, this is the mean return of the policy.
    p = np.exp(policy(states))
    p /= p.sum(axis=1, keepdims=True)
    importance = 2 * p[np.arange(2000), actions]
    path = play(environment, lambda observations: draw(policy(observations), rng), 2000, rng)
    assert 100 * (importance * returns).mean() == pytest.approx(path.rewards.sum() / 2000, rel=0.1)
    late, n_steps = rollouts(498, settings)
    np.testing.assert_allclose(late, 0.02)
    assert n_steps == 4000
    settings = replace(settings, horizon=5)
    returns, _ = rollouts(0, settings)
    np.testing.assert_allclose(returns, 0.05)  # the pole takes longer to fall


def test_entropy_gradient_is_that_of_differences():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(2, 3))

    def entropy(phi):
        p = np.exp(phi) / np.exp(phi).sum()
        return -(p * np.log(p)).sum()

    for row, gradient in zip(logits, entropy_gradient(logits), strict=True):
        differences = [(entropy(row + e) - entropy(row - e)) / 2e-6 for e in 1e-6 * np.eye(3)]
        np.testing.assert_allclose(gradient, differences, atol=1e-8)


def test_exploration_gradient_is_that_of_differences():
    settings = Settings(1, 0, episodes=1, rollouts=1, rate=0.1, entropy=0.3, horizon=1, barrier=0.7)
    logits = np.array([[0.2, -1.0, 0.7]])

    def worth(phi):
        p = np.exp(phi) / np.exp(phi).sum()
        return -0.3 * (p * np.log(p)).sum() + 0.7 * np.log(p).mean()

    differences = [(worth(logits + e) - worth(logits - e)) / 2e-6 for e in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(exploration_gradient(logits, settings)[0], differences, atol=1e-8)


@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1"])
def test_runs_and_repeats(name, capsys, tmp_path):
    path = tmp_path / "policy.png"
    arguments = ["--env", name, "--quick", "--plot", str(path)]
    runs = main(arguments)
    lines = capsys.readouterr().out.splitlines()
    for title in ("ARSM", "ARS", "A2C"):
        assert sum(line.startswith(title + "  ") for line in lines) == 1
    assert path.read_bytes().startswith(PNG)
    assert all(5000 <= run.curve[-1][0] < 10_000 for run in runs)
    again = main([*arguments[:3], "--methods", "arsm"])[0]
    assert again.test == runs[0].test
    assert [point[2] for point in again.curve] == [point[2] for point in runs[0].curve]


def test_arsm_learns(capsys):
    """In a few seconds much better than the 22 steps of actions at random."""
    (run,) = main(["--methods", "arsm", "--seeds", "1", "--steps", "60000"])
    assert run.test > 60


def test_equal_steps():
    curve = [(10, 0.0, 1.0), (85, 0.0, 2.0), (95, 0.0, 4.0), (120, 0.0, 8.0)]
    looks = [(10 * i, 0.6 * i, -float(i)) for i in range(25)]
    run = Run("arsm", curve, looks, None, 0.0, 0.0, 0.0)
    assert run.return_at(100) == 3.0
    assert run.return_at(5) == 1.0
    shown = run.summary().split("), ")
    assert shown[:2] == ["-0 (0, 0 s", "-2 (20, 1 s"]
    assert (len(shown), shown[-1]) == (13, "-24 (240, 14 s)")


def test_without_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(SystemExit, match=r"needs gymnasium: pip install .arsm-fast\[examples\]"):
        main(["--quick"])


def test_looks_play_whole_episodes():
    policy = Network([4, 2], rng=np.random.default_rng(4))
    policy.parameters[0][:] = 0.0
    assert look(CartPole(), policy, 200, np.random.default_rng(5)) == pytest.approx(22, abs=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "MountainCar-v0"], "'MountainCar-v0' is an environment without a copyable state"),
        (["--seeds", "0"], "--seeds must be positive; got 0"),
        (["--rate", "-1"], "--rate must be positive; got -1.0"),
        (["--gamma", "1.5"], "--gamma must be above 0 and at most 1; got 1.5"),
    ],
)
def test_refuses_bad_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in " ".join(capsys.readouterr().err.split())
