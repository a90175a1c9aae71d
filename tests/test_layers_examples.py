"""The examples with several layers, and what they are built on: networks, images, comparisons."""

import gzip
import itertools
import struct

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose

import arsm_fast

pytest.importorskip("sklearn")

import categorical_vae
import comparison
import conditional_density
import images
import networks


def numerical_gradients(f, parameters, step=1e-6):
    """Central differences of f() with respect to arrays that it reads."""
    gradients = []
    for parameter in parameters:
        gradient = np.zeros_like(parameter)
        for i in np.ndindex(parameter.shape):
            before = parameter[i]
            parameter[i] = before + step
            above = f()
            parameter[i] = before - step
            gradient[i] = (above - f()) / (2 * step)
            parameter[i] = before
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("slope", [0.2, 0.0, 1.0])
@pytest.mark.parametrize("sizes", [(5, 3), (4, 6, 7, 2)])
def test_network_backward(sizes, slope):
    rng = np.random.default_rng(0)
    network = networks.Network(sizes, rng=rng, slope=slope)
    inputs, weights = rng.normal(size=(8, sizes[0])), rng.normal(size=(8, sizes[-1]))
    for bias in network.parameters[1::2]:
        bias[:] = rng.normal(size=bias.shape)
    outputs, tape = network.forward(inputs)
    assert (outputs == network(inputs)).all()
    of_inputs, of_parameters = network.backward(tape, weights.copy())

    def loss():
        return float((network(inputs) * weights).sum())

    expected = numerical_gradients(loss, [inputs, *network.parameters])
    for gradient, truth in zip([of_inputs, *of_parameters], expected, strict=True):
        assert_allclose(gradient, truth, atol=1e-7)


def test_network_without_slope_is_linear():
    network = networks.Network([3, 4, 2], rng=np.random.default_rng(0), slope=1.0)
    one, two = np.eye(3)[:1], np.eye(3)[1:2]
    assert_allclose(network(one + two), network(one) + network(two))


def test_adam_is_as_published():
    rng = np.random.default_rng(1)
    parameter = rng.normal(size=4)
    expected, first, second = parameter.copy(), np.zeros(4), np.zeros(4)
    adam = networks.Adam([parameter], rate=0.1)
    for t in range(1, 6):
        gradient = rng.normal(size=4)
        adam.descend([gradient])
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        expected -= 0.1 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        assert_allclose(parameter, expected, rtol=1e-6)


def test_one_hot_and_log_softmax():
    actions = np.array([[2, 0], [1, 1]], np.int32)
    assert networks.one_hot(actions, 3).tolist() == [[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 0]]
    logits = np.array([[1.0, 2.0, -1000.0], [800.0, 0.0, 1.0]])
    expected = [np.log(np.maximum(naive.softmax(row), 1e-300)) for row in logits]
    assert_allclose(np.maximum(networks.log_softmax(logits), np.log(1e-300)), expected, atol=1e-12)


def test_log_bernoulli():
    rng = np.random.default_rng(2)
    pixels, logits = (rng.random((3, 4)) < 0.5) * 1.0, 3 * rng.normal(size=(3, 4))
    p = 1 / (1 + np.exp(-logits))
    expected = np.log(np.where(pixels == 1, p, 1 - p)).sum(axis=1)
    assert_allclose(networks.log_bernoulli(pixels, logits), expected)
    (gradient,) = numerical_gradients(lambda: networks.log_bernoulli(pixels, logits).sum(), [logits])
    assert_allclose(networks.log_bernoulli_gradient(pixels, logits), gradient, atol=1e-7)
    assert_allclose(networks.log_bernoulli(np.array([[1.0, 0.0]]), np.array([[-1e4, 1e4]])), [-2e4])


def test_straight_through_draws_and_differentiates():
    rng = np.random.default_rng(3)
    logits, weights = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    many = np.broadcast_to(logits, (20_000, 2, 3))
    actions, relaxed = networks.straight_through(many, 0.5, rng)
    assert (relaxed.argmax(axis=-1) == actions).all()
    for k, row in enumerate(logits):
        shares = np.bincount(actions[:, k]) / len(actions)
        assert_allclose(shares, naive.softmax(row), atol=5 * 0.5 / np.sqrt(len(actions)))

    def loss():  # with the same noise
        return (networks.straight_through(logits, 0.5, np.random.default_rng(4))[1] * weights).sum()

    relaxed = networks.straight_through(logits, 0.5, np.random.default_rng(4))[1]
    (expected,) = numerical_gradients(loss, [logits])
    assert_allclose(networks.through_relaxed(relaxed, weights.reshape(1, -1), 0.5), expected, atol=1e-7)


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def mnist(folder, size=4, n=(30, 6)):
    rng = np.random.default_rng(5)
    raw = [rng.integers(0, 256, (count, size, size)) for count in n]
    (folder / "train-images-idx3-ubyte").write_bytes(idx(raw[0]))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(raw[1])))
    return raw


