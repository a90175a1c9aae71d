"""Values do not depend on who evaluates them, and what has arrived is kept whatever happens."""

import os
import re
import subprocess
import sys
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import numba
import numpy as np
import pytest
import worker_objectives as objectives

from arsm_fast import Optimizer, Workers, minimize

ACTIONS = np.stack([np.arange(20) % 7, np.arange(20) % 3, np.arange(20)], axis=1).astype(np.int32)
THREES = ACTIONS[:, 0] == 3
EXPECTED = objectives.smooth(ACTIONS)


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed")
    # A free port, as another cluster may have the usual one.
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with cluster, distributed.Client(cluster) as client:
        yield client


@numba.njit
def compiled(actions):
    if actions[0] == 3:
        raise LookupError("three is too much")
    return actions[0] + 0.5 * actions[2]


def test_the_same_values_from_anyone(dask_client):
    with ThreadPoolExecutor(3) as threads, Workers(objectives.smooth, 2) as processes:
        many = [
            Workers(objectives.smooth),
            processes,
            Workers(objectives.smooth, map),
            Workers(objectives.smooth, threads),
            Workers(objectives.smooth, threads.map),
            Workers(objectives.smooth, dask_client.get_executor(pure=False)),
        ]
        for evaluate in many:
            for n in (0, 1, 5, 20):
                values = evaluate(ACTIONS[:n])
                assert values.dtype == np.float64
                np.testing.assert_array_equal(values, EXPECTED[:n])
                np.testing.assert_array_equal(evaluate.values, values)


def test_dask_does_not_change_the_result_of_minimize(dask_client):
    def run(workers):
        return str(minimize(objectives.smooth, [4] * 8, maxfev=40, n_proposals=10, workers=workers, rng=0))

    assert run(dask_client.get_executor(pure=False)) == run(1)


def test_processes_of_our_own_share_the_work_and_end():
    with Workers(objectives.where, 2) as evaluate:
        for _ in range(1000):  # until the second has started
            processes = set(evaluate(ACTIONS))
            if len(processes) == 2:
                break
        assert len(processes) == 2
        assert os.getpid() not in processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)
    assert Workers(objectives.where)(ACTIONS)[0] == os.getpid()


def test_pieces_are_several_for_each_worker():
    sizes = []

    def note(actions):
        sizes.append(len(actions))
        return objectives.smooth(actions)

    Workers(note)(ACTIONS)
    assert sizes == [20]
    sizes.clear()
    with ThreadPoolExecutor(2) as threads:
        Workers(note, threads)(ACTIONS)
    assert sorted(sizes) == [2, 2, 2, 2, 3, 3, 3, 3]
    sizes.clear()
    Workers(note, map)(ACTIONS)
    assert sizes == [1] * 20


def test_a_compiled_objective():
    fine = ACTIONS[~THREES]
    expected = fine[:, 0] + 0.5 * fine[:, 2]
    np.testing.assert_array_equal(Workers(compiled)(fine), expected)
    with ThreadPoolExecutor(2) as threads:
        np.testing.assert_array_equal(Workers(compiled, threads)(fine), expected)
    with pytest.raises(LookupError, match="three is too much"):
        Workers(compiled)(ACTIONS)
    skipping = Workers(compiled, on_error="skip")
    np.testing.assert_array_equal(np.isnan(skipping(ACTIONS)), THREES)


def test_f_cannot_change_the_actions():
    def write(actions):
        actions[:] = 0

    for workers in (1, map):
        with pytest.raises(ValueError, match="read-only"):
            Workers(write, workers)(ACTIONS)


@pytest.mark.parametrize("kind", ["here", "threads", "processes", "dask"])
def test_an_exception_comes_through_and_what_arrived_is_kept(kind, request):
    if kind == "dask":
        workers = request.getfixturevalue("dask_client").get_executor(pure=False)
    else:
        workers = {"here": map, "threads": ThreadPoolExecutor(1), "processes": 2}[kind]
    with Workers(objectives.raises_at_three, workers) as evaluate:
        with pytest.raises(LookupError, match="three is too much") as caught:
            evaluate(ACTIONS)
        arrived = ~np.isnan(evaluate.values)
        assert not arrived[THREES].any()
        if kind == "here":  # row by row
            assert arrived[:3].all()
        np.testing.assert_array_equal(evaluate.values[arrived], EXPECTED[arrived])
        if kind in ("processes", "dask"):
            (note,) = caught.value.__notes__
            assert "In a worker:" in note
            assert "in raises_at_three" in note
        fine = ACTIONS[~THREES]
        np.testing.assert_array_equal(evaluate(fine), EXPECTED[~THREES])  # and it goes on
    with Workers(objectives.raises_at_three, workers, on_error="skip") as evaluate:
        values = evaluate(ACTIONS)
        np.testing.assert_array_equal(np.isnan(values), THREES)
        np.testing.assert_array_equal(values[~THREES], EXPECTED[~THREES])


def test_an_exception_that_cannot_be_pickled():
    with (
        Workers(objectives.raises_what_cannot_be_pickled, 2) as evaluate,
        pytest.raises(RuntimeError, match=re.escape("cannot be pickled: TwoArguments('1 and 2')")),
    ):
        evaluate(ACTIONS)
    with pytest.raises(objectives.TwoArguments):
        Workers(objectives.raises_what_cannot_be_pickled)(ACTIONS)


