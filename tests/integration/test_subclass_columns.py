"""Columns of subclasses that a statement for the base class does not select: what options and mapping say about them holds."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, select
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    deferred,
    load_only,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
    undefer,
)

from .everyday import Statements


def mapping(joined: bool) -> SimpleNamespace:
    class Base(DeclarativeBase):
        pass

    class House(Base):
        __tablename__ = "columns_house"

        id: Mapped[int] = mapped_column(primary_key=True)
        animals: Mapped[list[Any]] = relationship("Animal", order_by="Animal.id")

    class Animal(Base):
        __tablename__ = "columns_animal"

        id: Mapped[int] = mapped_column(primary_key=True)
        house_id: Mapped[int] = mapped_column(ForeignKey("columns_house.id"))
        kind: Mapped[str]
        name: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Bird(Animal):
        if joined:
            __tablename__ = "columns_bird"
            id: Mapped[int] = mapped_column(ForeignKey("columns_animal.id"), primary_key=True)
        wings: Mapped[int | None]
        colour: Mapped[str | None]
        song: Mapped[str | None] = deferred(mapped_column(nullable=True))  # type: ignore[arg-type]
        __mapper_args__ = {"polymorphic_identity": "bird"}

    return SimpleNamespace(Base=Base, House=House, Animal=Animal, Bird=Bird)


KINDS = {"joined": mapping(True), "single": mapping(False)}


@pytest.fixture(params=KINDS)
def models(request: pytest.FixtureRequest) -> SimpleNamespace:
    return KINDS[request.param]


@pytest.fixture
def session(engine: Engine, models: SimpleNamespace) -> Iterator[Session]:
    models.Base.metadata.create_all(engine)
    with Session(engine) as session:
        bird = models.Bird(id=2, name="b", wings=2, colour="red", song="la")
        session.add(models.House(id=1, animals=[models.Animal(id=1, name="a"), bird]))
        session.commit()
        session.expunge_all()
        yield session


def present(obj: Any) -> set[str]:
    return {key for key in ("wings", "colour", "song", "name") if key in obj.__dict__}


def bird_of(session: Session, statement: Any) -> Any:
    return session.scalars(statement).all()[-1]


def test_a_column_of_a_subclass_that_is_put_off_is_loaded_when_it_is_read(
    session: Session, models: SimpleNamespace
) -> None:
    animals = select(models.Animal).order_by(models.Animal.id)
    bird = bird_of(session, animals.options(defer(models.Bird.colour)))
    assert (bird.colour, bird.wings, bird.song) == ("red", 2, "la")
    session.expunge_all()
    bird = bird_of(session, animals.options(defer("*")))
    assert (bird.colour, bird.wings, bird.song, bird.name) == ("red", 2, "la", "b")
    session.expunge_all()
    house = session.scalars(select(models.House).options(selectinload(models.House.animals).defer("*"))).one()
    assert house.animals[1].colour == "red"


def test_what_may_not_be_loaded_later_is_refused_in_a_subclass_too(session: Session, models: SimpleNamespace) -> None:
    statement = select(models.Animal).order_by(models.Animal.id).options(defer(models.Bird.colour, raiseload=True))
    bird = bird_of(session, statement)
    with pytest.raises(InvalidRequestError):
        bird.colour  # noqa: B018
    assert bird.wings == 2


@pytest.mark.parametrize("raises", [False, True])
def test_load_only_of_the_base_class_leaves_its_subclasses_as_they_are(
    engine: Engine, session: Session, models: SimpleNamespace, raises: bool
) -> None:
    statement = select(models.Animal).order_by(models.Animal.id)
    bird = bird_of(session, statement.options(load_only(models.Animal.kind, raiseload=raises)))
    assert present(bird) == set()
    with Statements(engine) as sent:
        assert (bird.colour, bird.wings) == ("red", 2)
    assert len(sent) == 1
    assert bird.song == "la"


def test_columns_that_the_mapping_puts_off_do_not_come_with_the_others(
    engine: Engine, session: Session, models: SimpleNamespace
) -> None:
    further = selectin_polymorphic(models.Animal, [models.Bird])
    statement = select(models.Animal).order_by(models.Animal.id).options(further)
    bird = bird_of(session, statement)
    assert present(bird) == {"wings", "colour", "name"}
    with Statements(engine) as sent:
        session.scalars(statement).all()
    assert len(sent) == 1  # nothing is missing
    assert bird.song == "la"
    session.expunge_all()
    assert present(bird_of(session, statement.options(undefer(models.Bird.song)))) == {
        "wings",
        "colour",
        "song",
        "name",
    }
    session.expunge_all()
    bird = bird_of(session, statement.options(defer(models.Bird.colour)))
    assert present(bird) == {"wings", "name"}
    assert bird.colour == "red"
    session.expunge_all()
    assert present(bird_of(session, statement.options(load_only(models.Animal.kind)))) == {"wings", "colour"}
