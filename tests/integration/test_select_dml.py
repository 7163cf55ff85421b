"""``insert()``, ``update()`` and ``delete()`` of mapped classes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, delete, func, insert, inspect, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import DeclarativeBase, Mapped, Session, column_property, mapped_column
from session.exc import StaleDataError

from .everyday import Statements
from .selecting import Address, Employee, Engineer, Manager, User, filled


def test_insert_of_rows_by_attribute_name(engine: Engine) -> None:
    with filled(engine) as session:
        session.execute(insert(User), [{"id": 10, "name": "a", "age": 1}, {"id": 11, "name": "b"}])
        session.execute(insert(User), {"id": 12, "name": "c"})
        session.execute(insert(User).values(id=13, name="d"))
        session.execute(insert(User).values([{"id": 14, "name": "e"}, {"id": 15, "name": "f"}]))
        rows = session.execute(select(User.id, User.name, User.age).where(User.id >= 10).order_by(User.id)).all()
        assert rows == [
            (10, "a", 1),
            (11, "b", None),
            (12, "c", None),
            (13, "d", None),
            (14, "e", None),
            (15, "f", None),
        ]


def test_insert_returns_objects(engine: Engine) -> None:
    with filled(engine) as session:
        statement = insert(User).returning(User, sort_by_parameter_order=True)
        made = session.scalars(statement, [{"id": 20, "name": "x"}, {"id": 21, "name": "y"}]).all()
        assert [(user.id, user.name) for user in made] == [(20, "x"), (21, "y")]
        assert all(inspect(user).persistent for user in made)
        assert session.get(User, 20) is made[0]
        row = session.execute(insert(User).values(id=22, name="z").returning(User.id, User.name)).one()
        assert (row.id, row.name) == (22, "z")


def test_insert_with_expressions(engine: Engine) -> None:
    with filled(engine) as session:
        session.execute(insert(User), [{"id": 30, "name": func.lower("LOUD")}, {"id": 31, "name": "q"}])
        assert session.scalars(select(User.name).where(User.id >= 30).order_by(User.id)).all() == ["loud", "q"]


def test_insert_of_a_class_over_two_tables(engine: Engine) -> None:
    with filled(engine) as session:
        session.execute(
            insert(Engineer),
            [{"id": 10, "name": "x", "language": "a"}, {"id": 11, "name": "y", "language": "b"}],
        )
        statement = insert(Engineer).returning(Engineer, sort_by_parameter_order=True)
        made = session.scalars(statement, [{"name": "z", "language": "c", "id": 12}]).all()
        assert [(each.name, each.language, each.kind) for each in made] == [("z", "c", "engineer")]
        found = session.scalars(select(Engineer).where(Engineer.id >= 10).order_by(Engineer.id)).all()
        assert [(each.name, each.language) for each in found] == [("x", "a"), ("y", "b"), ("z", "c")]


def test_update_follows_in_loaded_objects(engine: Engine) -> None:
    with filled(engine) as session:
        ed, wendy = session.get_one(User, 1), session.get_one(User, 2)
        with Statements(engine) as sent:
            result = session.execute(update(User).where(User.age < 25).values(name="young", age=User.age + 1))
            assert result.rowcount == 1
            assert (ed.name, ed.age, wendy.name) == ("young", 21, "wendy")
        assert len(sent) == 1
        assert not session.dirty


def test_update_fetches_where_it_cannot_evaluate(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.get_one(User, 1)
        result = session.execute(update(User).where(func.lower(User.name) == "ed").values({User.name: "E"}))
        assert result.rowcount == 1
        assert ed.__dict__["name"] == "E"
        session.execute(update(User).where(User.id == 1).values(name=func.lower(User.name)))
        assert "name" not in ed.__dict__
        assert ed.name == "e"


def test_update_without_synchronization_leaves_objects(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.get_one(User, 1)
        statement = update(User).where(User.id == 1).values(name="q")
        session.execute(statement, execution_options={"synchronize_session": False})
        assert ed.name == "ed"
        session.refresh(ed)
        assert ed.name == "q"


def test_synchronization_that_cannot_be(engine: Engine) -> None:
    with filled(engine) as session:
        statement = update(User).where(func.lower(User.name) == "ed").values(name="q")
        with pytest.raises(InvalidRequestError, match="evaluate"):
            session.execute(statement, execution_options={"synchronize_session": "evaluate"})
        with pytest.raises(ArgumentError):
            session.execute(statement, execution_options={"synchronize_session": "magic"})


@pytest.mark.parametrize("how", ["auto", "evaluate", "fetch", False])
def test_rows_that_an_update_returns_leave_other_changes_alone(engine: Engine, how: Any) -> None:
    with filled(engine) as session, session.no_autoflush:
        ed = session.get_one(User, 1)
        ed.name = "mine"
        statement = update(User).where(User.id == 1).values(age=50).returning(User)
        assert session.scalars(statement, execution_options={"synchronize_session": how}).one() is ed
        assert (ed.name, ed in session.dirty) == ("mine", True)
        assert (ed.age == 50) is bool(how)
        session.flush()
        assert session.scalar(select(User.name).where(User.id == 1)) == "mine"
        options = {"synchronize_session": how, "populate_existing": True}
        assert session.scalars(statement, execution_options=options).one().age == 50


def test_update_returns_objects(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.get_one(User, 1)
        statement = update(User).where(User.id < 3).values(age=50).returning(User)
        found = session.scalars(statement).all()
        assert sorted((user.id, user.age) for user in found) == [(1, 50), (2, 50)]
        assert ed in found


def test_update_of_rows_by_primary_key(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.get_one(User, 1)
        session.execute(update(User), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}, {"id": 3, "age": 4}])
        assert ed.name == "one"
        assert session.execute(select(User.name, User.age).order_by(User.id)).all() == [
            ("one", 20),
            ("two", 30),
            ("jack", 4),
        ]
        with pytest.raises(InvalidRequestError, match="primary key"):
            session.execute(update(User), [{"name": "x"}])
        with pytest.raises(InvalidRequestError):
            session.execute(update(User).where(User.id == 1), [{"id": 1, "name": "x"}])
        session.execute(update(Engineer), [{"id": 2, "name": "erica", "language": "go"}])
        eric = session.get_one(Engineer, 2)
        assert (eric.name, eric.language) == ("erica", "go")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_update_of_a_row_that_is_not_there(engine: Engine) -> None:
    with filled(engine) as session, pytest.raises(StaleDataError):
        session.execute(update(User), [{"id": 1, "name": "x"}, {"id": 99, "name": "y"}])


def test_update_of_single_table_inheritance_keeps_to_its_rows(engine: Engine) -> None:
    with filled(engine) as session:
        assert session.execute(update(Manager).values(name="chief")).rowcount == 1
        assert session.scalars(select(Employee.name).order_by(Employee.id)).all() == ["chief", "eric", "elsa", "emil"]


def test_delete_takes_objects_out_of_the_session(engine: Engine) -> None:
    with filled(engine) as session:
        first = session.get_one(Address, 1)
        third = session.get_one(Address, 3)
        assert session.execute(delete(Address).where(Address.user_id == 1)).rowcount == 2
        assert inspect(first).deleted
        assert first not in session
        assert third in session
        session.execute(delete(Address).where(func.lower(Address.email) == "wendy@one"))
        assert third not in session
        assert session.scalar(select(func.count(Address.id))) == 0


def test_delete_returns_values(engine: Engine) -> None:
    with filled(engine) as session:
        statement = delete(Address).where(Address.user_id == 1).returning(Address.email)
        assert sorted(session.scalars(statement).all()) == ["ed@one", "ed@two"]


def test_bulk_methods(engine: Engine) -> None:
    with filled(engine) as session:
        session.bulk_insert_mappings(User, [{"id": 50, "name": "a", "age": 5}, {"id": 51, "name": "b", "age": 6}])
        session.bulk_update_mappings(User, [{"id": 50, "name": "aa"}, {"id": 51, "name": "bb"}])
        assert session.scalars(select(User.name).where(User.id >= 50).order_by(User.id)).all() == ["aa", "bb"]
        user = session.get_one(User, 50)
        user.name = "saved"
        session.bulk_save_objects([user, User(id=52, name="c")])
        assert session.scalars(select(User.name).where(User.id.in_([50, 52])).order_by(User.id)).all() == [
            "saved",
            "c",
        ]
        rows = [{"name": "k"}, {"name": "l"}]
        engineers = [{"name": "k", "language": "x"}, {"name": "l", "language": "y"}]
        if engine.dialect.name == "sqlite":
            session.bulk_insert_mappings(User, rows, return_defaults=True)
            assert [session.get_one(User, row["id"]).name for row in rows] == ["k", "l"]
            session.bulk_insert_mappings(Engineer, engineers)
            found = session.scalars(
                select(Engineer.language).where(Engineer.name.in_(["k", "l"])).order_by(Engineer.id)
            )
            assert found.all() == ["x", "y"]


def test_descriptions_of_statements() -> None:
    assert insert(User).entity_description["entity"] is User
    assert insert(User).entity_description["table"] is User.__table__
    assert [each["name"] for each in update(User).returning(User.id, User.name).returning_column_descriptions] == [
        "id",
        "name",
    ]


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (insert(User).values(id=30, name="x"), ("auto", "orm", "raw")),
        (update(User).where(User.id == 1).values(age=5), ("auto", "orm", "core_only")),
        (delete(Address).where(Address.id == 1), ("auto", "orm", "core_only")),
    ],
    ids=["INSERT", "UPDATE", "DELETE"],
)
def test_strategies_are_those_of_the_statement(engine: Engine, statement: Any, allowed: tuple[str, ...]) -> None:
    with filled(engine) as session:
        for strategy in ("auto", "bulk", "orm", "raw", "core_only", "nothing", None):
            options = {"dml_strategy": strategy}
            if strategy in allowed:
                assert session.execute(statement, execution_options=options).rowcount == 1
            else:
                refused = InvalidRequestError if strategy == "bulk" else ArgumentError
                with pytest.raises(refused, match="dml_strategy="):
                    session.execute(statement, execution_options=options)
            session.rollback()
        session.execute(insert(User), {"id": 40, "name": "a"}, execution_options={"dml_strategy": "bulk"})
        session.execute(update(User), [{"id": 40, "name": "b"}], execution_options={"dml_strategy": "bulk"})
        assert session.get_one(User, 40).name == "b"


def test_expressions_that_a_class_maps_are_loaded_when_they_are_read_from_what_was_returned(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Shelf(Base):
        __tablename__ = "shelf_returned"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    class Book(Base):
        __tablename__ = "book_returned"
        id: Mapped[int] = mapped_column(primary_key=True)
        shelf_id: Mapped[int] = mapped_column(ForeignKey(Shelf.id))

    counted = select(func.count(Book.id)).where(Book.shelf_id == Shelf.id).correlate_except(Book)
    Shelf.books = column_property(counted.scalar_subquery())
    Shelf.loud = column_property(func.upper(Shelf.name))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        rows = [{"id": 1, "name": "low"}, {"id": 2, "name": "high"}]
        made = session.scalars(insert(Shelf).returning(Shelf, sort_by_parameter_order=True), rows).all()
        assert [(shelf.name, shelf.loud, shelf.books) for shelf in made] == [("low", "LOW", 0), ("high", "HIGH", 0)]
        session.add_all([Book(id=1, shelf_id=2), Book(id=2, shelf_id=2)])
        session.flush()
        session.expunge_all()
        changed = update(Shelf).values(name=Shelf.name + "er").returning(Shelf)
        held = sorted(session.scalars(changed), key=lambda shelf: shelf.id)
        assert [(shelf.name, shelf.loud, shelf.books) for shelf in held] == [
            ("lower", "LOWER", 0),
            ("higher", "HIGHER", 2),
        ]
