"""What the steps of a program have to know of the mapped classes that they work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

Names = Mapping[str, tuple[str, ...]]


class Schema(NamedTuple):
    """Some mapped classes, and their names by what can be done with them.

    :param make: maps all classes with a library, and gives them by name, with ``metadata``.
    :param columns: of each class, the plain columns that a program may set.
    :param keys: of each class, those of its primary key.
    :param to_one, to_many: of each class, the relationships to one, to many.
    :param targets: of each relationship, the classes that it leads to.
    :param deletable: of each class, the references of which ``del`` means the same in both libraries.
    :param families: the classes that have no base among them.
    :param parts: those whose name is in the table of their base.
    :param rows: of each table, what it holds when a program begins.
    :param behind: statements that change rows behind the back of the objects.
    """

    make: Callable[[ModuleType], SimpleNamespace]
    columns: Names
    keys: Names
    to_one: Names
    to_many: Names
    targets: Names
    deletable: Names
    families: tuple[str, ...]
    parts: tuple[str, ...]
    rows: Mapping[str, list[tuple[Any, ...]]]
    behind: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of all classes."""
        return tuple(sorted(self.columns))

    def related(self, kind: str) -> tuple[str, ...]:
        """The relationships of a class."""
        return self.to_one.get(kind, ()) + self.to_many.get(kind, ())
