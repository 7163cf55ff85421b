"""Rows of a flush: which statements go out for one table, and what the objects know afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, FetchedValue, ForeignKey, String, event, func, inspect, literal, null, text
from sqlalchemy.exc import IntegrityError, SAWarning

from session import DeclarativeBase, Mapped, Session, column_property, mapped_column
from session.exc import FlushError, StaleDataError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    price: Mapped[int | None]


class Made(Base):
    """Every way to make a value that nobody has set."""

    __tablename__ = "made"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(
        default=lambda context: f"no {context.get_current_parameters()['number']}"
    )
    number: Mapped[int | None] = mapped_column(default=7)
    by_sql: Mapped[int | None] = mapped_column(default=func.abs(-4))
    by_server: Mapped[int | None] = mapped_column(server_default="5")
    touched: Mapped[int | None] = mapped_column(onupdate=lambda: 1)
    touched_by_sql: Mapped[int | None] = mapped_column(onupdate=func.abs(-8))


class Eager(Base):
    __tablename__ = "eager"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    by_server: Mapped[int | None] = mapped_column(server_default="5")
    touched: Mapped[int | None] = mapped_column(onupdate=func.abs(-8))
    __mapper_args__ = {"eager_defaults": True}


class Lazy(Base):
    __tablename__ = "lazy"

    id: Mapped[int] = mapped_column(primary_key=True)
    by_server: Mapped[int | None] = mapped_column(server_default="5")
    __mapper_args__ = {"eager_defaults": False}


class Nulls(Base):
    __tablename__ = "nulls"

    id: Mapped[int] = mapped_column(primary_key=True)
    json: Mapped[Any] = mapped_column(JSON, nullable=True)
    json_or_null: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    kept: Mapped[str | None] = mapped_column(String().evaluates_none(), server_default="d")
    filled: Mapped[str | None] = mapped_column(String, server_default="d")


class Doubled(Base):
    __tablename__ = "doubled"

    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int]


class Versioned(Base):
    __tablename__ = "versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class ServerVersioned(Base):
    __tablename__ = "server_versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", server_onupdate=FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}


class Animal(Base):
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


class Kitten(Cat):
    __tablename__ = "kitten"

    kitten_id: Mapped[int] = mapped_column(ForeignKey("cat.cat_id"), primary_key=True)
    toy: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "kitten"}


class Natural(Base):
    __tablename__ = "natural_key"

    first: Mapped[str] = mapped_column(primary_key=True)
    second: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str | None]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


# -- INSERT -----------------------------------------------------------------------------------


def test_neighbours_with_the_same_columns_share_a_statement(session: Session, engine: Engine) -> None:
    with Statements(engine) as sent:
        items = [Item(price=1), Item(price=2), Item(id=70, price=3), Item(price=4), Item(id=501), Item(id=502)]
        session.add_all(items)
        session.flush()
    assert [item.price for item in items] == [1, 2, 3, 4, None, None]
    assert items[0].id < items[1].id < items[3].id
    given = [text for text in sent.texts if "(id," in text]
    assert len(given) == 2, "one for 70, one for 501 and 502 together"


def test_a_new_object_knows_its_key_and_reads_none_without_sql(session: Session, engine: Engine) -> None:
    item = Item()
    session.add(item)
    session.flush()
    assert inspect(item).persistent
    assert inspect(item).identity == (item.id,)
    with Statements(engine) as sent:
        assert item.name is None
    assert not len(sent)


def test_defaults_come_from_python_from_the_statement_and_from_the_server(session: Session, engine: Engine) -> None:
    one, two, three = Made(), Made(number=8, label="given"), Made(number=None, by_sql=1, by_server=2)
    session.add_all([one, two, three])
    session.flush()
    with Statements(engine) as sent:
        assert (one.number, one.by_sql, one.by_server) == (7, 4, 5)
        assert (two.label, two.number) == ("given", 8)
        assert (three.number, three.by_sql, three.by_server) == (7, 1, 2)
        assert one.label is not None
        assert one.label.startswith("no ")
    assert not len(sent), "all of it came back with the INSERT"


def test_without_eager_defaults_they_load_when_read(session: Session, engine: Engine) -> None:
    one, two = Lazy(), Lazy()
    session.add_all([one, two])
    session.flush()
    assert "by_server" in inspect(one).expired_attributes
    with Statements(engine) as sent:
        assert one.by_server == 5
    assert len(sent) == 1


def test_what_an_update_makes_is_known_or_loads(session: Session) -> None:
    one = Made()
    session.add(one)
    session.flush()
    one.number = 9
    session.flush()
    assert one.__dict__["touched"] == 1
    assert "touched_by_sql" not in one.__dict__
    assert one.touched_by_sql == 8
    one.touched = 55
    session.flush()
    session.expire(one)
    assert one.touched == 55


def test_eager_defaults_fetch_on_update_too(session: Session, engine: Engine) -> None:
    one, two = Eager(), Eager()
    session.add_all([one, two])
    session.flush()
    one.name = "a"
    two.name = func.upper("b")
    session.flush()
    with Statements(engine) as sent:
        assert (one.touched, two.touched, two.name) == (8, 8, "B")
    assert not len(sent)


def test_refresh_flush_tells_of_made_values(session: Session) -> None:
    told: list[Any] = []

    def listen(target: Made, context: Any, keys: Any) -> None:
        told.append(sorted(keys))

    event.listen(Made, "refresh_flush", listen)
    try:
        session.add(Made(number=3))
        session.flush()
    finally:
        event.remove(Made, "refresh_flush", listen)
    assert any("label" in keys for keys in told)


def test_refresh_flush_tells_of_made_values_beside_sql_expressions(session: Session) -> None:
    told: list[Any] = []

    def listen(target: Versioned, context: Any, keys: Any) -> None:
        told.append(sorted(keys))

    one = Versioned(name=func.lower("A"))
    event.listen(Versioned, "refresh_flush", listen)
    try:
        session.add(one)
        session.flush()
        assert any("version" in keys for keys in told)
        told.clear()
        one.name = func.upper("b")
        session.flush()
        assert told == [["version"]]
    finally:
        event.remove(Versioned, "refresh_flush", listen)


def test_none_and_null_are_told_apart(session: Session) -> None:
    unset, none, value = Nulls(), Nulls(json=None, json_or_null=None, kept=None, filled=None), Nulls(json={"a": 1})
    sql_null = Nulls(json=null())
    session.add_all([unset, none, value, sql_null])
    session.commit()
    rows = session.execute(text("SELECT json, json_or_null, kept, filled FROM nulls ORDER BY id")).all()
    assert rows[0] == (None, None, "d", "d")
    assert rows[1][1:] == (None, None, "d")
    assert none.json is None
    assert value.json == {"a": 1}
    assert rows[3][0] is None


def test_sql_expressions_are_values(session: Session) -> None:
    item = Item(price=literal(3) + 4, name="a")
    session.add_all([Item(price=1), item, Item(price=2)])
    session.flush()
    assert item.price == 7
    item.price = Item.price + 1
    item.name = "b"
    session.flush()
    assert "price" not in item.__dict__
    assert (item.price, item.name) == (8, "b")


def test_a_missing_key_is_an_error(session: Session) -> None:
    session.add(Natural(second=1))
    with pytest.warns(SAWarning, match="primary key"), pytest.raises((FlushError, IntegrityError)):
        session.flush()


def test_a_key_of_another_object_in_the_session_warns(session: Session) -> None:
    kept = Item(id=1)
    session.add(kept)
    session.flush()
    session.add(Item(id=1))
    with pytest.warns(SAWarning, match="primary key"), pytest.raises(IntegrityError):
        session.flush()


# -- UPDATE -----------------------------------------------------------------------------------


def test_no_net_change_writes_nothing(session: Session, engine: Engine) -> None:
    item = Item(name="a")
    session.add(item)
    session.commit()
    assert item.name == "a"
    item.name = "b"
    item.name = "a"
    with Statements(engine) as sent:
        session.flush()
    assert not sent.starting("UPDATE")
    assert item not in session.dirty


def test_updates_go_in_the_order_of_the_key(session: Session, engine: Engine) -> None:
    items = [Item(name=str(number)) for number in range(5)]
    session.add_all(items)
    session.commit()
    numbers = [item.id for item in items]  # reading an expired object flushes what changed before
    for item, number in reversed(list(zip(items, numbers, strict=True))):
        item.price = number
    with Statements(engine) as sent:
        session.flush()
    updates = [value for text, value in zip(sent.texts, sent.parameters, strict=True) if text.startswith("UPDATE")]
    assert len(updates) == 1
    prices = [next(iter(row.values() if isinstance(row, dict) else row)) for row in updates[0]]
    assert prices == sorted(prices)


def test_a_deleted_attribute_becomes_null(session: Session) -> None:
    item = Item(name="a")
    session.add(item)
    session.flush()
    del item.name
    session.commit()
    assert item.name is None


def test_a_composite_key_can_change(session: Session) -> None:
    row = Natural(first="a", second=1, note="x")
    session.add(row)
    session.commit()
    row.second = 2
    session.commit()
    assert session.get(Natural, ("a", 2)) is row
    assert session.get(Natural, ("a", 1)) is None
    row.second = 3
    session.rollback()
    assert row.second == 2


def test_a_row_that_is_gone_is_stale(session: Session) -> None:
    one, two = Item(), Item()
    session.add_all([one, two])
    session.flush()
    session.execute(text("DELETE FROM item"))
    one.name = two.name = "late"
    with pytest.raises(StaleDataError) as caught:
        session.flush()
    assert caught.value.expected == 2
    assert caught.value.matched == 0
    assert caught.value.table is Item.__table__
    assert caught.value.keys == [(one.id,), (two.id,)]
    assert f"none for <Item with primary key {one.id}>, <Item with primary key {two.id}>:" in str(caught.value)


def test_a_stale_row_is_named_where_it_is_known(session: Session) -> None:
    rows = [Item(id=number) for number in range(1, 13)]
    session.add_all(rows)
    session.commit()
    session.execute(text("DELETE FROM item WHERE id = 2"))
    for row in rows:
        row.name = "late"
    with pytest.raises(StaleDataError, match="was for 12 row") as caught:
        session.flush()
    assert caught.value.keys is None
    assert "not known which, of <Item with primary key 1>, " in str(caught.value)
    assert "<Item with primary key 10> and 2 more)" in str(caught.value)
    session.rollback()
    session.execute(text("DELETE FROM item WHERE id = 2"))
    rows[1].name = "late"
    with pytest.raises(StaleDataError, match="none for <Item with primary key 2>") as caught:
        session.flush()
    assert caught.value.keys == [(2,)]


def test_a_stale_version_is_named_in_a_delete(session: Session) -> None:
    one, two = Versioned(name="a"), Versioned(name="b")
    session.add_all([one, two])
    session.commit()
    key = two.id
    session.execute(text(f"UPDATE versioned SET version = 9 WHERE id = {key}"))
    session.delete(two)
    with pytest.raises(StaleDataError, match=f"DELETE .* none for <Versioned with primary key {key}>") as caught:
        session.flush()
    assert caught.value.keys == [(key,)]


def test_expressions_over_the_row_are_read_anew(session: Session) -> None:
    row = Doubled(x=2)
    session.add(row)
    session.flush()
    assert row.twice == 4
    row.x = 3
    session.flush()
    assert row.twice == 6


# -- versions ---------------------------------------------------------------------------------


def test_versions_are_checked_and_counted(session: Session) -> None:
    one, two = Versioned(name="a"), Versioned(name="b")
    session.add_all([one, two])
    session.commit()
    one.name = two.name = "c"
    session.flush()
    assert (one.version, two.version) == (2, 2)
    one.version = 9
    session.flush()
    assert one.version == 9
    session.execute(text("UPDATE versioned SET version = 100"))
    one.name = "d"
    with pytest.raises(StaleDataError):
        session.flush()
    session.rollback()


def test_a_delete_checks_the_version_too(session: Session) -> None:
    one = Versioned(name="a")
    session.add(one)
    session.flush()
    session.execute(text("UPDATE versioned SET version = 100"))
    session.delete(one)
    with pytest.raises(StaleDataError):
        session.flush()


def test_a_version_of_the_server_comes_back(session: Session) -> None:
    one = ServerVersioned(name="a")
    session.add(one)
    session.flush()
    assert one.version == 1
    one.name = "b"
    session.flush()
    assert one.version == 1, "nothing in the database counts here; it was read back"
    one.version = 5
    one.name = "c"
    session.flush()
    session.expire_all()
    assert one.version == 5


def test_a_version_cannot_be_none(session: Session) -> None:
    one = ServerVersioned(name="a")
    session.add(one)
    session.flush()
    one.version = None  # type: ignore[assignment]
    one.name = "b"
    with pytest.raises(FlushError, match="version"):
        session.flush()


# -- joined inheritance ------------------------------------------------------------------------


def test_joined_classes_are_written_table_by_table(session: Session, engine: Engine) -> None:
    animals = [Animal(name="a"), Cat(colour="x"), Animal(name="c"), Kitten(toy="ball")]
    session.add_all(animals)
    session.flush()
    assert [animal.id for animal in animals] == sorted(animal.id for animal in animals)
    cat, kitten = animals[1], animals[3]
    assert isinstance(cat, Cat)
    assert isinstance(kitten, Kitten)
    assert cat.cat_id == cat.id
    assert kitten.kitten_id == kitten.cat_id == kitten.id

    kitten.toy = "mouse"
    with Statements(engine) as sent:
        session.flush()
    assert kitten.version == 2, "a change in the subclass's table counts"
    assert cat.version == 1
    assert len(sent.starting("UPDATE")) == 2

    for animal in animals:
        session.delete(animal)
    with Statements(engine) as sent:
        session.flush()
    tables = [text.split()[2] for text in sent.starting("DELETE")]
    assert tables == ["kitten", "cat", "animal"]


# -- DELETE -----------------------------------------------------------------------------------


def test_deleting_rows_that_are_gone_warns_and_goes_on(session: Session) -> None:
    one, two = Item(), Item()
    session.add_all([one, two])
    session.flush()
    session.execute(text("DELETE FROM item"))
    session.delete(one)
    if session.get_bind().dialect.supports_sane_rowcount:
        with pytest.warns(SAWarning, match="DELETE"):
            session.flush()
    assert inspect(one).deleted


def test_delete_and_add_of_the_same_key_is_an_update(session: Session, engine: Engine) -> None:
    old = Natural(first="a", second=1, note="old")
    session.add(old)
    session.commit()
    assert old.note == "old"
    session.delete(old)
    new = Natural(first="a", second=1, note="new")
    session.add(new)
    with Statements(engine) as sent:
        session.flush()
    assert not sent.starting("INSERT")
    assert not sent.starting("DELETE")
    assert inspect(old).deleted
    assert inspect(new).persistent
    session.commit()
    assert inspect(old).detached
    assert session.get(Natural, ("a", 1)) is new
    assert new.note == "new"


@pytest.mark.parametrize("name", ["new", None])
def test_eager_defaults_load_what_the_database_had_made_in_a_row_taken_over(session: Session, name: Any) -> None:
    session.add(Eager(id=1, name="old", by_server=9))
    session.commit()
    session.delete(session.get(Eager, 1))
    new = Eager(id=1) if name is None else Eager(id=1, name=name)
    session.add(new)
    session.flush()
    assert new.__dict__["by_server"] == 9
    assert new.__dict__["touched"] == (8 if name else None)


# -- events -----------------------------------------------------------------------------------


def test_row_events_come_in_order_and_may_change_the_row(session: Session) -> None:
    told: list[str] = []
    listeners = []
    for name in ("before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete"):

        def listen(mapper: Any, connection: Any, target: Item, name: str = name) -> None:
            told.append(name)
            if name in ("before_insert", "before_update"):
                target.name = f"{target.name}!"

        event.listen(Item, name, listen)
        listeners.append((name, listen))
    try:
        item = Item(name="a")
        session.add(item)
        session.flush()
        item.price = 1
        session.flush()
        session.expire(item)
        assert item.name == "a!!"
        session.delete(item)
        session.flush()
    finally:
        for name, listen in listeners:
            event.remove(Item, name, listen)
    assert told == [
        "before_insert",
        "after_insert",
        "before_update",
        "after_update",
        "before_delete",
        "after_delete",
    ]


def test_a_change_from_a_row_event_to_another_object_is_lost_with_a_warning(session: Session) -> None:
    other = Item(name="other")
    session.add(other)
    session.flush()

    def listen(mapper: Any, connection: Any, target: Item) -> None:
        other.name = "changed"

    event.listen(Item, "before_insert", listen)
    try:
        session.add(Item())
        with pytest.warns(SAWarning, match="listeners"):
            session.flush()
    finally:
        event.remove(Item, "before_insert", listen)
    assert other not in session.dirty


Doubled.twice = column_property(Doubled.__table__.c.x * 2)
