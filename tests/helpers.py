"""What several test modules share."""

import numba
import numpy as np


def random_logits(rng, size):
    """Logits of one variable: level, mild, concentrated or extreme, some with unavailable categories."""
    scale = rng.choice([0.0, 1.0, 3.0, 10.0, 300.0])
    logits = np.clip(scale * rng.normal(size=size), -700, 700)
    if rng.random() < 0.25:
        logits[rng.random(size) < 0.4] = -np.inf
        if not np.isfinite(logits).any():
            logits[rng.integers(size)] = 0.0
    return logits


def random_noise(rng, size):
    """Dirichlet noise of one variable; sometimes with many equal entries."""
    if rng.random() < 0.15:
        noise = rng.integers(1, 4, size=size).astype(float)
        return noise / noise.sum()
    return rng.dirichlet(np.ones(size))


class RandomFunction:
    """A random value for every vector, the same each time; notes what it was asked."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.table = {}

    def __call__(self, vector):
        vector = tuple(int(c) for c in np.atleast_1d(vector))
        return self.table.setdefault(vector, self.rng.normal())

    def batch(self, actions):
        return np.array([self(row) for row in actions])


class RandomTerms:
    """A sum of terms with random tables, each of the variables in its scope."""

    def __init__(self, seed, sizes, scopes, n_problems=1):
        rng = np.random.default_rng(seed)
        self.scopes = scopes
        self.tables = [rng.normal(size=(n_problems, *(sizes[k] for k in scope))) for scope in scopes]

    def terms(self, actions, problem=0):
        actions = actions.reshape(len(actions), -1)
        columns = [
            np.broadcast_to(table[problem, *actions[:, list(scope)].T], len(actions))
            for scope, table in zip(self.scopes, self.tables, strict=True)
        ]
        return np.stack(columns, axis=1)

    def __call__(self, actions, problem=0):
        return self.terms(actions, problem).sum(axis=1)


class WithDelta:
    """A function of a batch that also gives all categories of a variable; notes what it was asked."""

    def __init__(self, f, sizes):
        self.f, self.sizes = f, sizes
        self.asked, self.variables = [], []

    def __call__(self, actions, *problem):
        self.asked.extend(map(tuple, np.column_stack([*problem, actions]).tolist()))
        return self.f(actions, *problem)

    def delta(self, actions, variable, *problem):
        assert not actions.flags.writeable
        self.variables.append(variable)
        changed = np.repeat(actions.reshape(len(actions), -1)[None], self.sizes[variable], axis=0)
        changed[:, :, variable] = np.arange(self.sizes[variable])[:, None]
        return np.stack([self.f(each.reshape(actions.shape), *problem) for each in changed], axis=1)


def as_list(gradient):
    """The rows of a gradient, whatever its shape."""
    if isinstance(gradient, list):
        return gradient
    return list(np.asarray(gradient).reshape(-1, np.shape(gradient)[-1]))


def assert_close(gradient, expected):
    """Equal to 1e-12 relative to the largest entry; where f of size 1 all but cancels, to its last digits."""
    gradient, expected = np.concatenate(as_list(gradient)), np.concatenate(as_list(expected))
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=max(1e-15, 1e-12 * abs(expected).max()))


def from_python(helper):
    """A helper of the kernels, which have no entry from Python, with one."""
    return numba.njit(lambda *arguments: helper(*arguments))
