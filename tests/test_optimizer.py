"""Optimizer: the protocol of ask and tell, states, and what the searches find."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from arsm_fast import (
    Additive,
    Annealing,
    ControlVariate,
    GradientDescent,
    LeaveOneOut,
    NaturalGradient,
    Optimizer,
    Reinforce,
    RunningMean,
    ScopedLeaveOneOut,
)

SIZES = [3, 4, 5, 2, 3, 1, 4]
FEW = [np.where(np.arange(c) < 2, 0.0, -np.inf) for c in SIZES]
UPDATES = ["annealing", "natural", "gradient", "momentum", "adam"]


def pairs(actions):
    """Neighbours had better differ, and the first be 2."""
    return (
        (actions[:, 1:] == actions[:, :-1]).sum(axis=1) + 0.1 * (actions[:, 0] != 2) + 0.01 * actions.sum(axis=1)
    )


class Noisy:
    """A sum, with noise that comes from the number of the call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, actions):
        self.calls += 1
        return actions.sum(axis=1) + np.random.default_rng(self.calls).normal(size=len(actions))


def run(optimizer, f=pairs):
    while not optimizer.stop():
        actions = optimizer.ask()
        optimizer.tell(actions, f(actions))
    return optimizer.result


def assert_same_state(a, b):
    a, b = a.state_dict(), b.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("update", UPDATES)
def test_asks_distinct_available_vectors_that_are_new(update):
    logits0 = [np.zeros(c) for c in SIZES]
    logits0[2][[0, 3]] = -np.inf
    optimizer = Optimizer(SIZES, logits0=logits0, optimizer=update, maxfev=150, rng=1)
    seen = set()
    while not optimizer.stop():
        actions = optimizer.ask()
        assert actions.dtype == np.int32
        assert actions.shape[1] == len(SIZES)
        assert (actions >= 0).all()
        assert (actions < SIZES).all()
        assert not np.isin(actions[:, 2], [0, 3]).any()
        rows = {row.tobytes() for row in actions}
        assert len(rows) == len(actions)
        assert not rows & seen
        seen |= rows
        optimizer.tell(actions, pairs(actions))
    assert optimizer.nfev == len(seen) == 150
    assert optimizer.ask().shape == (0, len(SIZES))
    result = optimizer.result
    assert result.fun == pairs(result.x[None])[0]
    assert result.probabilities[2][[0, 3]].tolist() == [0.0, 0.0]
    for row in result.probabilities:
        assert row.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("update", UPDATES)
def test_finds_the_best_of_a_small_space(update):
    sizes = SIZES[:4]
    every = np.stack(np.meshgrid(*[np.arange(c) for c in sizes], indexing="ij"), axis=-1).reshape(-1, len(sizes))
    result = run(Optimizer(sizes, optimizer=update, maxfev=len(every), rng=0))
    assert result.fun == pairs(every).min()
    assert result.success
    assert result.status in (0, 3)


def test_result_and_history():
    optimizer = Optimizer([4] * 10, maxfev=400, n_proposals=8, rng=0)
    assert optimizer.result.x is None
    assert np.isnan(optimizer.result.fun)
    assert optimizer.result.nfev == 0
    assert optimizer.result.message == "Not finished."
    result = run(optimizer)
    history = result.history
    assert set(history) == {"iteration", "nfev", "best", "mean", "entropy"}
    assert history["iteration"].tolist() == list(range(1, result.nit + 1))
    assert (np.diff(history["nfev"]) > 0).all()
    assert history["nfev"][-1] == result.nfev == 400
    assert (np.diff(history["best"]) <= 0).all()
    assert history["best"][-1] == result.fun
    assert (history["mean"] >= history["best"]).all()
    assert ((history["entropy"] >= 0) & (history["entropy"] <= 10 * np.log(4) + 1e-9)).all()
    np.testing.assert_allclose(
        np.exp(result.logits) / np.exp(result.logits).sum(1, keepdims=True), result.probabilities
    )
    assert result.expected.value >= result.fun
    assert result.expected.standard_error >= 0
    assert (result.status, result.success) == (1, True)


@pytest.mark.parametrize("sizes", [SIZES, [3] * 9, [40] * 3, [1, 1]])
def test_entropy_is_that_of_the_distribution(sizes):
    logits0 = [np.where((np.arange(c) == 1) & (c > 2), -np.inf, 0.3 * np.arange(c)) for c in sizes]
    optimizer = Optimizer(sizes, optimizer="natural", logits0=logits0, n_proposals=5, rng=0)
    for _ in range(4 if max(sizes) > 1 else 1):
        actions = optimizer.ask()
        optimizer.tell(actions, actions.sum(axis=1))
        p = np.concatenate([*optimizer.result.probabilities])
        expected = -(p[p > 0] * np.log(p[p > 0])).sum()
        assert optimizer.result.history["entropy"][-1] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("update", ["natural", "annealing"])
