"""Fixtures: Sessions on the usual rows, and classes whose mapping asks for peers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, insert

from session import DeclarativeBase, Mapped, Session, foreign, mapped_column, relationship, remote

from ..loading_models import fill


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def peers_session(engine: Engine) -> Any:
    """A Session in which all relationships load for peers."""
    fill(engine)
    with Session(engine, lazy_peers=True) as session:
        yield session


@pytest.fixture
def family(engine: Engine) -> Any:
    """Classes whose mapping asks for peers, and some rows."""

    class Base(DeclarativeBase):
        pass

    class Parent(Base):
        __tablename__ = "peer_parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        children: Mapped[list[Child]] = relationship(
            lazy="peers", order_by=lambda: Child.rank.desc(), back_populates="parent", cascade="all, delete-orphan"
        )
        good: Mapped[list[Child]] = relationship(
            lazy="peers",
            viewonly=True,
            order_by=lambda: Child.id,
            primaryjoin=lambda: (Parent.id == foreign(Child.parent_id)) & (Child.rank > 1),
        )
        older: Mapped[list[Parent]] = relationship(
            lazy="peers",
            viewonly=True,
            order_by=lambda: remote(Parent.id),
            primaryjoin=lambda: remote(foreign(Parent.id)) < Parent.id,
            uselist=True,
        )

    class Child(Base):
        __tablename__ = "peer_child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("peer_parent.id"))
        rank: Mapped[int]
        parent: Mapped[Parent] = relationship(lazy="peers", back_populates="children")

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Parent), [{"id": n, "name": f"p{n}"} for n in range(1, 6)])
        connection.execute(insert(Child), [{"id": n, "parent_id": n % 4 + 1, "rank": n % 3} for n in range(1, 13)])
    with Session(engine) as session:
        yield session, Parent, Child
