"""Objectives that processes other than that of the tests can import."""

import os
import signal
import threading
import time

import numpy as np

from arsm_fast import propose


def smooth(actions):
    """Values of rows that are the same bits whatever rows come with them."""
    return np.cos(actions[:, 0] * 1.7 + actions[:, 1]) + 0.1 * actions[:, 2]


def where(actions):
    """In which process; takes so long that one does not do all."""
    time.sleep(0.01)
    return np.full(len(actions), os.getpid())


class TwoArguments(Exception):  # noqa: N818
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def raises_at_three(actions):
    if (actions[:, 0] == 3).any():
        raise LookupError("three is too much")
    return smooth(actions)


def raises_what_cannot_be_pickled(actions):
    raise TwoArguments(1, 2)


def kills_its_process_at_three(actions):
    if (actions[:, 0] == 3).any():
        os.kill(os.getpid(), signal.SIGKILL)
    return smooth(actions)


class KilledOnce:
    """Ends its process at three, but only the first time: as where memory was short for a while."""

    def __init__(self, path):
        self.path = path

    def __call__(self, actions):
        if (actions[:, 0] == 3).any() and not self.path.exists():
            self.path.touch()
            os._exit(1)
        return smooth(actions)


def too_many(actions):
    return np.zeros(len(actions) + 1)


class ReadOnlyHere:
    """Can be pickled but not read again."""

    def __reduce__(self):
        return _refuse, ()

    def __call__(self, actions):
        return smooth(actions)


def _refuse():
    raise OSError("the file with the data is not on this machine")


class Blocked:
    """Waits from the second piece on, for a test that interrupts it; only in threads."""

    def __init__(self):
        self.started, self.go_on = threading.Event(), threading.Event()

    def __call__(self, actions):
        if actions[0, 0] > 0:
            self.started.set()
            self.go_on.wait(60)
        return smooth(actions)


def share_of_gradient(logits, **arguments):
    proposal = propose(logits, **arguments)
    return proposal.estimate(smooth(proposal.actions))
