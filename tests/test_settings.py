"""Estimators and updates are values: equal where their fields are, and never changed."""

import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from arsm_fast import ARSM, CARMS, REBAR, Adam, Annealing, ControlVariate, Hamming, Reinforce, ScopedLeaveOneOut

SETTINGS = [ARSM("coordinate", plus=True), CARMS(4), Reinforce([1.0, 2.0]), REBAR(eta=0.5), Adam(), Annealing()]


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_settings_are_values(setting):
    same = pickle.loads(pickle.dumps(setting))
    assert same == setting
    assert hash(same) == hash(setting)
    assert eval(repr(setting)) == setting
    assert replace(setting) == setting
    assert list(asdict(setting)) == list(inspect.signature(type(setting)).parameters)


def test_settings_differ_by_fields_and_by_class():
    assert ARSM() != ARSM(plus=True)
    assert Adam(0.1) != Adam(0.2)
    assert CARMS(4) != (4, 2**20)
    assert len({*SETTINGS, *SETTINGS, ARSM()}) == len(SETTINGS) + 1


def test_scopes_are_not_shown():
    assert repr(ScopedLeaveOneOut(4, [[0], [0, 1]])) == "ScopedLeaveOneOut(n=4)"


@pytest.mark.parametrize("name", ["plus", "swap", "anything"])
def test_settings_stay_as_they_are_made(name):
    setting = ARSM()
    with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(setting, name, True)
    with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(setting, name)
    assert setting == ARSM()


def test_settings_hold_objects_that_learn():
    surrogate = Hamming()
    assert ControlVariate(ARSM(), surrogate) == ControlVariate(ARSM(), surrogate)
    assert ControlVariate(ARSM(), surrogate) != ControlVariate(ARSM(), Hamming())
