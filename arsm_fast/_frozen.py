"""Bases of dataclasses that stay as they are made.

``dataclass(frozen=True)`` compiles up to eight methods for each class. All but ``__init__`` are here once for all
classes: to make them anew took a third of the time to import `gradient` beyond Numba.
"""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform


@dataclass_transform(eq_default=False, frozen_default=True)
class Frozen:
    """A base of dataclasses whose fields are set once, when they are made.

    Subclasses become dataclasses by themselves; ``dataclass(frozen=True)`` refuses them.
    """

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclass(eq=False, repr=False)(cls)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ or name not in self.__dataclass_fields__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        shown = [name for name, field in self.__dataclass_fields__.items() if field.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class Setting(Frozen):
    """A base of those that are equal where their fields are."""

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)