def test_expected_is_that_of_the_final_distribution(update):
    optimizer = Optimizer([2, 2], optimizer=update, maxfev=1000, noisy=True, rng=3)
    f = Noisy()
    result = run(optimizer, f)
    p = result.probabilities[:, 1].sum()
    assert abs(result.expected.value - p) < 5 * result.expected.standard_error + 0.05


def test_the_last_step_of_maxiter_is_what_is_expected():
    optimizer = Optimizer([5] * 12, n_proposals=10, maxiter=30, rng=0)
    result = run(optimizer)
    assert result.nit == 30
    assert result.nfev == 29 * 10 + 14  # 5% of those before
    assert result.expected.value >= result.fun


def test_what_is_expected_before_a_run_ends():
    def f(actions):
        return actions.sum(axis=1)

    optimizer = Optimizer([5] * 12, optimizer="natural", rng=1)
    optimizer.finish()
    assert not len(optimizer.ask())  # there is nothing yet of which two are 5%
    for _ in range(20):
        actions = optimizer.ask()
        optimizer.tell(actions, f(actions))
    assert optimizer.result.expected is None
    actions = optimizer.ask()
    optimizer.tell(actions[:3], f(actions[:3]))
    before = optimizer.result.logits
    optimizer.finish()
    optimizer.tell(actions[3:], f(actions[3:]))  # the step that was waited for comes first
    assert optimizer.result.expected is None
    assert (optimizer.result.logits != before).any()
    p = optimizer.result.probabilities
    state = optimizer.state_dict()
    draws = optimizer.ask()
    assert len(draws) == optimizer.n_draws == 20
    optimizer.tell(draws, f(draws))
    expected = optimizer.result.expected
    assert abs(expected.value - (p @ np.arange(5)).sum()) < 5 * expected.standard_error
    np.testing.assert_array_equal(optimizer.result.probabilities, p)
    resumed = Optimizer([5] * 12, optimizer="natural", rng=2)
    resumed.load_state_dict(state)
    np.testing.assert_array_equal(resumed.ask(), draws)
    resumed.tell(draws, f(draws))
    assert resumed.result.expected == expected
    actions = optimizer.ask()  # and it goes on
    optimizer.tell(actions, f(actions))
    assert optimizer.result.expected is None
    assert (optimizer.result.probabilities != p).any()


def test_what_is_expected_where_it_costs_nothing():
    few = Optimizer([2, 3], maximize=True, rng=0)
    result = run(few)
    assert result.message == "All 6 vectors were evaluated."
    assert result.expected.value <= result.fun
    target = run(Optimizer([5] * 12, target=20.0, rng=0), lambda actions: actions.sum(axis=1))
    assert target.status == 0
    assert target.expected is None
    noisy = run(Optimizer([2, 2], noisy=True, maxiter=3, n_proposals=1, rng=0), Noisy())
    assert noisy.expected is None


class Rugged:
    """It has many minima of single changes."""

    weights = np.random.default_rng(0).normal(size=(8, 4))

    def __call__(self, actions):
        pairs = np.cos(3.0 * actions[:, :-1] * actions[:, 1:] + actions[:, 1:])
        return self.weights[np.arange(8), actions].sum(axis=1) + pairs.sum(axis=1)

    def delta(self, actions, variable):
        changed = np.repeat(actions, 4, axis=0)
        changed[:, variable] = np.tile(np.arange(4), len(actions))
        return self(changed).reshape(-1, 4)


@pytest.mark.parametrize("by_variable", [False, True])
def test_the_distribution_is_that_of_the_search_that_found_the_best(by_variable):
    f = Rugged()
    others, others_now = 0, 0
    for seed in range(8):
        settings = {"by_variable": by_variable, "n_proposals": 2, "maxfev": 200}
        optimizer = Optimizer([4] * 8, rng=seed, **settings)
        while not optimizer.stop():
            resumed = Optimizer([4] * 8, **settings)
            resumed.load_state_dict(optimizer.state_dict())
            actions = optimizer.ask()
            np.testing.assert_array_equal(resumed.ask(), actions)
            k = optimizer.variable
            optimizer.tell(actions, f(actions) if k is None else f.delta(actions, k))
            resumed.tell(actions, f(actions) if k is None else f.delta(actions, k))
            optimizer = resumed
        result = optimizer.result
        others += (result.logits.argmax(axis=1) != result.x).sum() > 1
        # It began anew, and has not found as much since.
        others_now += (optimizer._search.logits.reshape(8, 4).argmax(axis=1) != result.x).sum() > 1
    assert others <= 2
    assert others_now > 3


