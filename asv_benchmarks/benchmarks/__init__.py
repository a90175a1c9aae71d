"""The airspeed-velocity suite: one module a question.

What is timed runs on one of Numba's threads unless it says otherwise: two of them wait for each other, and on a
machine that does anything else they wait long. `setup` sets that, and not the import of a module, as asv forks
processes after it, which threads do not survive.

Each case of a benchmark is a process of its own. So what all of them need is done here, before asv forks: the
modules are imported, and Numba's compiler is set up, which takes a second, by a function that starts no threads.
For a `setup_cache` asv starts an interpreter anew, which only many short cases that share it are worth; a few are
sooner measured each in its own process.
"""

import numba

import arsm_fast

for name in arsm_fast.__all__:
    getattr(arsm_fast, name)  # imports its module
numba.njit(lambda x: x)(0.0)
