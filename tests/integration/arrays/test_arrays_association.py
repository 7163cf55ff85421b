"""Rows of association tables inserted and deleted at once: as one after the other, or else it is done one after the other."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Sequence, String, Table, UniqueConstraint, func, select, text
from sqlalchemy.exc import IntegrityError

from session import DeclarativeBase, Session, relationship
from session.exc import StaleDataError

from .notes import MANY, Notes, Text, item_class, only_postgresql, run

pytestmark = only_postgresql


def pair(base: type[DeclarativeBase], *more: Any, keyed: bool = True) -> tuple[Any, Any, Table]:
    """Map two classes with a list of the others in the first, and give the association table."""
    links = Table(
        "link",
        base.metadata,
        Column("left_id", ForeignKey("left_.id"), primary_key=keyed),
        Column("right_code", ForeignKey("right_.code"), primary_key=keyed),
        *more,
    )
    rights = relationship("Right_", secondary=links, order_by="Right_.code")
    Left = item_class(base, "left_", rights=rights)
    Right = type("Right_", (base,), {"__tablename__": "right_", "code": Column(String(30), primary_key=True)})
    return Left, Right, links


def filled(notes: Notes, base: type[DeclarativeBase], Left: Any, Right: Any) -> tuple[Session, Any]:
    """One left object with many right ones, in the database."""
    base.metadata.create_all(notes.engine)
    session = Session(notes.engine)
    left = Left(name="one", rights=[Right(code=f"{i:03}") for i in range(MANY)])
    session.add(left)
    notes.forget()
    session.commit()
    return session, left


def test_rows_go_together(base: type[DeclarativeBase], notes: Notes) -> None:
    Left, Right, links = pair(base)
    session, left = filled(notes, base, Left, Right)
    assert sum("INTO link" in sent for sent in notes.sent) == 1
    assert [right.code for right in left.rights] == [f"{i:03}" for i in range(MANY)]
    assert session.scalar(select(func.count()).select_from(links)) == MANY
    notes.forget()
    left.rights = left.rights[:5]
    session.commit()
    notes.check("DELETE", in_arrays=1, others=0)
    assert [right.code for right in left.rights] == ["000", "001", "002", "003", "004"]
    notes.forget()
    left.rights = left.rights[:2]
    session.commit()
    notes.check("DELETE", in_arrays=0, others=3)
    session.close()


def test_rows_are_inserted_in_their_order(base: type[DeclarativeBase], notes: Notes) -> None:
    numbers = Sequence("link_numbers", metadata=base.metadata)
    Left, Right, links = pair(base, Column("number", Integer, server_default=numbers.next_value()))
    session, _left = filled(notes, base, Left, Right)
    found = session.execute(select(links.c.right_code).order_by(links.c.number)).scalars().all()
    assert found == [f"{i:03}" for i in range(MANY)]
    session.close()


def test_defaults_are_made_for_each_row(base: type[DeclarativeBase], notes: Notes) -> None:
    made = count(1)
    Left, Right, links = pair(
        base,
        Column("number", Integer, default=lambda: next(made)),
        Column("kind", String(10), default="plain"),
        Column("length", Integer, default=func.length("four")),
    )
    session, _left = filled(notes, base, Left, Right)
    found = session.execute(select(links.c.number, links.c.kind, links.c.length).order_by(links.c.right_code)).all()
    assert found == [(i + 1, "plain", 4) for i in range(MANY)]
    session.close()


def test_a_row_twice_is_an_error_of_the_database(base: type[DeclarativeBase], notes: Notes) -> None:
    Left, Right, links = pair(base)
    session, left = filled(notes, base, Left, Right)
    assert len(left.rights) == MANY
    session.execute(text("INSERT INTO right_ VALUES ('x'), ('y')"))
    session.execute(links.insert().values(left_id=left.id, right_code="y"))
    left.rights.extend([session.get(Right, "x"), session.get(Right, "y")])
    with pytest.raises(IntegrityError):
        session.commit()
    session.close()


@pytest.mark.parametrize("gone", [1, MANY])
def test_rows_that_are_gone_are_stale(base: type[DeclarativeBase], notes: Notes, gone: int) -> None:
    Left, Right, links = pair(base)
    session, left = filled(notes, base, Left, Right)
    assert len(left.rights) == MANY
    with notes.engine.begin() as connection:
        connection.execute(links.delete().where(links.c.right_code < f"{gone:03}"))
    left.rights = []
    with pytest.raises(StaleDataError, match=f"DELETE .*'link' was for {MANY} row.* matched {MANY - gone}") as caught:
        session.flush()
    assert (caught.value.keys is None) == (gone == 1)
    session.rollback()
    assert len(left.rights) == MANY - gone
    session.close()


def test_triggers_see_one_row_after_the_other(base: type[DeclarativeBase], notes: Notes) -> None:
    Left, Right, _links = pair(base)
    session, left = filled(notes, base, Left, Right)
    assert len(left.rights) == MANY
    run(
        notes.engine,
        "CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "CREATE TRIGGER passing BEFORE DELETE ON link FOR EACH ROW EXECUTE FUNCTION pass_on()",
    )
    notes.forget()
    left.rights = []
    session.commit()
    notes.check("DELETE", in_arrays=0, others=MANY)
    session.close()


def test_values_of_other_classes_go_as_they_always_did(base: type[DeclarativeBase], notes: Notes) -> None:
    Left, Right, _links = pair(base)
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        left = Left(name="one", rights=[Right(code=Text(f"{i:03}")) for i in range(MANY)])
        session.add(left)
        session.commit()
        assert not any("INTO link" in sent and "unnest" in sent for sent in notes.sent)
        assert len(left.rights) == MANY


def test_a_table_without_a_key_loses_all_rows_of_a_pair(base: type[DeclarativeBase], notes: Notes) -> None:
    Left, Right, links = pair(base, Column("id", Integer, primary_key=True), UniqueConstraint("id"), keyed=False)
    session, left = filled(notes, base, Left, Right)
    assert len(left.rights) == MANY
    with notes.engine.begin() as connection:
        connection.execute(links.insert().values(left_id=left.id, right_code="003"))
    left.rights = []
    with pytest.raises(StaleDataError, match=f"was for {MANY} row.* matched {MANY + 1}"):
        session.flush()
    session.close()
