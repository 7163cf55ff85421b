"""The cases: each does what programs do, in one way.  ``python -m tests.leaks.cases NAME ...`` measures some of them."""

# ruff: noqa: T201

from __future__ import annotations

import itertools
import pickle
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ForeignKey, create_engine, delete, event, exc, func, insert, inspect, select, text, update
from sqlalchemy.pool import StaticPool

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    attributes,
    implementation,
    joinedload,
    load_only,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    peerload,
    relationship,
    selectinload,
)
from session.exc import StaleDataError
from session.load import known_plans

from .measuring import measure
from .world import Badge, Circle, Fragile, Letter, Parcel, Person, Refused, lasting, new_engine, populate

Work = Callable[[], Iterable[Any] | None]
CASES: dict[str, tuple[Work, int, int]] = {}
ENGINE = new_engine()
populate(ENGINE)


def case(cycles: int, lives: int = 1) -> Callable[[Work], Work]:
    """Enter some work, with how often it is done and how many lives of the same kind are in it."""

    def enter(work: Work) -> Work:
        CASES[work.__name__] = work, cycles, lives
        return work

    return enter


def attempt(work: Callable[[], Any], *expected: type[BaseException]) -> None:
    try:
        work()
    except expected:
        return
    raise AssertionError(f"{work} has not failed")


# -- without a database ------------------------------------------------------------------------------------------


@case(400)
def transient() -> Iterable[Any]:
    person = Person(name="never stored", letters=[Letter(text="a"), Parcel(weight=1)], badges={"x": Badge(name="x")})
    person.boss = Person(name="boss")
    letter = person.letters.pop()
    letter.person = person
    person.name = "changed"
    person.name = "again"
    del person.name
    person.circles = {Circle(name="c")}
    person.circles.clear()
    person.badges["y"] = Badge(name="y")
    person.badges.pop("x")
    person.badges = {}
    person.letters = [Letter(), *person.letters]
    inspect(person).attrs.letters.history  # noqa: B018
    inspect(person).attrs.name.load_history()
    attributes.flag_modified(person, "letters")
    repr(inspect(person))
    return [person, letter, person.boss]


@case(400)
def circles() -> Iterable[Any]:
    """References in a circle, through relationships and beside them."""
    person = Person(name="self")
    person.boss = person
    person.__dict__["self"] = person
    person.state = inspect(person)
    person.lists = [person.letters, person.badges, person.circles]
    other = Person(boss=person, circles={Circle(people={person})})
    other.other = person
    person.other = other
    return [person, other]


@case(300)
def pickled() -> Iterable[Any]:
    with Session(ENGINE) as session:
        person = session.get(Person, 1, options=[selectinload(Person.letters)])
        person.name = "pickled"
        data = pickle.dumps([person, Person(name="new", letters=[Letter()])])
        session.rollback()
    copies = pickle.loads(data)
    with Session(ENGINE) as session:
        merged = session.merge(copies[0], load=True)
        session.add(copies[1])
        session.rollback()
    return [*copies, merged, session]


# -- the life of objects in a Session ----------------------------------------------------------------------------


@case(150)
def written() -> Iterable[Any]:
    with Session(ENGINE) as session:
        person = Person(name="new", letters=[Letter(text="a"), Parcel(text="b")], badges={"b": Badge(name="b")})
        session.add(person)
        session.flush()
        person.name = "changed"
        person.circles = {session.get_one(Circle, 1), Circle(name="fresh")}
        session.commit()
        person.letters.pop()
        session.expire(person, ["name"])
        session.refresh(person)
        session.commit()
        fresh = [circle for circle in person.circles if circle.id > 2]
        for each in (person, *fresh):
            session.delete(each)
        session.commit()
        assert len(fresh) == 1
    return [person, session]


@case(200)
def rolled_back() -> Iterable[Any]:
    with Session(ENGINE) as session:
        old, new = session.get_one(Person, 1), Person(name="new")
        new.boss = old
        session.add(new)
        old.name = "changed"
        session.delete(old.letters[0])
        session.flush()
        nested = session.begin_nested()
        new.name = "in savepoint"
        session.add(Letter(person=new))
        session.flush()
        nested.rollback()
        with session.begin_nested():
            new.letters.append(Letter())
        session.rollback()
        session.add(new)
        session.expunge(new)
    return [old, new, session]


