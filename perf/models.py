"""The mapped classes, written once against a namespace: the module `session` or the module `sqlalchemy.orm`.

In: that module and the tables. Out: the four classes. Next on the way: `world.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perf.tables import Tables


@dataclass(frozen=True)
class Models:
    """The mapped classes of one ORM; they are typed `Any` because the ORM is chosen while the program runs."""

    Person: Any
    Parent: Any
    Child: Any
    Node: Any


def make_models(orm: Any, tables: Tables) -> Models:
    """Map `tables` with `orm`, a module that offers the public names of `sqlalchemy.orm`."""
    base: Any = orm.declarative_base(metadata=tables.metadata)

    class Person(base):  # type: ignore[misc]
        __table__ = tables.person

    class Parent(base):  # type: ignore[misc]
        __table__ = tables.parent
        children = orm.relationship("Child", back_populates="parent", cascade="all, delete-orphan")

    class Child(base):  # type: ignore[misc]
        __table__ = tables.child
        parent = orm.relationship("Parent", back_populates="children")

    class Node(base):  # type: ignore[misc]
        __table__ = tables.node
        children = orm.relationship("Node", back_populates="parent")
        parent = orm.relationship("Node", back_populates="children", remote_side=[tables.node.c.id])

    orm.configure_mappers()
    return Models(Person, Parent, Child, Node)