def test_maximize_is_minimize_of_the_negative():
    low = run(Optimizer(SIZES, maxfev=200, rng=4))
    high = run(Optimizer(SIZES, maxfev=200, rng=4, maximize=True), lambda actions: -pairs(actions))
    np.testing.assert_array_equal(low.x, high.x)
    assert high.fun == -low.fun
    np.testing.assert_array_equal(low.history["mean"], -high.history["mean"])
    assert high.expected.value == -low.expected.value


@pytest.mark.parametrize("update", ["annealing", "adam"])
@pytest.mark.parametrize("noisy", [False, True])
def test_portions_and_order_do_not_matter(update, noisy):
    settings = {"optimizer": update, "maxfev": 300, "noisy": noisy, "rng": 5}
    whole, parts = Optimizer([3] * 9, **settings), Optimizer([3] * 9, **settings)
    rng = np.random.default_rng(0)

    def f(actions):  # ties
        return (actions == 1).sum(axis=1) // 2

    while not whole.stop():
        actions = whole.ask()
        whole.tell(actions, f(actions))
        np.testing.assert_array_equal(parts.ask(), actions)
        np.testing.assert_array_equal(parts.ask(2), actions[:2])
        rest = rng.permutation(actions)
        while len(rest):
            n = rng.integers(1, len(rest) + 1)
            parts.tell(rest[:n], f(rest[:n]))
            rest = rest[n:]
            if len(rest):
                assert {row.tobytes() for row in rest} == {row.tobytes() for row in parts.ask()}
        assert_same_state(whole, parts)


def test_best_counts_before_a_step_is_finished():
    optimizer = Optimizer([3] * 9, n_proposals=5, target=0.0, rng=5)
    optimizer.tell(optimizer.ask(1), [1.0])
    actions = optimizer.ask()[:1]
    optimizer.tell(actions, [-1.0])
    assert optimizer.nfev == optimizer.result.nfev == 2
    np.testing.assert_array_equal(optimizer.result.x, actions[0])
    assert optimizer.stop() == {"target": -1.0}
    assert optimizer.result.message == "The target was reached: -1."
    assert len(optimizer.ask()) == 3  # whoever wants to may go on


@pytest.mark.parametrize(
    ("settings", "reason", "status"),
    [
        ({"maxfev": 30}, {"maxfev": 30}, 1),
        ({"maxiter": 7}, {"maxiter": 7}, 2),
        ({"maxfev": 10**6, "maxiter": 10**6, "logits0": FEW}, {"exhausted": 64}, 0),
        ({"target": 1.0}, {"target": pytest.approx(0.5, abs=0.5)}, 0),
    ],
)
def test_reasons_to_stop(settings, reason, status):
    optimizer = Optimizer(SIZES, rng=6, **settings)
    result = run(optimizer)
    assert optimizer.stop() == reason
    assert result.status == status


def test_a_distribution_that_converged_begins_again():
    optimizer = Optimizer([2] * 30, optimizer=NaturalGradient(step=0.5), maxfev=4000, rng=0)
    history = run(optimizer, lambda actions: actions.sum(axis=1)).history
    entropy = history["entropy"]
    low = (entropy < 1.0).argmax()
    assert entropy[low] < 1.0
    assert entropy[low:].max() > 15.0


def test_noisy_values_are_averaged():
    optimizer = Optimizer([3] * 6, noisy=True, maxfev=3000, rng=0)
    result = run(optimizer, Noisy())
    assert result.x.sum() <= 1
    assert abs(result.fun - result.x.sum()) < 0.5


def test_one_vector_only():
    result = run(Optimizer([1, 1, 1], rng=0))
    assert result.x.tolist() == [0, 0, 0]
    assert result.nfev == 1
    assert run(Optimizer([1, 1], noisy=True, maxfev=12, rng=0), Noisy()).nfev == 12


