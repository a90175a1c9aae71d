"""The lander's simulator against what gymnasium does, step for step, and a short run of the policy on it."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils import seeding
from lunar_lander import HEIGHT, PUSH, LunarLander, step_landers
from policy_gradient import main

pytest.importorskip("Box2D", reason="the extra box2d is not installed")


def begin(seed):
    """The same first state in gymnasium and here, and a generator of the dispersions that gymnasium draws."""
    game = gymnasium.make("LunarLander-v3").unwrapped
    observation, _ = game.reset(seed=seed)
    draws, _ = seeding.np_random(seed)
    heights = draws.uniform(0, HEIGHT / 2, size=12)
    push = [draws.uniform(-PUSH, PUSH) for _ in range(2)]
    draws.uniform(-1, 1, size=2)
    environment = LunarLander()
    states = environment.start(heights[None], np.array([push]), np.zeros(1, np.int64))
    np.testing.assert_allclose(environment.observe(states)[0], observation, atol=1e-6)
    return game, observation, states, draws


def follow(seed, choose):
    """Play an episode in both; the largest difference of each step, and the return and the length of both."""
    game, observation, states, draws = begin(seed)
    environment, differences, totals, ended = LunarLander(), [], np.zeros(2), False
    while not ended and len(differences) < 600:
        action = choose(game, observation)
        observation, reward, ended, _, _ = game.step(action)
        dispersions = np.array([[draws.uniform(-1, 1) for _ in range(2)]])
        states, (own_reward,), (own_ended,) = step_landers(states, np.array([action], np.int32), dispersions)
        totals += reward, own_reward
        if own_ended != ended:
            return np.array(differences), totals, False
        if not ended:
            differences.append(abs(environment.observe(states)[0] - observation).max())
    return np.array(differences), totals, True


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5])
def test_follows_gymnasium_to_a_crash(seed):
    rng = np.random.default_rng(seed)
    differences, totals, together = follow(seed, lambda *_: int(rng.choice(4, p=[0.45, 0.05, 0.45, 0.05])))
    assert together
    assert differences.max() < 1e-3
    assert totals[0] == pytest.approx(totals[1], abs=0.05)


def test_follows_gymnasium_to_landings():
    """By gymnasium's own controller, until the lander sleeps; corners of the ground may make a difference."""
    from gymnasium.envs.box2d.lunar_lander import heuristic

    alike = 0
    for seed in range(10):
        differences, totals, together = follow(seed, heuristic)
        alike += together and differences.max() < 0.05 and abs(totals[0] - totals[1]) < 0.5
    assert alike >= 8


def test_copies_have_the_same_future():
    environment, rng = LunarLander(), np.random.default_rng(5)
    states = environment.reset(3, rng)
    kept = states.copy()
    first = environment.step(states, np.array([2, 2, 1]))
    np.testing.assert_array_equal(states, kept)
    copies = environment.step(states[[1, 0, 1]].copy(), np.array([2, 2, 3]))
    np.testing.assert_array_equal(copies[0][:2], first[0][[1, 0]])
    np.testing.assert_array_equal(copies[1][:2], first[1][[1, 0]])
    assert (copies[0][2] != first[0][1]).any()


def test_dispersions_are_uniform_and_differ():
    from lunar_lander import SEED, STEP, _dispersions

    states = np.zeros((40_000, STEP + 1))
    states[:, SEED] = np.repeat(np.random.default_rng(6).integers(2**52, size=400), 100)
    states[:, STEP] = np.tile(np.arange(100), 400)
    draws = _dispersions(states).ravel()
    assert np.unique(draws).size == draws.size
    counts, _ = np.histogram(draws, bins=20, range=(-1, 1))
    assert counts.sum() == draws.size
    assert ((counts - 4000) ** 2 / 4000).sum() < 45  # chi-square of 19 degrees of freedom, 1 in 1,000
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(draws.size)


def test_first_states_and_limits_are_gymnasiums():
    spec, environment = gymnasium.spec("LunarLander-v3"), LunarLander()
    assert (environment.limit, environment.solved) == (spec.max_episode_steps, spec.reward_threshold)
    game = gymnasium.make("LunarLander-v3")
    assert game.action_space.n == environment.n_actions
    assert game.observation_space.shape == (environment.n_observations,)
    first = np.array([game.reset(seed=seed)[0] for seed in range(300)])
    own = environment.observe(environment.reset(300, np.random.default_rng(0)))
    np.testing.assert_allclose(own.min(axis=0), first.min(axis=0), rtol=0.03)
    np.testing.assert_allclose(own.max(axis=0), first.max(axis=0), rtol=0.03)


def test_runs_and_repeats(capsys):
    arguments = ["--env", "LunarLander-v3", "--quick"]
    runs = main(arguments)
    lines = capsys.readouterr().out.splitlines()
    for title in ("ARSM", "ARS", "A2C"):
        assert sum(line.startswith(title + "  ") for line in lines) == 1
    assert all(5000 <= run.curve[-1][0] < 10_000 for run in runs)
    again = main([*arguments, "--methods", "arsm"])[0]
    assert again.test == runs[0].test
    assert [point[2] for point in again.curve] == [point[2] for point in runs[0].curve]


def test_without_box2d(monkeypatch):
    def make(name):
        raise gymnasium.error.DependencyNotInstalled("Box2D is not installed")

    monkeypatch.setattr(gymnasium, "make", make)
    with pytest.raises(SystemExit, match=r"LunarLander-v3 needs Box2D: pip install .arsm-fast\[box2d\]"):
        main(["--env", "LunarLander-v3", "--quick"])
