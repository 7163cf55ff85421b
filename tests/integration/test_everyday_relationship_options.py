"""Relationships with options: join conditions, composite keys, cascades, passive deletes, single parents."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Engine, ForeignKey, ForeignKeyConstraint, Integer, Table, select, text
from sqlalchemy.exc import IntegrityError, InvalidRequestError, SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    backref,
    declarative_base,
    foreign,
    mapped_column,
    relationship,
    remote,
)

from .everyday import Statements, count


def test_no_save_update_cascade_warns_and_leaves_the_object_out(engine: Engine) -> None:
    Own = declarative_base()

    class Parent(Own):
        __tablename__ = "parent"
        id = mapped_column(Integer, primary_key=True)
        children = relationship("Child", cascade="merge")

    class Child(Own):
        __tablename__ = "child"
        id = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(ForeignKey("parent.id"))

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Parent(id=1, children=[Child(id=1)]))
        with pytest.warns(SAWarning, match="Child"):
            session.flush()
        assert count(session, Child) == 0


def test_self_referential_many_to_many(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    follows = Table(
        "follows",
        Own.metadata,
        Column("follower_id", ForeignKey("person.id"), primary_key=True),
        Column("followed_id", ForeignKey("person.id"), primary_key=True),
    )

    class Person(Own):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        following: Mapped[list[Person]] = relationship(
            secondary=follows,
            primaryjoin=lambda: Person.id == follows.c.follower_id,
            secondaryjoin=lambda: Person.id == follows.c.followed_id,
            backref=backref("followers", order_by="Person.id"),
        )

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        one, two, three = (Person(id=number) for number in (1, 2, 3))
        one.following = [two, three]
        two.following = [one, three]
        session.add(one)
        session.commit()
        assert [person.id for person in three.followers] == [1, 2]
        assert one in two.following


def test_annotated_join_conditions(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Entry(Own):
        __tablename__ = "entry"
        path: Mapped[str] = mapped_column(primary_key=True)
        below: Mapped[list[Entry]] = relationship(
            primaryjoin=lambda: remote(foreign(Entry.path)).like(Entry.path.concat("/%")),
            viewonly=True,
            order_by=path,
        )

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Entry(path=path) for path in ("/a", "/a/b", "/a/b/c", "/d")])
        session.commit()
        assert [entry.path for entry in session.get(Entry, "/a").below] == ["/a/b", "/a/b/c"]


def test_composite_foreign_keys(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Sheet(Own):
        __tablename__ = "sheet"
        book: Mapped[str] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        lines: Mapped[list[Line]] = relationship(back_populates="sheet")

    class Line(Own):
        __tablename__ = "line"
        __table_args__ = (ForeignKeyConstraint(["book", "sheet_number"], ["sheet.book", "sheet.number"]),)
        id: Mapped[int] = mapped_column(primary_key=True)
        book: Mapped[str | None]
        sheet_number: Mapped[int | None]
        sheet: Mapped[Sheet | None] = relationship(back_populates="lines")

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Sheet(book="a", number=1, lines=[Line(), Line()]))
        session.commit()
        line = session.get(Line, 1)
        assert (line.book, line.sheet_number) == ("a", 1)
        assert line.sheet is session.get(Sheet, ("a", 1))
        line.sheet = None
        session.commit()
        assert (line.book, line.sheet_number) == (None, None)


def test_a_single_parent_refuses_a_second_one() -> None:
    class Own(DeclarativeBase):
        pass

    class Cell(Own):
        __tablename__ = "cell"
        id: Mapped[int] = mapped_column(primary_key=True)
        content_id: Mapped[int | None] = mapped_column(ForeignKey("content.id"))
        content: Mapped[Content | None] = relationship(cascade="all, delete-orphan", single_parent=True)

    class Content(Own):
        __tablename__ = "content"
        id: Mapped[int] = mapped_column(primary_key=True)

    content = Content()
    first = Cell(content=content)
    with pytest.raises(InvalidRequestError, match=r"(?s)(?=.*Content)(?=.*Cell\.content)"):
        Cell(content=content)
    assert first.content is content


def test_passive_deletes_leave_the_work_to_the_database(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[Child]] = relationship(cascade="all, delete-orphan", passive_deletes=True)

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id", ondelete="CASCADE"))

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Parent(id=1, children=[Child(), Child()]))
        session.commit()
        parent = session.get(Parent, 1)
        with Statements(engine) as sent:
            session.delete(parent)
            session.commit()
        assert not [statement for statement in sent.texts if "child" in statement]
        assert count(session, Child) == 0


def test_passive_deletes_all_does_not_touch_loaded_children_either(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[Child]] = relationship(passive_deletes="all")

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        parent = Parent(id=1, children=[Child()])
        session.add(parent)
        session.commit()
        assert len(parent.children) == 1
        session.delete(parent)
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        assert session.scalar(text("SELECT parent_id FROM child")) == 1


def test_post_update_lets_two_rows_point_at_each_other(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Team(Own):
        __tablename__ = "team"
        id: Mapped[int] = mapped_column(primary_key=True)
        captain_id: Mapped[int | None] = mapped_column(ForeignKey("player.id", use_alter=True, name="fk_captain"))
        players: Mapped[list[Player]] = relationship(
            back_populates="team", foreign_keys="Player.team_id", cascade="all, delete-orphan"
        )
        captain: Mapped[Player | None] = relationship(foreign_keys=[captain_id], post_update=True)

    class Player(Own):
        __tablename__ = "player"
        id: Mapped[int] = mapped_column(primary_key=True)
        team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
        team: Mapped[Team | None] = relationship(back_populates="players", foreign_keys=[team_id])

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        team = Team(players=[Player(), Player()])
        team.captain = team.players[1]
        session.add(team)
        session.commit()
        assert team.captain_id == team.players[1].id
        team.captain = team.players[0]
        session.commit()
        assert team.captain_id == team.players[0].id
        session.delete(team)
        session.commit()
        assert (count(session, Team), count(session, Player)) == (0, 0)


def test_a_foreign_key_of_a_removed_child_that_may_not_be_null_is_an_error(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[Child]] = relationship()

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))

    class Part(Own):
        __tablename__ = "part"
        number: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"), primary_key=True)

    Parent.parts = relationship(Part)
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        parent = Parent(children=[Child()], parts=[Part(number=1)])
        session.add(parent)
        session.commit()
        parent.children.clear()
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        assert len(parent.children) == 1
        parent.parts.clear()
        with pytest.raises(AssertionError, match=r"(?s)(?=.*parent_id)(?=.*Part)"):
            session.flush()
        session.rollback()
        assert len(parent.parts) == 1


def test_two_foreign_keys_to_one_table_need_to_be_told_apart(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Address(Own):
        __tablename__ = "address"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Customer(Own):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        billing_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
        shipping_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
        billing: Mapped[Address | None] = relationship(foreign_keys=[billing_id])
        shipping: Mapped[Address | None] = relationship(foreign_keys="Customer.shipping_id")

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Customer(billing=Address(id=1), shipping=Address(id=2)))
        session.commit()
        customer = session.scalars(select(Customer)).one()
        assert (customer.billing.id, customer.shipping.id) == (1, 2)
        joined = select(Customer).join(Customer.shipping).where(Address.id == 2)
        assert session.scalars(joined).one() is customer


def test_an_association_object_carries_data_of_its_own(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Order(Own):
        __tablename__ = "purchase"
        id: Mapped[int] = mapped_column(primary_key=True)
        lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")

    class Line(Own):
        __tablename__ = "line"
        order_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"), primary_key=True)
        item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
        amount: Mapped[int]
        order: Mapped[Order] = relationship(back_populates="lines")
        item: Mapped[Item] = relationship()

    class Item(Own):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        order = Order(lines=[Line(item=Item(), amount=2), Line(item=Item(), amount=3)])
        session.add(order)
        session.commit()
        order.lines.pop()
        session.commit()
        assert session.execute(select(Line.order_id, Line.item_id, Line.amount)).all() == [(1, 1, 2)]
        assert session.get(Line, (1, 1)) is order.lines[0]
        assert session.get(Line, {"item_id": 1, "order_id": 1}) is order.lines[0]
