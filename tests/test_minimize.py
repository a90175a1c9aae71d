"""minimize and maximize: the loop over an Optimizer."""

import importlib.util
import re
import signal
import sys
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import numba
import numpy as np
import pytest
import worker_objectives
from scipy.optimize import OptimizeResult

from arsm_fast import LeaveOneOut, NaturalGradient, Optimizer, maximize, minimize
from arsm_fast._progress import Progress

SIZES = [4] * 8


def bowl(actions):
    return ((actions - 2.0) ** 2).sum(axis=1)


def never(actions):
    pytest.fail("f was called")


@pytest.mark.parametrize("update", ["annealing", "natural", "gradient", "momentum", "adam"])
def test_finds_a_minimum_and_a_maximum(update):
    low = minimize(bowl, SIZES, optimizer=update, maxfev=1500, rng=0)
    assert isinstance(low, OptimizeResult)
    assert low.x.tolist() == [2] * 8
    assert low.fun == 0.0
    assert low.probabilities.shape == low.logits.shape == (8, 4)
    high = maximize(bowl, SIZES, optimizer=update, maxfev=1500, rng=0)
    assert high.x.tolist() == [0] * 8
    assert high.fun == 32.0
    assert (np.diff(high.history["best"]) >= 0).all()


def test_with_other_estimators():
    for estimator in (LeaveOneOut(8), "arsm", "local", "pair"):
        result = minimize(bowl, SIZES, optimizer="adam", estimator=estimator, maxfev=600, rng=0)
        assert result.fun <= 4.0
        assert result.nfev == 600


def test_is_the_loop_of_ask_and_tell():
    optimizer = Optimizer(SIZES, maxfev=120, rng=3)
    while not optimizer.stop():
        actions = optimizer.ask()
        optimizer.tell(actions, bowl(actions))
    assert str(minimize(bowl, SIZES, maxfev=120, rng=3)) == str(optimizer.result)


def test_never_evaluates_a_vector_twice_nor_beyond_the_budget():
    seen = []

    def f(actions):
        assert actions.dtype == np.int32
        seen.extend(row.tobytes() for row in actions)
        return bowl(actions)

    assert minimize(f, SIZES, maxfev=321, rng=0).nfev == 321
    assert len(seen) == len(set(seen)) == 321


def test_compiled_objective():
    @numba.njit
    def f(vector):
        return ((vector - 2.0) ** 2).sum()

    assert str(minimize(f, SIZES, maxfev=120, rng=3)) == str(minimize(bowl, SIZES, maxfev=120, rng=3))

    @numba.njit
    def fails(vector):
        if vector[0] == 1:
            raise ZeroDivisionError("one")
        return 0.0

    with pytest.raises(ZeroDivisionError, match="one"):
        minimize(fails, SIZES, maxfev=500, rng=3)


def test_limits():
    assert minimize(bowl, [2] * 30, maxiter=5, rng=0).nit == 5
    result = minimize(bowl, SIZES, target=3.0, rng=0)
    assert result.status == 0
    assert result.fun <= 3.0
    result = minimize(bowl, SIZES, target=-1.0, maxfev=50, rng=0)
    assert (result.status, result.success) == (1, False)
    assert minimize(lambda actions: actions.sum(axis=1), [3] * 30, rng=0).nfev == 1000 + 20 * 90


def test_maxtime(monkeypatch):
    clock = iter(np.arange(-1.0, 1000.0))
    monkeypatch.setattr("arsm_fast.optimize.time.monotonic", lambda: next(clock))
    result = minimize(bowl, SIZES, maxtime=4.5, rng=0)
    assert (result.nit, result.status, result.success) == (4, 4, False)
    assert result.message == "The time was up."


