"""Objectives that the examples and comparisons share: instances of published families, each made from a seed.

Each is called with vectors of actions, (M, K) integers, and returns their values, (M,). It has `n_categories`,
one number for each variable, and `maximize`, whether large values are good. Where it can say more it does, in the
form that arsm_fast knows: `scopes` and `terms`, `delta`, `relaxed`.
"""

import numpy as np


class NKLandscape:
    """The mean over k of a random table of variable k and n_neighbours others (Kauffman)."""

    maximize = True

    def __init__(self, seed, n_variables=50, n_categories=4, n_neighbours=2):
        rng = np.random.default_rng(seed)
        k, c = n_variables, n_categories
        others = [rng.choice(np.delete(np.arange(k), i), n_neighbours, replace=False) for i in range(k)]
        self.scopes = np.column_stack([np.arange(k), np.array(others).reshape(k, n_neighbours)])
        self.tables = rng.random((k, c ** (1 + n_neighbours))) / k
        self.n_categories = np.full(k, c)
        self._strides = c ** np.arange(n_neighbours, -1, -1)

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)

    def terms(self, actions):
        """(M, K): one table each."""
        return self._lookup(actions, np.arange(len(self.scopes)))

    def _lookup(self, actions, chosen):
        return self.tables[chosen, actions[:, self.scopes[chosen]] @ self._strides]

    def delta(self, actions, variable):
        """(M, C): the value for each category of the variable."""
        touched = np.flatnonzero((self.scopes == variable).any(axis=1))
        changed = np.array(actions)
        rest = self(actions) - self._lookup(actions, touched).sum(axis=1)
        values = np.empty((len(actions), self.n_categories[variable]))
        for c in range(values.shape[1]):
            changed[:, variable] = c
            values[:, c] = rest + self._lookup(changed, touched).sum(axis=1)
        return values


class SmallNetwork:
    """One hidden layer of tanh units on one-hots."""

    maximize = True

    def __init__(self, seed, n_variables=20, n_categories=10, n_hidden=32):
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(n_variables, n_categories, n_hidden)) / np.sqrt(n_variables)
        self.bias = 0.3 * rng.normal(size=n_hidden)
        self.out = rng.normal(size=n_hidden)
        self.n_categories = np.full(n_variables, n_categories)

    def __call__(self, actions):
        chosen = self.weights[np.arange(len(self.weights)), actions]
        return np.tanh(self.bias + chosen.sum(axis=1)) @ self.out

    def relaxed(self, points):
        """Value and gradient between the one-hots: points of shape (M, K, C)."""
        hidden = np.tanh(self.bias + np.einsum("mkc,kch->mh", points, self.weights))
        return hidden @ self.out, np.einsum("mh,kch->mkc", self.out * (1 - hidden**2), self.weights)


class Quadratic:
    """A value for each category, and a table for each of some pairs of variables."""

    maximize = True

    def __init__(self, seed, n_variables=20, n_categories=10, n_pairs=None):
        """Entries are N(0, 1); all pairs, or so many that are drawn."""
        rng = np.random.default_rng(seed)
        k, c = n_variables, n_categories
        pairs = np.column_stack(np.triu_indices(k, 1))
        if n_pairs is not None:
            pairs = rng.choice(pairs, n_pairs, replace=False)
        self._setup(rng.normal(size=(k, c)), pairs, rng.normal(size=(len(pairs), c, c)))

    def _setup(self, linear, pairs, tables):
        self.linear, self.pairs, self.tables = linear, pairs, tables
        self.n_categories = np.full(len(linear), linear.shape[1])
        self.scopes = [(k,) for k in range(len(linear))] + [tuple(pair) for pair in pairs.tolist()]

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)

    def terms(self, actions):
        """(M, K + number of pairs)."""
        i, j = self.pairs.T
        single = self.linear[np.arange(len(self.linear)), actions]
        paired = self.tables[np.arange(len(self.pairs)), actions[:, i], actions[:, j]]
        return np.concatenate([single, paired], axis=1)

    def delta(self, actions, variable):
        """(M, C): the value for each category of the variable."""
        first, second = (np.flatnonzero(self.pairs[:, side] == variable) for side in (0, 1))
        part = self.linear[variable] + self.tables[first, :, actions[:, self.pairs[first, 1]]].sum(axis=1)
        part += self.tables[second, actions[:, self.pairs[second, 0]]].sum(axis=1)
        now = part[np.arange(len(actions)), actions[:, variable]]
        return part + (self(actions) - now)[:, None]

    def relaxed(self, points):
        """Value and gradient between the one-hots: points of shape (M, K, C)."""
        i, j = self.pairs.T
        gradients = np.broadcast_to(self.linear, points.shape).copy()
        ahead = np.einsum("pcd,mpd->mpc", self.tables, points[:, j])
        behind = np.einsum("pcd,mpc->mpd", self.tables, points[:, i])
        np.add.at(gradients, (slice(None), i), ahead)
        np.add.at(gradients, (slice(None), j), behind)
        values = (points * self.linear).sum(axis=(1, 2)) + (ahead * points[:, i]).sum(axis=(1, 2))
        return values, gradients


