"""Mapped classes through which user code gets a word at every place where there is one."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, Table, create_engine, delete, event, insert
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

from session import DeclarativeBase, Mapped, Session, attribute_keyed_dict, mapped_column, relationship, validates

#: What user code does when it is called, by the name of the place; :func:`called` asks for it.
armed: dict[str, Callable[[Any], None]] = {}
_depth = 0

heard: dict[str, int] = {}
"""How often each place has called user code that was armed."""


heard_before: dict[str, int] = {}
"""The same, before the present piece of work."""

PATIENCE = 40
"""So often user code acts in one piece of work: a list that grows with each of its items has no end."""


def called(place: str, subject: Any = None) -> None:
    """User code is called: do what is armed for the place, unless it is at it already."""
    global _depth
    act = armed.get(place)
    if act is None or _depth >= 2:
        return
    heard[place] = heard.get(place, 0) + 1
    if heard[place] - heard_before.get(place, 0) > PATIENCE:
        return
    _depth += 1
    try:
        act(subject)
    finally:
        _depth -= 1


class Value:
    """A value of a column with opinions of its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.watched = weakref.ref(self, lambda _: called("weak reference"))

    def __reduce__(self) -> Any:
        return Value, (self.number,)

    def __eq__(self, other: object) -> bool:
        called("__eq__", other)
        return isinstance(other, Value) and self.number == other.number

    def __hash__(self) -> int:
        called("__hash__")
        return hash(self.number)

    def __bool__(self) -> bool:
        called("__bool__")
        return True

    def __repr__(self) -> str:
        called("__repr__")
        return f"Value({self.number})"

    def __del__(self) -> None:
        called("__del__")


class Key(int):
    """A primary key with opinions of its own."""

    def __eq__(self, other: object) -> bool:
        called("key __eq__", other)
        return int(self) == other

    def __hash__(self) -> int:
        called("key __hash__")
        return int.__hash__(self)


class ValueType(TypeDecorator[Any]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        called("bind processor")
        return value.number if isinstance(value, Value) else value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        called("result processor")
        return None if value is None else Value(value)

    def compare_values(self, x: Any, y: Any) -> bool:
        called("compare_values")
        return bool(x == y)


class KeyType(TypeDecorator[Any]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        called("key processor")
        return None if value is None else Key(value)


class OwnList(list[Any]):
    def append(self, item: Any) -> None:
        called("collection append", self)
        super().append(item)

    def remove(self, item: Any) -> None:
        called("collection remove", self)
        super().remove(item)

    def __iter__(self) -> Any:
        called("collection __iter__", self)
        return super().__iter__()


class Base(DeclarativeBase):
    pass


links = Table(
    "links",
    Base.metadata,
    Column("node_id", ForeignKey("node.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Node(Base):
    __tablename__ = "node"

    id: Mapped[Any] = mapped_column(KeyType, primary_key=True)
    value: Mapped[Any] = mapped_column(ValueType, nullable=True)
    other: Mapped[Any] = mapped_column(ValueType, nullable=True)
    parent_id: Mapped[Any] = mapped_column(KeyType, ForeignKey("node.id"), nullable=True)
    parent: Mapped[Node | None] = relationship(remote_side=[id], back_populates="children")
    children: Mapped[list[Node]] = relationship(
        back_populates="parent", collection_class=OwnList, order_by=id, cascade="all"
    )
    tags: Mapped[set[Tag]] = relationship(secondary=links, back_populates="nodes")
    notes: Mapped[dict[str, Note]] = relationship(
        collection_class=attribute_keyed_dict("name"), cascade="all, delete-orphan", back_populates="node"
    )

    @validates("other", "children")
    def check(self, key: str, value: Any) -> Any:
        called("validator", self)
        return value

    def __del__(self) -> None:
        called("object __del__")


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    nodes: Mapped[list[Node]] = relationship(secondary=links, back_populates="tags")


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    node_id: Mapped[Any] = mapped_column(KeyType, ForeignKey("node.id"), nullable=True)
    node: Mapped[Node | None] = relationship(back_populates="notes")

    @property
    def name(self) -> str:
        called("key function", self)
        return self.text or ""


INSTANCE = ("load", "refresh", "refresh_flush", "expire", "init", "pickle", "unpickle")
MAPPER = ("before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete")
ATTRIBUTE = ("set", "append", "remove", "bulk_replace", "init_scalar", "init_collection", "dispose_collection")
SESSION = (
    "before_flush", "after_flush", "after_flush_postexec", "before_commit", "after_commit", "after_rollback",
    "after_soft_rollback", "after_begin", "before_attach", "after_attach", "transient_to_pending", "pending_to_transient",
    "pending_to_persistent", "persistent_to_transient", "loaded_as_persistent", "persistent_to_deleted",
    "deleted_to_persistent", "deleted_to_detached", "persistent_to_detached", "detached_to_persistent",
    "do_orm_execute", "after_transaction_create", "after_transaction_end",
)  # fmt: skip

USER_CODE = (
    "__eq__", "__hash__", "__bool__", "__repr__", "__del__", "object __del__", "weak reference", "key __eq__", "key __hash__",
    "bind processor", "result processor", "key processor", "compare_values", "collection append", "collection remove",
    "collection __iter__", "validator", "key function",
)  # fmt: skip

PLACES = (*USER_CODE, *INSTANCE, *MAPPER, *ATTRIBUTE, *SESSION)


def listen(place: str) -> Callable[[], None]:
    """Have user code called at a place, where that needs a listener.

    :return: ends it.
    """
    targets: list[Any] = []
    if place in INSTANCE or place in MAPPER:
        targets = [Node]
    elif place in ATTRIBUTE:
        targets = {
            "set": [Node.value, Node.parent], "init_scalar": [Node.value], "append": [Node.children, Node.tags, Node.notes],
        }.get(place, [Node.children, Node.tags])  # fmt: skip
    elif place in SESSION:
        targets = [Session]

    def listener(*args: Any, **keywords: Any) -> None:
        called(place, args[0])

    for target in targets:
        event.listen(target, place, listener)

    def end() -> None:
        for target in targets:
            event.remove(target, place, listener)

    return end


def new_engine() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    return engine


def populate(engine: Any) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))
        nodes = [{"id": n, "value": n, "other": n, "parent_id": 1 if n > 1 else None} for n in range(1, 6)]
        connection.execute(insert(Node.__table__), nodes)
        connection.execute(insert(Tag.__table__), [{"id": 1}, {"id": 2}])
        connection.execute(insert(links), [{"node_id": n, "tag_id": n % 2 + 1} for n in range(1, 6)])
        connection.execute(insert(Note.__table__), [{"id": n, "text": f"{n}", "node_id": 1} for n in (1, 2, 3)])
