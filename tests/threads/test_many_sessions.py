"""Many Sessions on several threads: each has its own results, whatever the others do, from the first use of a class on."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, create_engine, event, func, inspect, select, update
from sqlalchemy.pool import StaticPool

from session import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column, relationship, selectinload
from session.flush.concerned import dependency_for
from tests.faults.test_killed_processes import environment
from tests.integration.session_models import Address, Base, Group, User

THREADS = 8
SESSIONS = 1000
ROUNDS = 12

of_listeners_let_go = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. .function _collection_gced:pytest.PytestUnraisableExceptionWarning"
)
"""What Core keeps of listeners is not made for threads: where a class is let go of it may miss an entry, and goes on."""


@pytest.fixture(autouse=True)
def eager_switches() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def on_threads(work: Callable[[int], None], count: int = THREADS) -> None:
    """Run ``work(number)`` on threads that start at the same moment; raise the first error."""
    start = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(30)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def one_session(engine: Any, name: str) -> None:
    """Write, read, change and delete what belongs to this Session alone."""
    with Session(engine) as session:
        user = User(name=name, age=1, addresses=[Address(email=f"{name} {n}") for n in range(3)])
        user.groups.append(Group(name=name))
        session.add(user)
        session.commit()
        user.age = 2
        session.flush()
        found = session.scalars(select(User).where(User.name == name).options(selectinload(User.addresses))).one()
        assert found is user
        assert [address.email for address in found.addresses] == [f"{name} {n}" for n in range(3)]
        assert [group.name for group in user.groups] == [name]
        session.execute(update(User).where(User.id == user.id).values(age=User.age + 1))
        assert user.age == 3
        session.delete(user.addresses[1])
        session.commit()
        user.name = "never"
        session.flush()
        session.rollback()
        assert user.name == name
    with Session(engine) as session:
        again = session.get(User, user.id)
        assert again is not user
        assert [address.email for address in again.addresses] == [f"{name} 0", f"{name} 2"]


def test_a_thousand_sessions(database: Any) -> None:
    options = {"connect_args": {"timeout": 60}} if database.name == "sqlite" else {}
    engine = database.create_engine(pool_size=THREADS, **options)
    Base.metadata.create_all(engine)

    def work(number: int) -> None:
        for count in range(SESSIONS // THREADS):
            one_session(engine, f"{number}/{count}")

    on_threads(work)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(User)) == SESSIONS
        assert session.scalar(select(func.count()).select_from(Address)) == SESSIONS * 2
        assert session.scalar(select(func.count()).select_from(Group)) == SESSIONS
        assert session.scalars(select(User.age).distinct()).all() == [3]
        assert len(session.scalars(select(User.name).distinct()).all()) == SESSIONS


def new_classes() -> Any:
    """Map classes that nobody has used: not configured, no plans."""

    class Root(DeclarativeBase):
        pass

    class Parent(Root):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        kind: Mapped[str] = mapped_column(String(10))
        children = relationship("Child", back_populates="parent", order_by="Child.id")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "parent"}

    class Step(Parent):
        note: Mapped[str | None] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "step"}

    class Child(Root):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))
        parent = relationship("Parent", back_populates="children")

    Root.Parent, Root.Step, Root.Child = Parent, Step, Child  # type: ignore[attr-defined]
    return Root


def first_use(root: Any, engine: Any, number: int) -> None:
    """Use classes in a way that depends on the thread; all ways have the same result."""
    if number % 4 == 0:
        parent = root.Step(name=str(number), note="n", children=[root.Child(), root.Child()])
    elif number % 4 == 1:
        select(root.Parent).join(root.Parent.children).where(root.Child.id > 0)
        parent = root.Step(name=str(number), children=[root.Child(), root.Child()])
    elif number % 4 == 2:
        child = root.Child(parent=root.Step(name=str(number)))
        parent = child.parent
        parent.children.append(root.Child())
    else:
        configure_mappers()
        parent = root.Step(name=str(number))
        root.Child(parent=parent)
        root.Child(parent=parent)
    with Session(engine) as session:
        session.add(parent)
        session.commit()
        statement = select(root.Parent).where(root.Parent.name == str(number)).options(selectinload(root.Step.children))
        (found,) = session.scalars(statement)
        assert found is parent
        assert len(found.children) == 2
        assert all(child.parent is parent for child in found.children)
        assert type(session.get(root.Parent, parent.id)) is root.Step
        session.expire_all()
        assert len(parent.children) == 2


def test_classes_are_used_first_by_several_threads(database: Any) -> None:
    for _ in range(ROUNDS):
        root = new_classes()
        options = {"connect_args": {"timeout": 60}} if database.name == "sqlite" else {}
        engine = database.create_engine(pool_size=THREADS, **options)
        root.metadata.create_all(engine)
        on_threads(lambda number, root=root, engine=engine: first_use(root, engine, number))
        with Session(engine) as session:
            assert session.scalar(select(func.count()).select_from(root.Child)) == 2 * THREADS
        root.metadata.drop_all(engine)
        engine.dispose()
        root.registry.dispose()


def test_what_a_flush_knows_a_relationship_by_is_made_once() -> None:
    for _ in range(40):
        root = new_classes()
        configure_mappers()
        prop = inspect(root.Parent).relationships["children"]
        made: list[Any] = [None] * THREADS

        def work(number: int, prop: Any = prop, made: list[Any] = made) -> None:
            made[number] = dependency_for(prop)

        on_threads(work)
        assert len(set(map(id, made))) == 1
        root.registry.dispose()


@of_listeners_let_go
def test_listeners_come_and_go_meanwhile() -> None:
    root = new_classes()
    root.registry.configure()
    engines = [
        create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        for _ in range(THREADS)
    ]
    for engine in engines:
        root.metadata.create_all(engine)
    heard: dict[str, int] = {"load": 0, "set": 0, "insert": 0, "flush": 0}

    def hear(name: str) -> Callable[..., None]:
        def listener(*_: Any) -> None:
            heard[name] += 1

        return listener

    def listen() -> None:
        for target, name in (
            (root.Parent, "load"), (root.Parent.name, "set"), (root.Parent, "before_insert"), (Session, "after_flush")
        ):  # fmt: skip
            listener = hear({"before_insert": "insert", "after_flush": "flush"}.get(name, name))
            event.listen(target, name, listener, **({"propagate": True} if name != "after_flush" else {}))
            event.remove(target, name, listener)

    def write_and_read(engine: Engine, name: str) -> None:
        with Session(engine) as session:
            parent = root.Step(name=name, children=[root.Child()])
            session.add(parent)
            session.commit()
            parent.name = "changed"
            session.commit()
            session.expunge_all()
            assert session.scalars(select(root.Parent)).all()[-1].name == "changed"

    def work(number: int) -> None:
        for count in range(40):
            if number == 0:  # one thread: adding and removing at the same time is not safe in Core
                listen()
                continue
            while True:
                try:
                    write_and_read(engines[number], str(count))
                    break
                except RuntimeError as error:
                    # Core goes through a class's listeners in place: who fires an event while one is added may get this.
                    # Like any error from a listener it ends the transaction, and the work can be done again.
                    assert str(error) == "deque mutated during iteration"

    on_threads(work)
    heard.update(dict.fromkeys(heard, 0))
    event.listen(root.Parent, "load", hear("load"), propagate=True)
    event.listen(root.Parent.name, "set", hear("set"), propagate=True)
    with Session(engines[7]) as session:
        parents = session.scalars(select(root.Parent)).all()
        assert len(parents) >= 40  # more, where work was cut off after its first commit
        parents[0].name = "heard"
    assert heard == {"load": len(parents), "set": 1, "insert": 0, "flush": 0}
    for engine in engines:
        engine.dispose()
    gc.collect()


def test_two_threads_fight_over_one_session_without_rules(tmp_path: Path) -> None:
    """Everything may be refused; the process must live, and a Session that is closed afterwards must work."""
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.threads.fighting_program", str(tmp_path / "test.db")],
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,  # seconds
    )
    assert run.returncode == 0, f"{run.returncode}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    assert run.stdout.splitlines()[-1] == "alive"
