"""``polymorphic_union()`` of joined tables, from which a class in joined-table inheritance is read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, select

from session import Session, polymorphic_union, registry

metadata = MetaData()
animals = Table(
    "united_animal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(10)),
    Column("kind", String(10)),
)
cats = Table(
    "united_cat",
    metadata,
    Column("id", ForeignKey("united_animal.id"), primary_key=True),
    Column("lives", Integer),
)


class Animal:
    id: Any
    name: Any


class Cat(Animal):
    lives: Any


others = animals.select().where(animals.c.kind == "animal").subquery()
union = polymorphic_union({"cat": animals.join(cats), "animal": others}, None, "united")
mappers = registry()
mappers.map_imperatively(
    Animal, animals, with_polymorphic=("*", union), polymorphic_on=union.c.kind, polymorphic_identity="animal"
)
mappers.map_imperatively(Cat, cats, inherits=Animal, polymorphic_identity="cat")


def test_rows_of_joined_tables_come_with_their_values(engine: Engine) -> None:
    metadata.create_all(engine)
    with Session(engine) as session:
        cat, animal = Cat(), Animal()
        cat.id, cat.name, cat.lives = 1, "Tom", 9
        animal.id, animal.name = 2, "Rex"
        session.add_all([cat, animal])
        session.commit()
        session.expunge_all()
        found = session.scalars(select(Animal).order_by(Animal.id)).all()
        assert [(type(each), each.name) for each in found] == [(Cat, "Tom"), (Animal, "Rex")]
        assert found[0].__dict__["lives"] == 9
        session.expunge_all()
        assert type(session.get(Animal, 1)) is Cat
        assert [each.name for each in session.scalars(select(Animal).where(Animal.name == "Tom"))] == ["Tom"]
