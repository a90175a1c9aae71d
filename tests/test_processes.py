"""A call works, and gives the same bits, in worker processes; after a fork it works or says why it cannot."""

import gc
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest

import arsm_fast
from arsm_fast import gradient

LAYERS = ["omp", "workqueue"]
LOGITS = np.random.default_rng(0).normal(size=(50, 40))
TABLE = np.cos(LOGITS)


def assert_same(estimates):
    for seed, estimate in enumerate(estimates):
        np.testing.assert_array_equal(
            estimate.gradient, gradient(TABLE, LOGITS, n_samples=100, rng=seed).gradient
        )


def test_spawned_processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(gradient, TABLE, LOGITS, n_samples=100, rng=seed) for seed in range(4)]
        assert_same(future.result(timeout=120) for future in futures)


def test_joblib_loky():
    call = joblib.delayed(gradient)
    calls = (call(TABLE, LOGITS, n_samples=100, rng=seed) for seed in range(4))
    assert_same(joblib.Parallel(n_jobs=2, backend="loky", timeout=120)(calls))


FORKED = """
import os, signal, threading, numpy as np
from arsm_fast import gradient
logits = np.random.default_rng(0).normal(size=(50, 40)); table = np.cos(logits)
def work():
    return gradient(table, logits, n_samples=100, rng=1).gradient.tobytes()
def fork(done=threading.Event()):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            os.write(writer, work()[:64])
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    done.set(); os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return "same" if answer == work()[:64] else answer.decode(errors="replace")
"""


def run_forked(script, layer):
    run = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", FORKED + script],
        env=os.environ | {"NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "No threading layer could be loaded" in run.stderr:
        pytest.skip(f"this machine has no {layer} layer")
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_fork_before_the_first_call(layer):
    assert run_forked("print(fork())", layer) == "same"


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_fork_after_a_call(layer):
    outcome = run_forked("work(); print(fork())", layer)
    if layer == "workqueue":
        assert outcome == "same"
    else:  # GNU OpenMP cannot; other vendors' can
        assert outcome == "same" or "forked after its parent had used the threading layer omp" in outcome


@needs_fork
@pytest.mark.parametrize(
    "lock", ["arsm_fast.kernels._jit._entry_lock", "numba.core.compiler_lock.global_compiler_lock"]
)
def test_fork_while_another_thread_is_in_a_call(lock):
    module, name = lock.rsplit(".", 1)
    script = f"""
from {module} import {name} as lock
held, done = threading.Event(), threading.Event()
def call():
    with lock:
        held.set(); done.wait(20)
work(); threading.Thread(target=call).start(); held.wait()
print(fork(done))
"""
    assert "forked while another thread of its parent was in a call" in run_forked(script, "workqueue")


OVERLOADED = """
import operator
import numba, numpy as np
from numba import types
from numba.extending import overload

@overload(operator.getitem)
def entry_of_mine(array, i):
    if isinstance(array, types.Array) and array.dtype == types.float32:
        return lambda array, i: -1.0

import arsm_fast
arsm_fast.dirichlet_noise(np.zeros(3), rng=0)
print(numba.njit(lambda array: array[0])(np.zeros(3, np.float32)))
"""


def test_overloads_of_the_user_are_heard(tmp_path):
    # What is compiled here must not change how others' code is.
    run = subprocess.run(
        [sys.executable, "-P", "-c", OVERLOADED],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert run.stdout.strip() == "-1.0"


FIRST_CALL = """
import sys
import numpy as np, arsm_fast
arsm_fast.gradient(np.zeros(3), np.zeros(3), rng=0)
print("scipy.linalg" in sys.modules)

import numba, numba.np.linalg
from numba.core.registry import cpu_target

context = cpu_target.target_context
known = len(context._defns), len(context._getattrs), len(context.typing_context._functions)
context.refresh()
print(known == (len(context._defns), len(context._getattrs), len(context.typing_context._functions)))
a = np.array([[2.0, 1.0], [1.0, 3.0]])
print(numba.njit(lambda a: np.linalg.inv(a) @ a)(a).trace().round(12), "scipy.linalg" in sys.modules)
print(numba.np.linalg.ensure_blas.__module__)
"""


def test_a_first_call_leaves_linear_algebra_to_those_who_use_it():
    run = subprocess.run([sys.executable, "-P", "-c", FIRST_CALL], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:4] == ["False", "True", "2.0 True", "numba.np.linalg"]


@pytest.mark.parametrize("collects", [True, False])
def test_imports_leave_the_garbage_collection_as_it_was(collects):
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        assert arsm_fast.__getattr__("gradient") is gradient
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was else gc.disable)()
