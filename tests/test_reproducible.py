"""The same rng gives the same bits: for any number of threads, in a new process, after an edit of a kernel."""

import hashlib
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from arsm_fast.kernels import one_variable, row_by_row, short_rows
from helpers import RandomTerms, WithDelta
from llvmlite.binding import get_host_cpu_features
from numba.core.caching import FunctionCache
from numba.extending import is_jitted

import arsm_fast
from arsm_fast import ARSM, CARMS, LocalExpectation, LocalPair, UnorderedSet, gradient, propose, sample
from arsm_fast._one_variable import LONG_ROW
from arsm_fast._random import generator_key

ESTIMATORS = [
    "ar",
    "ars",
    "arsm",
    ARSM(plus=True),
    ARSM("coordinate"),
    ARSM(references=2),
    "reinforce",
    "loo",
    LocalExpectation(variables=1),
    "top",
    "pair",
    LocalPair(replacement=True),
    "disarm",
]


def _cosine(actions):
    return np.cos(actions @ [1.0, 2.0, 3.0])


def digest():
    """A hash of the results of everything random."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 3, 6))
    ragged = [rng.normal(size=c) for c in (2, 7, 3)]
    table = rng.normal(size=(5, 3, 6))
    long = rng.normal(size=3000)
    parts = [sample(logits, 100, rng=1)]
    parts.append(gradient(table, logits, estimator="unordered", n_samples=200, rng=1).gradient)
    parts.append(gradient(table, logits, estimator=UnorderedSet(3), n_samples=200, rng=1).gradient)
    for estimator in (UnorderedSet(3), CARMS(4)):
        estimate = gradient(_cosine, ragged, estimator=estimator, n_samples=200, rng=1)
        parts += [np.concatenate(estimate.gradient), estimate.value]
    for estimator in ESTIMATORS:
        for n_samples in (1, 200):
            for arguments in (
                (lambda a, b: np.cos(a @ [1.0, 2.0, 3.0] + b), logits),
                (_cosine, ragged),
                (table, logits),
                (np.cos(np.arange(3000.0)), long),
            ):
                estimate = gradient(*arguments, estimator=estimator, n_samples=n_samples, rng=2)
                parts += [np.concatenate([np.ravel(g) for g in estimate.gradient]), estimate.value]
                if n_samples > 1:
                    parts.append(np.concatenate([np.ravel(g) for g in estimate.standard_error]))
    for n_samples in (1, 3):
        long = np.arange(float(LONG_ROW))
        estimate = gradient(np.cos(long), 4 * np.sin(long), n_samples=n_samples, rng=2)
        parts += [estimate.gradient, estimate.value]
        if n_samples > 1:
            parts.append(estimate.standard_error)
    structured = RandomTerms(3, [6] * 3, [(0, 1), (1, 2), (2,)], n_problems=5)
    for estimator, objective in (("scoped", structured), ("local", WithDelta(structured, [6] * 3))):
        estimate = gradient(objective, logits, estimator=estimator, n_samples=200, rng=2)
        parts += [estimate.gradient, estimate.value, estimate.standard_error]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def test_any_number_of_threads():
    before = numba.get_num_threads()
    try:
        digests = set()
        for n_threads in (1, 2, 4):
            numba.set_num_threads(n_threads)
            digests.add(digest())
    finally:
        numba.set_num_threads(before)
    assert len(digests) == 1


def test_new_process():
    script = "from test_reproducible import digest; print(digest())"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    output = subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == digest()


def test_a_process_that_compiles_and_one_that_loads_agree(tmp_path):
    script = (
        "import numpy as np, arsm_fast;"
        "logits = np.random.default_rng(0).normal(size=3000);"
        "print(arsm_fast.gradient(np.cos(logits), logits, n_samples=100, rng=1).gradient.tobytes().hex())"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled, loaded = (
        subprocess.run(
            [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )
    assert compiled == loaded


HASWELL = "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt"
PROCESSORS = {
    "without AES": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "narrow AES": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": HASWELL + ",+aes"},
    "wide AES": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": HASWELL + ",+aes,+vaes"},
}


@pytest.fixture(scope="module")
def noise_of_this_processor():
    return noise_of({})


def noise_of(environment):
    script = (
        "import numpy as np; from arsm_fast import dirichlet_noise;"
        "print([dirichlet_noise(np.zeros(shape), 3, rng=1).tobytes().hex() for shape in ((777,), (20, 11))])"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("processor", PROCESSORS)
def test_other_processors_give_the_same_noise(processor, noise_of_this_processor):
    """Other instructions for AES, or none, and vectors of another width where this one has AVX-512."""
    environment = PROCESSORS[processor]
    features = [name.lstrip("+") for name in environment["NUMBA_CPU_FEATURES"].split(",") if name]
    if not all(get_host_cpu_features().get(name) for name in features):
        pytest.skip("needs " + ", ".join(features))
    assert noise_of(environment) == noise_of_this_processor


def test_kinds_of_rng():
    logits = np.zeros(10)
    by_int = sample(logits, 5, rng=3)
    np.testing.assert_array_equal(by_int, sample(logits, 5, rng=np.random.default_rng(3)))
    np.testing.assert_array_equal(by_int, sample(logits, 5, rng=np.random.SeedSequence(3)))
    generator = np.random.default_rng(3)
    first, second = sample(logits, 5, rng=generator), sample(logits, 5, rng=generator)
    assert (first != second).any()
    assert generator_key(None) != generator_key(None)


def test_global_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002 (the legacy state is what is being watched)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    threads = numba.get_num_threads()
    gradient(np.arange(4.0), np.zeros(4), n_samples=100)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert numba.get_num_threads() == threads


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_concurrent_python_threads(layer):
    script = """
