"""The airspeed-velocity suite: one module a question.

What is timed runs on one of Numba's threads unless it says otherwise: two of them wait for each other, and on a
machine that does anything else they wait long. `setup` sets that, and not the import of a module, as asv forks
processes after it.
"""
