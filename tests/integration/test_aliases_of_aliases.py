"""``aliased()`` of what is an alias already: it reads the rows of that alias, out of whatever it is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, ForeignKey, select

from session import DeclarativeBase, Mapped, Session, aliased, joinedload, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Stage(Base):
    __tablename__ = "realiased_stage"

    id: Mapped[int] = mapped_column(primary_key=True)
    before_id: Mapped[int | None] = mapped_column(ForeignKey("realiased_stage.id"))
    before: Mapped[Stage | None] = relationship(remote_side=id, back_populates="after")
    after: Mapped[list[Stage]] = relationship(back_populates="before", order_by=id)


SECOND, THIRD = aliased(Stage), aliased(Stage)
CHAIN = select(Stage, SECOND, THIRD).join(SECOND, Stage.before).join(THIRD, SECOND.before).subquery()
ONE, TWO, THREE = aliased(Stage, CHAIN), aliased(SECOND, CHAIN), aliased(THIRD, CHAIN)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Stage(id=1, after=[Stage(id=2, after=[Stage(id=3), Stage(id=4)])]))
        session.commit()
        yield session


def test_several_aliases_of_one_class_come_out_of_one_subquery(session: Session) -> None:
    rows = session.execute(select(ONE, TWO, THREE).order_by(ONE.id)).all()
    assert [tuple(stage.id for stage in row) for row in rows] == [(3, 2, 1), (4, 2, 1)]
    statement = select(ONE.id, TWO.id).where(THREE.id == 1).order_by(ONE.id)
    assert session.execute(statement).all() == [(3, 2), (4, 2)]


def test_eager_loads_and_joins_go_by_the_subquery(session: Session) -> None:
    loaded = session.execute(select(ONE, TWO).options(joinedload(TWO.after)).order_by(ONE.id)).unique().all()
    assert [[stage.id for stage in row[1].after] for row in loaded] == [[3, 4], [3, 4]]
    other = aliased(Stage)
    joined = select(ONE.id, other.id).join(other, THREE.after).order_by(ONE.id)
    assert session.execute(joined).all() == [(3, 2), (4, 2)]
    assert session.scalars(select(ONE.id).where(TWO.after.any(Stage.id == 4)).order_by(ONE.id)).all() == [3, 4]


def test_they_come_out_of_a_subquery_of_a_subquery(session: Session) -> None:
    again = select(ONE, TWO).subquery()
    pairs = session.execute(select(aliased(ONE, again), aliased(TWO, again))).all()
    assert sorted((first.id, then.id) for first, then in pairs) == [(3, 2), (4, 2)]


def test_columns_that_were_matched_by_name_are_found_again(session: Session) -> None:
    named = select(Stage.id, (Stage.before_id + 10).label("before_id")).where(Stage.id > 2).subquery()
    shown = aliased(aliased(Stage, named, adapt_on_names=True), name="shown")
    assert session.execute(select(shown.id, shown.before_id).order_by(shown.id)).all() == [(3, 12), (4, 12)]
