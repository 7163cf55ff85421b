"""Behaviour in rare situations that was once another one than that of ``sqlalchemy.orm``, or an error where none was due."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, delete, event, inspect, select, text, update
from sqlalchemy.exc import InvalidRequestError

import session as package
from session import NO_KEY, Session, declarative_base, immediateload, relationship, selectinload, synonym

from ..model.models import ROWS, make_models
from .everyday import Statements

MODELS: Any = make_models(package)

Base: Any = declarative_base()


class Target(Base):
    __tablename__ = "target"
    id = Column(Integer, primary_key=True)


class Holder(Base):
    __tablename__ = "holder"
    id = Column(Integer, primary_key=True)
    target_id = Column(ForeignKey("target.id"))
    target = relationship(Target, cascade="all, delete-orphan", single_parent=True)


class Whole(Base):
    __tablename__ = "concrete_base"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
    label = synonym("name")
    size = Column(Integer)


class Concrete(Whole):
    __tablename__ = "concrete_sub"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
    __mapper_args__ = {"concrete": True}


class Ball(Base):
    __tablename__ = "ball"
    id = Column(Integer, primary_key=True)
    person_id = Column(ForeignKey("ball_person.id"))


class Person(Base):
    __tablename__ = "ball_person"
    id = Column(Integer, primary_key=True)
    favourite_id = Column(ForeignKey("ball.id", use_alter=True, name="favourite"))
    favourite = relationship(Ball, foreign_keys=favourite_id, post_update=True)
    balls = relationship(Ball, foreign_keys=Ball.person_id, cascade="all")


class Seat(Base):
    __tablename__ = "seat"
    row = Column(String(5), primary_key=True)
    number = Column(Integer, primary_key=True, autoincrement=False)


class Bag(Base):
    __tablename__ = "bag"
    id = Column(Integer, primary_key=True)
    things = relationship("Thing")


class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    bag_id = Column(ForeignKey("bag.id"))


@pytest.fixture
def models(engine: Engine) -> SimpleNamespace:
    MODELS.metadata.create_all(engine)
    with engine.begin() as connection:
        for table in MODELS.metadata.sorted_tables:
            connection.execute(table.insert(), [dict(zip(table.columns.keys(), row)) for row in ROWS[table.name]])
    return MODELS


@pytest.fixture
def session(engine: Engine, models: SimpleNamespace) -> Iterator[Session]:
    with Session(engine, autoflush=False) as session:
        yield session


def test_immediateload_keeps_the_pending_changes_of_children_that_populate_existing_is_not_about(
    session: Session, models: SimpleNamespace
) -> None:
    owner = session.get(models.Owner, 1)
    item = owner.items[0]
    item.name = item.tags[0].name = "changed"
    loads = immediateload(models.Owner.items).options(immediateload(models.Item.tags))
    session.scalars(select(models.Owner).options(loads).execution_options(populate_existing=True)).all()
    assert (item.name, item.tags[0].name) == ("changed", "changed")
    assert inspect(item).modified
    loads = selectinload(models.Owner.items)
    session.scalars(select(models.Owner).options(loads).execution_options(populate_existing=True)).all()
    assert item.name == "pen"


def test_rows_that_are_there_come_to_refer_to_each_other_in_any_order(
    session: Session, models: SimpleNamespace
) -> None:
    root, leaf = session.get(models.Node, 1), session.get(models.Node, 3)
    leaf.parent = root
    session.expire(leaf, ["parent"])
    root.parent = leaf
    session.commit()
    assert (root.parent_id, leaf.parent_id) == (3, 1)


def test_a_new_row_still_comes_before_the_rows_that_refer_to_it(session: Session, models: SimpleNamespace) -> None:
    leaf = session.get(models.Node, 3)
    leaf.parent = between = models.Node(id=9, name="between")
    between.parent = session.get(models.Node, 1)
    session.commit()
    assert (leaf.parent_id, between.parent_id) == (between.id, 1)


def test_a_pending_object_that_a_delete_reaches_leaves_the_session(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        holder = Holder(target=Target())
        session.add(holder)
        session.commit()
        heard = []
        event.listen(session, "pending_to_transient", lambda session, obj: heard.append(obj))
        session.delete(holder)
        holder.target = late = Target()
        session.add(late)
        session.commit()
        assert inspect(late).transient
        assert late not in session
        assert heard == [late]
        assert session.scalars(select(Target)).all() == session.scalars(select(Holder)).all() == []


@pytest.mark.parametrize("kind", ["owner", "unknown"])
@pytest.mark.parametrize("listening", [False, True])
def test_an_object_stays_of_its_class_when_its_row_has_become_one_of_another(
    session: Session, models: SimpleNamespace, kind: str, listening: bool
) -> None:
    if listening:
        event.listen(session, "do_orm_execute", lambda state: None)
    company = session.get(models.Company, 2)
    session.execute(update(models.Owner.__table__).values(kind=kind).where(models.Owner.__table__.c.id == 2))
    for again in (session.refresh, session.expire):
        again(company)
        assert (company.name, company.city, company.kind) == ("bob", "oslo", kind)
    session.refresh(company, ["name", "items"])
    assert [item.name for item in company.items] == ["hat"]


def test_a_change_of_the_discriminator_can_be_read_after_the_commit(session: Session, models: SimpleNamespace) -> None:
    company = session.get(models.Company, 2)
    company.kind = "owner"
    with pytest.warns(Warning, match="discriminator"):
        session.commit()
    assert company.name == "bob"
    session.expunge_all()
    assert type(session.get(models.Owner, 2)) is models.Owner


def test_a_concrete_subclass_has_the_synonyms_of_its_base_for_what_it_maps(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Concrete(label="x"))
        session.commit()
        found = session.scalars(select(Concrete).where(Concrete.label == "x")).one()
        assert found.name == found.label == "x"
        session.execute(text("DELETE FROM concrete_sub"))


def test_what_a_concrete_subclass_does_not_map_is_refused_in_criteria() -> None:
    for compare in (
        lambda: Concrete.size == 1,
        lambda: Concrete.size != 1,
        lambda: Concrete.size > 1,
        lambda: Concrete.size <= 1,
    ):
        with pytest.raises(AttributeError, match="size"):
            compare()
    assert "size" not in inspect(Concrete).attrs


def test_keys_of_list_events_are_those_that_the_operation_was_given() -> None:
    heard: list[Any] = []

    def listen(name: str) -> None:
        def hear(target: Any, value: Any, initiator: Any, key: Any) -> None:
            heard.append((name, key))

        event.listen(Bag.things, name, hear, include_key=True)

    listen("append")
    listen("remove")
    things = Bag(things=[Thing()]).things
    things.append(Thing())
    things.extend([Thing(), Thing()])
    assert heard == [("append", NO_KEY)] * 4
    heard.clear()
    things[1:3] = [Thing(), Thing(), Thing()]
    assert heard == [("remove", 1), ("remove", 1), ("append", 1), ("append", 2), ("append", 3)]
    heard.clear()
    things[::2] = [Thing(), Thing(), Thing()]
    assert heard == [(name, key) for name in ("remove", "append") for key in (0, 2, 4)]
    heard.clear()
    del things[1]
    del things[2:]
    assert heard == [("remove", 1), *[("remove", slice(2, None))] * 2]


def test_rows_of_merged_results_are_not_told_apart_by_objects_that_may_be_gone(
    session: Session, models: SimpleNamespace
) -> None:
    def run(**options: Any) -> Any:
        return session.execute(select(models.Item), execution_options=options)

    for merged in (
        run(yield_per=1).merge(run(yield_per=1)),
        run(yield_per=1).merge(run()),
        run(yield_per=1).merge(run()).merge(run()),
        run(yield_per=1).merge(run(yield_per=1)).scalars(),
    ):
        with pytest.raises(InvalidRequestError, match="yield_per"):
            merged.unique().all()
    for merged in (run().merge(run(yield_per=1)), run(stream_results=True).merge(run()), run().merge(run())):
        assert sum(1 for _ in merged.unique().scalars()) == 3


def test_listeners_of_relationship_loads_are_told_nothing_of_the_leading_statement_s_autoflush(
    session: Session, models: SimpleNamespace
) -> None:
    heard = []

    def listen(state: Any) -> None:
        heard.append((state.is_relationship_load, state.load_options._autoflush))

    event.listen(session, "do_orm_execute", listen)
    statement = select(models.Owner).options(selectinload(models.Owner.items))
    session.scalars(statement, execution_options={"autoflush": False}).all()
    assert heard == [(False, False), (True, True)]


def test_deleting_an_object_does_not_empty_a_reference_that_nobody_has_read(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        session.add_all([Person(favourite=Ball()), Person(favourite=Ball())])
        session.commit()
        session.expunge_all()  # the balls too, wherever nobody holds them
        first, second = session.scalars(select(Person).order_by(Person.id)).all()
        assert first.favourite is not None
        with Statements(engine) as sent:
            session.delete(second)
            session.flush()
        assert not sent.starting("UPDATE")
        assert not [each for each in sent.starting("SELECT") if "WHERE ball.id" in each]
        with Statements(engine) as sent:
            session.delete(first)
            session.delete(first.favourite)
            session.flush()
        assert len(sent.starting("UPDATE")) == 1
        session.delete(session.scalars(select(Ball)).one())
        session.commit()


def test_deleting_an_unread_reference_s_target_along_empties_the_reference_first(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        person = Person(favourite=Ball())
        person.balls = [person.favourite]
        session.add(person)
        session.commit()
        session.expunge_all()
        session.delete(session.scalars(select(Person)).one())
        session.commit()
        assert session.scalars(select(Ball)).all() == []


def test_a_reference_that_is_set_to_what_its_row_has_is_not_written_again(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        person = Person()
        session.add(person)
        session.commit()
        person.favourite = None
        session.refresh(person, ["favourite_id"])
        with Statements(engine) as sent:
            session.flush()
        assert not sent.starting("UPDATE")
        session.delete(person)
        session.commit()


def rows_of(session: Session, models: SimpleNamespace) -> list[Any]:
    table = models.metadata.tables["item_tag"]
    return list(map(tuple, session.execute(select(table).order_by(*table.c)).all()))


DOUBLED = {
    # what happens to the tags of an item that has not the tag yet: is it there in the end?
    "append append remove": True,
    "append append remove remove": False,
    "append append pop": True,
    "append append pop pop": False,
    "append append clear": False,
    "append append empty": False,
    "append append slice": False,
    "append append all": False,
    "append append delete": True,
    "append append delete delete": False,
    "append append other": False,
    "append other": False,
}


@pytest.mark.parametrize("steps", DOUBLED)
@pytest.mark.parametrize("read", ["never", "before", "after"])
@pytest.mark.parametrize("there", [False, True])
def test_an_object_may_stand_in_a_many_to_many_list_twice_for_a_while(
    session: Session, models: SimpleNamespace, steps: str, read: str, there: bool
) -> None:
    item, tag = session.get(models.Item, 1 if there else 2), session.get(models.Tag, "b")
    before = rows_of(session, models)
    if there:
        assert item.tags == [session.get(models.Tag, "a"), tag]
        del item.tags[0]
        session.commit()
        steps = steps.replace("append append", "append")
        before = rows_of(session, models)
    if read == "before":
        assert tag.items == ([item] if there else [session.get(models.Item, 1)])
    for step in steps.split():
        if step == "append":
            item.tags.append(tag)
        elif step == "remove":
            item.tags.remove(tag)
        elif step == "pop":
            item.tags.pop()
        elif step == "clear":
            item.tags.clear()
        elif step == "empty":
            item.tags = []
        elif step == "slice":
            del item.tags[:]
        elif step == "all":
            item.tags[:] = []
        elif step == "delete":
            del item.tags[0]
        else:
            while item in tag.items:
                tag.items.remove(item)
    stays = tag in item.tags
    if read == "after":
        assert (item in tag.items) == stays
    session.commit()
    assert (item in tag.items) == (tag in item.tags) == stays
    pair = (item.id, "b")
    assert rows_of(session, models) == sorted({*before, pair} if stays else {*before} - {pair})


@pytest.mark.parametrize(
    "take", [lambda items: items.pop(), lambda items: items.pop(0), lambda items: items.__delitem__(slice(1, 2))]
)
def test_an_object_that_stands_twice_keeps_its_parent_when_one_is_taken(
    session: Session, models: SimpleNamespace, take: Any
) -> None:
    root = session.get(models.Node, 1)
    (left,) = root.children
    root.children.append(left)
    take(root.children)
    assert left.parent is root
    session.commit()
    assert root.children == [left]


def test_a_key_of_which_one_part_has_changed_and_the_other_expired_is_the_new_one(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        session.add(Seat(row="a", number=1))
        session.commit()
        seat = session.scalars(select(Seat)).one()
        seat.number = 5
        session.expire(seat, ["row"])
        session.flush()
        assert inspect(seat).identity == ("a", 5)
        assert session.get(Seat, ("a", 5)) is seat
        assert session.get(Seat, ("a", 1)) is None
        session.commit()
        assert (seat.row, seat.number) == ("a", 5)
        seat.number = 6
        session.expire(seat, ["row"])
        session.flush()
        session.rollback()
        assert inspect(seat).identity == ("a", 5)
        session.delete(seat)
        session.commit()
        assert session.scalars(select(Seat)).all() == []


@pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch"])
def test_a_deleted_row_is_found_by_the_null_that_its_insert_has_written(
    session: Session, models: SimpleNamespace, strategy: Any
) -> None:
    nameless, other = models.Badge(id=8), models.Badge(id=9, name="other")
    session.add_all([nameless, other])
    session.flush()
    assert "name" not in nameless.__dict__
    options = {"synchronize_session": strategy}
    assert (
        session.execute(delete(models.Badge).where(models.Badge.name == "z"), execution_options=options).rowcount == 0
    )
    assert inspect(nameless).persistent
    assert not inspect(nameless).expired
    session.execute(delete(models.Badge).where(models.Badge.name.is_(None)), execution_options=options)
    assert inspect(nameless).deleted
    assert inspect(other).persistent
    deferred = session.get(models.Owner, 1)
    assert "note" not in deferred.__dict__
    session.execute(update(models.Owner).where(models.Owner.note == "n1").values(name="new"), execution_options=options)
    assert deferred.name == "new"


def test_a_key_that_was_set_to_what_it_is_does_not_keep_from_refreshing(
    session: Session, models: SimpleNamespace
) -> None:
    tag = session.get(models.Tag, "a")
    tag.code, tag.name = "a", "changed"
    session.refresh(tag, ["name"])
    assert tag.name == "red"
    tag.code = "x"
    with pytest.raises(InvalidRequestError, match="primary key"):
        session.refresh(tag, ["name"])
