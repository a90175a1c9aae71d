"""How do others do the same work?"""

import functools
import importlib.util

import numba
import numpy as np

import arsm_fast

from .common import regime_logits


def naive_gradient(table, logits, noise):
    """Equation 9 written down: an arg-min over C entries for each of C (C + 1) / 2 swaps."""
    size = logits.size
    inverse_weights = np.exp(logits.max() - logits)
    values = np.empty((size, size))
    for j in range(size):
        swapped = np.broadcast_to(noise, (j + 1, size)).copy()
        rows = np.arange(j + 1)
        swapped[rows, rows] = noise[j]
        swapped[rows, j] = noise[: j + 1]
        winners = (swapped * inverse_weights).argmin(axis=1)
        values[: j + 1, j] = values[j, : j + 1] = table[winners]
    return (values - values.mean(axis=0)) @ (1 / size - noise)


def swap_matrix_gradient(table, logits, noise):
    """With broadcasting, from the winners' O(1) rules: O(C**2) time and memory."""
    inverse_weights = np.exp(logits.max() - logits)
    race = noise * inverse_weights
    z = race.argmin()
    value = race[z]
    swapped = np.multiply.outer(inverse_weights, noise)  # of category c with the noise of j
    winners = np.full(swapped.shape, z)
    c_wins = swapped < value
    winners[c_wins] = np.broadcast_to(np.arange(noise.size)[:, None], swapped.shape)[c_wins]
    j_wins = c_wins.T
    winners[j_wins] = np.broadcast_to(np.arange(noise.size), swapped.shape)[j_wins]
    rest = np.where(np.arange(noise.size) == z, np.inf, race)
    second = rest.argmin()
    contenders = np.stack(
        [swapped[z], swapped[:, z], np.where(np.arange(noise.size) == second, np.inf, rest[second])]
    )
    row = np.choose(contenders.argmin(axis=0), [z, np.arange(noise.size), second])
    row[z] = z
    winners[z] = winners[:, z] = row
    values = table[winners]
    return (values - values.mean(axis=0)) @ (1 / noise.size - noise)


def torch_gradient(table, logits, noise):
    """As the published code: all swapped noise in one array of C**3 entries, a row of swaps at a time."""
    import torch

    table, logits, noise = (torch.from_numpy(array) for array in (table, logits, noise))
    size = logits.shape[0]
    inverse_weights = torch.exp(logits.max() - logits)
    every = torch.arange(size)
    values = torch.empty((size, size), dtype=torch.float64)
    for j in range(size):
        swapped = noise.expand(size, size).clone()
        swapped[:, j] = noise
        swapped[every, every] = noise[j]
        values[:, j] = table[(swapped * inverse_weights).argmin(dim=1)]
    return ((values - values.mean(dim=0)) @ (1 / size - noise)).numpy()


@functools.cache
def jax_compiled():
    """The same, a row of swaps at a time, compiled once."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def gradient(table, logits, noise):
        every = jnp.arange(logits.size)
        inverse_weights = jnp.exp(logits.max() - logits)

        def swaps_with(j):
            swapped = jnp.broadcast_to(noise, (noise.size, noise.size)).at[:, j].set(noise)
            swapped = swapped.at[every, every].set(noise[j])
            return table[(swapped * inverse_weights).argmin(axis=1)]

        values = jax.lax.map(swaps_with, every)  # symmetric
        return (values - values.mean(axis=0)) @ (1 / logits.size - noise)

    return jax.jit(gradient)


def jax_gradient(table, logits, noise):
    """With XLA on CPUs."""
    return np.asarray(jax_compiled()(table, logits, noise))


def fast_gradient(table, logits, noise):
    """By this package."""
    return arsm_fast.gradient(table, logits, noise=noise[None]).gradient


N_CATEGORIES = 500
GRADIENTS = {
    "arsm_fast": fast_gradient,
    "broadcasting": swap_matrix_gradient,
    "naive": naive_gradient,
    "torch": torch_gradient,
    "jax": jax_gradient,
}


class Peers:
    """One sample of one variable, noise given."""

    params = list(GRADIENTS)
    param_names = ("by",)

    def setup(self, name):
        if name in ("torch", "jax") and importlib.util.find_spec(name) is None:
            raise NotImplementedError(f"{name} is not installed")
        numba.set_num_threads(1)
        logits = regime_logits("normal", (N_CATEGORIES,))
        noise = arsm_fast.dirichlet_noise(logits, rng=1)[0]
        self.arguments = np.cos(np.arange(float(N_CATEGORIES))), logits, noise
        expected = fast_gradient(*self.arguments)
        np.testing.assert_allclose(GRADIENTS[name](*self.arguments), expected, atol=1e-12)

    def time_gradient(self, name):
        GRADIENTS[name](*self.arguments)
