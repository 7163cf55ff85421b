"""What the database has to say about many rows at once: triggers, rules, rights, types and constraints of its own."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    String,
    func,
    select,
    text,
)
from sqlalchemy.exc import DataError, IntegrityError, NotSupportedError, ProgrammingError

from session import DeclarativeBase, Mapped, Session, mapped_column
from session.exc import FlushError, StaleDataError

from .notes import MANY, Notes, count_up, item_class, only_postgresql, rows_of, run

pytestmark = only_postgresql


NUMBERED_BACKWARDS = """
CREATE FUNCTION backwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.id := 1000 - NEW.number; NEW.name := NEW.name || '!'; RETURN NEW; END $$
"""
ONLY_EVEN = """
CREATE FUNCTION only_even() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.number %% 2 = 1 THEN RETURN NULL; END IF; RETURN NEW; END $$
"""
COUNTING = """
CREATE FUNCTION counting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$
"""
NEIGHBOURS = """
CREATE FUNCTION neighbours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN UPDATE item SET name = 'next to ' || OLD.id WHERE id = OLD.id + 1; END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$
"""


def test_keys_that_a_trigger_makes(item: Any, notes: Notes) -> None:
    run(
        notes.engine,
        NUMBERED_BACKWARDS,
        "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION backwards()",
    )
    notes.forget()
    if not notes.unfolding:
        pytest.skip("Core takes keys for ascending")
    with Session(notes.engine) as session:
        objects = [item(name=f"{i}", number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=1)
        assert [obj.id for obj in objects] == [1000 - i for i in range(MANY)]
        session.expire_all()
        assert [obj.name for obj in objects] == [f"{i}!" for i in range(MANY)]


@pytest.mark.parametrize(
    "statements",
    [
        (ONLY_EVEN, "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION only_even()"),
        ("CREATE RULE r AS ON INSERT TO item WHERE NEW.number > 15 DO INSTEAD NOTHING",),
    ],
)
def test_rows_that_the_database_keeps_out_are_told(item: Any, notes: Notes, statements: tuple[str, ...]) -> None:
    run(notes.engine, *statements)
    with Session(notes.engine) as session:
        session.add_all([item(number=i) for i in range(MANY)])
        with pytest.raises((FlushError, NotSupportedError)):
            session.flush()
        session.rollback()
        assert session.scalars(select(item)).all() == []


def test_row_level_security(item: Any, items: tuple[Session, list[Any]], notes: Notes) -> None:
    session, objects = items
    session.commit()
    run(
        notes.engine,
        "CREATE ROLE of_limited_rights",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON item TO of_limited_rights",
        "GRANT USAGE ON SEQUENCE item_id_seq TO of_limited_rights",
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY low ON item USING (number < 1000)",
        "CREATE POLICY writable ON item AS RESTRICTIVE FOR UPDATE USING (number < 10)",
    )
    try:
        session.execute(text("SET LOCAL ROLE of_limited_rights"))
        session.add_all([item(number=i) for i in range(MANY)])
        session.flush()
        session.add_all([item(number=999), item(number=1000)])
        with pytest.raises(ProgrammingError, match="row-level security"):
            session.flush()
        session.rollback()
        session.execute(text("SET LOCAL ROLE of_limited_rights"))
        for obj in objects:
            obj.name = "changed"
        with pytest.raises(StaleDataError) as caught:
            session.flush()
        assert caught.value.matched == 10
        session.rollback()
    finally:
        run(notes.engine, "DROP OWNED BY of_limited_rights", "DROP ROLE of_limited_rights")


def test_rights_to_single_columns_are_enough(item: Any, notes: Notes) -> None:
    run(
        notes.engine,
        "CREATE ROLE of_limited_rights",
        "GRANT INSERT (name, number), SELECT (id), UPDATE (name) ON item TO of_limited_rights",
        "GRANT USAGE ON SEQUENCE item_id_seq TO of_limited_rights",
    )
    notes.forget()
    try:
        with Session(notes.engine) as session:
            session.execute(text("SET LOCAL ROLE of_limited_rights"))
            objects = [item(name="a", number=1) for _ in range(MANY)]
            session.add_all(objects)
            session.flush()
            for obj in objects:
                obj.name = "b"
            session.flush()
            notes.check("INSERT", in_arrays=1)
            notes.check("UPDATE", in_arrays=1)
    finally:
        run(notes.engine, "DROP OWNED BY of_limited_rights", "DROP ROLE of_limited_rights")


def test_columns_that_are_something_else_in_the_database(base: type[DeclarativeBase], notes: Notes) -> None:
    class Legacy(base):  # type: ignore[misc, valid-type]
        """Strings and numbers here; types of their own there."""

        __tablename__ = "legacy"

        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        code: Mapped[str] = mapped_column(String, primary_key=True)
        mood: Mapped[str | None]
        address: Mapped[str | None]
        large: Mapped[int | None]

    run(
        notes.engine,
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN filled AS text NOT NULL CHECK (VALUE <> '')",
        "CREATE TABLE legacy (id uuid, code char(5), mood mood, address inet, large numeric(30), PRIMARY KEY (id, code))",
    )
    with Session(notes.engine, expire_on_commit=False) as session:
        keys = [str(uuid.uuid4()) for _ in range(MANY)]
        objects = [Legacy(id=key, code="ab", mood="good", address="10.0.0.1", large=2**70) for key in keys]
        session.add_all(objects)
        session.commit()
        notes.check("INSERT", in_arrays=1)
        for obj in objects:
            obj.mood, obj.address, obj.large = "bad", None, None
        session.commit()
        notes.check("UPDATE", in_arrays=1)
        assert rows_of(notes.engine, "SELECT DISTINCT mood::text, address, large FROM legacy") == [("bad", None, None)]
        for obj in objects:
            session.delete(obj)
        session.commit()
        notes.check("DELETE", in_arrays=1)
        assert rows_of(notes.engine, "SELECT * FROM legacy") == []


@pytest.mark.parametrize(("value", "error"), [({"name": "x" * 31}, DataError), ({"number": 2**31}, DataError)])
def test_values_that_the_database_refuses(item: Any, notes: Notes, value: dict[str, Any], error: Any) -> None:
    with Session(notes.engine) as session:
        session.add_all([item(name="fits"), item(**value)])
        with pytest.raises(error):
            session.flush()
        session.rollback()
        objects = [item(name="fits") for _ in range(MANY)]
        session.add_all(objects)
        session.commit()
        for obj in objects:
            for name, given in value.items():
                setattr(obj, name, given)
        with pytest.raises(error):
            session.flush()
        session.rollback()
        assert objects[0].name == "fits"


def test_constraints_raise_as_ever(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(base, __table_args__=(CheckConstraint("number < 15", name="low"),))
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        session.add_all([Item(number=i) for i in range(MANY)])
        with pytest.raises(IntegrityError, match="low"):
            session.flush()
        session.rollback()
        objects = [Item(number=0) for i in range(MANY)]
        session.add_all(objects)
        session.commit()
        for i, obj in enumerate(objects):
            obj.number = i
        with pytest.raises(IntegrityError, match="low"):
            session.flush()


@pytest.mark.parametrize(
    "statements",
    [
        (
            "CREATE TABLE log (verb text)",
            COUNTING,
            "CREATE TRIGGER t AFTER UPDATE OR DELETE ON item FOR EACH STATEMENT EXECUTE FUNCTION counting()",
        ),
        (
            "CREATE TABLE log (verb text)",
            "CREATE RULE u AS ON UPDATE TO item DO ALSO INSERT INTO log VALUES ('UPDATE')",
            "CREATE RULE d AS ON DELETE TO item DO ALSO INSERT INTO log VALUES ('DELETE')",
        ),
    ],
    ids=["trigger", "rule"],
)
def test_triggers_and_rules_see_each_statement(
    items: tuple[Session, list[Any]], notes: Notes, statements: tuple[str, ...]
) -> None:
    session, objects = items
    session.commit()
    run(notes.engine, *statements)
    notes.forget()
    count_up(session, objects)
    session.commit()
    for obj in objects:
        session.delete(obj)
    session.commit()
    notes.check("UPDATE", in_arrays=0, others=MANY)
    notes.check("DELETE", in_arrays=0, others=MANY)
    found = rows_of(notes.engine, "SELECT verb, count(*) FROM log GROUP BY verb ORDER BY verb")
    assert found == [("DELETE", MANY), ("UPDATE", MANY)]


def test_a_trigger_that_changes_neighbours(items: tuple[Session, list[Any]], notes: Notes) -> None:
    session, objects = items
    session.commit()
    run(
        notes.engine,
        NEIGHBOURS,
        "CREATE TRIGGER t BEFORE UPDATE OR DELETE ON item FOR EACH ROW EXECUTE FUNCTION neighbours()",
    )
    count_up(session, objects)
    session.commit()
    assert objects[1].name == f"next to {objects[0].id}"
    for obj in objects:
        session.delete(obj)
    session.commit()
    assert rows_of(notes.engine, "SELECT * FROM item") == []


def test_views_are_written_row_by_row(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(base, "seen")
    run(
        notes.engine,
        "CREATE TABLE kept (id serial PRIMARY KEY, name varchar(30), number integer)",
        "CREATE VIEW seen AS SELECT id, name, max(number) AS number FROM kept GROUP BY id",
        """
        CREATE FUNCTION through() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO kept (name, number) VALUES (NEW.name, NEW.number) RETURNING id INTO NEW.id; RETURN NEW;
            ELSIF TG_OP = 'UPDATE' THEN
                UPDATE kept SET name = NEW.name, number = NEW.number WHERE id = OLD.id; RETURN NEW;
            END IF;
            DELETE FROM kept WHERE id = OLD.id; RETURN OLD;
        END $$
        """,
        "CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON seen FOR EACH ROW EXECUTE FUNCTION through()",
    )
    notes.forget()
    with Session(notes.engine) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.number += 1
        session.flush()
        assert dict(session.execute(select(Item.id, Item.number)).all()) == {obj.id: obj.number for obj in objects}
        for obj in objects:
            session.delete(obj)
        session.flush()
        notes.check("UPDATE", in_arrays=0, others=MANY)
        notes.check("DELETE", in_arrays=0, others=MANY)
        assert session.scalar(select(func.count()).select_from(Item)) == 0


def test_partitions_are_written_row_by_row(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(base)
    run(
        notes.engine,
        "CREATE TABLE item (id serial PRIMARY KEY, name varchar(30), number integer) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF item FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE high PARTITION OF item FOR VALUES FROM (10) TO (1000)",
    )
    notes.forget()
    with Session(notes.engine) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=1)
        for obj in objects:
            obj.number += 1
        session.flush()
        notes.check("UPDATE", in_arrays=0, others=MANY)
        assert dict(session.execute(select(Item.id, Item.number)).all()) == {obj.id: obj.number for obj in objects}