import threading, numpy as np
from arsm_fast import gradient
logits = np.random.default_rng(0).normal(size=(50, 40)); table = np.cos(logits)
expected = gradient(table, logits, n_samples=100, rng=1).gradient
results = []
def work():
    for _ in range(5):
        results.append(gradient(table, logits, n_samples=100, rng=1).gradient)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
assert len(results) == 20 and all((r == expected).all() for r in results)
print("same")
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=os.environ | {"NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No threading layer could be loaded" in run.stderr:
        pytest.skip(f"this machine has no {layer} layer")
    assert run.stdout.strip() == "same", run.stderr


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_key_is_the_generators_next_number(bits):
    generators = [np.random.Generator(getattr(np.random, bits)(3)) for _ in range(2)]
    for _ in range(3):
        assert generator_key(generators[0]) == generators[1].integers(2**64, dtype=np.uint64)


@pytest.mark.parametrize("bits", [0, 1, 31, 32, 33, 64, 65, 127, 128, 129, 200])
def test_the_key_of_a_seed_is_numpys(bits):
    draws = np.random.default_rng(bits)
    seeds = [0, 2**bits - 1, 2**bits] + [int.from_bytes(draws.bytes(26)) % 2**bits for _ in range(20)]
    for seed in seeds:
        assert generator_key(seed) == np.random.default_rng(seed).integers(2**64, dtype=np.uint64)


def test_an_import_gives_numba_nothing():
    script = """
import sys
from arsm_fast import gradient
from arsm_fast.kernels._jit import Kernel
modules = [module for name, module in sys.modules.items() if name.startswith("arsm_fast.kernels.")]
kernels = [kernel for module in modules for kernel in vars(module).values() if isinstance(kernel, Kernel)]
print(len(kernels) > 100, [kernel.__name__ for kernel in kernels if "dispatcher" in vars(kernel)])
"""
    run = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True []"


def test_each_kernel_compiles_once():
    kernels = [
        kernel.dispatcher
        for kernel in (
            one_variable.one_variable_moments,
            one_variable.many_sample_moments,
            short_rows.short_row_moments,
            row_by_row.row_by_row_moments,
        )
    ]
    arsm_fast.warmup()
    for logits in (
        np.zeros(4, np.float32),
        np.zeros((3, 4)).T[:, 0][:3],
        np.zeros((2, 3), order="F"),
        [np.zeros(2), np.zeros(3)],
    ):
        table = [np.zeros(2), np.zeros(3)] if isinstance(logits, list) else np.zeros(np.shape(logits))
        gradient(table, logits, rng=0)
        gradient(table, logits, n_samples=200, estimator="ars", rng=0)
    frozen = np.zeros(4)
    frozen.flags.writeable = False
    gradient(frozen, frozen, rng=0)
    for size in (4, 20):
        proposal = propose(np.zeros(size), rng=0)
        proposal.estimate(np.zeros(len(proposal.actions), np.float32))
        gradient(np.zeros(size, np.float32), np.zeros(size), n_samples=3, rng=0)
    gradient(frozen, frozen, noise=np.full((1, 4), 0.25))
    assert [len(kernel.signatures) for kernel in kernels] == [1, 1, 1, 1]


def warm_up_and_count():
    """Fails where warmup leaves a kernel out, or something else compiles one for other types."""
    kernels = {}
    for found in pkgutil.iter_modules(arsm_fast.kernels.__path__):
        module = importlib.import_module(f"arsm_fast.kernels.{found.name}")
        for name, function in vars(module).items():
            dispatcher = getattr(function, "dispatcher", function)
            cached = is_jitted(dispatcher) and isinstance(dispatcher._cache, FunctionCache)
            if cached and dispatcher.py_func.__module__ == module.__name__:
                kernels[name] = dispatcher
    assert len(kernels) > 15
    arsm_fast.warmup()
    before = {name: len(kernel.signatures) for name, kernel in kernels.items()}
    others = {name: n for name, n in before.items() if n != 1}
    assert others == {"count_matches": 2, "fit_kernels": 2}, others  # for bytes, and for larger numbers

    def f(actions, *problem):
        return actions[:, 0]

    rng = np.random.default_rng(0)
    for logits in (rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4)), [np.zeros(2), np.zeros(3)]):
        for estimator in ESTIMATORS:
            for n_samples in (1, 2, 1500):
                gradient(f, logits, estimator=estimator, n_samples=n_samples, rng=0)
    for n_samples in (1, 1500):
        gradient(np.zeros((2, 4)), np.zeros((2, 4)), estimator=UnorderedSet(3), n_samples=n_samples, rng=0)
        terms = RandomTerms(0, [4] * 3, [(0, 1), (2,)], n_problems=2)
        gradient(terms, rng.normal(size=(2, 3, 4)), estimator="scoped", n_samples=n_samples, rng=0)
    for n_samples in (1, 3):
        gradient(np.zeros(LONG_ROW), rng.normal(size=LONG_ROW), n_samples=n_samples, rng=0)
        proposal = propose(rng.normal(size=(1, 1, LONG_ROW)), n_samples=n_samples, rng=0)
        proposal.estimate(np.ones(len(proposal.actions)))
    sample(rng.normal(size=(3, 4)), 5)
    sample(rng.normal(size=(9, 4)), 5)
    weights = rng.normal(size=(2, 4))
    arsm_fast.pseudo_action_matrix(np.full((2, 4), 0.25), weights)
    arsm_fast.pseudo_action_matrix(np.full((2, 4), 0.25), weights[0])
    assert {name: len(kernel.signatures) for name, kernel in kernels.items()} == before


