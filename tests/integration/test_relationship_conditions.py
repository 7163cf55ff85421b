"""Relationships whose condition has a subquery in it, with values of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, and_, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class Reader(Base):
    __tablename__ = "conditional_reader"

    id: Mapped[int] = mapped_column(primary_key=True)
    latest: Mapped[Loan | None] = relationship(
        primaryjoin=lambda: and_(
            Reader.id == Loan.reader_id,
            Loan.id
            == select(LOANS.c.id)
            .where(LOANS.c.reader_id == Reader.id)
            .order_by(LOANS.c.day.desc())
            .limit(1)
            .correlate(Reader)
            .scalar_subquery(),
        ),
        viewonly=True,
        uselist=False,
    )


class Loan(Base):
    __tablename__ = "conditional_loan"

    id: Mapped[int] = mapped_column(primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("conditional_reader.id"))
    day: Mapped[int]


LOANS = Loan.__table__.alias()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Reader(id=number) for number in (1, 2, 3)])
        session.flush()
        loans = [(1, 1, 5), (2, 1, 9), (3, 1, 7), (4, 2, 1)]
        session.add_all([Loan(id=number, reader_id=reader, day=day) for number, reader, day in loans])
        session.commit()
        yield session


@pytest.mark.parametrize("load", [lazyload, immediateload, joinedload, selectinload])
def test_a_subquery_of_the_condition_correlates_to_the_parent(session: Session, load: Any) -> None:
    readers = session.scalars(select(Reader).options(load(Reader.latest)).order_by(Reader.id)).unique()
    assert [reader.latest and reader.latest.id for reader in readers] == [2, 4, None]


def test_a_subquery_of_the_condition_correlates_to_an_alias_of_the_parent(session: Session) -> None:
    reader, loan = aliased(Reader), aliased(Loan)
    statement = select(reader.id, loan.id).join(reader.latest.of_type(loan)).order_by(reader.id)
    assert session.execute(statement).all() == [(1, 2), (2, 4)]
    later = select(reader).options(joinedload(reader.latest)).order_by(reader.id)
    assert [each.latest and each.latest.id for each in session.scalars(later)] == [2, 4, None]