def test_maxtime_leaves_time_for_what_is_expected(monkeypatch):
    now = 0.0

    def f(actions):
        nonlocal now
        now += 0.1 * len(actions)
        return bowl(actions) + 0.01 * (actions != 0).sum(axis=1)

    monkeypatch.setattr("arsm_fast.optimize.time.monotonic", lambda: now)
    result = minimize(f, SIZES, optimizer="natural", maxtime=50.0, rng=0)
    assert result.message == "The time was up."
    assert 45.0 < now < 52.0  # a step is of 2 seconds
    assert result.expected.value >= result.fun
    assert result.expected.standard_error > 0
    # So it goes on, and what is expected of the distribution is so at the end.
    optimizer = Optimizer(SIZES, optimizer="natural", rng=0)
    for _ in range(2):
        part = minimize(f, optimizer, maxtime=50.0)
    assert part.nfev > 1.5 * result.nfev
    assert part.expected not in (None, result.expected)


def test_callback_may_take_its_argument_by_name_alone():
    seen = []
    minimize(
        bowl, SIZES, maxfev=50, callback=lambda *, intermediate_result: seen.append(intermediate_result), rng=0
    )
    assert seen[-1].nfev == 50


def test_callback_stops_the_run():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 3:
            raise StopIteration

    result = minimize(bowl, SIZES, maxfev=500, callback=callback, rng=0)
    assert [entry.nit for entry in seen] == [1, 2, 3]
    assert result.nit == 3
    assert result.message == "The callback stopped the run."
    assert (result.status, result.success) == (4, False)
    assert result.fun == seen[-1].fun


def test_interrupt_gives_the_best_so_far():
    calls = []

    def f(actions):
        calls.append(actions)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return bowl(actions)

    result = minimize(f, SIZES, maxfev=500, rng=0)
    assert (result.status, result.success) == (5, False)
    assert result.message == "The run was interrupted."
    assert result.nfev == sum(len(actions) for actions in calls[:9])
    assert result.fun == min(bowl(actions).min() for actions in calls[:9])


def test_a_signal_in_f_stops_at_once_and_one_in_a_step_when_it_is_whole(monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    calls = []

    def f(actions):
        calls.append(len(actions))
        if len(calls) == 10:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it went on")
        return bowl(actions)

    optimizer = Optimizer(SIZES, maxfev=200, rng=7)
    result = minimize(f, optimizer)
    assert (result.status, result.nfev) == (5, sum(calls[:9]))
    assert signal.getsignal(signal.SIGINT) is handler
    plain = optimizer._search.update

    def interrupted(*arguments):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return plain(*arguments)

    monkeypatch.setattr(optimizer._search, "update", interrupted)
    result = minimize(bowl, optimizer)
    assert result.status == 5
    assert result.nfev > sum(calls[:9])
    assert signal.getsignal(signal.SIGINT) is handler
    assert str(minimize(bowl, optimizer)) == str(minimize(bowl, SIZES, maxfev=200, rng=7))


def test_the_handler_of_interrupts_is_installed_once_a_run(monkeypatch):
    installed, plain = [], signal.signal

    def counted(*arguments):
        installed.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(signal, "signal", counted)
    assert minimize(bowl, SIZES, maxfev=200, callback=lambda result: None, rng=0).nit > 2
    assert len(installed) == 2


def test_what_f_does_with_interrupts_stays():
    handler, own = signal.getsignal(signal.SIGINT), lambda *_: None

    def f(actions):
        signal.signal(signal.SIGINT, own)
        return bowl(actions)

    try:
        minimize(f, SIZES, maxfev=20, rng=0)
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, handler)


def test_f_may_minimize_and_be_minimized_in_a_thread():
    def f(actions):
        return bowl(actions) + minimize(bowl, SIZES, maxfev=5, rng=0).fun

    expected = minimize(f, SIZES, maxfev=20, rng=0)
    with ThreadPoolExecutor(1) as pool:
        assert str(pool.submit(minimize, f, SIZES, maxfev=20, rng=0).result()) == str(expected)


def test_an_exception_loses_nothing():
    calls = []

    def f(actions):
        calls.append(len(actions))
        if len(calls) == 10:
            raise RuntimeError("out of licences")
        return bowl(actions)

    optimizer = Optimizer(SIZES, maxfev=200, rng=7)
    with pytest.raises(RuntimeError, match="out of licences") as caught:
        minimize(f, optimizer)
    assert optimizer.nfev == sum(calls[:9])
    assert f"the best of {optimizer.nfev} evaluations before: fun = " in caught.value.__notes__[0]
    result = minimize(f, optimizer)
    assert str(result) == str(minimize(bowl, SIZES, maxfev=200, rng=7))