@case(200)
def moved() -> Iterable[Any]:
    """Objects that come and go: expunge, detached, transient again, another Session."""
    with Session(ENGINE) as session, Session(ENGINE) as other:
        person = session.get_one(Person, 2)
        session.expunge(person)
        other.add(person)
        other.expunge_all()
        make_transient(person)
        session.add(person)
        session.expunge(person)
        detached = Person(id=3)
        make_transient_to_detached(detached)
        session.add(detached)
        assert detached.name == "person 3"
        session.close()
        attempt(lambda: detached.letters, exc.SQLAlchemyError)
    return [person, detached, session, other]


@case(100)
def merged() -> Iterable[Any]:
    given = Person(id=1, name="merged", letters=[Letter(id=2, text="x"), Letter(text="new")], circles={Circle(id=1)})
    with Session(ENGINE) as session:
        got = session.merge(given)
        session.flush()
        session.rollback()
    with Session(ENGINE) as session:
        source = session.get_one(Person, 2, options=[joinedload(Person.letters)])
        session.expunge_all()
        same = session.merge(source, load=False)
    return [given, got, source, same, session]


@case(150)
def loaded() -> Iterable[Any]:
    with Session(ENGINE) as session:
        statement = select(Person).options(selectinload(Person.letters), joinedload(Person.circles))
        people = session.scalars(statement).unique().all()
        for person in people:
            person.note, person.boss, person.staff, person.badges  # noqa: B018
        session.execute(select(Person.name, Letter).join(Person.letters)).all()
        session.scalars(select(Letter)).all()
        for partition in session.scalars(select(Letter).execution_options(yield_per=2)).partitions():
            partition.clear()
        session.expunge_all()
        for person in session.scalars(select(Person).options(peerload(Person.letters), load_only(Person.name))):
            len(person.letters)
        boss = aliased(Person)
        session.execute(select(Person, boss).join(Person.boss.of_type(boss))).all()
        session.query(Person).filter(Person.letters.any(text="text 1")).order_by(Person.name).first()
        session.scalars(select(Letter).where(Letter.id.in_([1, 2, 3]))).all()
        session.get(Person, 99)
        session.scalars(select(Letter)).first()
        iter(session.scalars(select(Letter)))
    return [*people, session]


@case(100)
def in_bulk() -> Iterable[Any]:
    with Session(ENGINE) as session:
        made = session.scalars(insert(Circle).returning(Circle), [{"name": f"{n}"} for n in range(5)]).all()
        session.execute(update(Circle).where(Circle.id > 2).values(name=func.upper(Circle.name)))
        session.execute(update(Circle), [{"id": circle.id, "name": "x"} for circle in made])
        session.execute(delete(Circle).where(Circle.id > 2).execution_options(synchronize_session="fetch"))
        session.bulk_insert_mappings(Circle, [{"name": "m"} for _ in range(5)], return_defaults=True)
        session.bulk_save_objects([Circle(name="o"), Circle(name="p")])
        session.execute(text("SELECT 1")).all()
        session.rollback()
    return [*made, session]


# -- errors in the middle ------------------------------------------------------------------------------------------


def fail_by_key(session: Session) -> Any:
    session.add(Person(id=1))


def fail_by_constraint(session: Session) -> Any:
    session.add_all([Person(name="fine"), Person(name="forbidden", letters=[Letter()])])


def fail_by_changed_key(session: Session) -> Any:
    person = session.get_one(Person, 3)
    person.id = 2
    return person


def fail_by_processor(session: Session) -> Any:
    person = session.get_one(Person, 1)
    person.picky = "not written"
    return person


def fail_by_child(session: Session) -> Any:
    person = session.get_one(Person, 1)
    person.letters.append(Parcel(id=1, weight=1.0))
    return person


