"""What is heard and asked of mappings: validators, events, look-ups."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, event, inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import (
    Mapped,
    Mapper,
    class_mapper,
    configure_mappers,
    mapped_column,
    object_mapper,
    relationship,
    validates,
)
from session.exc import UnmappedClassError, UnmappedColumnError, UnmappedInstanceError


def test_validators_see_values_and_subclasses_override_them(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        @validates("name")
        def check(self, key: str, value: str) -> str:
            return f"{key}:{value}"

    class Q(P):
        @validates("name")
        def check(self, key: str, value: str) -> str:
            return value.upper()

    class R(P):
        pass

    assert (P(name="a").name, Q(name="a").name, R(name="a").name) == ("name:a", "A", "name:a")


def test_a_validator_of_a_collection_sees_each_element_once(base: Any) -> None:
    seen: list[Any] = []

    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[C]] = relationship(back_populates="parent")

        @validates("children", include_removes=True)
        def check(self, key: str, value: Any, is_remove: bool) -> Any:
            seen.append((value.id, is_remove))
            return value

    class C(base):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)
        p_id: Mapped[int] = mapped_column(ForeignKey("p.id"))
        parent: Mapped[P] = relationship(back_populates="children")

    first, second, third = C(id=1), C(id=2), C(id=3)
    parent = P(children=[first])
    parent.children.append(second)
    third.parent = parent
    parent.children.remove(first)
    assert seen == [(1, False), (2, False), (3, False), (1, True)]


def test_mapper_events_reach_classes_mapped_before_and_after(base: Any) -> None:
    log: list[Any] = []

    class Mixin:
        pass

    for name in ("instrument_class", "after_mapper_constructed", "before_mapper_configured", "mapper_configured"):
        event.listen(Mixin, name, lambda m, cls, name=name: log.append((name, cls.__name__)), propagate=True)
    event.listen(Mixin, "before_insert", lambda mapper, connection, target: None, propagate=True)

    class P(Mixin, base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)

    def on_update(mapper: Any, connection: Any, target: Any) -> None: ...

    event.listen(P, "before_update", on_update, propagate=True)

    class C(P):
        pass

    configure_mappers()
    names = ("instrument_class", "after_mapper_constructed")
    assert log[:4] == [(name, cls) for cls in "PC" for name in names]
    assert log[4:] == [(n, cls) for cls in "PC" for n in ("before_mapper_configured", "mapper_configured")]
    assert len(list(inspect(C).dispatch.before_update)) == 1
    assert len(list(inspect(C).dispatch.before_insert)) == 1
    event.remove(P, "before_update", on_update)
    assert not inspect(C).dispatch.before_update


def test_configuration_events_are_for_all_mappers(base: Any) -> None:
    log: list[str] = []

    def before() -> None:
        log.append("before")

    def after() -> None:
        log.append("after")

    event.listen(Mapper, "before_configured", before)
    event.listen(Mapper, "after_configured", after)
    try:

        class P(base):
            __tablename__ = "p"
            id: Mapped[int] = mapped_column(primary_key=True)

        configure_mappers()
        configure_mappers()
        assert log == ["before", "after"]
    finally:
        event.remove(Mapper, "before_configured", before)
        event.remove(Mapper, "after_configured", after)


def test_mappers_are_found_by_class_and_object(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert class_mapper(P) is object_mapper(P()) is inspect(P) is P.__mapper__
    with pytest.raises(UnmappedClassError):
        class_mapper(int)
    with pytest.raises(ArgumentError):
        class_mapper(5)
    with pytest.raises(UnmappedInstanceError):
        object_mapper(5)
    with pytest.raises(InvalidRequestError, match="nothing"):
        inspect(P).get_property("nothing")
    with pytest.raises(UnmappedColumnError):
        inspect(P).get_property_by_column(Column("x", Integer))
