"""Many rows changed or deleted at once: as one after the other, or else it is done one after the other."""

from __future__ import annotations

from datetime import date
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import (
    ForeignKey,
    Integer,
    UniqueConstraint,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import SAWarning

from session import DeclarativeBase, Mapped, Session, mapped_column
from session.exc import StaleDataError
from tests.conftest import Database

from .notes import MANY, Notes, Text, count_up, item_class, only_postgresql, rows_of, run

pytestmark = only_postgresql


def test_updates_go_together(items: tuple[Session, list[Any]], item: Any, notes: Notes) -> None:
    session, objects = items
    for obj in objects:
        obj.number *= 10
    session.flush()
    notes.check("UPDATE", in_arrays=1)
    assert session.scalars(select(item.number).order_by(item.id)).all() == [10 * i for i in range(MANY)]
    for obj in objects:
        obj.number = obj.name = None
    session.flush()
    assert session.execute(select(item.number, item.name).distinct()).all() == [(None, None)]
    notes.forget()
    for obj in objects[:3]:
        obj.number = 4
    session.flush()
    notes.check("UPDATE", in_arrays=0, others=3)


def test_updates_of_many_pages(item: Any, database: Database) -> None:
    notes = Notes(database, insertmanyvalues_page_size=8)
    with Session(notes.engine) as session:
        objects = [item(name="x", number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.number += 1
        objects[10].name = Text("y")
        for obj in objects:
            obj.name = obj.name + "" if type(obj.name) is str else Text("z")
        objects[10].name = Text("z")
        for obj in objects:
            if obj is not objects[10]:
                obj.name = "w"
        notes.forget()
        session.flush()
        notes.check("UPDATE", in_arrays=1, others=12)
        session.expire_all()
        assert [obj.number for obj in objects] == list(range(1, MANY + 1))
        assert [obj.name for obj in objects] == ["z" if i == 10 else "w" for i in range(MANY)]


def test_deletes_go_together(items: tuple[Session, list[Any]], item: Any, notes: Notes) -> None:
    session, objects = items
    for obj in objects[5:]:
        session.delete(obj)
    session.flush()
    notes.check("DELETE", in_arrays=1)
    assert session.scalars(select(item).order_by(item.id)).all() == objects[:5]


def test_rows_that_are_gone_are_told(items: tuple[Session, list[Any]], item: Any, notes: Notes) -> None:
    session, objects = items
    session.execute(text("DELETE FROM item WHERE number IN (3, 4)"))
    for obj in objects:
        obj.number += 1
    with pytest.raises(StaleDataError) as caught:
        session.flush()
    assert (caught.value.expected, caught.value.matched) == (MANY, MANY - 2)
    session.rollback()
    session.add_all(more := [item() for _ in range(MANY)])
    session.flush()
    session.execute(text("DELETE FROM item WHERE id = :key"), {"key": more[2].id})
    for obj in more:
        session.delete(obj)
    with pytest.warns(SAWarning, match=f"{MANY} row.*matched {MANY - 1}"):
        session.flush()


def versioned_class(base: type[DeclarativeBase], **columns: Any) -> Any:
    version = mapped_column(Integer, nullable=False)
    return item_class(base, version=version, __mapper_args__={"version_id_col": version}, **columns)


def test_versions_are_checked(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = versioned_class(base)
    base.metadata.create_all(notes.engine)
    with Session(notes.engine, autoflush=False) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.commit()
        count_up(session, objects)
        notes.forget()
        session.commit()
        notes.check("UPDATE", in_arrays=1)
        assert {obj.version for obj in objects} == {2}
        count_up(session, objects)
        run(notes.engine, "UPDATE item SET version = 7 WHERE number = 4")
        with pytest.raises(StaleDataError) as caught:
            session.flush()
        assert (caught.value.expected, caught.value.matched) == (MANY, MANY - 1)
        assert caught.value.table is Item.__table__
        session.rollback()
        assert rows_of(notes.engine, "SELECT sum(number) FROM item") == [(sum(range(1, MANY + 1)),)]
        for obj in objects:
            assert obj.version
            session.delete(obj)
        run(notes.engine, "UPDATE item SET version = 8 WHERE number = 4")
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()
        for obj in objects:
            session.delete(obj)
        notes.forget()
        session.commit()
        notes.check("DELETE", in_arrays=1)
        assert rows_of(notes.engine, "SELECT * FROM item") == []


def test_composite_keys(base: type[DeclarativeBase], notes: Notes) -> None:
    class Pair(base):  # type: ignore[misc, valid-type]
        __tablename__ = "pair"

        left: Mapped[int] = mapped_column(primary_key=True)
        day: Mapped[date] = mapped_column(primary_key=True)
        note: Mapped[str | None]

    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        objects = [Pair(left=i // 5, day=date(2024, 1, 1 + i % 5), note=f"{i}") for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.note += "!"
        session.flush()
        found = session.execute(select(Pair.note).order_by(Pair.left, Pair.day)).scalars().all()
        assert found == [f"{i}!" for i in range(MANY)]
        for obj in objects[10:]:
            session.delete(obj)
        session.flush()
        notes.check("INSERT", in_arrays=1)
        notes.check("UPDATE", in_arrays=1)
        notes.check("DELETE", in_arrays=1)
        assert session.scalar(select(func.count()).select_from(Pair)) == 10


def test_keys_that_are_numbers_with_fractions_are_found_one_by_one(base: type[DeclarativeBase], notes: Notes) -> None:
    class Measured(base):  # type: ignore[misc, valid-type]
        __tablename__ = "measured"

        at: Mapped[float] = mapped_column(primary_key=True)
        note: Mapped[str | None]

    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        objects = [Measured(at=i / 10) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=1)
        for obj in objects:
            obj.note = "x"
        session.flush()
        notes.check("UPDATE", in_arrays=0, others=MANY)


def test_joined_inheritance(base: type[DeclarativeBase], notes: Notes) -> None:
    class Animal(base):  # type: ignore[misc, valid-type]
        __tablename__ = "animal"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]
        kind: Mapped[str] = mapped_column()
        version: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": version, "polymorphic_on": kind, "polymorphic_identity": "animal"}

    class Cat(Animal):
        __tablename__ = "cat"

        cat_id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        colour: Mapped[str | None]
        __mapper_args__ = {"polymorphic_identity": "cat"}

    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        cats = [Cat(name=f"cat {i}", colour=f"{i}") for i in range(MANY)]
        session.add_all(cats)
        session.flush()
        notes.check("INSERT", in_arrays=2)
        for cat in cats:
            cat.colour += "!"
        session.flush()
        notes.check("UPDATE", in_arrays=2)
        session.expire_all()
        assert [(cat.name, cat.colour, cat.version) for cat in cats] == [(f"cat {i}", f"{i}!", 2) for i in range(MANY)]
        for cat in cats:
            session.delete(cat)
        session.flush()
        notes.check("DELETE", in_arrays=2)
        assert session.scalar(select(func.count()).select_from(Animal)) == 0


def test_schemas_that_are_translated(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(base, __table_args__={"schema": "nowhere"})
    run(notes.engine, 'CREATE SCHEMA "Other one"')
    engine = notes.engine.execution_options(schema_translate_map={"nowhere": "Other one"})
    base.metadata.create_all(engine)
    notes.forget()
    with Session(engine) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.number += 1
        session.flush()
        for obj in objects[1:]:
            session.delete(obj)
        session.commit()
        notes.check("INSERT", in_arrays=1)
        notes.check("UPDATE", in_arrays=1)
        notes.check("DELETE", in_arrays=1)
    assert rows_of(notes.engine, 'SELECT number FROM "Other one".item') == [(1,)]


@pytest.mark.parametrize("how", ["column", "constraint", "index"])
def test_unique_columns_are_moved_up_one_by_one(base: type[DeclarativeBase], notes: Notes, how: str) -> None:
    columns: dict[str, Any] = {"position": mapped_column(Integer, unique=how == "column", index=how == "index")}
    if how == "index":
        columns["position"] = mapped_column(Integer, unique=True, index=True)
    if how == "constraint":
        columns["__table_args__"] = (UniqueConstraint("position", "number"),)
    Item = item_class(base, **columns)
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        objects = [Item(number=1, position=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.position -= 1
        notes.forget()
        session.flush()
        notes.check("UPDATE", in_arrays=0, others=MANY)
        for obj in objects:
            obj.name = "x"
        notes.forget()
        session.flush()
        notes.check("UPDATE", in_arrays=1)


def test_rows_are_locked_in_the_order_of_their_keys(item: Any, database: Database) -> None:
    """Whoever waits for a row holds none that comes after it: two flushes cannot wait for each other in a circle."""
    # settings with which the planner would rather hash the table, in parts, and find the rows in no order
    notes = Notes(database, "-c enable_mergejoin=off -c random_page_cost=1000 -c work_mem=64")
    with Session(notes.engine) as session:
        objects = [item(number=i) for i in range(900)]
        session.add_all(objects)
        session.flush()
        first, last = objects[0].id, objects[-1].id
        session.commit()
    # where the row stands says nothing of its order: the first one is the last in the file now
    run(
        notes.engine,
        "INSERT INTO item (number) SELECT -1 FROM generate_series(1, 9000)",
        f"UPDATE item SET number = 0 WHERE id = {first}",
        "ANALYZE item",
    )
    notes.forget()
    other = database.create_engine()
    failures: list[BaseException] = []

    def flush() -> None:
        try:
            with Session(notes.engine) as waiting:
                for obj in waiting.scalars(select(item).where(item.number >= 0)).all():
                    obj.name = "changed"
                waiting.commit()
        except BaseException as error:
            failures.append(error)

    with other.connect() as holder:
        holder.exec_driver_sql(f"UPDATE item SET number = 1 WHERE id = {first}")
        thread = Thread(target=flush)
        thread.start()
        with other.connect() as watcher:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not watcher.scalar(text(waiting)):
                assert thread.is_alive(), failures
                watcher.rollback()
            watcher.rollback()
            locked = watcher.scalar(text(f"SELECT id FROM item WHERE id = {last} FOR UPDATE NOWAIT"))
        holder.commit()
    thread.join()
    assert locked == last
    assert not failures
    notes.check("UPDATE", in_arrays=1)
    assert rows_of(notes.engine, "SELECT DISTINCT name FROM item WHERE number >= 0") == [("changed",)]
    assert rows_of(notes.engine, f"SELECT number FROM item WHERE id = {first}") == [(1,)]


def test_who_watches_sees_what_core_would_send(item: Any, database: Database) -> None:
    engine = database.create_engine()
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    with Session(engine) as session:
        objects = [item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.number += 1
        session.flush()
        assert dict(session.execute(select(item.id, item.number)).all()) == {obj.id: obj.number for obj in objects}
        for obj in objects:
            session.delete(obj)
        session.flush()
    assert [sent.split()[0] for sent in seen] == ["INSERT", "UPDATE", "SELECT", "DELETE"]
    assert not any("unnest" in sent for sent in seen)


def test_whoever_turns_batches_off_has_none(item: Any, database: Database) -> None:
    notes = Notes(database, use_insertmanyvalues=False)
    with Session(notes.engine) as session:
        objects = [item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.number += 1
        session.flush()
        notes.check("INSERT", in_arrays=0, others=MANY)
        notes.check("UPDATE", in_arrays=0, others=MANY)
