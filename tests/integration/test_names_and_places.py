"""What synonyms, hybrids and aliases are called in rows and descriptions, and which database a load that follows another asks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, delete, event, func, insert, inspect, literal, select, update
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.pool import StaticPool

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    composite,
    immediateload,
    lazyload,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
    synonym,
    with_polymorphic,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Point:
    def __init__(self, x: int | None, y: int | None) -> None:
        self.x, self.y = x, y

    def __composite_values__(self) -> tuple[int | None, int | None]:
        return self.x, self.y


class Parent(Base):
    __tablename__ = "named_parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    x: Mapped[int | None]
    y: Mapped[int | None]
    title = synonym("name")
    heading = synonym("title")
    number = column_property(literal(5))
    figure = synonym("number")
    at = composite(Point, "x", "y")
    place = synonym("at")
    children: Mapped[list[Child]] = relationship(back_populates="parent")
    kids = synonym("children")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "parent"}

    @hybrid_property
    def same(self) -> Any:
        return self.title

    @hybrid_property
    def upper(self) -> Any:
        return func.upper(self.name)


class Special(Parent):
    __tablename__ = "named_special"

    id: Mapped[int] = mapped_column(ForeignKey("named_parent.id"), primary_key=True)
    more: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "special"}


class Child(Base):
    __tablename__ = "named_child"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("named_parent.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Parent(id=1, name="a", x=1, y=2, children=[Child(id=1)]))
        session.commit()
        yield session


def test_a_synonym_has_its_own_name_in_rows(session: Session) -> None:
    for again in range(2):
        row = session.execute(select(Parent.title, Parent.name, Parent.heading, Parent.figure)).one()
        assert row._fields == ("title", "name", "heading", "figure"), again
        assert (row.title, row.name, row.heading, row.figure) == ("a", "a", "a", 5)
        assert row._mapping[Parent.title] == row._mapping[Parent.name] == "a"
        assert session.execute(select(Parent.name)).one()._fields == ("name",)
    assert session.query(Parent.title).one().title == "a"
    alias = aliased(Parent)
    assert session.execute(select(alias.heading, alias.id)).one()._mapping == {"heading": "a", "id": 1}
    assert session.execute(select(Parent.place)).one()._fields == ("place",)


def test_a_synonym_has_its_own_name_in_subqueries(session: Session) -> None:
    inner = select(Parent.title, Parent.id).subquery()
    assert inner.c.keys() == ["title", "id"]
    assert session.scalars(select(inner.c.title)).all() == ["a"]
    cte = select(Parent.heading).cte()
    assert session.scalars(select(cte.c.heading)).all() == ["a"]


def test_a_synonym_has_its_own_name_in_what_is_returned(session: Session) -> None:
    returned = session.execute(
        insert(Parent).values(id=9, title="b", kind="parent").returning(Parent.title, Parent.name)
    )
    assert returned.mappings().all() == [{"title": "b", "name": "b"}]


@pytest.mark.parametrize("strategy", ["evaluate", "fetch", "auto"])
@pytest.mark.parametrize("name", ["title", "heading", "same"])
def test_criteria_of_synonyms_and_hybrids_are_evaluated(
    engine: Engine, session: Session, strategy: str, name: str
) -> None:
    parent = session.get_one(Parent, 1)
    options = {"synchronize_session": strategy}
    attribute = getattr(Parent, name)
    with Statements(engine) as sent:
        session.execute(update(Parent).where(attribute == "a").values(title="b"), execution_options=options)
    assert len(sent) == 1
    assert parent.__dict__["name"] == "b"
    session.execute(delete(Parent).where(attribute == "zzz"), execution_options=options)
    assert parent in session


def test_descriptions_show_the_attribute_that_was_asked_for() -> None:
    alias = aliased(Parent)
    for attribute in (Parent.title, Parent.same, Parent.upper, alias.title, alias.upper):
        (described,) = select(attribute).column_descriptions
        assert described["name"] == attribute.key
        assert described["expr"].key == attribute.key
        assert described["expr"].parent is attribute.parent
        assert described["aliased"] == (attribute.parent is inspect(alias))


def test_a_synonym_of_a_relationship_is_joined_without_a_warning(session: Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.scalars(select(Parent.id).join(Parent.kids)).all() == [1]


def test_an_alias_has_a_name_only_if_it_was_given_one() -> None:
    assert inspect(aliased(Parent)).name is None
    assert inspect(aliased(Parent, select(Parent).subquery("inner"))).name is None
    assert inspect(with_polymorphic(Parent, "*")).name is None
    assert inspect(aliased(Parent, name="given")).name == "given"
    assert str(aliased(Parent).title) == "aliased(Parent).title"
    assert str(aliased(Parent).id) == "aliased(Parent).id"


NESTED = {
    "selectin selectin": selectinload(Child.parent).selectinload(Parent.children),
    "immediate selectin": immediateload(Child.parent).selectinload(Parent.children),
    "selectin immediate": selectinload(Child.parent).immediateload(Parent.children),
    "lazy selectin": lazyload(Child.parent).selectinload(Parent.children),
}


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("option", NESTED)
def test_loads_that_follow_others_ask_the_database_of_their_own_class(option: str, listens: bool) -> None:
    engines = [create_engine("sqlite://", poolclass=StaticPool) for _ in range(2)]
    for each in engines:
        Base.metadata.create_all(each)
    heard: list[Any] = []
    with Session(binds={Parent: engines[0], Child: engines[1]}) as session:
        session.add(Parent(id=1))
        session.flush()
        session.add(Child(id=1, parent_id=1))
        session.commit()
        if listens:
            event.listen(session, "do_orm_execute", lambda state: heard.append(state.bind_mapper.class_))
        child = session.scalars(select(Child).options(NESTED[option])).one()
        assert child.parent is not None
        assert child.parent.children == [child]
    assert heard == ([Child, Parent, Child] if listens else [])
    for each in engines:
        each.dispose()


def test_columns_of_subclasses_are_no_relationship_load(session: Session) -> None:
    session.add(Special(id=2, more=3))
    session.commit()
    session.expunge_all()
    heard: list[tuple[bool, bool]] = []
    event.listen(session, "do_orm_execute", lambda s: heard.append((s.is_relationship_load, s.is_column_load)))
    statement = select(Parent).options(selectin_polymorphic(Parent, [Special])).order_by(Parent.id)
    assert session.scalars(statement).all()[1].__dict__["more"] == 3
    assert heard == [(False, False), (False, False)]
