"""``DeferredReflection``: the same programs with this package and with ``sqlalchemy.orm``."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.declarative
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, inspect, select, text
from sqlalchemy.exc import ArgumentError, InvalidRequestError

import session
import session.ext.declarative
from session import DeclarativeBase, Mapped, Session, mapped_column
from session.exc import UnmappedClassError
from session.ext.declarative import ConcreteBase, DeferredReflection

from .everyday import where_classes_die
from .extended import outcome


@pytest.fixture
def reflected(engine: Engine) -> Engine:
    """A database with tables that nobody has declared."""
    metadata = MetaData()
    Table(
        "users",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(50)),
        Column("kind", String(10)),
        Column("version", Integer),
        Column("nick", String(20)),
    )
    Table("engineer", metadata, Column("id", ForeignKey("users.id"), primary_key=True), Column("language", String(9)))
    Table(
        "address",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id")),
        Column("email", String(40)),
    )
    Table("item", metadata, Column("id", Integer, primary_key=True), Column("name", String(10)))
    Table(
        "user_item",
        metadata,
        Column("user_id", ForeignKey("users.id"), primary_key=True),
        Column("item_id", ForeignKey("item.id"), primary_key=True),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW names AS SELECT id, name FROM users"))
    return engine


def make_models(orm: Any, declarative: Any) -> SimpleNamespace:
    class Base(orm.DeclarativeBase):
        pass

    class Reflected(declarative.DeferredReflection, Base):
        __abstract__ = True

    class User(Reflected):
        __tablename__ = "users"
        called = Column("name", String(50))
        addresses = orm.relationship("Address", back_populates="user", order_by="Address.email")
        items = orm.relationship("Item", secondary="user_item")

        @orm.declared_attr.directive
        def __mapper_args__(cls):
            columns = cls.__table__.c
            return {"version_id_col": columns.version, "polymorphic_on": columns.kind, "polymorphic_identity": "user"}

    class Nicked(User):
        alias = Column("nick", String(20))
        __mapper_args__ = {"polymorphic_identity": "nicked"}

    class Engineer(User):
        __tablename__ = "engineer"
        __mapper_args__ = {"polymorphic_identity": "engineer"}

    class Address(Reflected):
        __tablename__ = "address"
        user = orm.relationship("User", back_populates="addresses")

    class Item(Reflected):
        __tablename__ = "item"

    return SimpleNamespace(
        orm=orm, Reflected=Reflected, Base=Base, User=User, Nicked=Nicked, Engineer=Engineer, Address=Address, Item=Item
    )


def program(models: SimpleNamespace, engine: Engine) -> list[Any]:
    m = models
    metadata = m.Base.metadata

    def tables() -> dict[str, list[str]]:
        return {name: list(table.c.keys()) for name, table in sorted(metadata.tables.items())}

    def columns(cls: Any) -> list[str]:
        return [prop.key for prop in inspect(cls).column_attrs]

    results = [
        tables(),
        outcome(lambda: select(m.User)),
        outcome(lambda: m.orm.class_mapper(m.User)),
        m.User(called="x").__dict__,
        outcome(lambda: m.User(unheard="of")),
        outcome(lambda: m.Reflected.prepare(None)),
    ]
    m.Base.registry.configure()
    m.Reflected.prepare(engine)
    m.Reflected.prepare(engine)
    results += [tables(), *map(columns, (m.User, m.Nicked, m.Engineer, m.Address, m.Item))]
    with m.orm.Session(engine) as opened:
        ann = m.User(called="ann", addresses=[m.Address(email="b"), m.Address(email="a")], items=[m.Item(name="pen")])
        opened.add_all([ann, m.Nicked(called="nic", alias="n"), m.Engineer(called="eve", language="py")])
        opened.commit()
        for one in opened.scalars(select(m.User).order_by(m.User.called)):
            results.append((type(one).__name__, one.called, one.version, [each.email for each in one.addresses]))
            results.append([(each.name) for each in one.items])
            opened.delete(one)
        opened.commit()
    return results


def test_the_program_does_what_it_does_with_sqlalchemy_orm(reflected: Engine) -> None:
    ours = make_models(session, session.ext.declarative)
    theirs = make_models(sqlalchemy.orm, sqlalchemy.ext.declarative)
    expected = program(theirs, reflected)
    with reflected.begin() as connection:
        connection.execute(text("DELETE FROM address"))
        connection.execute(text("DELETE FROM item"))
    assert program(ours, reflected) == expected


def test_what_is_not_prepared_says_so(reflected: Engine) -> None:
    models = make_models(session, session.ext.declarative)
    for use in (select, inspect, session.class_mapper, session.aliased):
        with pytest.raises(UnmappedClassError, match=r"Class User is declared, and will be mapped by .*prepare\(\)"):
            use(models.User)
    with pytest.raises(ArgumentError, match="Engine or a Connection"):
        models.Reflected.prepare("sqlite://")


def test_each_base_prepares_its_own_classes(reflected: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class First(DeferredReflection, Base):
        __abstract__ = True

    class Second(DeferredReflection, Base):
        __abstract__ = True

    class Item(First):
        __tablename__ = "item"

    class User(Second):
        __tablename__ = "users"

    with reflected.connect() as connection:
        First.prepare(connection)
        assert not connection.closed
    assert str(select(Item)) == "SELECT item.id, item.name \nFROM item"
    with pytest.raises(UnmappedClassError):
        select(User)
    Second.prepare(reflected)
    assert "users.nick" in str(select(User))

    class Address(Second):
        __tablename__ = "address"

    Second.prepare(reflected)
    assert inspect(Address).attrs.keys() == ["id", "user_id", "email"]


def test_views_and_columns_that_are_declared(reflected: Engine) -> None:
    class Base(DeferredReflection, DeclarativeBase):
        pass

    class Name(Base):
        __tablename__ = "names"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(InvalidRequestError, match="names"):
        Base.prepare(reflected)
    with pytest.raises(UnmappedClassError):
        select(Name)
    Base.prepare(reflected, views=True)
    assert inspect(Name).attrs.keys() == ["id", "name"]


def test_a_class_whose_base_is_not_prepared_is_refused(reflected: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class User(DeferredReflection, Base):
        __tablename__ = "users"

    class Engineer(User):
        __tablename__ = "engineer"

    with pytest.raises(InvalidRequestError, match="Engineer cannot be mapped before User"):
        Engineer.prepare(reflected)
    User.prepare(reflected)
    assert inspect(Engineer).inherits is inspect(User)


def test_concrete_tables_are_reflected(reflected: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Item(DeferredReflection, ConcreteBase, Base):
        __tablename__ = "item"
        __mapper_args__ = {"polymorphic_identity": "item", "concrete": True}

    class Address(Item):
        __tablename__ = "address"
        __mapper_args__ = {"polymorphic_identity": "address", "concrete": True}

    DeferredReflection.prepare(reflected)
    with Session(reflected) as opened:
        opened.add_all([Item(name="pen"), Address(email="a@b")])
        opened.commit()
        assert {type(one) for one in opened.scalars(select(Item))} == {Item, Address}


@where_classes_die
def test_classes_that_wait_are_collected(reflected: Engine) -> None:
    def make() -> weakref.ref[Any]:
        return weakref.ref(make_models(session, session.ext.declarative).User)

    gone = make()
    gc.collect()
    assert gone() is None