def fail_by_version(session: Session) -> Any:
    person = session.get_one(Person, 1)
    session.execute(update(Person.__table__).values(version=Person.__table__.c.version + 1))
    person.name = "stale"
    return person


@case(100, lives=6)
def failing_flush() -> Iterable[Any]:
    left: list[Any] = []
    for wrong in (
        fail_by_key, fail_by_constraint, fail_by_changed_key, fail_by_processor, fail_by_child, fail_by_version
    ):  # fmt: skip
        with Session(ENGINE) as session, session.no_autoflush:
            left += [wrong(session) or session, session, *session.new]
            attempt(session.flush, exc.SQLAlchemyError, StaleDataError, Refused)
            attempt(lambda session=session: session.execute(select(1)), exc.PendingRollbackError)
            session.rollback()
    return left


@case(300)
def failing_user_code() -> Iterable[Any]:
    person = Person()
    attempt(lambda: Fragile("broken"), Refused)
    attempt(lambda: Person(name="refused"), Refused)
    attempt(lambda: setattr(person, "name", "refused"), Refused)
    attempt(lambda: Person(unknown=1), TypeError)
    attempt(lambda: Person(letters=5), TypeError)
    attempt(lambda: person.letters.append(5), Exception)
    attempt(lambda: setattr(person, "boss", 5), Exception)
    attempt(lambda: person.circles.add(None) or person.letters.remove(Letter()), Exception)
    return [person]


@case(60, lives=15)
def failing_listeners() -> Iterable[Any]:
    def refuse(*_: Any) -> None:
        raise Refused

    left: list[Any] = []
    for target, name, work in (
        (Person, "load", lambda session, person: session.get(Person, 2)),
        (Person, "refresh", lambda session, person: session.refresh(person)),
        (Person, "before_update", lambda session, person: setattr(person, "name", "x") or session.flush()),
        (Circle, "after_insert", lambda session, person: session.add(Circle()) or session.flush()),
        (Letter, "after_delete", lambda session, person: session.delete(person.letters[0]) or session.flush()),
        (Person.letters, "append", lambda session, person: person.letters.append(Letter())),
        (Person.letters, "remove", lambda session, person: person.letters.pop()),
        (Letter.person, "set", lambda session, person: setattr(Letter(), "person", person)),
        (Circle, "init", lambda session, person: Circle(name="x")),
    ):
        with Session(ENGINE) as session:
            person = session.get_one(Person, 1)
            event.listen(target, name, refuse)
            attempt(lambda work=work, session=session, person=person: work(session, person), Refused)
            event.remove(target, name, refuse)
            left += [session, person]
    for name in ("before_flush", "after_flush", "after_flush_postexec", "before_commit", "after_commit", "after_begin"):
        with Session(ENGINE) as session:
            circle = Circle(id=77)
            session.add(circle)
            event.listen(session, name, refuse)
            attempt(session.commit, Refused)
            event.remove(session, name, refuse)
            session.rollback()
            session.execute(delete(Circle).where(Circle.id == 77))
            session.commit()
            left += [session, circle]
    return left


@case(100, lives=10)
def failing_reads() -> Iterable[Any]:
    with ENGINE.begin() as connection:
        connection.exec_driver_sql("UPDATE person SET picky = 'not read' WHERE id = 3")
    left = []
    for work in (
        lambda session: session.get(Person, 3),
        lambda session: session.scalars(select(Person)).all(),
        lambda session: session.scalars(select(Person).options(selectinload(Person.letters))).all(),
        lambda session: session.execute(select(Person.picky)).all(),
        lambda session: [list(part) for part in session.scalars(select(Person)).partitions(1)],
        lambda session: session.get_one(Person, 1).staff,
        lambda session: session.scalars(select(Person.id)).one(),
        lambda session: session.get_one(Person, 1234),
        lambda session: session.execute(text("SELECT nothing FROM nowhere")),
        lambda session: session.scalars(select(Letter).where(text("nonsense = 1"))).all(),
    ):
        with Session(ENGINE) as session:
            attempt(lambda work=work, session=session: work(session), Refused, exc.SQLAlchemyError)
            left.append(session)
    with ENGINE.begin() as connection:
        connection.exec_driver_sql("UPDATE person SET picky = NULL WHERE id = 3")
    return left


