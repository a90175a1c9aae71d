"""What does a layer of categorical variables cost in training, the networks above and below it excluded?"""

import numba
import numpy as np

import arsm_fast

from .common import REGIMES, regime_logits

# The auto-encoder of the paper: images a step, variables, categories.
SHAPE = (200, 20, 10)


def published_gradient(values_of, logits, noise):
    """As the published code: for each of C (C + 1) / 2 pairs a copy, an arg-min and an evaluation."""
    n_categories = logits.shape[-1]
    values = np.empty((len(logits), n_categories, n_categories))
    inverse_weights = np.exp(-logits)
    for c in range(n_categories):
        for j in range(c + 1):
            swapped = noise.copy()
            swapped[..., c], swapped[..., j] = noise[..., j], noise[..., c]
            actions = (swapped * inverse_weights).argmin(axis=-1)
            values[:, c, j] = values[:, j, c] = values_of(actions)
    differences = values - values.mean(axis=1, keepdims=True)
    return (1 / n_categories - noise) @ differences.transpose(0, 2, 1)


class Layer:
    """All distinct pseudo actions of a layer, and the gradient from their values, on one thread."""

    params = REGIMES
    param_names = ("logits",)

    def setup(self, regime):
        numba.set_num_threads(1)
        self.logits = regime_logits(regime, SHAPE)
        self.time_propose_and_estimate(regime)

    def time_propose_and_estimate(self, regime):
        proposal = arsm_fast.propose(self.logits, rng=1)
        proposal.estimate(np.zeros(len(proposal.actions)))


class Published:
    """The same by the published way, whose time does not depend on the logits."""

    def setup(self):
        rng = np.random.default_rng(1)
        self.logits = regime_logits("normal", SHAPE)
        self.noise = rng.dirichlet(np.ones(SHAPE[-1]), SHAPE[:-1])
        self.values = rng.normal(size=SHAPE[0])

    def time_published(self):
        published_gradient(lambda actions: self.values, self.logits, self.noise)


class TwoLayers:
    """Two layers with a linear link between them, with every estimator of the examples."""

    params = (["arsm", "loo", "reinforce"], [True, False])
    param_names = ("estimator", "share_noise")

    def setup(self, estimator, share_noise):
        numba.set_num_threads(1)
        _, k, c = SHAPE
        self.link = np.random.default_rng(2).normal(size=(k, c, k * c)) / np.sqrt(k)
        self.time_hierarchical_gradient(estimator, share_noise)

    def layers(self):
        shape = (-1, *SHAPE[1:])

        def second(actions, problem):
            one_hot = np.zeros((len(actions), *SHAPE[1:]))
            np.put_along_axis(one_hot, actions[:, :, None], 1.0, axis=2)
            return (one_hot.reshape(len(actions), -1) @ self.link.reshape(-1, SHAPE[1] * SHAPE[2])).reshape(shape)

        return [lambda _, problem: np.zeros((len(problem), *SHAPE[1:])), second]

    def time_hierarchical_gradient(self, estimator, share_noise):
        arsm_fast.hierarchical_gradient(
            lambda actions, problem: actions[1].sum(axis=1),
            self.layers(),
            batch=SHAPE[0],
            estimator=estimator,
            share_noise=share_noise,
            rng=1,
        )
