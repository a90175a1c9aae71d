"""How do others do the same work?"""

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


class Peers:
    """One sample of one variable of 1,000 categories, noise given."""

    params = ("arsm_fast", "broadcasting", "naive", "torch")
    param_names = ("by",)

    def setup(self, name):
        self.logits = regime_logits("normal", (1_000,))
        self.table = np.cos(np.arange(1_000))
        self.noise = arsm_fast.dirichlet_noise(self.logits, rng=1)[0]
        if name == "torch":
            try:
                import torch
            except ImportError as error:
                raise NotImplementedError("PyTorch is not installed") from error
            self.torch = torch
            self.tensors = [torch.from_numpy(a) for a in (self.table, self.logits, self.noise)]
        expected = naive_gradient(self.table, self.logits, self.noise)
        np.testing.assert_allclose(self.gradient(name), expected, atol=1e-12)

    def gradient(self, name):
        if name == "arsm_fast":
            return arsm_fast.gradient(self.table, self.logits, noise=self.noise[None]).gradient
        if name == "broadcasting":
            return swap_matrix_gradient(self.table, self.logits, self.noise)
        if name == "naive":
            return naive_gradient(self.table, self.logits, self.noise)
        return self.torch_gradient().numpy()

    def torch_gradient(self):
        """As the published code: all swapped noise in one array of C**3 entries, a row of swaps at a time."""
        torch = self.torch
        table, logits, noise = self.tensors
        size = logits.shape[0]
        inverse_weights = torch.exp(logits.max() - logits)
        every = torch.arange(size)
        values = torch.empty((size, size), dtype=torch.float64)
        for j in range(size):
            swapped = noise.expand(size, size).clone()
            swapped[:, j] = noise
            swapped[every, every] = noise[j]
            values[:, j] = table[(swapped * inverse_weights).argmin(dim=1)]
        return (values - values.mean(dim=0)) @ (1 / size - noise)

    def time_gradient(self, name):
        self.gradient(name)
