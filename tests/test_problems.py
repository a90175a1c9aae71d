"""The examples' objectives: what they say about their structure agrees with their values."""

import runpy
from pathlib import Path

import numpy as np
import pytest

PROBLEMS = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "problems.py"))
SMALL = {
    "nk": lambda: PROBLEMS["NKLandscape"](1, 6, 3),
    "network": lambda: PROBLEMS["SmallNetwork"](1, 4, 3, 5),
    "dense": lambda: PROBLEMS["Quadratic"](1, 5, 3),
    "sparse": lambda: PROBLEMS["Quadratic"](1, 8, 3, 7),
    "potts": lambda: PROBLEMS["Potts"](1, 8, 3, 12),
    "torus": lambda: PROBLEMS["TorusMaxCut"](1, 3, 4),
    "sensors": lambda: PROBLEMS["SensorPlacement"](1, 4, 9),
}


def random_actions(problem, n=20):
    return np.random.default_rng(0).integers(0, problem.n_categories, size=(n, problem.n_categories.size))


@pytest.mark.parametrize("name", SMALL)
def test_structure_agrees_with_values(name):
    problem = SMALL[name]()
    actions = random_actions(problem)
    values = problem(actions)
    assert values.shape == (len(actions),)
    if hasattr(problem, "terms"):
        terms = problem.terms(actions)
        assert terms.shape == (len(actions), len(problem.scopes))
        np.testing.assert_allclose(terms.sum(axis=1), values, rtol=1e-12)
        for number, scope in enumerate(problem.scopes):  # a term does not change with variables out of its scope
            other = random_actions(problem)[::-1].copy()
            other[:, list(scope)] = actions[:, list(scope)]
            np.testing.assert_array_equal(problem.terms(other)[:, number], terms[:, number])
    if hasattr(problem, "delta"):
        for variable, size in enumerate(problem.n_categories):
            delta = problem.delta(actions, variable)
            assert delta.shape == (len(actions), size)
            for category in range(size):
                changed = actions.copy()
                changed[:, variable] = category
                np.testing.assert_allclose(delta[:, category], problem(changed), rtol=1e-9, atol=1e-12)
    if hasattr(problem, "relaxed"):
        points = np.eye(problem.n_categories[0])[actions]
        np.testing.assert_allclose(problem.relaxed(points)[0], values, rtol=1e-12)
        points = np.random.default_rng(1).dirichlet(np.ones(points.shape[2]), size=points.shape[:2])
        step = 1e-6 * np.random.default_rng(2).normal(size=points.shape)
        ahead, behind = (problem.relaxed(points + sign * step)[0] for sign in (1, -1))
        slope = (problem.relaxed(points)[1] * step).sum(axis=(1, 2))
        np.testing.assert_allclose((ahead - behind) / 2, slope, rtol=1e-6, atol=1e-12)


def test_cuts_weigh_edges_whose_ends_differ():
    problem = SMALL["torus"]()
    assert len(problem.pairs) == 24
    actions = random_actions(problem)
    cut = actions[:, problem.pairs[:, 0]] != actions[:, problem.pairs[:, 1]]
    np.testing.assert_array_equal(problem(actions), cut @ problem.tables[:, 0, 1])


def test_pest_control_by_farm():
    class Steady:
        def standard_exponential(self, size):
            return np.full(size, 0.6)

    problem = PROBLEMS["PestControl"](0, n_stages=4, n_farms=2)
    problem.rng = Steady()
    first = 1 - np.exp(-0.6 / 30)
    grown = 1 - np.exp(-0.6 * 3 / 17) * (1 - first)
    treated = np.exp(-0.6 * 7 / 2) * grown
    regrown = 1 - np.exp(-0.6 * 3 / 17) * (1 - treated)
    assert first < 0.1 < min(grown, regrown)
    assert treated < 0.1
    # The pest is looked at before the pesticide, and one that is used twice is cheaper both times.
    values = problem(np.array([[0, 1, 1, 0], [0, 1, 0, 4]]))
    assert values[0] == pytest.approx(2 * (1 - 0.2 * 2 / 4) + 1)
    assert values[1] == pytest.approx(1 * (1 - 0.2 / 4) + 0.5 + 2)


def test_pesticides_lose_strength():
    problem = PROBLEMS["PestControl"](0, n_stages=25, n_farms=4000)
    once, always = np.full(25, 4), np.full(25, 1)
    values = problem(np.array([once, always]))
    assert values[0] == pytest.approx(25 * 0.5, abs=0.5)  # the fourth stays strong enough
    assert values[1] > 25 * 0.8
