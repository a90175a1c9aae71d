"""CartPole-v1 and Acrobot-v1 of gymnasium, many at a time: states are rows of an array, so that copies are free.

Compiled. A test follows gymnasium's own step for step. `step` takes and gives states; nothing is kept in between.
"""

import math
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Floats in an array, or anything else with a length.
StateArray = NDArray[Any]
Quadruple = tuple[float, float, float, float]


class Environment(Protocol):
    """What an environment needs for rollouts that start from any state."""

    name: str
    n_actions: int
    n_observations: int
    limit: int
    solved: float

    def reset(self, n: int, rng: np.random.Generator) -> StateArray:
        """The first states of n episodes."""

    def observe(self, states: StateArray) -> FloatArray:
        """What a policy sees: (n, n_observations)."""

    def step(self, states: StateArray, actions: NDArray[np.int32]) -> tuple[StateArray, FloatArray, BoolArray]:
        """The next states, the rewards, and where the episode ended."""


class CartPole:
    """Hold a pole upright on a cart that is pushed left or right: Barto, Sutton and Anderson, 1983."""

    name = "CartPole-v1"
    n_actions, n_observations, limit, solved = 2, 4, 500, 475.0

    def reset(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Near rest, upright."""
        return rng.uniform(-0.05, 0.05, (n, 4))

    def observe(self, states: FloatArray) -> FloatArray:
        """Position, speed, angle and its speed: the state."""
        return states

    def step(self, states: FloatArray, actions: NDArray[np.int32]) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Push for a fiftieth of a second; a reward of 1 a step, and the end at 12 degrees or 2.4 units."""
        following, ended = _step_cart_poles(states, actions)
        return following, np.ones(len(states)), ended


class Acrobot:
    """Swing the end of two hanging links up, with a torque of -1, 0 or 1 between them: Sutton, 1996."""

    name = "Acrobot-v1"
    n_actions, n_observations, limit, solved = 3, 6, 500, -100.0

    def reset(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Near rest, hanging."""
        return rng.uniform(-0.1, 0.1, (n, 4))

    def observe(self, states: FloatArray) -> FloatArray:
        """Cosine and sine of both angles, and their speeds."""
        angles = states[:, :2]
        observations = np.empty((len(states), 6))
        observations[:, 0:4:2], observations[:, 1:4:2] = np.cos(angles), np.sin(angles)
        observations[:, 4:] = states[:, 2:]
        return observations

    def step(self, states: FloatArray, actions: NDArray[np.int32]) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Turn for a fifth of a second; a reward of -1 until the end is a length above the upper joint."""
        following, ended = _step_acrobots(states, actions)
        return following, np.where(ended, 0.0, -1.0), ended


@numba.njit(cache=True)
def _step_cart_poles(states: FloatArray, actions: NDArray[np.int32]) -> tuple[FloatArray, BoolArray]:
    pole_mass, total_mass, half_length, interval = 0.1, 1.1, 0.5, 0.02
    following, ended = np.empty_like(states), np.empty(len(states), np.bool_)
    for i in range(len(states)):
        x, x_speed, angle, angle_speed = states[i]
        cosine, sine = math.cos(angle), math.sin(angle)
        force = 10.0 if actions[i] == 1 else -10.0
        push = (force + pole_mass * half_length * angle_speed**2 * sine) / total_mass
        angle_change = (9.8 * sine - cosine * push) / (
            half_length * (4.0 / 3.0 - pole_mass * cosine**2 / total_mass)
        )
        x_change = push - pole_mass * half_length * angle_change * cosine / total_mass
        following[i, 0] = x + interval * x_speed
        following[i, 1] = x_speed + interval * x_change
        following[i, 2] = angle + interval * angle_speed
        following[i, 3] = angle_speed + interval * angle_change
        ended[i] = abs(following[i, 0]) > 2.4 or abs(following[i, 2]) > 12 * 2 * math.pi / 360
    return following, ended


@numba.njit(cache=True)
def _step_acrobots(states: FloatArray, actions: NDArray[np.int32]) -> tuple[FloatArray, BoolArray]:
    interval = 0.2
    following, ended = np.empty_like(states), np.empty(len(states), np.bool_)
    for i in range(len(states)):
        start = (states[i, 0], states[i, 1], states[i, 2], states[i, 3])
        torque = actions[i] - 1.0
        # Runge and Kutta's method of fourth order.
        k1 = _acrobot_derivatives(start, torque)
        k2 = _acrobot_derivatives(_moved(start, interval / 2, k1), torque)
        k3 = _acrobot_derivatives(_moved(start, interval / 2, k2), torque)
        k4 = _acrobot_derivatives(_moved(start, interval, k3), torque)
        for j in range(4):
            following[i, j] = start[j] + interval / 6.0 * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j])
        for j in range(2):
            following[i, j] -= 2 * math.pi * round(following[i, j] / (2 * math.pi))
        following[i, 2] = min(max(following[i, 2], -4 * math.pi), 4 * math.pi)
        following[i, 3] = min(max(following[i, 3], -9 * math.pi), 9 * math.pi)
        ended[i] = -math.cos(following[i, 0]) - math.cos(following[i, 1] + following[i, 0]) > 1.0
    return following, ended


@numba.njit(cache=True)
def _moved(start: Quadruple, factor: float, change: Quadruple) -> Quadruple:
    return (
        start[0] + factor * change[0],
        start[1] + factor * change[1],
        start[2] + factor * change[2],
        start[3] + factor * change[3],
    )


@numba.njit(cache=True)
def _acrobot_derivatives(state: Quadruple, torque: float) -> Quadruple:
    """Sutton and Barto's equations; links of length, mass and inertia 1, their centres in the middle."""
    angle1, angle2, speed1, speed2 = state
    gravity, sine, cosine = 9.8, math.sin(angle2), math.cos(angle2)
    d1 = 3.5 + cosine
    d2 = 1.25 + 0.5 * cosine
    phi2 = 0.5 * gravity * math.sin(angle1 + angle2)
    phi1 = -0.5 * speed2 * (speed2 + 2 * speed1) * sine + 1.5 * gravity * math.sin(angle1) + phi2
    change2 = (torque + d2 / d1 * phi1 - 0.5 * speed1**2 * sine - phi2) / (1.25 - d2**2 / d1)
    change1 = -(d2 * change2 + phi1) / d1
    return speed1, speed2, change1, change2
