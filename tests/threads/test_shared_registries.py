"""What all Sessions and classes of a process are entered in, gone through by one thread while others add to it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from session import (
    DeclarativeBase,
    Mapped,
    Mapper,
    Session,
    close_all_sessions,
    configure_mappers,
    mapped_column,
    registry,
    relationship,
)
from session.instrument.events import EVERY_INSTANCE, _Hold
from session.mapping.events import _MapperHold

from .test_many_sessions import eager_switches, of_listeners_let_go, on_threads  # noqa: F401 -- a fixture for each test

pytestmark = [
    pytest.mark.usefixtures("eager_switches", "collected"),
    of_listeners_let_go,
]


def meanwhile(once: Callable[[], Any], times: int, others: Callable[[], Any]) -> None:
    """One thread does something many times; two more do something else for as long as that takes."""
    over = threading.Event()

    def work(number: int) -> None:
        if number:
            while not over.is_set():
                others()
            return
        try:
            for _ in range(times):
                once()
        finally:
            over.set()

    on_threads(work, 3)


@pytest.fixture
def collected() -> Iterator[None]:
    """The classes of a test go with it."""
    yield
    gc.collect()


@pytest.fixture
def classes() -> Iterator[Callable[[], Any]]:
    """Gives a function that maps a class on a base of its own; all are taken back at the end."""
    roots: list[Any] = []

    def new_class() -> Any:
        class Root(DeclarativeBase):
            pass

        class Node(Root):
            __tablename__ = "node"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        roots.append(Root)
        return Node

    yield new_class
    for root in roots:
        root.registry.dispose()


def test_all_sessions_are_closed_while_others_are_made() -> None:
    def make_some() -> None:
        sessions = [Session() for _ in range(30)]
        sessions.clear()

    meanwhile(close_all_sessions, 1500, make_some)


def test_mappers_are_configured_while_registries_are_made() -> None:
    meanwhile(configure_mappers, 1500, lambda: [registry() for _ in range(30)])


def test_the_mappers_of_a_registry_are_listed_while_classes_are_mapped() -> None:
    class Root(DeclarativeBase):
        pass

    numbers = iter(range(10**9))

    def map_one() -> None:
        number = next(numbers)
        annotations = {"id": Mapped[int]}
        names = {"__tablename__": f"t{number}", "id": mapped_column(primary_key=True), "__annotations__": annotations}
        type(f"T{number}", (Root,), names)

    for _ in range(100):
        map_one()
    meanwhile(lambda: Root.registry.mappers, 2000, map_one)
    Root.registry.dispose()


def test_every_mapped_object_is_listened_to_while_classes_are_mapped(classes: Any) -> None:
    heard: list[Any] = []
    listeners: list[Any] = []

    def listen() -> None:
        def hear(target: Any, *_: Any) -> None:
            heard.append(target)

        listeners.append(hear)
        event.listen(Mapper, "init", hear)

    try:
        meanwhile(listen, 200, classes)
        heard.clear()
        made = classes()()
        assert heard == [made] * len(listeners)
    finally:
        for listener in listeners:
            event.remove(Mapper, "init", listener)


def test_classes_of_one_base_are_mapped_and_used_by_several_threads() -> None:
    class Root(DeclarativeBase):
        pass

    def work(number: int) -> None:
        for count in range(6):
            name = f"{number}_{count}"
            child: Any = type(
                f"Child{name}",
                (Root,),
                {
                    "__tablename__": f"child{name}",
                    "__annotations__": {"id": Mapped[int], "parent_id": Mapped[int]},
                    "id": mapped_column(primary_key=True),
                    "parent_id": mapped_column(),
                },
            )
            parent: Any = type(
                f"Parent{name}",
                (Root,),
                {
                    "__tablename__": f"parent{name}",
                    "__annotations__": {"id": Mapped[int]},
                    "id": mapped_column(primary_key=True),
                    "children": relationship(
                        child, backref="parent", primaryjoin=f"Parent{name}.id == foreign(Child{name}.parent_id)"
                    ),
                },
            )
            one = parent(children=[child(), child()])
            assert [each.parent for each in one.children] == [one, one]

    on_threads(work)
    Root.registry.dispose()


@pytest.mark.parametrize(
    ("name", "of_class"),
    [("load", lambda cls: EVERY_INSTANCE), ("load", _Hold.of), ("before_insert", _MapperHold.of)],
    ids=["objects of all classes", "objects of a class", "rows of a class"],
)
def test_listeners_that_were_removed_are_let_go_of(name: str, of_class: Callable[[type[Any]], Any]) -> None:
    class NotMapped:
        pass

    hold = of_class(NotMapped)
    before = len(list(hold.kept))
    for _ in range(5):

        def hear(*_: Any) -> None:
            pass

        target = Mapper if hold is EVERY_INSTANCE else NotMapped
        event.listen(target, name, hear, propagate=True)
        event.remove(target, name, hear)
    assert len(list(hold.kept)) <= before + 1