@pytest.mark.parametrize("n", [2, 7, 300])
def test_one_variable(n):
    result = run(Optimizer([n], maxfev=max(2, n // 3), rng=0), lambda actions: np.abs(actions[:, 0] - 1))
    assert result.nfev <= max(2, n // 3)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("noisy", [False, True])
def test_resumes_bit_for_bit(update, noisy, tmp_path):
    settings = {"optimizer": update, "maxfev": 260, "noisy": noisy}
    straight = Optimizer(SIZES, rng=8, **settings)
    broken = Optimizer(SIZES, rng=8, **settings)
    path = tmp_path / "state.npz"
    turn = 0

    def f(actions):
        return pairs(actions)

    while not straight.stop():
        actions = straight.ask()
        straight.tell(actions, f(actions))
        half = len(actions) // 2 + 1 if len(actions) > 2 else len(actions)
        for part in (actions[:half], actions[half:]):
            if not len(part):
                continue
            np.testing.assert_array_equal(broken.ask()[: len(part)], part)
            broken.tell(part, f(part))
            turn += 1
            if turn % 5 == 0:
                np.savez(path, **broken.state_dict())
                broken = Optimizer(SIZES, rng=99, **settings)
                with np.load(path, allow_pickle=False) as state:
                    broken.load_state_dict(state)
        assert_same_state(straight, broken)
        assert straight.stop() == broken.stop()
    assert str(straight.result) == str(broken.result)


WORKER = """
import os, sys
import numpy as np
from arsm_fast import Optimizer

def f(actions):
    return ((actions - 1) ** 2).sum(axis=1) + (actions[:, 1:] == actions[:, :-1]).sum(axis=1)

path, slow = sys.argv[1], len(sys.argv) > 2
optimizer = Optimizer([4] * 12, maxfev=300, n_proposals=6, rng=3)
if os.path.exists(path):
    with np.load(path, allow_pickle=False) as state:
        optimizer.load_state_dict(state)
    print("resumed at", optimizer.nfev, flush=True)
while not optimizer.stop():
    actions = optimizer.ask(4)
    optimizer.tell(actions, f(actions))
    np.savez(path + ".new.npz", **optimizer.state_dict())
    os.replace(path + ".new.npz", path)
    if slow:
        print(optimizer.nfev, flush=True)
        sys.stdin.readline()
"""


def test_a_killed_process_resumes_bit_for_bit(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    path = str(tmp_path / "killed.npz")
    command = [sys.executable, str(script), path]
    with subprocess.Popen(
        [*command, "slow"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(9):
            told = int(process.stdout.readline())
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        process.stdin.close()
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) >= told > 0
    straight = str(tmp_path / "straight.npz")
    subprocess.run([sys.executable, str(script), straight], check=True)
    with np.load(path, allow_pickle=False) as killed, np.load(straight, allow_pickle=False) as whole:
        assert killed.files == whole.files
        for name in whole.files:
            np.testing.assert_array_equal(killed[name], whole[name], err_msg=name)
    assert os.path.getsize(path) < 100_000


@pytest.mark.parametrize("settings", [{}, {"noisy": True}, {"scopes": [[0], [1]]}, {"by_variable": True}])
def test_the_largest_limits_have_a_state(settings):
    optimizer = Optimizer([3, 3], maxfev=2**63 - 1, maxiter=2**63 - 1, rng=0, **settings)
    optimizer.ask()
    Optimizer([3, 3], maxfev=2**63 - 1, **settings).load_state_dict(optimizer.state_dict())


def test_a_larger_budget_after_a_state():
    first = Optimizer(SIZES, maxfev=60, rng=0)
    run(first)
    second = Optimizer(SIZES, maxfev=120, n_proposals=1, rng=1)
    second.load_state_dict(first.state_dict())
    assert second.nfev == 60
    assert run(second).nfev == 120


@pytest.mark.parametrize("told", range(40, 51))
def test_another_budget_in_the_middle_of_a_step(told):
    first = Optimizer(SIZES, optimizer="natural", n_proposals=7, maxfev=50, rng=0)
    while first.nfev < told:
        actions = first.ask(1)
        first.tell(actions, pairs(actions))
    waiting = first.ask()
    second = Optimizer(SIZES, optimizer="natural", n_proposals=7, maxfev=200, rng=1)
    second.load_state_dict(first.state_dict())
    assert second.result.expected is None
    if len(waiting):
        np.testing.assert_array_equal(second.ask(), waiting)
    result = run(second)
    assert result.nfev == 200
    # Of ten draws from what the distribution is then, some of which may be known.
    assert result.expected is not None
    assert result.expected != first.result.expected


class Chain:
    """A sum over neighbours, and a term of each variable; one term touches nothing."""

    scopes = ((),) + tuple((k, k + 1) for k in range(11)) + tuple((k,) for k in range(12))

    def __init__(self):
        rng = np.random.default_rng(0)
        self.pairs, self.single = rng.normal(size=(11, 3, 3)), rng.normal(size=(12, 3))

    def terms(self, actions):
        k = np.arange(12)
        pairs = self.pairs[k[:-1], actions[:, :-1], actions[:, 1:]]
        return np.concatenate([np.ones((len(actions), 1)), pairs, self.single[k, actions]], axis=1)

    def __call__(self, actions):
        return self.terms(actions).sum(axis=1)

    def best(self):
        """By dynamic programming."""
        ahead = np.zeros(3)
        for k in range(11, 0, -1):
            ahead = (self.pairs[k - 1] + self.single[k] + ahead).min(axis=1)
        return 1.0 + (self.single[0] + ahead).min()


def test_with_scopes_it_follows_the_terms():
    f = Chain()
    optimizer = Optimizer([3] * 12, scopes=f.scopes, maxfev=300, rng=0)
    search = optimizer._search
    seen = set()
    while not optimizer.stop():
        actions = optimizer.ask()
        assert not {row.tobytes() for row in actions} & seen
        seen |= {row.tobytes() for row in actions}
        optimizer.tell(actions, f.terms(actions))
        if not np.isnan(search._terms).any():  # the vector was never evaluated as a whole
            np.testing.assert_array_equal(search._terms, f.terms(search._vector[None])[0])
            assert search._lowest >= f.best() - 1e-12
    result = optimizer.result
    assert result.fun == f(result.x[None])[0] == pytest.approx(f.best())
    assert result.nfev == len(seen) == 300


def test_with_scopes_it_resumes_bit_for_bit():
    f = Chain()
    settings = {"scopes": f.scopes, "maxfev": 150, "maximize": True}
    straight, broken = Optimizer([3] * 12, rng=2, **settings), Optimizer([3] * 12, rng=2, **settings)
    while not straight.stop():
        actions = straight.ask()
        straight.tell(actions, f.terms(actions))
        for part in np.array_split(actions, min(2, len(actions))):
            broken.ask()
            broken.tell(part, f.terms(part))
            state = broken.state_dict()
            broken = Optimizer([3] * 12, **settings)
            broken.load_state_dict(state)
        assert_same_state(straight, broken)
    assert str(straight.result) == str(broken.result)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"scopes": [[0, 3]]}, ValueError, "scopes must name variables below 3, from 0 on; scopes[0] is [0, 3]"),
        ({"scopes": 3}, TypeError, "scopes must be a sequence of sequences of variables"),
        ({"scopes": [[0]], "noisy": True}, ValueError, "scopes must be None unless the optimizer is Annealing"),
        ({"scopes": [[0]], "optimizer": "adam"}, ValueError, "scopes must be None unless"),
        (
            {"optimizer": "adam", "estimator": ScopedLeaveOneOut(4, [[0]])},
            ValueError,
            "estimator must need values of f alone, and must not be Auto; got ScopedLeaveOneOut",
        ),
    ],
)
def test_bad_scopes(settings, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        Optimizer([2, 2, 2], **settings)


def test_bad_terms_change_nothing():
    optimizer = Optimizer([2, 2, 2], scopes=[[0, 1], [2]], rng=0)
    actions = optimizer.ask()
    for bad in (np.zeros(1), np.zeros((1, 3)), np.full((1, 2), np.nan), [[1e308, 1e308]]):
        with pytest.raises(ValueError, match="values must"):
            optimizer.tell(actions, bad)
    assert optimizer.nfev == 0
    optimizer.tell(actions, np.zeros((1, 2)))


def categories_of(f, actions, variable, n):
    """What delta gives, one category after the other."""
    values = np.empty((len(actions), n))
    for c in range(n):
        changed = actions.copy()
        changed[:, variable] = c
        values[:, c] = f(changed)
    return values


def answer(optimizer, actions, f, sizes):
    k = optimizer.variable
    return f(actions) if k is None else categories_of(f, actions, k, sizes[k])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_by_variable_it_finds_the_best_from_true_values(sign):
    chain, sizes = Chain(), [3] * 12

    def f(actions):
        return sign * chain(actions)

    optimizer = Optimizer(sizes, by_variable=True, maxfev=300, maximize=sign < 0, rng=0)
    assert optimizer.takes_delta
    search = optimizer._search
    told = 0
    while not optimizer.stop():
        actions = optimizer.ask()
        optimizer.tell(actions, answer(optimizer, actions, f, sizes))
        told += len(actions)
        result = optimizer.result
        assert result.fun == pytest.approx(f(result.x[None])[0])
        if not np.isnan(search.value):
            assert search.value == pytest.approx(chain(search._vector[None])[0])
    assert sign * result.fun == pytest.approx(chain.best())
    assert told == result.nfev == 300
    assert result.expected is not None


@pytest.mark.parametrize(
    ("sizes", "logits0", "maxfev"),
    [
        (SIZES, None, 150),
        (SIZES, None, None),
        (SIZES, FEW, 60),
        ([4, 1], None, None),
        ([1, 1], None, None),
        ([2, 2], None, 30),
    ],
)
def test_by_variable_any_shape_and_resumed_bit_for_bit(sizes, logits0, maxfev):
    settings = {"by_variable": True, "logits0": logits0, "maxfev": maxfev, "maxiter": 200}
    straight, broken = Optimizer(sizes, rng=3, **settings), Optimizer(sizes, rng=3, **settings)
    lowest = np.inf
    while not straight.stop():
        actions = straight.ask()
        straight.tell(actions, answer(straight, actions, pairs, sizes))
        for part in np.array_split(actions, min(2, len(actions))):
            broken.ask()
            broken.tell(part, answer(broken, part, pairs, sizes))
            broken.ask()
            state = broken.state_dict()
            broken = Optimizer(sizes, **settings)
            broken.load_state_dict(state)
        straight.ask()
        assert_same_state(straight, broken)
        lowest = min(lowest, straight.result.fun)
    result = straight.result
    assert str(result) == str(broken.result)
    assert lowest == result.fun == pytest.approx(pairs(result.x[None])[0])
    allowed = sizes if logits0 is None else [2] * len(sizes)
    everything = np.array(list(np.ndindex(*np.minimum(sizes, allowed))))
    assert result.fun == pytest.approx(pairs(everything).min())
    assert (result.status == 0) == (len(sizes) == 2 and 1 in sizes)


@pytest.mark.parametrize(
    "settings", [{"noisy": True}, {"optimizer": "adam"}, {"scopes": [[0]]}, {"by_variable": 1}]
)
def test_bad_by_variable(settings):
    with pytest.raises((TypeError, ValueError), match="by_variable must be"):
        Optimizer([2, 2, 2], **{"by_variable": True, **settings})


def test_bad_answers_of_categories_change_nothing():
    optimizer = Optimizer(
        [2, 3, 2], by_variable=True, logits0=[[0.0, 0.0], [0.0, 0.0, -np.inf], [0.0, 0.0]], rng=0
    )
    optimizer.tell(optimizer.ask(), [1.0])
    while True:
        actions = optimizer.ask()
        if optimizer.variable == 1:
            break
        optimizer.tell(actions, [[1.0, 1.0]])
    for bad, message in (
        (np.ones(1), "values must have shape (1, 3), for variable 1 a row"),
        (np.ones((1, 2)), "values must have shape (1, 3), for variable 1 a row"),
        ([[1.0, np.nan, 1.0]], "values must be finite; got nan for category 1 of variable 1 in"),
        (np.zeros((1, 3)), "values must give f of the whole vector for every category"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            optimizer.tell(actions, bad)
        np.testing.assert_array_equal(optimizer.ask(), actions)
    nfev = optimizer.nfev
    optimizer.tell(actions, [[1.0, 1.0, np.nan]])  # of what is not available nothing need be known
    assert optimizer.nfev == nfev + 1


def state_of(settings=None, steps=5):
    optimizer = Optimizer(SIZES, maxfev=100, rng=0, **(settings or {}))
    for _ in range(steps):
        actions = optimizer.ask()
        optimizer.tell(actions, pairs(actions))
    optimizer.ask()
    return optimizer.state_dict()


def flipped(state, name):
    array = state[name].copy()
    raw = bytearray(array.tobytes())
    raw[len(raw) // 2] ^= 1
    return state | {name: np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)}


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda state: None, TypeError, "state must be a mapping of names to arrays; got NoneType"),
        (lambda state: {}, ValueError, "state must be that of an Optimizer with these settings"),
        (lambda state: {"a": 1}, ValueError, "'a' does not belong there"),
        (
            lambda state: {name: state[name] for name in state if name != "told"},
            ValueError,
            "'told' is missing",
        ),
        (lambda state: state | {"format": np.array("other 2")}, ValueError, "got 'other 2'"),
        (
            lambda state: flipped(state, "memory_totals"),
            ValueError,
            "state is damaged: it does not match its digest",
        ),
        (lambda state: flipped(state, "search_change"), ValueError, "state is damaged"),
        (lambda state: state | {"told": state["told"][:0]}, ValueError, "state is damaged"),
        (lambda state: state_of({"noisy": True}), ValueError, "with the same n_categories, logits0, estimator"),
        (
            lambda state: state_of({"optimizer": Annealing(highest=1.0)}),
            ValueError,
            "with the same n_categories",
        ),
        (lambda state: state_of({"optimizer": "adam"}), ValueError, "state must be that of an Optimizer with"),
    ],
)
def test_bad_states_are_refused_and_change_nothing(change, kind, message):
    optimizer = Optimizer(SIZES, maxfev=100, rng=1)
    optimizer.tell(optimizer.ask(1), [1.0])
    before = optimizer.state_dict()
    with pytest.raises(kind, match=re.escape(message)):
        optimizer.load_state_dict(change(state_of()))
    after = optimizer.state_dict()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


def test_states_that_were_made_up_are_refused():
    """With a digest that is right, but contents that no Optimizer has."""
    from arsm_fast._state import seal

    state = state_of()
    settings = str(state["settings"])
    plain = {name: state[name] for name in state.keys() - {"format", "settings", "digest"}}
    optimizer = Optimizer(SIZES, maxfev=100, rng=1)
    before = optimizer.state_dict()
    for name, array in [
        ("told", np.zeros(7)),
        ("asked", plain["asked"][:, :3]),
        ("asked", 1 - plain["asked"].clip(0, 1)),
        ("counts", plain["counts"].astype(float)),
        ("search_vector", np.full(len(SIZES), 100, np.int32)),
        ("search_tested", np.zeros(3, np.int64)),
        ("incumbents_vectors", np.full((1, len(SIZES)), 100, np.int32)),
        ("memory_counts", plain["memory_counts"][1:]),
    ]:
        with pytest.raises(ValueError, match="state"):
            optimizer.load_state_dict(seal(plain | {name: array}, settings))
        after = optimizer.state_dict()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key])
    optimizer.load_state_dict(seal(plain, settings))


