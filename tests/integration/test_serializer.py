"""Pickles of statements: the same ones with this package and with ``sqlalchemy.orm``."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.serializer
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, func, inspect, select, union, update
from sqlalchemy.exc import InvalidRequestError

import session
import session.ext.serializer
from session.ext.serializer import Deserializer, Serializer, dumps, loads

from .extended import outcome


def make_models(orm: Any, serializer: Any, prefix: str) -> SimpleNamespace:
    base: Any = orm.declarative_base()

    class User(base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))
        addresses = orm.relationship("Address", back_populates="user")

    class Address(base):
        __tablename__ = "address"
        id = Column(Integer, primary_key=True)
        email = Column(String(20))
        user_id = Column(ForeignKey("users.id"))
        user = orm.relationship("User", back_populates="addresses")

    for cls in (User, Address):  # pickled by these names
        cls.__module__, cls.__qualname__ = __name__, f"{prefix}{cls.__name__}"
        globals()[cls.__qualname__] = cls
    return SimpleNamespace(orm=orm, serializer=serializer, Base=base, User=User, Address=Address)


OURS = make_models(session, session.ext.serializer, "Our")
THEIRS = make_models(sqlalchemy.orm, sqlalchemy.ext.serializer, "Their")


def programs(models: SimpleNamespace, engine: Engine) -> list[Any]:
    m, orm = models, models.orm
    sessions = orm.scoped_session(orm.sessionmaker(engine))
    opened = sessions()
    alias = orm.aliased(m.User)

    def copied(subject: Any) -> Any:
        return models.serializer.loads(models.serializer.dumps(subject), m.Base.metadata, sessions, engine)

    def rows(statement: Any) -> Any:
        return sorted(map(tuple, opened.execute(copied(statement))))

    def names(statement: Any) -> Any:
        return [one.name for one in opened.scalars(copied(statement)).unique()]

    def same(subject: Any) -> bool:
        return copied(subject) is subject

    calls: list[Callable[[], Any]] = [
        lambda: [same(one) for one in (m.User, inspect(m.User), m.User.__table__, m.User.__table__.c.name)],
        lambda: [same(inspect(m.User).relationships.addresses), same(opened), same(engine)],
        lambda: [str(copied(one)) for one in (m.User.name, m.User.name == "ann", m.User.addresses.any())],
        lambda: names(select(m.User).where(m.User.name == "ann")),
        lambda: names(select(m.User).order_by(m.User.name.desc()).limit(1)),
        lambda: names(select(m.User).join(m.User.addresses).where(m.Address.email == "a@b")),
        lambda: names(select(m.User).options(orm.joinedload(m.User.addresses)).order_by(m.User.name)),
        lambda: names(select(m.User).options(orm.selectinload(m.User.addresses), orm.defer(m.User.name)).limit(1)),
        lambda: names(select(alias).where(alias.name == "ann")),
        lambda: names(select(m.User).where(m.User.id.in_(select(m.Address.user_id)))),
        lambda: rows(select(m.User.name, m.Address.email).join(m.Address)),
        lambda: rows(select(func.count(m.User.id))),
        lambda: rows(union(select(m.User.name), select(m.Address.email))),
        lambda: rows(select(m.User.__table__.c.name)),
        lambda: opened.execute(copied(update(m.User).where(m.User.name == "bob").values(name="rob"))).rowcount,
        lambda: [one.name for one in copied(sessions.query(m.User).filter(m.User.name == "ann"))],
        lambda: [one.name for one in copied(opened.query(m.User).options(orm.joinedload(m.User.addresses)))],
        lambda: copied(opened.query(m.User, m.Address).join(m.User.addresses)).count(),
    ]
    results = [outcome(call) for call in calls]
    sessions.remove()
    return results


@pytest.fixture
def filled(engine: Engine) -> Engine:
    OURS.Base.metadata.create_all(engine)
    with session.Session(engine) as opened:
        opened.add_all([OURS.User(name="ann", addresses=[OURS.Address(email="a@b")]), OURS.User(name="bob")])
        opened.commit()
    return engine


def test_each_statement_comes_back_as_with_sqlalchemy_orm(filled: Engine) -> None:
    assert programs(OURS, filled) == programs(THEIRS, filled)


def test_what_a_pickle_names_has_to_be_there() -> None:
    data = dumps(select(OURS.User).where(OURS.User.name == "ann"))
    for metadata in (None, MetaData()):
        with pytest.raises(InvalidRequestError, match="refers to the table 'users'"):
            loads(data, metadata)
    assert b"VARCHAR" not in data
    assert loads(dumps(session.scoped_session(session.sessionmaker()))) is None
    assert issubclass(Serializer, pickle.Pickler)
    assert issubclass(Deserializer, pickle.Unpickler)
