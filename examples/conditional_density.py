"""Predict the lower half of an image from its upper half, through two layers of categorical variables.

    upper pixels -> 20 x 10-way -> 20 x 10-way -> lower pixels

with linear links, which the script trains to maximise E[log p(lower | z_2)] by several estimators of the
gradient: ARSM with its joint and its coordinate swap, leave-one-out, REINFORCE with a moving average for each
image as its baseline, and straight-through Gumbel-Softmax, which is biased and needs the derivative of log p,
where the others need only its values. Every method goes on until it has had all the evaluations of log p, all the
processor's seconds (those of several threads add up) and all the steps; at these points the table has the negative
log-likelihood of the test images, -log mean_s p(lower | z_2^(s)) over 1,000 draws of both layers.

    python conditional_density.py                          # scikit-learn's digits, 8 x 8
    python conditional_density.py --mnist FOLDER           # MNIST, from its own files
    python conditional_density.py --plot density.png

The model is that of Yin, Yue and Zhou, ICML 2019 (version 2), section 4.3: 392-200-200-392 for MNIST.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from comparison import Settings, Trace, plot, print_table, train
from images import Images, load_images
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
GUMBEL = "gumbel"
TEMPERATURE = 0.67
BASELINE_DECAY = 0.9
# Draws of z_2 are scored in parts of so many.
PART = 20_000


def methods(draws: int) -> dict[str, tuple[str, Any]]:
    """Title and estimator of each method, by its name on the command line."""
    return {
        "arsm": ("ARSM, joint swap", arsm_fast.ARSM()),
        "coordinate": ("ARSM, coordinate swap", arsm_fast.ARSM("coordinate")),
        "loo": (f"leave-one-out({draws})", arsm_fast.LeaveOneOut(draws)),
        "reinforce": ("REINFORCE", arsm_fast.Reinforce()),
        "gumbel": ("straight-through Gumbel-Softmax", GUMBEL),
    }


class ConditionalDensity:
    """The three links, and their gradients by one estimator."""

    def __init__(self, images: Images, estimator: Any, seed: int) -> None:
        rng = np.random.default_rng(seed)
        half = images.train.shape[1] // 2
        self.train, self.test = images
        self.half = half
        self.n_train = len(images.train)
        self.estimator = estimator
        n_lower = images.train.shape[1] - half
        self.baseline = np.full(self.n_train, -n_lower * np.log(2.0))
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
        if self.estimator == GUMBEL:
            return self._straight_through(upper, lower, rng), len(rows)

        def log_likelihood(actions: list[ActionArray], problem: ActionArray) -> FloatArray:
            return log_bernoulli(lower[problem], self.links[2](one_hot(actions[-1], N_CATEGORIES)))

        estimator = self.estimator
        if isinstance(estimator, arsm_fast.Reinforce):
            estimator = arsm_fast.Reinforce(self.baseline[rows])
        estimate = arsm_fast.hierarchical_gradient(
            log_likelihood, self.layers(upper), batch=len(rows), estimator=estimator, rng=rng
        )
        self.baseline[rows] += (1 - BASELINE_DECAY) * (estimate.value - self.baseline[rows])
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(methods(2))
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="MNIST's four files, or the two of images")
    parser.add_argument("--evaluations", type=int, default=300_000, help="of log p (default: 300,000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a processor (default: 10)")
    parser.add_argument("--steps", type=int, default=200, help="of training (default: 200)")
    parser.add_argument("--batch", type=int, default=100, help="images a step (default: 100)")
    parser.add_argument("--rate", type=float, default=3e-3, help="of Adam (default: 0.003)")
    parser.add_argument("--draws", type=int, default=10, help="of leave-one-out, a layer (default: 10)")
    parser.add_argument("--samples", type=int, default=1000, help="behind a likelihood (default: 1000)")
    parser.add_argument(
        "--methods", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few steps of each, to see that it works")
    parser.add_argument("--plot", metavar="FILE.png", help="draw what happened on the way")
    args = parser.parse_args(argv)
    if min(args.evaluations, args.steps, args.batch, args.samples) < 1 or args.draws < 2:
        parser.error("--evaluations, --batch and --samples must be at least 1, --draws at least 2")
    if not min(args.seconds, args.rate) > 0:
        parser.error("--seconds and --rate must be positive")
    settings = Settings(
        args.evaluations, args.seconds, args.steps, args.batch, args.rate, args.samples, 100, args.seed
    )
    if args.quick:
        settings = Settings(1_000, 0.05, 5, 20, args.rate, 20, 5, args.seed)
    images = load_images(args.mnist)
    n_train, n_pixels = images.train.shape
    if settings.batch > n_train:
        parser.error(f"--batch must be at most {n_train}, the number of images")

    print(f"{n_train:,} images of {n_pixels} pixels to train with, {len(images.test):,} to test")
    start = time.perf_counter()
    traces = []
    for name in args.methods:
        title, estimator = methods(args.draws)[name]
        # Compile first, so that the seconds are those of the steps.
        ConditionalDensity(images, estimator, 0).gradients(np.arange(2), np.random.default_rng(0))
        traces.append(train(title, ConditionalDensity(images, estimator, args.seed), settings))
    print_table(traces, settings, ["-log p"])
    print(f"\n{time.perf_counter() - start:.0f} s in all")
    if args.plot:
        plot(traces, ["-log p(lower | upper) of test images"], args.plot)
        print(f"drawn: {args.plot}")
    return traces


if __name__ == "__main__":
    main()
