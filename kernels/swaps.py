"""Every swap of one row: the pseudo actions, by definition in O(1) each."""

import numba

from ._jit import parallel
from .race import race_scratch, run_race, swap_winner


@parallel
def fill_pseudo_actions(noise, inverse_weights, out):
    """out[i, c, j] is the winner of row i after noise[i, c] and noise[i, j] are exchanged."""
    n_rows, n = noise.shape
    for i in numba.prange(n_rows):
        race = run_race(noise[i], inverse_weights[i], race_scratch(n))
        for c in range(n):
            for j in range(c, n):
                winner = swap_winner(c, j, noise[i], inverse_weights[i], race)
                out[i, c, j] = winner
                out[i, j, c] = winner