def test_a_worker_that_dies():
    with Workers(objectives.kills_its_process_at_three, 2) as evaluate:
        with pytest.raises(BrokenExecutor, match=r"a worker died .* of 20 values had arrived") as caught:
            evaluate(ACTIONS)
        arrived = ~np.isnan(evaluate.values)
        assert f" {np.count_nonzero(arrived)} of 20 values" in str(caught.value)
        np.testing.assert_array_equal(evaluate.values[arrived], EXPECTED[arrived])
        np.testing.assert_array_equal(evaluate(ACTIONS[~THREES]), EXPECTED[~THREES])


def test_a_row_that_kills_its_worker_is_skipped():
    with Workers(objectives.kills_its_process_at_three, 2, on_error="skip") as evaluate:
        values = evaluate(ACTIONS[:7])
    np.testing.assert_array_equal(np.isnan(values), THREES[:7])
    np.testing.assert_array_equal(values[~THREES[:7]], EXPECTED[:7][~THREES[:7]])


def test_a_worker_that_dies_by_chance_costs_no_value(tmp_path):
    with Workers(objectives.KilledOnce(tmp_path / "killed"), 2, on_error="skip") as evaluate:
        np.testing.assert_array_equal(evaluate(ACTIONS), EXPECTED)


def test_an_interrupt_keeps_what_arrived(monkeypatch):
    blocked = objectives.Blocked()
    with ThreadPoolExecutor(1) as threads:
        evaluate = Workers(blocked, threads)

        def interrupted(futures):
            assert blocked.started.wait(60)
            raise KeyboardInterrupt

        monkeypatch.setattr("arsm_fast.workers.as_completed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate(ACTIONS)
        blocked.go_on.set()
    # The first piece; the second was in work, the others were not begun.
    assert not np.isnan(evaluate.values[:5]).any()
    assert np.isnan(evaluate.values[5:]).all()


SCRIPT = """
from arsm_fast import Workers
from worker_objectives import smooth
import numpy as np

def f(actions):
    return smooth(actions)

print(Workers(f, 2{})(np.zeros((2, 3), int)))
"""


@pytest.mark.parametrize("on_error", ["", ', "skip"'])
def test_a_script_without_a_guard_is_told(tmp_path, on_error):
    (tmp_path / "script.py").write_text(SCRIPT.format(on_error))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": os.path.dirname(objectives.__file__)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 'must do so under if __name__ == "__main__"' in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((None,), TypeError, "objective must be a function; got NoneType"),
        ((objectives.smooth, 0), ValueError, "workers must be a number of processes from 1 on, or -1"),
        ((objectives.smooth, -2), ValueError, "for all cores; got -2"),
        ((objectives.smooth, 1.5), TypeError, "workers must be a number of processes, a map-like callable or"),
        ((objectives.smooth, True), TypeError, "an Executor; got True"),
        ((objectives.smooth, 1, "ignore"), ValueError, 'on_error must be "raise" or "skip"; got \'ignore\''),
        ((lambda actions: actions, 2), TypeError, "objective must be picklable to be sent to processes"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        Workers(*arguments)


def test_bad_actions_and_bad_answers():
    evaluate = Workers(objectives.smooth)
    for actions in (np.zeros(3, int), np.zeros((2, 3)), [[0, 1], [2.5, 1]]):
        with pytest.raises(ValueError, match=re.escape("actions must be an array of integers of shape (M, K)")):
            evaluate(actions)
    for large in (2**31, -(2**31) - 1):
        with pytest.raises(
            ValueError, match=f"actions must be numbers of int32, up to 2147483647 in size; got {large}"
        ):
            evaluate(np.array([[0, 1], [large, 1]]))
    with pytest.raises(ValueError, match=f"got {2**63}"):
        evaluate(np.array([[0, 2**63]], np.uint64))
    for on_error in ("raise", "skip"):
        with pytest.raises(ValueError, match=re.escape("values must have shape (20,), one number for each row")):
            Workers(objectives.too_many, 1, on_error)(ACTIONS)
        with pytest.raises(TypeError, match="values must be 20 real numbers"):
            Workers(lambda actions: ["a"] * len(actions), 1, on_error)(ACTIONS)
    with pytest.raises(ValueError, match="workers, as a map-like callable, must give one result for each piece"):
        Workers(objectives.smooth, lambda f, pieces: [f(piece) for piece in pieces[:3]])(ACTIONS)
    np.testing.assert_array_equal(Workers(lambda a: np.full(len(a), np.inf))(ACTIONS), np.full(20, np.inf))


def test_an_objective_that_cannot_be_read_in_a_worker():
    with Workers(objectives.ReadOnlyHere(), 2) as evaluate:
        for _ in range(2):
            with pytest.raises(OSError, match="the file with the data is not on this machine") as caught:
                evaluate(ACTIONS)
            assert "could not be read in a worker process" in caught.value.__notes__[0]


def test_a_worker_of_dask_that_dies_loses_nothing(dask_client):
    from distributed.scheduler import KilledWorker

    def give_up_at_once(dask_scheduler):
        dask_scheduler.allowed_failures = 0

    dask_client.run_on_scheduler(give_up_at_once)
    workers = dask_client.get_executor(pure=False)
    optimizer = Optimizer([7] * 3, n_proposals=6, maxfev=60, rng=0)
    with pytest.raises(KilledWorker) as caught:
        minimize(objectives.kills_its_process_at_three, optimizer, workers=workers)
    assert f"the best of {optimizer.nfev} evaluations before" in caught.value.__notes__[-1]
    goes_on = minimize(objectives.smooth, optimizer, workers=workers)
    assert str(goes_on) == str(minimize(objectives.smooth, [7] * 3, n_proposals=6, maxfev=60, rng=0))
