"""The order of a mapper's attributes, which is that of ``sqlalchemy.orm``: whoever goes through them sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, ForeignKey, Integer, String, Table, inspect, select
from sqlalchemy.ext.hybrid import hybrid_property

import session
from session.mapping.configure import all_registries


def make_models(orm: Any) -> SimpleNamespace:
    """Classes whose attributes stand in another order than the columns of their tables."""

    class Base(orm.DeclarativeBase):  # type: ignore[misc,name-defined]
        pass

    class Place(Base):
        __tablename__ = "place"
        x = orm.mapped_column(Integer)
        people = orm.relationship("Person", back_populates="home")
        id = orm.mapped_column(Integer, primary_key=True)
        more = orm.column_property(x + 1)
        late = orm.deferred(Column("late_column", Integer))
        same = orm.synonym("x")
        kind = Column(String)

        @hybrid_property
        def doubled(self) -> Any:
            return self.x * 2

        __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "place"}

    class Town(Place):
        __tablename__ = "town"
        size = orm.mapped_column(Integer)
        id = orm.mapped_column(ForeignKey("place.id"), primary_key=True)
        guests = orm.relationship("Person", foreign_keys="Person.town_id")
        code = orm.mapped_column("town_code", Integer)
        __mapper_args__ = {"polymorphic_identity": "town"}

    class Person(Base):
        __tablename__ = "person"
        home = orm.relationship(Place, back_populates="people", foreign_keys="Person.place_id")
        id = orm.mapped_column(Integer, primary_key=True)
        place_id = orm.mapped_column(ForeignKey("place.id"))
        town_id = orm.mapped_column(ForeignKey("town.id"))
        both = orm.composite(lambda place, town: (place, town), "place_id", "town_id")

    table = Table(
        "plain", Base.metadata, Column("id", Integer, primary_key=True), Column("a", Integer), Column("b", Integer)
    )

    class Plain:
        pass

    given = {"second": table.c.b, "first": table.c.a, "same": orm.synonym("first")}
    Base.registry.map_imperatively(Plain, table, properties=given)
    orm.configure_mappers()
    return SimpleNamespace(Place=Place, Town=Town, Person=Person, Plain=Plain)


def orders(models: SimpleNamespace, name: str) -> dict[str, list[str]]:
    cls = getattr(models, name)
    mapper = inspect(cls)
    return {
        "attrs": list(mapper.attrs.keys()),
        "column_attrs": list(mapper.column_attrs.keys()),
        "relationships": list(mapper.relationships.keys()),
        "synonyms": list(mapper.synonyms.keys()),
        "composites": list(mapper.composites.keys()),
        "all_orm_descriptors": list(mapper.all_orm_descriptors.keys()),
        "iterate_properties": [prop.key for prop in mapper.iterate_properties],
        "columns": list(mapper.columns.keys()),
        "attributes of an object": [attribute.key for attribute in inspect(cls()).attrs],
        "selected": [column.key for column in select(cls).selected_columns],
    }


OURS, THEIRS = make_models(session), make_models(sqlalchemy.orm)


@pytest.mark.parametrize("name", ["Place", "Town", "Person", "Plain"])
def test_attributes_stand_in_the_order_of_sqlalchemy_orm(name: str) -> None:
    assert orders(OURS, name) == orders(THEIRS, name)


def test_what_is_no_column_comes_first_and_columns_as_in_the_table() -> None:
    assert orders(OURS, "Place")["attrs"] == ["people", "more", "same", "x", "id", "late", "kind"]
    assert orders(OURS, "Town")["attrs"] == [
        *["guests", "people", "more", "same", "x", "id", "late", "kind"],
        *["size", "code"],
    ]
    assert orders(OURS, "Plain")["attrs"] == ["same", "id", "first", "second"]
    assert orders(OURS, "Town")["all_orm_descriptors"][:3] == ["size", "guests", "code"]


def test_mappers_and_registries_are_gone_through_in_the_order_in_which_they_were_made() -> None:
    class Base(session.DeclarativeBase):
        pass

    made = []
    for number in range(20):
        body = {"__tablename__": f"t{number}", "id": Column(Integer, primary_key=True)}
        made.append(inspect(type(Base)(f"T{number}", (Base,), body)))
    assert Base.registry.mappers_in_order == made
    assert Base.registry.mappers == set(made)

    registries = [session.registry() for _ in range(20)]
    assert list(all_registries)[-20:] == registries