def test_values_that_are_not_finite_come_through_as_an_error():
    optimizer = Optimizer(SIZES, maxfev=200, rng=7)
    with pytest.raises(ValueError, match="values must be finite; 2 of 2 are not: values\\[0\\] = nan at"):
        minimize(lambda actions: np.full(len(actions), np.nan), optimizer)
    assert optimizer.nfev == 0


@pytest.mark.parametrize("bar", [True, False])
def test_progress(bar, monkeypatch, capsys):
    if bar and importlib.util.find_spec("tqdm") is None:
        pytest.skip("tqdm is not installed")
    if not bar:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    result = minimize(bowl, SIZES, maxfev=200, disp=True, rng=0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"best {result.fun:.6g}" in captured.err
    assert f"iteration {result.nit}" in captured.err
    assert "200" in captured.err
    assert captured.err.endswith("\n")


def test_progress_counts_from_where_a_run_goes_on(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    clock = iter(range(10_000))
    monkeypatch.setattr("arsm_fast._progress.time.monotonic", lambda: float(next(clock)))
    progress = Progress(200, 100)
    progress.show((3, 120, 0.0, 0.0, 0.0))
    assert " 20 evaluations/s" in capsys.readouterr().err


def test_noisy():
    rng = np.random.default_rng(0)
    result = minimize(
        lambda actions: bowl(actions) + rng.normal(size=len(actions)), SIZES, noisy=True, maxfev=3000, rng=0
    )
    assert bowl(result.x[None])[0] <= 1.0
    assert abs(result.fun - bowl(result.x[None])[0]) < 0.5


def test_same_seed_same_run():
    first, second = (minimize(bowl, SIZES, maxfev=300, rng=np.random.default_rng(3)) for _ in range(2))
    assert str(first) == str(second)
    other = minimize(bowl, SIZES, maxfev=300, rng=4)
    assert not np.array_equal(first.history["mean"], other.history["mean"])


@pytest.mark.parametrize(
    ("n_categories", "settings", "kind", "message"),
    [
        ([0], {}, ValueError, "n_categories must be at least 1; got n_categories[0] = 0"),
        ("abc", {}, TypeError, "n_categories must be"),
        (None, {}, TypeError, "n_categories must be"),
        ([3, -4], {}, ValueError, "n_categories must be at least 1; got n_categories[1] = -4"),
        (SIZES, {"maxfev": 0}, ValueError, "maxfev must be at least 1; got 0"),
        (SIZES, {"maxtime": 0}, ValueError, "maxtime must be positive; got 0"),
        (SIZES, {"maxtime": "1 h"}, TypeError, "maxtime must be a number; got '1 h'"),
        (SIZES, {"callback": 3}, TypeError, "callback must be a function or None; got int"),
        (SIZES, {"disp": 1}, TypeError, "disp must be True or False; got 1"),
        (SIZES, {"optimizer": "best"}, ValueError, "optimizer must be one of"),
        (Optimizer(SIZES), {"maxfev": 5}, ValueError, "maxfev must not be given with an Optimizer"),
        (
            Optimizer(SIZES),
            {"logits0": np.zeros((2, 3))},
            ValueError,
            "logits0 must not be given with an Optimizer",
        ),
        (Optimizer(SIZES), {"rng": 0}, ValueError, "rng must not be given with an Optimizer"),
        (
            Optimizer(SIZES),
            {"optimizer": NaturalGradient()},
            ValueError,
            "optimizer must not be given with an Optimizer",
        ),
        (
            Optimizer(SIZES, maximize=True),
            {},
            ValueError,
            "the Optimizer must have been made with maximize=False",
        ),
    ],
)
def test_bad_input(n_categories, settings, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        minimize(never, n_categories, **settings)


def test_workers_do_not_change_the_result():
    expected = str(minimize(bowl, SIZES, maxfev=200, n_proposals=8, rng=0))
    with ThreadPoolExecutor(3) as pool:
        for workers in (map, pool, pool.map):
            result = minimize(bowl, SIZES, maxfev=200, n_proposals=8, workers=workers, rng=0)
            assert str(result) == expected


def test_processes_do_not_change_the_result():
    result = minimize(worker_objectives.smooth, SIZES, maxfev=60, n_proposals=8, workers=2, rng=0)
    assert str(result) == str(minimize(worker_objectives.smooth, SIZES, maxfev=60, n_proposals=8, rng=0))


def test_what_workers_evaluated_before_an_error_is_kept():
    seen = []

    def f(actions):
        if len(seen) >= 30:
            raise ZeroDivisionError
        seen.extend(actions)
        return bowl(actions)

    optimizer = Optimizer(SIZES, n_proposals=20, maxfev=100, rng=0)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        minimize(f, optimizer, workers=pool)
    assert optimizer.nfev == len(seen) >= 30
    assert optimizer.result.fun == bowl(np.array(seen)).min()
    assert str(minimize(bowl, optimizer)) == str(minimize(bowl, SIZES, n_proposals=20, maxfev=100, rng=0))


def test_a_worker_that_dies_loses_nothing():
    optimizer = Optimizer([7] * 3, n_proposals=6, maxfev=60, rng=0)
    with pytest.raises(BrokenExecutor, match="a worker died"):
        minimize(worker_objectives.kills_its_process_at_three, optimizer, workers=2)
    told = optimizer.nfev
    state = optimizer.state_dict()
    seen = []

    def f(actions):
        seen.extend(actions)
        return worker_objectives.smooth(actions)

    resumed = Optimizer([7] * 3, n_proposals=6, maxfev=60)
    resumed.load_state_dict(state)
    assert str(minimize(f, resumed)) == str(
        minimize(worker_objectives.smooth, [7] * 3, n_proposals=6, maxfev=60, rng=0)
    )
    assert len(seen) == 60 - told


def test_vectors_that_raise_can_be_skipped():
    def f(actions):
        if (actions[:, 0] == 2).any():
            raise ZeroDivisionError
        return bowl(actions)

    result = minimize(f, SIZES, maxfev=500, on_error="skip", rng=0)
    assert result.fun == 1.0
    assert result.x[0] != 2
    assert result.nfev == 500

    def fails(actions):
        raise ZeroDivisionError

    with pytest.raises(ValueError, match="objective must have a value for at least one of the vectors"):
        minimize(fails, SIZES, on_error="skip", rng=0)


class Separable:
    """A sum of one term for each variable."""

    scopes = tuple((k,) for k in range(8))

    def terms(self, actions):
        return (actions - 2.0) ** 2

    def __call__(self, actions):
        pytest.fail("terms were to be asked for")


def test_terms_are_used_where_there_are_any():
    result = minimize(Separable(), SIZES, maxfev=12, rng=0)
    assert result.fun == 0.0  # one vector, and three that change all variables
    optimizer = Optimizer(SIZES, scopes=Separable.scopes, maxfev=12, rng=0)
    assert str(minimize(Separable(), optimizer)) == str(result)
    with pytest.raises(TypeError, match="objective must have a method terms"):
        minimize(bowl, Optimizer(SIZES, scopes=Separable.scopes))
    with pytest.raises(ValueError, match='on_error must be "raise" with an Optimizer that was made with scopes'):
        minimize(Separable(), Optimizer(SIZES, scopes=Separable.scopes), on_error="skip")


def test_nothing_that_terms_tell_is_lost_wherever_the_run_stops():
    """The best vector may be one whose terms were told with several others."""

    class Pairs(Separable):
        scopes = tuple((k, (k + 1) % 8) for k in range(8))

        def terms(self, actions):
            return np.sin(1.0 + 2.0 * actions + 3.0 * np.roll(actions, -1, axis=1))

    evaluated = []

    def callback(result):
        found = Pairs().terms(result.x[None]).sum()
        assert result.fun == found
        chain = optimizer._search._terms.sum()
        assert np.isnan(chain) or result.fun <= chain
        evaluated.append(result.fun == best(optimizer))
        if result.nit == stop:
            raise StopIteration

    def best(optimizer):
        return optimizer._record.best()[1]

    for stop in (13, 30, 100):
        optimizer = Optimizer(SIZES, scopes=Pairs.scopes, maxfev=100, rng=stop)
        minimize(Pairs(), optimizer, callback=callback)
    assert not all(evaluated)
    assert minimize(Pairs(), optimizer).fun == best(optimizer)  # at the end it is evaluated


class FailsAtTwo(Separable):
    """It has no terms where the first category is 2."""

    def terms(self, actions):
        if (actions[:, 0] == 2).any():
            raise ZeroDivisionError
        return super().terms(actions)

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)


def test_vectors_without_terms_can_be_skipped():
    result = minimize(FailsAtTwo(), SIZES, maxfev=300, on_error="skip", rng=0)
    assert (result.fun, result.nfev) == (1.0, 300)


class ByVariable:
    """Counts what it is asked for."""

    def __init__(self, shift=0.0):
        self.asked = self.calls = 0
        self.shift = shift

    def __call__(self, actions):
        self.asked += len(actions)
        return bowl(actions)

    def delta(self, actions, variable):
        self.calls += len(actions)
        values = np.repeat(bowl(actions)[:, None], SIZES[variable], axis=1)
        for c in range(SIZES[variable]):
            changed = actions.copy()
            changed[:, variable] = c
            values[:, c] = bowl(changed)
        return values + self.shift


def test_delta_is_used_where_there_is_one_and_no_terms():
    f = ByVariable()
    result = minimize(f, SIZES, maxfev=60, rng=0)
    assert f.calls > f.asked > 0
    assert result.nfev == 60 == f.calls + f.asked
    assert result.fun == bowl(result.x[None])[0] == minimize(bowl, SIZES, maxfev=1000, rng=0).fun
    optimizer = Optimizer(SIZES, by_variable=True, maxfev=60, rng=0)
    assert str(minimize(ByVariable(), optimizer)) == str(result)
    with pytest.raises(TypeError, match="objective must have a method delta"):
        minimize(bowl, Optimizer(SIZES, by_variable=True))


@pytest.mark.parametrize("settings", [{"noisy": True}, {"n_proposals": 4}, {"optimizer": "natural"}])
def test_delta_is_not_used(settings):
    f = ByVariable()
    minimize(f, SIZES, maxfev=60, rng=0, **settings)
    assert f.calls == 0


@pytest.mark.parametrize(("objective", "method"), [(Separable(), "terms"), (ByVariable(), "delta")])
def test_workers_are_refused_where_they_would_have_nothing_to_do(objective, method):
    mode = {"terms": {"scopes": Separable.scopes}, "delta": {"by_variable": True}}[method]
    for categories in (SIZES, Optimizer(SIZES, **mode)):
        for workers in (2, map):
            with pytest.raises(ValueError, match=f"workers must be 1 where {method} of the objective is used"):
                minimize(objective, categories, workers=workers)
    with ThreadPoolExecutor(2) as pool:
        result = minimize(ByVariable(), SIZES, n_proposals=4, workers=pool, maxfev=60, rng=0)
    assert str(result) == str(minimize(bowl, SIZES, n_proposals=4, maxfev=60, rng=0))


def test_a_wrong_delta_is_refused():
    with pytest.raises(ValueError, match="values must give f of the whole vector for every category"):
        minimize(ByVariable(shift=1.0), SIZES, maxfev=60, rng=0)


def test_bad_objective():
    with pytest.raises(TypeError, match="objective must be a function; got ndarray"):
        minimize(np.zeros(3), SIZES)
    with pytest.raises(ValueError, match="values must have shape"):
        minimize(lambda actions: np.zeros(len(actions) + 1), SIZES, rng=0)
