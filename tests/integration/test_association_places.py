"""Association proxies: where they may stand, what is refused, and as fields of dataclasses; beside ``sqlalchemy.orm``."""

from __future__ import annotations

import dataclasses
import inspect as python_inspect
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.associationproxy
import sqlalchemy.orm
import sqlalchemy.orm.collections
from sqlalchemy import Column, ForeignKey, Integer, String, inspect, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

import session
import session.ext.associationproxy
from session.exc import UnmappedClassError
from session.ext.associationproxy import (
    AssociationProxy,
    AssociationProxyExtensionType,
    AssociationProxyInstance,
    _AssociationCollection,
    association_proxy,
)

from .association_models import make_models, outcome

OURS = make_models(session, association_proxy)
THEIRS = make_models(sqlalchemy.orm, sqlalchemy.ext.associationproxy.association_proxy)
User = OURS.User


@pytest.fixture(params=["ours", "theirs"])
def models(request: pytest.FixtureRequest) -> SimpleNamespace:
    return OURS if request.param == "ours" else THEIRS


# -- where proxies stand -----------------------------------------------------------------------------------


def test_proxies_of_mixins_subclasses_and_declared_functions(models: SimpleNamespace) -> None:
    orm, make = models.orm, models.association_proxy
    base = orm.declarative_base()

    class Named:
        names = make("things", "name")

        @orm.declared_attr
        def declared(cls):  # type: ignore[no-untyped-def]
            return make("things", "name")

    class Thing(base):
        __tablename__ = "thing"
        id = Column(Integer, primary_key=True)
        first_id = Column(ForeignKey("first.id"))
        second_id = Column(ForeignKey("second.id"))
        name = Column(String(9))

        def __init__(self, name: str) -> None:
            self.name = name

    class First(Named, base):
        __tablename__ = "first"
        id = Column(Integer, primary_key=True)
        things = orm.relationship(Thing)

    class Second(Named, base):
        __tablename__ = "second"
        id = Column(Integer, primary_key=True)
        things = orm.relationship(Thing, collection_class=set)

    class Heir(First):
        pass

    First.later = make("things", "name")
    for cls, expected in ((First, ["a"]), (Second, {"a"}), (Heir, ["a"])):
        assert cls.names.owning_class is cls
        assert cls(names=["a"]).names == expected == cls(declared=["a"]).declared
    assert Heir(later=["a"]).later == ["a"]
    assert list(inspect(Heir).all_orm_descriptors.keys()) == ["id", "things", "later", "names", "declared"]
    assert isinstance(Named.names, type(First.names.parent))
    assert Heir.names is not First.names
    assert Heir.names.parent is First.names.parent


def test_a_proxy_that_leads_nowhere_is_refused(models: SimpleNamespace) -> None:
    make, user = models.association_proxy, models.User
    with pytest.raises(InvalidRequestError, match="nothing"):
        make("nothing", "text").for_class(user)
    with pytest.raises(NotImplementedError):
        make("id", "text").for_class(user)
    proxy = make("words", "nothing").for_class(user)
    with pytest.raises(AttributeError, match="nothing"):
        proxy == "x"  # noqa: B015


def test_classes_that_are_not_mapped_are_named() -> None:
    with pytest.raises(UnmappedClassError):
        OURS.Named().texts  # noqa: B018
    with pytest.raises(ArgumentError, match="points"):
        User.points.any(points=3)
    with pytest.raises(NotImplementedError, match=r"User\.words\.text"):
        select(User.texts)


def test_the_names_of_the_extension() -> None:
    assert set(session.ext.associationproxy.__all__) >= {"association_proxy", "AssociationProxy"}
    proxy = User.texts.parent
    assert isinstance(proxy, (AssociationProxy, session.InspectionAttr))
    assert isinstance(User.texts, AssociationProxyInstance)
    assert proxy.extension_type is AssociationProxyExtensionType.ASSOCIATION_PROXY
    assert isinstance(User(texts=[]).texts, _AssociationCollection)
    theirs = python_inspect.signature(sqlalchemy.ext.associationproxy.association_proxy).parameters
    ours = python_inspect.signature(association_proxy).parameters
    assert [(one.name, one.kind) for one in ours.values()] == [(one.name, one.kind) for one in theirs.values()]
    assert User.bio.info == {"shown": True}
    del User(bio="x").bio


# -- dataclasses -------------------------------------------------------------------------------------------


def make_dataclass(models: SimpleNamespace, **arguments: Any) -> Any:
    orm = models.orm

    class Base(orm.MappedAsDataclass, orm.DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"
        __annotations__ = {"id": orm.Mapped[int], "owner_id": orm.Mapped[int | None], "name": orm.Mapped[str]}
        id = orm.mapped_column(primary_key=True, init=False)
        owner_id = orm.mapped_column(ForeignKey("owner.id"), init=False)

    class Owner(Base):
        __tablename__ = "owner"
        __annotations__ = {
            "id": orm.Mapped[int],
            "things": orm.Mapped[list[Thing]],
            "names": type(models.User.texts.parent)[list[str]],
        }
        id = orm.mapped_column(primary_key=True, init=False)
        things = orm.relationship(default_factory=list, repr=False)
        names = models.association_proxy("things", "name", **arguments)

    return Owner


@pytest.mark.parametrize(
    "arguments",
    [
        {"init": False},
        {"default_factory": list},
        {"default_factory": lambda: ["made"]},
        {"default_factory": list, "repr": False},
        {"default_factory": list, "compare": False},
        {"default_factory": list, "kw_only": True},
        {"kw_only": True},
        {"default": ("x",)},
        {"default_factory": list, "hash": True, "dataclass_metadata": {"a": 1}},
        {"init": False, "default_factory": lambda: ["made"]},
        {},
        {"default": ["mutable"]},
    ],
)
def test_a_proxy_is_the_field_of_a_dataclass_that_it_is_there(arguments: dict[str, Any]) -> None:
    def facts(models: SimpleNamespace) -> Any:
        try:
            owner = make_dataclass(models, **arguments)
        except InvalidRequestError as error:
            return error.code
        (field,) = (one for one in dataclasses.fields(owner) if one.name == "names")
        parameter = python_inspect.signature(owner).parameters.get("names")
        return (
            [getattr(field, name) for name in ("init", "repr", "compare", "kw_only", "hash", "metadata")],
            parameter and parameter.kind,
            outcome(lambda: [thing.name for thing in owner().things]),
            outcome(lambda: [thing.name for thing in owner(names=["a"]).things]),
            outcome(lambda: repr(owner(names=["a"])).partition("Owner")[2]),
            outcome(lambda: str(owner.names == "x").split()),
        )

    assert facts(OURS) == facts(THEIRS)


def test_dataclass_arguments_without_a_dataclass_are_refused(models: SimpleNamespace) -> None:
    base = models.orm.declarative_base()
    with pytest.raises(ArgumentError, match="init"):

        class Owner(base):
            __tablename__ = "owner"
            id = Column(Integer, primary_key=True)
            names = models.association_proxy("things", "name", init=False)


def test_an_annotation_without_a_proxy_maps_nothing(models: SimpleNamespace) -> None:
    orm, proxy = models.orm, type(models.User.texts.parent)

    class Base(orm.DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owner"
        __annotations__ = {"id": orm.Mapped[int], "names": proxy[list[str]]}
        if models is OURS:
            __annotations__["texts"] = "AssociationProxy[list[str]]"
        id = orm.mapped_column(primary_key=True)

    assert list(Owner.__table__.c.keys()) == ["id"]
