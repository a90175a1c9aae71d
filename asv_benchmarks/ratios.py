"""Print what a gradient costs, as ratios measured in one process: python asv_benchmarks/ratios.py [--threads N].

A full ARSM gradient of one variable, from a table of values and with many samples, against what NumPy needs to
draw the same noise alone; and against the naive route, which forms the C x C matrix of swapped winners.
"""

import argparse

import numba
import numpy as np
from benchmarks.common import best_time
from benchmarks.peers import naive_gradient

import arsm_fast


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="Numba's threads (NumPy uses one)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    numba.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    print(f"ns a category and sample, best of {arguments.repeats}, {arguments.threads} thread(s)")
    print(f"{'C':>8} {'logits':>8} {'samples':>8} {'gradient':>9} {'noise':>7} {'NumPy noise':>12} {'ratio':>6}")
    for size in (10, 100, 1_000, 10_000, 100_000):
        n_samples = max(1, 2_000_000 // size)
        table = rng.normal(size=size)
        regimes = {
            "0": np.zeros(size),
            "N(0,1)": rng.normal(size=size),
            "N(0,16)": 4 * rng.normal(size=size),
            "ramp 8": np.linspace(0, 8, size),
        }
        for name, logits in regimes.items():

            def ours(table=table, logits=logits, n_samples=n_samples) -> object:
                return arsm_fast.gradient(table, logits, n_samples=n_samples, rng=1)

            def numpy_noise(size=size, n_samples=n_samples) -> object:
                return rng.dirichlet(np.ones(size), size=n_samples)

            def own_noise(logits=logits, n_samples=n_samples) -> object:
                return arsm_fast.dirichlet_noise(logits, n_samples, rng=1)

            ours()
            own_noise()
            scale = 1e9 / (size * n_samples)
            gradient = best_time(ours, arguments.repeats) * scale
            noise = best_time(own_noise, arguments.repeats) * scale
            theirs = best_time(numpy_noise, arguments.repeats) * scale
            print(
                f"{size:>8} {name:>8} {n_samples:>8} {gradient:>9.2f} {noise:>7.2f} {theirs:>12.2f} "
                f"{gradient / theirs:>6.2f}"
            )
    size = 1_000
    table, logits = rng.normal(size=size), rng.normal(size=size)
    noise = arsm_fast.dirichlet_noise(logits, 100, rng=1)
    expected = naive_gradient(table, logits, noise[0])
    np.testing.assert_allclose(arsm_fast.gradient(table, logits, noise=noise[:1]).gradient, expected, atol=1e-12)
    naive = best_time(lambda: naive_gradient(table, logits, noise[0]), 2)
    ours_time = best_time(lambda: arsm_fast.gradient(table, logits, n_samples=2000, rng=1), arguments.repeats)
    print(
        f"naive C x C route at C = {size}: {naive:.2f} s a sample, {naive / (ours_time / 2000):,.0f} times ours"
    )
    print(
        "joint swap of K variables, us a sample: forming the distinct vectors, and the gradient from their values"
    )
    for n_variables, size in ((3, 1_000), (10, 200), (4, 10_000), (100, 50), (1_000, 50)):
        logits = rng.normal(size=(n_variables, size))
        proposal = arsm_fast.propose(logits, rng=1)
        values = rng.normal(size=len(proposal.actions))
        forming = best_time(lambda logits=logits: arsm_fast.propose(logits, rng=1).actions, 4 * arguments.repeats)
        merging = best_time(lambda p=proposal, v=values: p.estimate(v), 4 * arguments.repeats)
        print(
            f"K = {n_variables:>4}, C = {size:>6}: {1e6 * forming:>6.0f} + {1e6 * merging:>5.0f}, "
            f"{len(values):,} of {1 + size * (size - 1) // 2:,} vectors"
        )


if __name__ == "__main__":
    main()