class Potts(Quadratic):
    """The weight of the edges of a random graph whose ends differ, with weights of -1 and 1 (maximum cut)."""

    def __init__(self, seed, n_variables=100, n_categories=5, n_edges=300):
        rng = np.random.default_rng(seed)
        edges = rng.choice(np.column_stack(np.triu_indices(n_variables, 1)), n_edges, replace=False)
        self._setup_cut(rng, edges, n_variables, n_categories)

    def _setup_cut(self, rng, edges, n_variables, n_categories):
        weights = rng.choice([-1.0, 1.0], size=len(edges))
        tables = weights[:, None, None] * (1.0 - np.eye(n_categories))
        self._setup(np.zeros((n_variables, n_categories)), edges, tables)


class TorusMaxCut(Potts):
    """Maximum cut on a grid that is closed to a torus: the family of instance G11 of the set G (Rinaldi)."""

    def __init__(self, seed, n_rows=20, n_columns=40):
        number = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
        edges = np.concatenate(
            [np.column_stack([number.ravel(), np.roll(number, -1, axis).ravel()]) for axis in (0, 1)]
        )
        self._setup_cut(np.random.default_rng(seed), edges, number.size, 2)


class PestControl:
    """Which pesticide, if any, at each of 25 stages: their cost, and the stages that the pest reaches (minimise).

    Oh, Tomczak, Gavves and Welling, NeurIPS 2019 (COMBO). A value is the mean of n_farms simulated farms, whose
    chance comes from the generator that is given: it differs from call to call.
    """

    maximize = False
    tolerance = np.array([1.0, 2.5, 2.0, 0.5]) / 7.0
    strength = np.array([2.0, 3.0, 3.0, 5.0]) / 7.0
    price = np.array([1.0, 0.8, 0.7, 0.5])
    discount = np.array([0.2, 0.3, 0.3, 0.0])

    def __init__(self, rng, n_stages=25, n_farms=100):
        self.rng = np.random.default_rng(rng)
        self.n_farms = n_farms
        self.n_categories = np.full(n_stages, 5)

    def __call__(self, actions):
        n_vectors, n_stages = actions.shape
        rows, shape = np.arange(n_vectors), (n_vectors, self.n_farms)
        infested = 1.0 - np.exp(-self.rng.standard_exponential(shape) / 30.0)
        strength = np.tile(self.strength, (n_vectors, 1))
        reached = np.zeros(n_vectors)
        for action in actions.T:
            treated, pesticide = action > 0, np.maximum(action, 1) - 1
            # What a pesticide, or a pest that spreads, leaves: 1 - x where x ~ Beta(1, b).
            b = np.where(treated, strength[rows, pesticide], 17.0 / 3.0)
            left = np.exp(-self.rng.standard_exponential(shape) / b[:, None])
            strength[rows, pesticide] += treated * self.tolerance[pesticide] / n_stages
            reached += (infested > 0.1).mean(axis=1)
            infested = np.where(treated[:, None], left * infested, 1.0 - left * (1.0 - infested))
        used = (actions[:, :, None] == np.arange(1, 5)).sum(axis=1)
        return (used * self.price * (1.0 - self.discount * used / n_stages)).sum(axis=1) + reached


class SensorPlacement:
    """D-optimal places for sensors on a rod whose heat they measure: the log-determinant of what they tell.

    The instance is the seed's set of sites; seed None spaces them evenly.
    """

    maximize = True

    def __init__(self, seed=None, n_sensors=8, n_sites=50, n_modes=12):
        sites = np.linspace(0.0, 1.0, n_sites)
        if seed is not None:
            sites = np.sort(np.random.default_rng(seed).random(n_sites))
        frequency = np.pi * np.arange(1, n_modes + 1)
        self.rows = 2.0 * np.sin(sites[:, None] * frequency) * np.exp(-0.02 * frequency**2 / 4.0)
        self.n_categories = np.full(n_sensors, n_sites)

    def __call__(self, actions):
        chosen = self.rows[actions]
        information = np.eye(chosen.shape[2]) + np.einsum("mki,mkj->mij", chosen, chosen) / 0.01
        return np.linalg.slogdet(information)[1]

    def delta(self, actions, variable):
        """(M, C): the value for each site of the sensor, by the determinant of a change of rank one."""
        chosen = self.rows[np.delete(actions, variable, axis=1)]
        information = np.eye(chosen.shape[2]) + np.einsum("mki,mkj->mij", chosen, chosen) / 0.01
        solved = np.linalg.solve(information, np.broadcast_to(self.rows.T, (len(actions), *self.rows.T.shape)))
        return np.linalg.slogdet(information)[1][:, None] + np.log1p((self.rows.T * solved).sum(axis=1) / 0.01)


BLACK_BOXES = {
    "NK": NKLandscape,
    "Potts": Potts,
    "torus": TorusMaxCut,
    "pest": PestControl,
    "sensors": SensorPlacement,
}
"""Those that optimisers are compared on."""
