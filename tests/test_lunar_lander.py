"""Copies of states of LunarLander-v3 against what gymnasium does, and a short run of the policy on it."""

import sys

import gymnasium
import numpy as np
import pytest
from lunar_lander import BODIES_EVERY, SETTLED, WORLDS, LunarLander
from policy_gradient import main

pytest.importorskip("Box2D", reason="the extra box2d is not installed")


def fly(environment, seed, n_steps=1000):
    """An episode whose engines fire at random, mostly downwards; its states and rewards."""
    rng = np.random.default_rng(seed)
    states = environment.reset(1, rng)
    path, rewards, ended = [states[0]], [], False
    while not ended and len(rewards) < n_steps:
        action = rng.choice(4, p=[0.45, 0.05, 0.45, 0.05])
        states, reward, (ended,) = environment.step(states, np.array([action]))
        path.append(states[0])
        rewards.append(reward[0])
    return path, rewards


def follow(environment, path, start, n_steps):
    """The rewards of the actions of a path, from a copy of one of its states on; the largest difference."""
    states, rewards, difference = np.array([path[start]], object), [], 0.0
    for state in path[start + 1 : start + 1 + n_steps]:
        states, reward, _ = environment.step(states, np.array([state.action]))
        rewards.append(reward[0])
        difference = max(difference, abs(states[0].observation - state.observation).max())
    return np.array(rewards), difference


def test_is_gymnasiums_bit_for_bit():
    environment, game = LunarLander(), gymnasium.make("LunarLander-v3")
    for seed in range(3):
        path, rewards = fly(environment, seed)
        observation, _ = game.reset(seed=path[0].episode.seed)
        np.testing.assert_array_equal(environment.observe(np.array(path[:1], object))[0], observation)
        for state, reward in zip(path[1:], rewards, strict=True):
            observation, expected, ended, _, _ = game.step(state.action)
            np.testing.assert_array_equal(state.observation, observation)
            assert reward == expected
            assert ended == (state is path[-1])


def test_a_first_state_is_played_again_bit_for_bit():
    environment = LunarLander()
    path, rewards = fly(environment, 3)
    again, difference = follow(environment, path, 0, 1000)
    assert difference == 0
    np.testing.assert_array_equal(again, rewards)
    assert environment.repeated == 0
    again, difference = follow(environment, path, BODIES_EVERY - 1, 1000)
    assert difference == 0
    assert environment.repeated == BODIES_EVERY - 1


def test_copies_in_the_air_follow_the_original():
    environment, rng = LunarLander(), np.random.default_rng(4)
    n_copies = 0
    for seed in range(8):
        path, rewards = fly(environment, seed)
        # Until the first of those states that have their bodies and touch something.
        free = next((state.step for state in path if state.bodies and not state.bodies.free), len(path))
        for start in rng.integers(0, free - 12, 2 * WORLDS):
            again, difference = follow(environment, path, start, 8)
            assert difference < 0.01
            np.testing.assert_allclose(again, rewards[start : start + 8], atol=0.06)
            n_copies += difference < 1e-4
        assert len(path[0].episode.worlds) == WORLDS
    assert n_copies > 0.95 * 16 * WORLDS


def test_copies_on_the_ground_are_played_from_a_state_in_the_air_or_long_ago():
    environment = LunarLander()
    path, _ = land(environment)
    touching = next(state.step for state in path if state.bodies and not state.bodies.free)
    assert len(path) > touching + SETTLED
    for start in (touching, len(path) - 2):
        before = environment.repeated
        follow(environment, path, start, 1)
        assert BODIES_EVERY <= environment.repeated - before <= SETTLED + BODIES_EVERY


def test_a_copied_landing_ends_as_the_original():
    """The time at rest, which cannot be seen, is played again; but what rest is, is a matter of digits."""
    environment = LunarLander()
    path, rewards = land(environment)
    assert rewards[-1] == 100
    for start in range(len(path) - 12, len(path) - 1):
        states, ended, step = np.array([path[start]], object), False, start
        while not ended and step < len(path) + 30:
            states, reward, (ended,) = environment.step(states, np.array([path[-1].action]))
            step += 1
        assert reward[0] == 100
        assert abs(step - (len(path) - 1)) <= 8


def land(environment):
    """A landing by gymnasium's own controller."""
    heuristic = sys.modules["gymnasium.envs.box2d.lunar_lander"].heuristic
    states = environment.reset(1, np.random.default_rng(0))
    path, rewards, ended = [states[0]], [], False
    while not ended:
        game = states[0].episode.worlds[0].game
        states, reward, (ended,) = environment.step(states, np.array([heuristic(game, states[0].observation)]))
        path.append(states[0])
        rewards.append(reward[0])
    return path, rewards


def test_states_in_any_order():
    """Each state has its own future, however often and in whatever order the states are asked for."""
    environment = LunarLander()
    states = environment.reset(2, np.random.default_rng(5))
    firsts = [environment.step(states, np.full(2, action)) for action in (0, 2, 0, 2)]
    for (left, left_rewards, _), (right, right_rewards, _) in zip(firsts[:2], firsts[2:], strict=True):
        np.testing.assert_array_equal(environment.observe(left), environment.observe(right))
        np.testing.assert_array_equal(left_rewards, right_rewards)
    assert (environment.observe(firsts[0][0]) != environment.observe(firsts[1][0])).any()


def test_limits_are_gymnasiums():
    spec, environment = gymnasium.spec("LunarLander-v3"), LunarLander()
    assert (environment.limit, environment.solved) == (spec.max_episode_steps, spec.reward_threshold)
    game = gymnasium.make("LunarLander-v3")
    assert game.action_space.n == environment.n_actions
    assert game.observation_space.shape == (environment.n_observations,)


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
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(SystemExit, match=r"LunarLander-v3 needs Box2D: pip install .arsm-fast\[box2d\]"):
        main(["--env", "LunarLander-v3", "--quick"])