# -- what lives longer ---------------------------------------------------------------------------------------------


@case(20, lives=4)
def on_threads() -> Iterable[Any]:
    made: list[Any] = []

    def work() -> None:
        engine = ENGINES.pop()
        with Session(engine) as session:
            person = Person(name="of a thread", letters=[Letter()])
            session.add(person)
            session.commit()
            made.extend([person, session])
            session.delete(person)
            session.commit()
        ENGINES.append(engine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


ENGINES = [new_engine() for _ in range(4)]


with ENGINE.connect() as _first:
    ORIGINAL: Any = sqlite3.connect(":memory:")
    _first.connection.driver_connection.backup(ORIGINAL)  # type: ignore[union-attr]


ENGINES_MADE = itertools.count()
USES: tuple[Callable[[Session, Any], Any], ...] = (  # one of them with each engine
    lambda session, person: (person.note, person.staff, person.boss),
    lambda session, person: session.scalars(select(Person).options(selectinload(Person.letters))).all(),
    lambda session, person: session.refresh(person) or session.get(Person, 2),
    lambda session, person: session.bulk_insert_mappings(Circle, [{"name": "m"}]),
    lambda session, person: session.execute(update(Circle), [{"id": 1, "name": "x"}]),
    lambda session, person: session.merge(Person(id=1, name="y")),
    lambda session, person: session.add(Person(name="new", letters=[Letter(), Parcel()], circles={Circle()})),
    lambda session, person: session.delete(person.letters[0]),
)


@case(60)
def engines() -> Iterable[Any]:
    """What is kept for a dialect is limited, and goes with the next ones."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    ORIGINAL.backup(engine.raw_connection().driver_connection)
    with Session(engine) as session:
        person = session.scalars(select(Person).order_by(Person.id)).first()
        USES[next(ENGINES_MADE) % len(USES)](session, person)
        session.commit()
    engine.dispose()
    return [person, session, engine]


@case(30, lives=2)
def classes() -> Iterable[Any]:
    """Classes that were mapped, used and disposed of are gone with their tables."""

    class Root(DeclarativeBase):
        pass

    class Parent(Root):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]
        children = relationship("Child", back_populates="parent", cascade="all, delete-orphan")

    class Child(Root):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))
        parent = relationship("Parent", back_populates="children")

    event.listen(Parent, "load", lambda *_: None, propagate=True)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Root.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Parent(name="x", children=[Child()]))
        session.commit()
        session.scalars(select(Parent).options(selectinload(Parent.children))).all()
        session.delete(session.scalars(select(Parent)).one())
        session.commit()
    engine.dispose()
    left = [Root, Parent, Child, Parent.__mapper__, Child.__mapper__, engine]
    Root.registry.dispose()
    return left


@case(150)
def statements() -> Iterable[Any]:
    """Statements of ever new shapes: what is kept of them is limited."""
    with Session(FORGETFUL) as session:
        number = next(SHAPES)
        statement = select(Person).where(Person.id == 1, text(f"{number} = {number}"))
        person = session.scalars(statement).one()
    return [person, session]


SHAPES = itertools.count()
known_plans.KEPT = 20
FORGETFUL = new_engine()
populate(FORGETFUL)


WITH_CACHES = {"engines": 300, "classes": 40, "statements": 200}
"""Here caches of Core and of plans come and go, and with them memory, and references to ``None`` and the like: after so
many cycles they are full.
"""


def main(names: Iterable[str]) -> None:
    print(implementation())
    for name in names:
        work, cycles, lives = CASES[name]
        if name in WITH_CACHES:
            measure(work, cycles, warm_up=WITH_CACHES[name], slack=400_000, lives=lives)
        else:
            measure(work, cycles, [None, True, False, (), "", *lasting()], lives=lives)
    print("clean")


if __name__ == "__main__":
    main(sys.argv[1:] or CASES)
