"""Predict the lower half of an image from its upper half, through two layers of categorical variables.

    upper pixels -> 20 x 10-way -> 20 x 10-way -> lower pixels

with linear links, which the script trains to maximise E[log p(lower | z_2)] by several estimators of the
gradient: ARSM with its joint and its coordinate swap, leave-one-out, REINFORCE and RELAX, all with a moving
average for each image as a baseline, and straight-through Gumbel-Softmax, which is biased and needs the
derivative of log p, where the others need only its values. Every method goes on until it has had all the
evaluations of log p, all the seconds of a processor (those of several threads add up) and all the steps; at
these points the table has the negative log-likelihood of the test images, -log mean_s p(lower | z_2^(s)) over
1,000 draws of both layers.

    python conditional_density.py                          # scikit-learn's digits, 8 x 8: some 6 minutes
    python conditional_density.py --mnist FOLDER           # MNIST, from its own files
    python conditional_density.py --plot density.png

The model is that of Yin, Yue and Zhou, ICML 2019 (version 2), section 4.3: 392-200-200-392 for MNIST.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from comparison import GUMBEL, TEMPERATURE, Learner, Trace, compare, options
from images import Images
from networks import (
    ActionArray,
    FloatArray,
    Network,
    log_bernoulli,
    log_bernoulli_gradient,
    one_hot,
    straight_through,
    through_relaxed,
)
from numpy.typing import NDArray

import arsm_fast

N_VARIABLES, N_CATEGORIES = 20, 10
WIDTH = N_VARIABLES * N_CATEGORIES
# Draws of z_2 are scored in parts of so many.
PART = 20_000


class ConditionalDensity:
    """The three links, and their gradients by one estimator."""

    def __init__(self, images: Images, estimator: Any, seed: int) -> None:
        rng = np.random.default_rng(seed)
        half = images.train.shape[1] // 2
        self.train, self.test = images
        self.half = half
        n_lower = images.train.shape[1] - half
        self.learner = Learner(estimator, 2, np.full(len(images.train), -n_lower * np.log(2.0)))
        sizes = [(half, WIDTH), (WIDTH, WIDTH), (WIDTH, n_lower)]
        self.links = [Network(size, rng=rng) for size in sizes]
        self.parameters = [parameter for link in self.links for parameter in link.parameters]

    def noisy(self, gradients: list[FloatArray]) -> list[FloatArray]:
        """Those of the two links above variables."""
        return gradients[:4]

    def layers(self, upper: FloatArray) -> list[Any]:
        """Logits of both layers, for the images that the problems are."""

        def first(_: None, problem: ActionArray) -> FloatArray:
            return shaped(self.links[0](upper[problem]))

        def second(actions: ActionArray, problem: ActionArray) -> FloatArray:
            return shaped(self.links[1](one_hot(actions, N_CATEGORIES)))

        return [first, second]

    def gradients(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
        """Of the mean of -log p(lower | z_2), and the evaluations of that."""
        upper, lower = self.train[rows, : self.half], self.train[rows, self.half :]
        if self.learner.estimator == GUMBEL:
            return self._straight_through(upper, lower, rng), len(rows)

        def log_likelihood(actions: list[ActionArray], problem: ActionArray) -> FloatArray:
            return log_bernoulli(lower[problem], self.links[2](one_hot(actions[-1], N_CATEGORIES)))

        estimate = self.learner.estimate(log_likelihood, self.layers(upper), rows, rng)
        inputs = [upper, *(one_hot(actions, N_CATEGORIES) for actions in estimate.actions)]
        gradients: list[FloatArray] = []
        for link, link_inputs, gradient in zip(self.links[:2], inputs[:2], estimate.gradients, strict=True):
            _, tape = link.forward(link_inputs)
            gradients += link.backward(tape, gradient.reshape(len(rows), -1) / -len(rows))[1]
        logits, tape = self.links[2].forward(inputs[2])
        gradients += self.links[2].backward(tape, log_bernoulli_gradient(lower, logits) / -len(rows))[1]
        return gradients, estimate.n_evaluations

    def _straight_through(
        self, upper: FloatArray, lower: FloatArray, rng: np.random.Generator
    ) -> list[FloatArray]:
        tapes, draws, inputs = [], [], upper
        for link in self.links[:2]:
            logits, tape = link.forward(inputs)
            actions, relaxed = straight_through(shaped(logits), TEMPERATURE, rng)
            tapes.append(tape)
            draws.append(relaxed)
            inputs = one_hot(actions, N_CATEGORIES)
        logits, tape = self.links[2].forward(inputs)
        gradient, gradients = self.links[2].backward(tape, log_bernoulli_gradient(lower, logits) / -len(upper))
        for link, tape, relaxed in zip(self.links[1::-1], tapes[::-1], draws[::-1], strict=True):
            through = through_relaxed(relaxed, gradient, TEMPERATURE).reshape(len(upper), -1)
            gradient, own = link.backward(tape, through)
            gradients = own + gradients
        return gradients

    def scores(self, n_samples: int, rng: np.random.Generator) -> tuple[float, ...]:
        """Negative log-likelihood of the test images, from so many draws of both layers for each."""
        upper, lower = self.test[:, : self.half], self.test[:, self.half :]
        first = shaped(self.links[0](upper))
        n_part = max(1, PART // n_samples)
        total = 0.0
        for start in range(0, len(upper), n_part):
            part = slice(start, start + n_part)
            z = arsm_fast.sample(first[part], n_samples, rng=rng).reshape(-1, N_VARIABLES)
            z = arsm_fast.sample(shaped(self.links[1](one_hot(z, N_CATEGORIES))), rng=rng)
            logits = self.links[2](one_hot(z, N_CATEGORIES)).reshape(n_samples, -1, lower.shape[1])
            total -= float(np.sum(np.logaddexp.reduce(log_bernoulli(lower[part], logits)) - np.log(n_samples)))
        return (total / len(upper),)


def shaped(logits: FloatArray) -> FloatArray:
    """Outputs of a link as logits of variables."""
    return logits.reshape(-1, N_VARIABLES, N_CATEGORIES)


def main(argv: list[str] | None = None) -> list[Trace]:
    parser = options(__doc__, samples=1000)
    return compare(parser, parser.parse_args(argv), ConditionalDensity, ["-log p"])


if __name__ == "__main__":
    main()
