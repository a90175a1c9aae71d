"""Vectors that differ from a true one in at most one variable."""

from ._jit import called
from .room import flat
from .rows import copy_row
from .tasks import items_of, tasks


@called
def form_some(start, stop, n_variables, wanted, items, true_actions, variables, categories, out):
    """As form_changes, of some of the vectors; true actions and vectors are flat."""
    for i in range(start, stop):
        first, entry = i * n_variables, wanted[i]
        item = items[i] * n_variables
        copy_row(true_actions[item : item + n_variables], out[first : first + n_variables])
        out[first + variables[entry]] = categories[entry]


@tasks("wanted.shape[0]", "out.shape[1]")
def form_changes(task, wanted, items, true_actions, variables, categories, out):
    """The vectors of the given entries, each of which sets a variable of its item's true actions to a category.

    By tasks like those of evaluation.evaluate: what a thread reads there it has written.
    """
    rows = items_of(task, wanted.shape[0], out.shape[1])
    form_some(
        rows.start, rows.stop, out.shape[1], wanted, items, flat(true_actions), variables, categories, flat(out)
    )
