"""LunarLander-v3 of gymnasium with states that can be copied, as the rollouts of a policy's pseudo actions need.

Box2D does not give its whole state away. A state is therefore an episode's seed and the actions since: it can be
played again, which gives gymnasium's own steps bit for bit, but takes as many steps as the episode has had. So
that this stays short, now and then a state also has the positions and speeds of the lander and its legs. These
are set in a new world, and only what was played since then is played again. In the air they are the whole state
but for the last digits. Near the ground there are also forces of contact and the time that the lander has been at
rest, at most half a second of it; so there it is a state in the air that is set, or one of a second ago. A test
compares such copies with the originals.
"""

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
StateArray = NDArray[np.object_]

# Every so many steps a state has its bodies; what was played since is played again.
BODIES_EVERY = 4
# Steps after which contacts have settled, and the time at rest is known: a lander at rest for 25 sleeps.
SETTLED = 30
# Worlds of an episode.
WORLDS = 16
# Random numbers that gymnasium draws at each step.
DRAWS = 2
# gymnasium's: of a second and of the picture, in points, of which a metre of Box2D has so many.
RATE, SCALE, WIDTH, HEIGHT = 50, 30.0, 600 / 30.0, 400 / 30.0


@dataclass(slots=True, eq=False)
class Bodies:
    """What can be seen of the lander and its legs, and whether they are far from the ground."""

    motions: list[tuple[Any, float, Any, float]]
    shaping: float
    contacts: list[bool]
    free: bool


@dataclass(slots=True, eq=False)
class State:
    """One moment of an episode."""

    episode: "Episode"
    step: int
    before: "State | None"
    action: int
    observation: FloatArray
    bodies: Bodies | None


@dataclass(slots=True, eq=False)
class World:
    """A simulator, the state that it is in, and when it was last asked for."""

    game: Any
    state: State | None
    asked: int


@dataclass(slots=True, eq=False)
class Episode:
    """A seed, the generator's state after its reset, and the worlds with its ground."""

    seed: int
    generator: dict[str, Any]
    worlds: list[World]


class LunarLander:
    """Land softly between two flags, with a main engine and one on each side.

    A world stays with the last state that it was asked for; that of the state asked for least recently is set to
    another one when a copy is needed.
    """

    name = "LunarLander-v3"
    n_actions, n_observations, limit, solved = 4, 8, 1000, 200.0

    def __init__(self) -> None:
        try:
            self._make = importlib.import_module("gymnasium.envs.box2d.lunar_lander").LunarLander
        except Exception as error:  # gymnasium's own, of a missing package
            raise SystemExit(f'LunarLander-v3 needs Box2D: pip install "arsm-fast[box2d]"; {error}') from None
        self._clock = 0
        self.repeated = 0

    def reset(self, n: int, rng: np.random.Generator) -> StateArray:
        """At the top, with a push and a ground of its own for each."""
        states = np.empty(n, object)
        for i, seed in enumerate(rng.integers(2**31, size=n).tolist()):
            game = self._make()
            observation, _ = game.reset(seed=seed)
            episode = Episode(seed, game.np_random.bit_generator.state, [])
            states[i] = State(episode, 0, None, 0, observation, _bodies(game))
            episode.worlds.append(World(game, states[i], self._clock))
        return states

    def observe(self, states: StateArray) -> FloatArray:
        """Position, speed, angle, its speed, and whether the legs touch the ground."""
        return np.array([state.observation for state in states], np.float64).reshape(-1, self.n_observations)

    def step(self, states: StateArray, actions: NDArray[np.int32]) -> tuple[StateArray, FloatArray, BoolArray]:
        """Fire nothing, the left, the main or the right engine for a fiftieth of a second."""
        following = np.empty(len(states), object)
        rewards, ended = np.empty(len(states)), np.empty(len(states), bool)
        for i, (state, action) in enumerate(zip(states, actions.tolist(), strict=True)):
            world = self._world(state)
            observation, rewards[i], ended[i] = _step(world.game, action)
            step = state.step + 1
            bodies = None if ended[i] or step % BODIES_EVERY else _bodies(world.game)
            world.state = following[i] = State(state.episode, step, state, action, observation, bodies)
        return following, rewards, ended

    def _world(self, state: State) -> World:
        """One that is in this state."""
        self._clock += 1
        worlds = state.episode.worlds
        for world in worlds:
            if world.state is state:
                break
        else:
            world = self._copy(state)
        world.asked = self._clock
        return world

    def _copy(self, state: State) -> World:
        """Set a world to the last state before this one whose bodies can be set, and play from there."""
        episode = state.episode
        actions = []
        start = state
        while start.before is not None:
            if start.bodies is not None and (start.bodies.free or state.step - start.step >= SETTLED):
                break
            actions.append(start.action)
            start = start.before
        assert start.bodies is not None
        if len(episode.worlds) < WORLDS:
            world = World(self._make(), None, 0)
            episode.worlds.append(world)
        else:
            world = min(episode.worlds, key=lambda world: world.asked)
        game = world.game
        if start.before is None or not start.bodies.free or world.state is None:
            game.reset(seed=episode.seed)
        if start.before is not None:
            _set_bodies(game, start.bodies)
            game.np_random.bit_generator.state = episode.generator
            game.np_random.bit_generator.advance(DRAWS * start.step)
        for action in reversed(actions):
            _step(game, action)
        self.repeated += len(actions)
        world.state = state
        return world