def test_mnist_is_read(tmp_path):
    raw = mnist(tmp_path)
    for rows, expected in zip(images.load_images(tmp_path), raw, strict=True):
        assert (rows == (expected.reshape(len(expected), -1) >= 128)).all()
        assert rows.dtype == np.float64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be an IDX file of unsigned bytes; it starts with $"),
        (b"\0\0\x0d\x01\0\0\0\0", "must be an IDX file of unsigned bytes; it starts with 00 00 0d 01"),
        (b"\0\0\x08\x03\0\0", "must have 3 sizes of 4 bytes after its first 4; it has 6 bytes"),
        (idx(np.zeros((2, 3, 3)))[:-1], r"must hold 18 bytes for shape \(2, 3, 3\); it has 17"),
        (idx(np.zeros(5)), r"must hold images, of shape \(N, height, width\); got shape \(5,\)"),
    ],
)
def test_bad_idx(tmp_path, content, message):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        images.load_mnist(tmp_path)


def test_missing_mnist(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold MNIST's train-images-idx3-ubyte, or"):
        images.load_mnist(tmp_path)


def test_digits():
    train, test = images.load_digits()
    assert train.shape == (1437, 64)
    assert test.shape == (360, 64)
    assert set(np.unique(train)) == {0.0, 1.0}
    assert 0.2 < train.mean() < 0.5


@pytest.fixture
def tiny(monkeypatch):
    """Two images of four pixels, and two variables of three categories: few enough to enumerate."""
    for module in (conditional_density, categorical_vae):
        monkeypatch.setattr(module, "N_VARIABLES", 2)
        monkeypatch.setattr(module, "N_CATEGORIES", 3)
        monkeypatch.setattr(module, "WIDTH", 6)
    pixels = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    return images.Images(pixels, 1.0 - pixels)


def expectation(layers, objective, n_problems):
    """The mean over problems of E[objective], by enumeration of two variables of three categories a layer."""
    vectors = np.array(list(itertools.product(range(3), repeat=2)), np.int32)
    problem, *numbers = (axis.ravel() for axis in np.indices((n_problems, *[9] * len(layers)), np.int32))
    path, log_p = [], np.zeros(problem.size)
    for layer, number in zip(layers, numbers, strict=True):
        logits = layer(path[-1] if path else None, problem)
        path.append(vectors[number])
        log_p += np.take_along_axis(networks.log_softmax(logits), path[-1][:, :, None], 2).sum(axis=(1, 2))
    return float(np.exp(log_p) @ objective(path, problem)) / n_problems


def z_scores(model, truth, n_images=4_000, repeats=20):
    rng = np.random.default_rng(6)
    rows = np.arange(n_images) % 2
    draws = [np.concatenate([g.ravel() for g in model.gradients(rows, rng)[0]]) for _ in range(repeats)]
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(repeats)
    truth = np.concatenate([g.ravel() for g in truth])
    spread = error > 1e-12
    assert_allclose(np.mean(draws, axis=0)[~spread], truth[~spread], atol=1e-7)
    return ((np.mean(draws, axis=0) - truth) / np.where(spread, error, 1.0))[spread]


ESTIMATORS = [arsm_fast.ARSM(), arsm_fast.LeaveOneOut(2), arsm_fast.Reinforce(), comparison.RELAX]


@pytest.mark.parametrize("estimator", [*ESTIMATORS, "gumbel"], ids=str)
def test_gradients_of_the_conditional_density(tiny, estimator):
    model = conditional_density.ConditionalDensity(tiny, estimator, seed=0)
    upper, lower = tiny.train[:, :2], tiny.train[:, 2:]

    def loss():
        def objective(path, problem):
            return networks.log_bernoulli(lower[problem], model.links[2](networks.one_hot(path[-1], 3)))

        return -expectation(model.layers(upper), objective, 2)

    scores = z_scores(model, numerical_gradients(loss, model.parameters, 1e-5))
    if estimator == "gumbel":
        assert abs(scores).max() > 10  # biased
    else:
        assert abs(scores).max() < 5
        assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.5


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("estimator", [*ESTIMATORS, "gumbel"], ids=str)
def test_gradients_of_the_auto_encoder(tiny, estimator, n_layers):
    model = categorical_vae.CategoricalVAE(tiny, estimator, n_layers, [3], seed=0)
    pixels = tiny.train

    def loss():
        # -log q is as given by the parameters here, whose own effect is zero on average.
        return -expectation(model.layers(pixels), model.objective(pixels), 2)

    scores = z_scores(model, numerical_gradients(loss, model.parameters, 1e-5))
    if estimator == "gumbel":
        assert abs(scores).max() > 10  # biased
        decoder = len(model.parameters) - len(model.noisy(model.parameters))
        assert 0 < decoder < len(model.parameters)
    else:
        assert abs(scores).max() < 5
        assert 0.6 < np.sqrt(np.mean(scores**2)) < 1.5
    exact = loss()
    sampled = model.negative_elbo(np.tile(pixels, (20_000, 1)), 1, np.random.default_rng(0))
    assert sampled == pytest.approx(exact, abs=0.05)


def test_scores_of_the_conditional_density(tiny):
    model = conditional_density.ConditionalDensity(tiny, arsm_fast.ARSM(), seed=0)
    upper, lower = tiny.test[:, :2], tiny.test[:, 2:]

    def likelihood(path, problem):
        return np.exp(networks.log_bernoulli(lower[problem], model.links[2](networks.one_hot(path[-1], 3))))

    one = [
        expectation(model.layers(upper[i : i + 1]), lambda p, n, i=i: likelihood(p, n + i), 1) for i in range(2)
    ]
    scores = model.scores(50_000, np.random.default_rng(0))
    assert scores == pytest.approx((-np.mean(np.log(one)),), abs=0.01)


@pytest.mark.parametrize(
    ("example", "arguments"),
    [
        (conditional_density, []),
        (categorical_vae, []),
        (categorical_vae, ["--layers", "2", "--methods", "arsm", "gumbel"]),
    ],
    ids=["density", "vae", "vae2"],
)
def test_examples_print_a_line_for_each_method(example, arguments, capsys):
    traces = example.main(["--quick", *arguments])
    output = capsys.readouterr().out
    assert len(traces) == (2 if "--layers" in arguments else 6)
    for trace in traces:
        assert sum(line.startswith(trace.name + "  ") for line in output.splitlines()) == 1
        assert all(np.isfinite(point.scores).all() for point in trace.curve)
        assert trace.at["evaluations"].evaluations >= 1000
        assert trace.at["seconds"].seconds >= 0.05


def test_examples_with_mnist_and_plots(tmp_path, capsys):
    mnist(tmp_path)
    for example in (conditional_density, categorical_vae):
        path = tmp_path / f"{example.__name__}.png"
        arguments = ["--quick", "--mnist", str(tmp_path), "--methods", "loo", "--plot", str(path)]
        example.main(arguments)
        assert "30 images of 16 pixels to train with, 6 to test" in capsys.readouterr().out
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("example", [conditional_density, categorical_vae], ids=["density", "vae"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--draws", "1"], "--draws at least 2"),
        (["--rate", "0"], "--seconds and --rate must be positive"),
        (["--steps", "0"], "--evaluations, --steps, --batch and --samples must be at least 1"),
        (["--batch", "1438"], "--batch must be at most 1437, the number of images"),
    ],
)
def test_bad_arguments(example, arguments, message, capsys):
    with pytest.raises(SystemExit):
        example.main(arguments)
    assert message in capsys.readouterr().err


class Descent:
    """A model of one number, whose score is its square."""

    learner = None

    def __init__(self):
        self.parameters = [np.array([1.0])]

    def gradients(self, rows, rng):
        assert len(set(rows)) == 3
        return [2 * self.parameters[0] + 0.01 * rng.normal(size=1)], 7

    def noisy(self, gradients):
        return gradients

    def scores(self, n_samples, rng):
        return (float(self.parameters[0][0] ** 2),)


def test_training_goes_on_until_all_budgets_are_spent():
    settings = comparison.Settings(700, 0.02, 30, 3, 0.05, 1, 1, 0)
    trace = comparison.train("test", Descent(), 10, settings)
    assert trace.at["evaluations"].steps == 100
    assert trace.at["evaluations"].evaluations == 700
    assert trace.at["seconds"].seconds >= 0.02
    assert trace.at["evaluations"].scores[0] < 0.01
    assert trace.at["steps"].steps == 30
    assert 2 < len(trace.curve) == len(trace.variances)
    assert 1e-5 < np.mean(trace.variances) < 1e-3
    assert (
        comparison.train("test", Descent(), 10, settings).at["evaluations"].scores
        == trace.at["evaluations"].scores
    )