def test_warmup_compiles_everything():
    # In a process of its own, as other tests compile what it may have left out.
    script = "from test_reproducible import warm_up_and_count; warm_up_and_count()"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_an_edited_helper_is_not_served_from_the_cache(tmp_path):
    # The helper is in another file than the kernel that calls it, which Numba's own cache key misses.
    package = tmp_path / "edited"
    shutil.copytree(Path(arsm_fast.__file__).parent, package / "arsm_fast")
    kernels = Path(one_variable.__file__).parent
    if kernels != package / "arsm_fast" / "kernels":
        shutil.copytree(kernels, package / "arsm_fast" / "kernels", dirs_exist_ok=True)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import arsm_fast, numpy as np;"
        "assert arsm_fast.__file__.startswith(sys.argv[1]);"
        "print(arsm_fast.sample(np.zeros(1000), rng=0))"
    )

    def run():
        return subprocess.run(
            [sys.executable, "-P", "-c", script, str(package)],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    first = run()
    assert run() == first
    assert any((tmp_path / "cache").rglob("*.nbi"))
    callee = package / "arsm_fast" / "kernels" / "portable_ars.py"
    text = callee.read_text()
    assert "0x9E3779B97F4A7C15" in text
    callee.write_text(text.replace("0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17"))
    assert run() != first