def _step(game: Any, action: int) -> tuple[FloatArray, float, bool]:
    """The observation, the reward and whether the episode ended, in this order of operations."""
    lander = game.lander
    # uniform(-1, 1), which takes longer.
    first, second = ((-1.0 + 2.0 * game.np_random.random()) / SCALE for _ in range(DRAWS))
    fuel = 0.0
    if action:
        sine, cosine = math.sin(lander.angle), math.cos(lander.angle)
        x, y = lander.position
        if action == 2:
            fuel, power = 0.3, 13.0
            along, across = 4 / SCALE + 2 * first, second
        else:
            fuel, power = 0.03, 0.6
            along, across = first, 3 * second + (action - 2) * 12 / SCALE
        push_x, push_y = sine * along - cosine * across, -cosine * along - sine * across
        x, y = x + push_x, y + push_y
        if action != 2:
            x, y = x - sine * 17 / SCALE, y + cosine * 14 / SCALE
        lander.ApplyLinearImpulse((-push_x * power, -push_y * power), (x, y), True)
    game.world.Step(1.0 / RATE, 180, 60)
    (x, y), (speed_x, speed_y), angle = lander.position, lander.linearVelocity, lander.angle
    x, y = (x - WIDTH / 2) / (WIDTH / 2), (y - (game.helipad_y + 18 / SCALE)) / (HEIGHT / 2)
    speed_x, speed_y = speed_x * (WIDTH / 2) / RATE, speed_y * (HEIGHT / 2) / RATE
    left, right = (float(leg.ground_contact) for leg in game.legs)
    shaping = (
        -100 * math.sqrt(x * x + y * y)
        - 100 * math.sqrt(speed_x * speed_x + speed_y * speed_y)
        - 100 * abs(angle)
        + 10 * left
        + 10 * right
    )
    reward, game.prev_shaping = shaping - game.prev_shaping - fuel, shaping
    ended = False
    if game.game_over or abs(x) >= 1.0:
        ended, reward = True, -100.0
    if not lander.awake:
        ended, reward = True, 100.0
    turn = 20.0 * lander.angularVelocity / RATE
    return np.array((x, y, speed_x, speed_y, angle, turn, left, right), np.float32), reward, ended


def _bodies(world: Any) -> Bodies:
    motions = [
        (tuple(body.position), body.angle, tuple(body.linearVelocity), body.angularVelocity)
        for body in (world.lander, *world.legs)
    ]
    contacts = [leg.ground_contact for leg in world.legs]
    return Bodies(motions, world.prev_shaping, contacts, world.world.contactCount == 0)


def _set_bodies(world: Any, bodies: Bodies) -> None:
    """In a world that has just begun, or whatever its state if these are free: its old contacts end in a step."""
    for body, (position, angle, speed, turn) in zip((world.lander, *world.legs), bodies.motions, strict=True):
        body.transform = (position, angle)
        body.linearVelocity, body.angularVelocity, body.awake = speed, turn, True
    world.world.contactManager.FindNewContacts()
    world.prev_shaping, world.game_over = bodies.shaping, False
    for leg, contact in zip(world.legs, bodies.contacts, strict=True):
        leg.ground_contact = contact
