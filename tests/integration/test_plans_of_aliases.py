"""Statements that are alike but for their aliases share a plan; each keeps its own aliases, options and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    peerload,
    relationship,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    with_loader_criteria,
    with_polymorphic,
)


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "alike_shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    boxes: Mapped[list[Box]] = relationship(order_by="Box.id")


class Box(Base):
    __tablename__ = "alike_box"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("alike_shelf.id"))
    colour: Mapped[str]
    note: Mapped[str] = mapped_column(deferred=True, default="-")
    kind: Mapped[str]
    parts: Mapped[list[Part]] = relationship(order_by="Part.id")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "box"}


class Crate(Box):
    __tablename__ = "alike_crate"

    id: Mapped[int] = mapped_column(ForeignKey("alike_box.id"), primary_key=True)
    labels: Mapped[list[Label]] = relationship(order_by="Label.id")
    __mapper_args__ = {"polymorphic_identity": "crate"}


class Part(Base):
    __tablename__ = "alike_part"

    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(ForeignKey("alike_box.id"))
    size: Mapped[int]


class Label(Base):
    __tablename__ = "alike_label"

    id: Mapped[int] = mapped_column(primary_key=True)
    crate_id: Mapped[int] = mapped_column(ForeignKey("alike_crate.id"))
    size: Mapped[int]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        red = Box(id=1, colour="red", parts=[Part(id=1, size=1), Part(id=2, size=2)])
        blue = Crate(id=2, colour="blue", parts=[Part(id=3, size=1)], labels=[Label(id=1, size=1), Label(id=2, size=2)])
        session.add_all([Shelf(id=1, boxes=[red, blue]), Shelf(id=2)])
        session.commit()
        session.expunge_all()
        yield session
        session.rollback()


LATER: list[Any] = [selectinload, subqueryload]
ANY: list[Any] = [*LATER, joinedload]


def fresh(session: Session, statement: Any) -> list[Any]:
    session.expunge_all()
    return list(session.scalars(statement).unique())


@pytest.mark.parametrize("load", ANY)
def test_conditions_on_an_alias_are_those_of_its_own_statement(session: Session, load: Any) -> None:
    for colour, ids in [("red", [1]), ("blue", [2]), ("red", [1]), ("green", [])]:
        box = aliased(Box)
        option = load(Shelf.boxes.of_type(box).and_(box.colour == colour)).undefer(box.note)
        (shelf,) = fresh(session, select(Shelf).where(Shelf.id == 1).options(option))
        assert [each.id for each in shelf.boxes] == ids
        assert all("note" in each.__dict__ for each in shelf.boxes)


@pytest.mark.parametrize("load", ANY)
def test_options_behind_an_alias_are_those_of_its_own_statement(session: Session, load: Any) -> None:
    for size, ids in [(1, [[1], [3]]), (2, [[2], []]), (1, [[1], [3]])]:
        box = aliased(Box)
        option = load(Shelf.boxes.of_type(box)).options(load(box.parts.and_(Part.size == size)))
        (shelf,) = fresh(session, select(Shelf).where(Shelf.id == 1).options(option))
        assert [[part.id for part in each.__dict__["parts"]] for each in shelf.boxes] == ids


@pytest.mark.parametrize("load", [*ANY, immediateload, lazyload, peerload])
def test_conditions_behind_an_alias_that_is_selected_are_those_of_its_own_statement(
    session: Session, load: Any
) -> None:
    for colour, ids in [("red", [1]), ("blue", [2]), ("red", [1])]:
        shelf = aliased(Shelf)
        option = load(shelf.boxes.and_(Box.colour == colour)).undefer(Box.note)
        (found,) = fresh(session, select(shelf).where(shelf.id == 1).options(option))
        assert [each.id for each in found.boxes] == ids
        assert all("note" in each.__dict__ for each in found.boxes)


@pytest.mark.parametrize("load", LATER)
def test_the_values_of_a_subquery_behind_an_alias_are_those_of_its_own_statement(session: Session, load: Any) -> None:
    for colour, ids in [("red", [1]), ("blue", [2]), ("red", [1])]:
        box = aliased(Box, select(Box).where(Box.colour == colour).subquery())
        (shelf,) = fresh(session, select(Shelf).where(Shelf.id == 1).options(load(Shelf.boxes.of_type(box))))
        assert [each.id for each in shelf.boxes] == ids


@pytest.mark.parametrize("load", LATER)
def test_conditions_go_by_the_values_of_a_subquery_that_is_selected(session: Session, load: Any) -> None:
    for number, ids in [(1, [1, 2]), (2, [3]), (1, [1, 2])]:
        box = aliased(Box, select(Box).where(Box.id == number).subquery())
        (found,) = fresh(session, select(box).options(load(box.parts.and_(Part.box_id == box.id))))
        assert [part.id for part in found.parts] == ids


@pytest.mark.parametrize("load", LATER)
def test_a_later_statement_may_be_the_first_to_need_a_load(session: Session, load: Any) -> None:
    for number, loaded in [(2, []), (1, [True, True])]:
        box = aliased(Box)
        option = load(Shelf.boxes.of_type(box)).options(load(box.parts))
        (shelf,) = fresh(session, select(Shelf).where(Shelf.id == number).options(option))
        assert ["parts" in each.__dict__ for each in shelf.boxes] == loaded


@pytest.mark.parametrize("load", ANY)
def test_conditions_on_relationships_of_subclasses_have_the_values_of_their_statement(
    session: Session, load: Any
) -> None:
    for size in (1, 2, 1):
        whole = with_polymorphic(Box, [Crate])
        part = with_polymorphic(Box, [Crate], flat=True, aliased=True)
        option = load(Shelf.boxes.of_type(part)).options(load(part.Crate.labels.and_(Label.size == size)))
        statements = [
            select(whole).options(load(whole.Crate.labels.and_(Label.size == size))).order_by(whole.id),
            select(Box)
            .options(selectin_polymorphic(Box, [Crate]), load(Crate.labels.and_(Label.size == size)))
            .order_by(Box.id),
            select(Box)
            .options(selectin_polymorphic(Box, [Crate]), load(Crate.labels))
            .options(with_loader_criteria(Label, Label.size == size))
            .order_by(Box.id),
        ]
        for statement in statements:
            _, crate = fresh(session, statement)
            assert [label.size for label in crate.labels] == [size]
        (shelf,) = fresh(session, select(Shelf).where(Shelf.id == 1).options(option))
        assert [label.size for label in shelf.boxes[1].labels] == [size]
