"""CartPole-v1 and Acrobot-v1 of gymnasium, many at a time: states are rows of an array, so that copies are free.

A test follows gymnasium's own step for step. `step` takes and gives states; nothing is kept in between.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Environment(Protocol):
    """What an environment needs for rollouts that start from any state."""

    name: str
    n_actions: int
    n_observations: int
    limit: int
    solved: float

    def reset(self, n: int, rng: np.random.Generator) -> FloatArray:
        """The first states of n episodes."""

    def observe(self, states: FloatArray) -> FloatArray:
        """What a policy sees: (n, n_observations)."""

    def step(self, states: FloatArray, actions: NDArray[np.int32]) -> tuple[FloatArray, FloatArray, BoolArray]:
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
        pole_mass, total_mass, half_length, interval = 0.1, 1.1, 0.5, 0.02
        x, x_speed, angle, angle_speed = states.T
        cosine, sine = np.cos(angle), np.sin(angle)
        force = np.where(actions == 1, 10.0, -10.0)
        push = (force + pole_mass * half_length * angle_speed**2 * sine) / total_mass
        angle_change = (9.8 * sine - cosine * push) / (
            half_length * (4.0 / 3.0 - pole_mass * cosine**2 / total_mass)
        )
        x_change = push - pole_mass * half_length * angle_change * cosine / total_mass
        following = np.empty_like(states)
        following[:, 0] = x + interval * x_speed
        following[:, 1] = x_speed + interval * x_change
        following[:, 2] = angle + interval * angle_speed
        following[:, 3] = angle_speed + interval * angle_change
        ended = (np.abs(following[:, 0]) > 2.4) | (np.abs(following[:, 2]) > 12 * 2 * math.pi / 360)
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
        torque, interval = actions - 1.0, 0.2
        start = np.ascontiguousarray(states.T)
        # Runge and Kutta's method of fourth order.
        k1 = _acrobot_derivatives(start, torque)
        k2 = _acrobot_derivatives(start + interval / 2 * k1, torque)
        k3 = _acrobot_derivatives(start + interval / 2 * k2, torque)
        k4 = _acrobot_derivatives(start + interval * k3, torque)
        following = start + interval / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles, speeds = following[:2], following[2:]
        angles -= 2 * np.pi * np.round(angles / (2 * np.pi))
        most = np.array([[4 * np.pi], [9 * np.pi]])
        np.clip(speeds, -most, most, out=speeds)
        ended = -np.cos(angles[0]) - np.cos(angles[1] + angles[0]) > 1.0
        return np.ascontiguousarray(following.T), np.where(ended, 0.0, -1.0), ended


def _acrobot_derivatives(state: FloatArray, torque: FloatArray) -> FloatArray:
    """Sutton and Barto's equations; links of length, mass and inertia 1, their centres in the middle."""
    angle1, angle2, speed1, speed2 = state
    gravity, sine, cosine = 9.8, np.sin(angle2), np.cos(angle2)
    d1 = 3.5 + cosine
    d2 = 1.25 + 0.5 * cosine
    phi2 = 0.5 * gravity * np.sin(angle1 + angle2)
    phi1 = -0.5 * speed2 * (speed2 + 2 * speed1) * sine + 1.5 * gravity * np.sin(angle1) + phi2
    change2 = (torque + d2 / d1 * phi1 - 0.5 * speed1**2 * sine - phi2) / (1.25 - d2**2 / d1)
    change1 = -(d2 * change2 + phi1) / d1
    return np.stack([speed1, speed2, change1, change2])