def test_files_of_strangers_run_no_code(tmp_path):
    path = tmp_path / "state.npz"
    np.savez(path, **(state_of() | {"told": np.array([print], object)}))
    with np.load(path, allow_pickle=False) as state, pytest.raises(ValueError, match="it could not be read"):
        Optimizer(SIZES, maxfev=100).load_state_dict(state)
    np.savez(path, **state_of())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with np.load(path, allow_pickle=False) as state, pytest.raises(ValueError, match="state"):
        Optimizer(SIZES, maxfev=100).load_state_dict(state)


@pytest.mark.parametrize(
    "make", [lambda: ControlVariate(LeaveOneOut(8), Additive()), lambda: Reinforce(RunningMean())]
)
def test_what_learns_has_no_state(make):
    estimator = make()
    optimizer = Optimizer(SIZES, optimizer="adam", estimator=estimator, maxfev=100, rng=0)
    with pytest.raises(TypeError, match="cannot keep what a ControlVariate or a Baseline has learnt"):
        optimizer.state_dict()
    with pytest.raises(TypeError, match="cannot give a ControlVariate or a Baseline"):
        optimizer.load_state_dict({})
    assert run(optimizer).nfev == 100


@pytest.mark.parametrize(
    ("actions", "values", "kind", "message"),
    [
        (lambda a: a, lambda v: v[:-1], ValueError, "values must have shape (4,)"),
        (lambda a: a, lambda v: v * np.nan, ValueError, "values must be finite; 4 of 4 are not: values[0] = nan"),
        (lambda a: a, lambda v: v + np.inf, ValueError, "values must be finite"),
        (
            lambda a: a,
            lambda v: v - 1e101,
            ValueError,
            "values must not be larger than 1e+100 in size; values[0] has 1e+101",
        ),
        (lambda a: a, lambda v: v.astype(str), TypeError, "values must be 4 real numbers"),
        (lambda a: a, lambda v: v * 1j, TypeError, "values must be 4 real numbers"),
        (lambda a: a[:, 1:], lambda v: v, ValueError, "actions must have shape (M, 7); got shape (4, 6)"),
        (lambda a: a[0], lambda v: v, ValueError, "got shape (7,)"),
        (lambda a: a.astype(float), lambda v: v, TypeError, "actions must be integers; got dtype float64"),
        (lambda a: a + 100, lambda v: v, ValueError, "below n_categories; actions[0] = ["),
        (lambda a: a - 100, lambda v: v, ValueError, "categories from 0 on"),
        (
            lambda a: np.concatenate([a[:3], (a[3:] + 1) % SIZES]),
            lambda v: v,
            ValueError,
            "actions must be vectors that ask() gave and whose values are still to be told; actions[3] = [",
        ),
        (lambda a: a[[0, 1, 1, 2]], lambda v: v, ValueError, "actions must be distinct"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(actions, values, kind, message):
    optimizer = Optimizer(SIZES, n_proposals=6, rng=0)
    optimizer.tell(optimizer.ask(), np.arange(6.0))
    asked = optimizer.ask(4)
    before = optimizer.state_dict()
    with pytest.raises(kind, match=re.escape(message)):
        optimizer.tell(actions(asked), values(np.arange(4.0)))
    after = optimizer.state_dict()
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    optimizer.tell(asked, np.arange(4.0))


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("noisy", [False, True])
def test_very_large_values(update, noisy):
    optimizer = Optimizer(SIZES, optimizer=update, noisy=noisy, maxfev=200, rng=0)
    while not optimizer.stop():
        actions = optimizer.ask()
        optimizer.tell(actions, np.where(actions[:, 0] > 1, 1e100, -1e100))
    assert optimizer.result.fun == pytest.approx(-1e100)


@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupt_leaves_nothing_half_done(number, monkeypatch):
    optimizer, straight = (Optimizer(SIZES, n_proposals=6, maxfev=60, rng=0) for _ in range(2))
    run(straight)
    method = ("propose", "update")[number - 1]
    plain = getattr(optimizer._search, method)

    def interrupted(*arguments):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return plain(*arguments)

    monkeypatch.setattr(optimizer._search, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(optimizer)
    run(optimizer)
    assert str(optimizer.result) == str(straight.result)


def test_a_second_interrupt_comes_through(monkeypatch):
    optimizer = Optimizer(SIZES, rng=0)

    def propose(*arguments):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError

    monkeypatch.setattr(optimizer._search, "propose", propose)
    with pytest.raises(KeyboardInterrupt):
        optimizer.ask()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_telling_twice_and_before_asking_is_refused():
    optimizer = Optimizer([5] * 4, n_proposals=6, rng=0)
    with pytest.raises(ValueError, match="actions must be vectors that ask"):
        optimizer.tell([[0, 0, 0, 0]], [0.0])
    actions = optimizer.ask()
    optimizer.tell(actions[:2], [0.0, 1.0])
    with pytest.raises(ValueError, match=re.escape("was told before")):
        optimizer.tell(actions[1:3], [0.0, 1.0])
    optimizer.tell(np.empty((0, 4), int), [])
    assert optimizer.nfev == 2


@pytest.mark.parametrize(
    ("n_categories", "settings", "kind", "message"),
    [
        (3, {}, ValueError, "n_categories must have shape (K,), one number for each variable; got shape ()"),
        ([], {}, TypeError, "n_categories must be integers"),
        ([2, 0], {}, ValueError, "n_categories must be at least 1; got n_categories[1] = 0"),
        ([2.0, 3.0], {}, TypeError, "n_categories must be integers, one for each variable; got dtype float64"),
        ([[2], [3, 4]], {}, ValueError, "n_categories must be an array"),
        ([2**62, 2**62], {}, ValueError, "n_categories must sum to at most"),
        ([2, 3], {"logits0": np.zeros((2, 3))}, ValueError, "logits0 must have a row of n_categories[k] logits"),
        ([2, 3], {"logits0": [np.zeros(2), np.zeros(2)]}, ValueError, "for each variable k, [2, 3]; got"),
        ([2], {"logits0": [[0.0, np.nan]]}, ValueError, "logits0 must not be nan"),
        ([2], {"maxfev": 0}, ValueError, "maxfev must be at least 1; got 0"),
        ([2], {"maxfev": 1.0}, TypeError, "maxfev must be an integer; got 1.0"),
        ([2], {"maxiter": -1}, ValueError, "maxiter must be at least 1; got -1"),
        ([2], {"maxfev": 2**63}, ValueError, f"maxfev must be below 2**63; got {2**63}"),
        ([2], {"maxiter": 10**30}, ValueError, "maxiter must be below 2**63; got 1000"),
        ([2], {"n_proposals": 2**32}, ValueError, f"n_proposals must be below 2**32; got {2**32}"),
        ([2], {"target": "low"}, TypeError, "target must be a number; got 'low'"),
        ([2], {"target": np.nan}, ValueError, "target must not be nan"),
        ([2], {"n_proposals": 0}, ValueError, "n_proposals must be at least 1; got 0"),
        ([2], {"noisy": 1}, TypeError, "noisy must be True or False; got 1"),
        ([2], {"maximize": "yes"}, TypeError, "maximize must be True or False; got 'yes'"),
        ([2], {"rng": "seed"}, TypeError, "rng must be None"),
        ([2], {"optimizer": "sgd"}, ValueError, "optimizer must be one of 'annealing', 'natural', 'gradient'"),
        ([2], {"optimizer": Annealing}, ValueError, "optimizer must be one of"),
        ([2], {"estimator": "loo"}, ValueError, "estimator must be None for the optimizer Annealing"),
        ([2], {"optimizer": "adam", "estimator": "low"}, ValueError, "estimator must be one of"),
        (
            [2],
            {"optimizer": "adam", "estimator": "loo", "n_proposals": 5},
            ValueError,
            "n_proposals must be None where an estimator is given",
        ),
        (
            [4] * 20,
            {"optimizer": "adam", "estimator": "exact"},
            ValueError,
            f"estimator Exact enumerates all vectors, here {4**20} of 20 variables, more than its limit",
        ),
        ([3], {"optimizer": "adam", "estimator": "arm"}, ValueError, "estimator ARM is for variables of two"),
    ],
)
def test_bad_settings(n_categories, settings, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        Optimizer(n_categories, **settings)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Annealing(temperature=0.0), ValueError, "temperature must be above 0 and below 100; got 0.0"),
        (lambda: Annealing(highest="hot"), TypeError, "highest must be a number; got 'hot'"),
        (lambda: GradientDescent(step=-1.0), ValueError, "step must be above 0 and below inf; got -1.0"),
        (lambda: GradientDescent(step=np.int64(0)), ValueError, "step must be above 0 and below inf; got "),
        (lambda: GradientDescent(step=float("nan")), ValueError, "step must be above 0"),
        (
            lambda: NaturalGradient(utilities="ranks"),
            ValueError,
            'utilities must be "rank", "standard" or "none"',
        ),
        (lambda: NaturalGradient(margin=1.0), ValueError, "margin must be above 0 and below 1; got 1.0"),
        (lambda: Optimizer([2]).ask(0), ValueError, "n must be at least 1; got 0"),
        (lambda: Optimizer([2]).ask(1.5), TypeError, "n must be an integer; got 1.5"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make()
