"""A variational auto-encoder of images whose code is one or two layers of 20 x 10-way categorical variables.

    encoder:  q(z_1 | x), and q(z_2 | z_1) by a linear link with --layers 2
    decoder:  p(x | z_1), and p(z_1 | z_2) by a linear link; the prior of the last layer is uniform

The script trains it to maximise the ELBO, E_q[log p(x, z) - log q(z | x)], by several estimators of the
gradient for the encoder: ARSM with its joint and its coordinate swap, leave-one-out, REINFORCE and RELAX, all
with a moving average for each image as a baseline, and straight-through Gumbel-Softmax, which is biased and
needs the derivative of log p, where the others need only its values. Every method goes on until it has had all
the evaluations of log p, all the seconds of a processor (those of several threads add up) and all the steps; at
these points the table has the negative ELBO of train and of test images.

    python categorical_vae.py                              # scikit-learn's digits, 8 x 8: some 4 minutes
    python categorical_vae.py --layers 2                   # some 11 minutes
    python categorical_vae.py --mnist FOLDER --hidden 512 256 --batch 200 --seconds 3600
    python categorical_vae.py --plot vae.png

The model is that of Yin, Yue and Zhou, ICML 2019 (version 2), section 4.2; smaller by default, as its images are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    log_softmax,
    one_hot,
    straight_through,
    through_relaxed,
)
from numpy.typing import NDArray

import arsm_fast

N_VARIABLES, N_CATEGORIES = 20, 10
WIDTH = N_VARIABLES * N_CATEGORIES


class CategoricalVAE:
    """The networks, and the gradients of the negative ELBO by one estimator."""

    def __init__(self, images: Images, estimator: Any, n_layers: int, hidden: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        n_pixels = images.train.shape[1]
        self.train, self.test = images
        self.learner = Learner(estimator, n_layers, np.full(len(images.train), -n_pixels * np.log(2.0)))
        links = [[WIDTH, WIDTH]] * (n_layers - 1)
        # From x to z_1, and from each layer to the next.
        self.encoders = [Network(sizes, rng=rng) for sizes in ([n_pixels, *hidden, WIDTH], *links)]
        # From z_1 to x, and from each layer to the one before.
        self.decoders = [Network(sizes, rng=rng) for sizes in ([WIDTH, *hidden[::-1], n_pixels], *links)]
        networks = [*self.encoders, *self.decoders]
        self.parameters = [parameter for network in networks for parameter in network.parameters]

    def noisy(self, gradients: list[FloatArray]) -> list[FloatArray]:
        """Those of the encoder."""
        return gradients[: sum(len(network.parameters) for network in self.encoders)]

    def layers(self, pixels: FloatArray) -> list[Callable[..., FloatArray]]:
        """Logits of the encoder's layers, for the images that the problems are."""

        def first(_: None, problem: ActionArray) -> FloatArray:
            return shaped(self.encoders[0](pixels[problem]))

        def second(actions: ActionArray, problem: ActionArray) -> FloatArray:
            return shaped(self.encoders[1](one_hot(actions, N_CATEGORIES)))

        return [first, second][: len(self.encoders)]

    def objective(self, pixels: FloatArray) -> Callable[..., FloatArray]:
        """log p(x, z) - log q(z | x) of paths, whose mean is the ELBO."""
        log_first = log_softmax(shaped(self.encoders[0](pixels)))

        def log_ratio(actions: list[ActionArray], problem: ActionArray) -> FloatArray:
            encoded = one_hot(actions[0], N_CATEGORIES)
            value = log_bernoulli(pixels[problem], self.decoders[0](encoded))
            value -= np.einsum("mi,mi->m", encoded, log_first.reshape(len(pixels), -1)[problem])
            if len(actions) == 2:
                last = one_hot(actions[1], N_CATEGORIES)
                value += np.einsum("mi,mi->m", encoded, log_probabilities(self.decoders[1](last)))
                value -= np.einsum("mi,mi->m", last, log_probabilities(self.encoders[1](encoded)))
            return value - N_VARIABLES * np.log(N_CATEGORIES)

        return log_ratio

    def gradients(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
        """Of the mean negative ELBO, and the evaluations of the decoder."""
        pixels = self.train[rows]
        if self.learner.estimator == GUMBEL:
            return self._straight_through(pixels, rng), len(rows)
        estimate = self.learner.estimate(self.objective(pixels), self.layers(pixels), rows, rng)
        encoded = [one_hot(actions, N_CATEGORIES) for actions in estimate.actions]
        gradients: list[FloatArray] = []
        # That log q itself depends on the parameters has no effect on average.
        inputs = [pixels, *encoded[:-1]]
        for network, own_inputs, gradient in zip(self.encoders, inputs, estimate.gradients, strict=True):
            _, tape = network.forward(own_inputs)
            gradients += network.backward(tape, gradient.reshape(len(rows), -1) / -len(rows))[1]
        return gradients + self._decoder_gradients(pixels, encoded)[1], estimate.n_evaluations

    def _decoder_gradients(
        self, pixels: FloatArray, encoded: list[FloatArray]
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Of the mean of -log p(x, z): for one-hot vectors by layer, and for the decoder's parameters."""
        n = len(pixels)
        logits, tape = self.decoders[0].forward(encoded[0])
        first, gradients = self.decoders[0].backward(tape, log_bernoulli_gradient(pixels, logits) / -n)
        vectors = [first]
        if len(encoded) == 2:
            logits, tape = self.decoders[1].forward(encoded[1])
            log_p = log_probabilities(logits)
            last, own = self.decoders[1].backward(tape, (encoded[0] - np.exp(log_p)) / -n)
            first -= log_p / n
            vectors.append(last)
            gradients += own
        return vectors, gradients

    def _straight_through(self, pixels: FloatArray, rng: np.random.Generator) -> list[FloatArray]:
        """With the entropies of q in closed form."""
        tapes, draws, log_qs, encoded = [], [], [], []
        inputs = pixels
        for network in self.encoders:
            logits, tape = network.forward(inputs)
            actions, relaxed = straight_through(shaped(logits), TEMPERATURE, rng)
            inputs = one_hot(actions, N_CATEGORIES)
            tapes.append(tape)
            draws.append(relaxed)
            log_qs.append(log_softmax(shaped(logits)))
            encoded.append(inputs)
        vectors, gradients = self._decoder_gradients(pixels, encoded)
        from_below: FloatArray | float = 0.0
        for t in range(len(self.encoders) - 1, -1, -1):
            q, log_q = np.exp(log_qs[t]), log_qs[t]
            of_logits = through_relaxed(draws[t], vectors[t] + from_below, TEMPERATURE)
            of_logits += q * (log_q - (q * log_q).sum(axis=-1, keepdims=True)) / len(pixels)
            from_below, own = self.encoders[t].backward(tapes[t], of_logits.reshape(len(pixels), -1))
            gradients = own + gradients
        return gradients

    def scores(self, n_samples: int, rng: np.random.Generator) -> tuple[float, ...]:
        """Negative ELBO of train and of test images, from so many draws for each."""
        return tuple(self.negative_elbo(pixels, n_samples, rng) for pixels in (self.train, self.test))

    def negative_elbo(self, pixels: FloatArray, n_samples: int, rng: np.random.Generator) -> float:
        """The mean over images and draws."""
        layers, objective = self.layers(pixels), self.objective(pixels)
        problem = np.arange(len(pixels), dtype=np.int32)
        total = 0.0
        for _ in range(n_samples):
            path: list[ActionArray] = []
            for layer in layers:
                path.append(arsm_fast.sample(layer(path[-1] if path else None, problem), rng=rng))
            total -= float(objective(path, problem).mean())
        return total / n_samples


def shaped(logits: FloatArray) -> FloatArray:
    """Outputs of a network as logits of variables."""
    return logits.reshape(-1, N_VARIABLES, N_CATEGORIES)


def log_probabilities(logits: FloatArray) -> FloatArray:
    """Of outputs of a network as logits of variables, in the shape of the outputs."""
    return log_softmax(shaped(logits)).reshape(logits.shape)


def main(argv: list[str] | None = None) -> list[Trace]:
    parser = options(__doc__, samples=20)
    parser.add_argument("--layers", type=int, choices=(1, 2), default=1, help="of variables (default: 1)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 64], help="layers of the encoder (128 64)")
    args = parser.parse_args(argv)
    if min(args.hidden) < 1:
        parser.error("--hidden must be at least 1")

    def make_model(images: Images, estimator: Any, seed: int) -> CategoricalVAE:
        return CategoricalVAE(images, estimator, args.layers, args.hidden, seed)

    print(f"variables in {args.layers} layers; the scores are the negative ELBO of train and of test images")
    return compare(parser, args, make_model, ["train", "test"])


if __name__ == "__main__":
    main()
