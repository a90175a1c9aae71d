"""Small neural networks in NumPy, as far as the examples need them: dense layers, LeakyReLU, backward, Adam.

Nothing is kept between forward and backward but what forward returns, so that a network may be asked about many
pseudo actions in between:

    network = Network([784, 512, 200], rng=rng)
    outputs, tape = network.forward(inputs)
    input_gradient, gradients = network.backward(tape, output_gradient)
    adam = Adam(network.parameters, rate=1e-3)
    adam.descend(gradients)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ActionArray = NDArray[np.int32]

LEAKY = 0.2


class Network:
    """Dense layers with LeakyReLU between them; slope 0 makes that ReLU, slope 1 leaves it out."""

    def __init__(self, sizes: Sequence[int], *, rng: np.random.Generator, slope: float = LEAKY) -> None:
        self.slope = slope
        self.parameters: list[FloatArray] = []
        for n_in, n_out in pairwise(sizes):
            bound = np.sqrt(6.0 / (n_in + n_out))  # Glorot and Bengio 2010
            self.parameters += [rng.uniform(-bound, bound, (n_in, n_out)), np.zeros(n_out)]

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """The outputs, (M, sizes[-1]), of inputs, (M, sizes[0])."""
        return self.forward(inputs)[0]

    def forward(self, inputs: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """The outputs, and what backward needs: the inputs of each dense layer."""
        tape, outputs = [], inputs
        for layer in range(0, len(self.parameters), 2):
            if layer:
                outputs = np.where(outputs > 0, outputs, self.slope * outputs)
            tape.append(outputs)
            outputs = outputs @ self.parameters[layer] + self.parameters[layer + 1]
        return outputs, tape

    def backward(self, tape: list[FloatArray], gradient: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """From the gradient for the outputs those for the inputs and, summed over rows, for the parameters."""
        gradients: list[FloatArray] = []
        for layer in range(len(tape) - 1, -1, -1):
            inputs = tape[layer]
            gradients[:0] = [inputs.T @ gradient, gradient.sum(axis=0)]
            gradient = gradient @ self.parameters[2 * layer].T
            if (
                layer
            ):  # LeakyReLU keeps the sign where it has a slope; and where it has none, zero is not above zero
                gradient *= np.where(inputs > 0, 1.0, self.slope)
        return gradient, gradients


class Adam:
    """Kingma and Ba, 2015: changes the parameters in place."""

    def __init__(self, parameters: Sequence[FloatArray], rate: float, decay: tuple[float, float] = (0.9, 0.999)):
        self._parameters = list(parameters)
        self.rate = rate
        self._decay = decay
        self._first = [np.zeros_like(parameter) for parameter in self._parameters]
        self._second = [np.zeros_like(parameter) for parameter in self._parameters]
        self._steps = 0

    def descend(self, gradients: Sequence[FloatArray]) -> None:
        """One step against the gradients, which are in the order of the parameters."""
        self._steps += 1
        one, two = self._decay
        rate = self.rate * np.sqrt(1 - two**self._steps) / (1 - one**self._steps)
        moments = zip(self._parameters, gradients, self._first, self._second, strict=True)
        for parameter, gradient, first, second in moments:
            first += (1 - one) * (gradient - first)
            second += (1 - two) * (gradient**2 - second)
            parameter -= rate * first / (np.sqrt(second) + 1e-8)


def one_hot(actions: ActionArray, n_categories: int) -> FloatArray:
    """(M, K) actions as (M, K C) zeros and ones."""
    encoded = np.zeros((actions.size, n_categories))
    encoded[np.arange(actions.size), actions.ravel()] = 1.0
    return encoded.reshape(len(actions), -1)


def log_softmax(logits: FloatArray) -> FloatArray:
    """Logarithms of the probabilities, over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_bernoulli(pixels: FloatArray, logits: FloatArray) -> FloatArray:
    """Log-probability of each row of pixels, 0 or 1, whose logits are given; its gradient is below."""
    # log(1 + exp(x)) without overflow.
    return (pixels * logits - np.maximum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))).sum(axis=-1)


def log_bernoulli_gradient(pixels: FloatArray, logits: FloatArray) -> FloatArray:
    """With respect to the logits."""
    return pixels - 0.5 * (1 + np.tanh(0.5 * logits))


def straight_through(
    logits: FloatArray, temperature: float, rng: np.random.Generator
) -> tuple[ActionArray, FloatArray]:
    """Draw actions, (M, K), from logits, (M, K, C); and the relaxed draws whose derivative stands for theirs.

    The straight-through Gumbel-Softmax of Jang, Gu and Poole, 2017: forward the action, backward the softmax of
    the perturbed logits over the temperature. Biased.
    """
    perturbed = logits + rng.gumbel(size=logits.shape)
    return perturbed.argmax(axis=-1).astype(np.int32), np.exp(log_softmax(perturbed / temperature))


def through_relaxed(relaxed: FloatArray, gradient: FloatArray, temperature: float) -> FloatArray:
    """The gradient for the logits from that for the one-hot vectors, in any shape with as many numbers."""
    gradient = gradient.reshape(relaxed.shape)
    return relaxed * (gradient - (relaxed * gradient).sum(axis=-1, keepdims=True)) / temperature
