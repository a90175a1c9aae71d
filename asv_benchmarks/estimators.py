"""Print the README's table of estimators: python asv_benchmarks/estimators.py.

Gradient variance times evaluations, relative to LeaveOneOut(10), for 20 variables of 10 categories; and the
paper's toy, one variable of 30, from uniform logits and half way to the optimum.
"""

import numpy as np
from benchmarks.quality import ESTIMATORS, dense_quadratic, nk_landscape, small_network

import arsm_fast


def measure(f, logits, estimator, n_samples=4000, n_singles=60):
    """Total gradient variance of one sample, and its mean number of evaluations."""
    many = arsm_fast.gradient(f, logits, estimator=estimator, n_samples=n_samples, rng=1)
    singles = [
        arsm_fast.gradient(f, logits, estimator=estimator, rng=seed).n_evaluations for seed in range(n_singles)
    ]
    return (many.standard_error**2).sum() * n_samples, np.mean(singles) if singles else np.nan


def measure_learnt(f, logits, surrogate):
    """Variance of LeaveOneOut(10) with a control variate over that without, after 1,000 past evaluations."""
    estimator = arsm_fast.ControlVariate(arsm_fast.LeaveOneOut(10), surrogate)
    rng = np.random.default_rng(0)
    for _ in range(100):  # at logits like those on the way
        past = logits + 0.3 * rng.normal(size=logits.shape)
        arsm_fast.gradient(f, past, estimator=estimator, rng=rng)
    return measure(f, logits, estimator, n_singles=0)[0] / measure(f, logits, estimator.estimator, n_singles=0)[0]


def main() -> None:
    """Print both tables."""
    problems = [nk_landscape(), small_network(), dense_quadratic()]
    scores = {
        name: [measure(f, logits, estimator) for f, logits in problems] for name, estimator in ESTIMATORS.items()
    }
    print(f"{'estimator':>16} {'evaluations':>12} {'NK':>7} {'network':>8} {'quadratic':>10}")
    for name, measured in scores.items():
        ratios = [v * n / np.prod(loo) for (v, n), loo in zip(measured, scores["loo"], strict=True)]
        print(f"{name:>16} {measured[0][1]:>12.1f} " + " ".join(f"{ratio:>8.2f}" for ratio in ratios))
    for make in (arsm_fast.Additive, arsm_fast.Hamming):
        ratios = [measure_learnt(f, logits, make()) for f, logits in problems]
        print(f"loo + {make.__name__:>22} " + " ".join(f"{ratio:>8.2f}" for ratio in ratios))
    table = 0.5 + np.arange(1, 31) / 900
    half_way = np.zeros(30)
    while np.exp(half_way[-1]) < np.exp(half_way).sum() / 2:
        half_way += arsm_fast.gradient(table, half_way, estimator="exact").gradient
    for place, logits in (("uniform", np.zeros(30)), ("half way", half_way)):
        for estimator in (
            arsm_fast.ARSM(),
            arsm_fast.LeaveOneOut(10),
            arsm_fast.LeaveOneOut(30),
            arsm_fast.UnorderedSet(10),
        ):
            variance, evaluations = measure(table, logits, estimator)
            print(f"toy, {place}: {estimator!r}: variance {variance:.2e}, {evaluations:.1f} evaluations")


if __name__ == "__main__":
    main()
