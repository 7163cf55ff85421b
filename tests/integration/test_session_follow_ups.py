"""What the loads and comparisons that follow a statement take over from it."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, create_engine, event, exc, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    immediateload,
    mapped_column,
    relationship,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "follow_up_owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")


class Pet(Base):
    __tablename__ = "follow_up_pet"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("follow_up_owner.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="pets")


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.mark.parametrize("loader", [selectinload, immediateload])
def test_loads_that_follow_have_the_options_of_the_statement(session, loader):
    session.add(Owner(pets=[Pet()]))
    session.commit()
    seen = []

    def note(connection, cursor, statement, parameters, context, executemany):
        seen.append(context.execution_options.get("tag"))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    statement = select(Owner).options(loader(Owner.pets))
    session.scalars(statement, execution_options={"tag": "here", "compiled_cache": None}).all()
    assert seen == ["here", "here"]


def test_get_takes_options_that_a_statement_cannot_have(session):
    session.add(Owner(id=1))
    session.commit()
    session.expunge_all()
    assert session.get(Owner, 1, execution_options={"compiled_cache": {}}).id == 1


def test_a_key_that_expired_is_remembered_for_a_comparison(session):
    owner = Owner(pets=[Pet()])
    statement = select(Pet).where(Pet.owner == owner)
    session.add(owner)
    session.flush()
    session.expire(owner)
    session.expunge(owner)
    assert session.scalars(statement).one().owner_id == 1


def test_a_comparison_without_key_fails_as_a_statement(session):
    with pytest.raises(exc.StatementError) as raised:
        session.scalars(select(Pet).where(Pet.owner == Owner()))
    assert isinstance(raised.value.orig, exc.InvalidRequestError)
