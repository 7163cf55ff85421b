"""``with_loader_criteria()`` in what is nested: the EXISTS of a relationship, subqueries, given statements."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Table, event, exists, func, select, union_all
from sqlalchemy.exc import SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    defer,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
    with_loader_criteria,
)


class Base(DeclarativeBase):
    pass


class Hideable:
    hidden: Mapped[bool] = mapped_column(default=False)


tagging = Table(
    "tagging",
    Base.metadata,
    Column("item_id", ForeignKey("item.id")),
    Column("tag_id", ForeignKey("tag.id")),
)


class Item(Hideable, Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    tags: Mapped[list[Tag]] = relationship(secondary=tagging, back_populates="items")
    parent: Mapped[Item | None] = relationship(remote_side=[id], back_populates="parts")
    parts: Mapped[list[Item]] = relationship(back_populates="parent")


class Tag(Hideable, Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    items: Mapped[list[Item]] = relationship(secondary=tagging, back_populates="tags")


@pytest.fixture
def session(engine: Engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        shown, hidden = Tag(id=1), Tag(id=2, hidden=True)
        session.add_all(
            [
                Item(id=1, tags=[shown, hidden]),
                Item(id=2, tags=[hidden]),
                Item(id=3, tags=[shown], hidden=True),
                Item(id=4),
                Item(id=5, parent_id=1, hidden=True),
                Item(id=6, parent_id=4),
            ]
        )
        session.commit()
        yield session


ALL = with_loader_criteria(Hideable, lambda cls: cls.hidden.is_(False), include_aliases=True)
TAGS = with_loader_criteria(Tag, Tag.hidden.is_(False))
ITEMS = with_loader_criteria(Item, Item.hidden.is_(False))


def ids(session, statement, *options):
    return sorted(each.id for each in session.scalars(statement.options(*options)))


def test_the_exists_of_a_relationship(session):
    assert ids(session, select(Item).where(Item.tags.any())) == [1, 2, 3]
    assert ids(session, select(Item).where(Item.tags.any()), TAGS) == [1, 3]
    assert ids(session, select(Item).where(Item.tags.any()), ALL) == [1]
    assert ids(session, select(Item).where(Item.tags.any(Tag.id == 2)), TAGS) == []
    assert ids(session, select(Item).where(~Item.tags.any()), ALL) == [2, 4, 6]
    assert ids(session, select(Tag).where(Tag.items.any(id=3)), ITEMS) == []


def test_the_exists_of_an_alias(session):
    tag = aliased(Tag)
    statement = select(Item).where(Item.tags.of_type(tag).any(tag.id == 2))
    assert ids(session, statement, TAGS) == [1, 2]
    assert ids(session, statement, ALL) == []


def test_the_exists_of_a_class_that_refers_to_itself(session):
    assert ids(session, select(Item).where(Item.parts.any()), ALL) == [4]
    assert ids(session, select(Item).where(Item.parent.has()), ALL) == [6]


def test_an_exists_within_another_is_limited_once(session):
    statement = select(Tag).where(Tag.items.any(Item.tags.any(id=2))).options(TAGS, ITEMS)
    assert session.scalars(statement).all() == []
    text = str(statement)
    assert text.count("item.hidden IS") == 1
    assert text.count("tag.hidden IS") == 2  # the tags that are selected, and those of their items


def test_criteria_hold_within_each_other(session):
    tagged = with_loader_criteria(Item, Item.tags.any())
    assert ids(session, select(Item), tagged) == [1, 2, 3]
    for options in ((tagged, TAGS), (TAGS, tagged)):
        assert ids(session, select(Item), *options) == [1, 3]
        assert ids(session, select(Tag).where(Tag.items.any()), *options) == [1]
        assert ids(
            session, select(aliased(Item)), with_loader_criteria(Item, Item.tags.any(), include_aliases=True), TAGS
        )
    by_select = with_loader_criteria(Item, Item.id.in_(select(tagging.c.item_id).join(Tag, Tag.id == tagging.c.tag_id)))
    assert ids(session, select(Item), by_select) == [1, 2, 3]
    assert ids(session, select(Item), by_select, TAGS) == [1, 3]


def test_criteria_that_refer_to_each_other_come_to_an_end(session):
    ways = {
        "relationships": (
            with_loader_criteria(Item, Item.tags.any(Tag.id < 9)),
            with_loader_criteria(Tag, Tag.items.any(Item.hidden.is_(False))),
        ),
        "selects": (
            with_loader_criteria(
                Item,
                exists(select(Tag.id).join(tagging, tagging.c.tag_id == Tag.id).where(tagging.c.item_id == Item.id)),
            ),
            with_loader_criteria(
                Tag,
                exists(
                    select(Item.id)
                    .join(tagging, tagging.c.item_id == Item.id)
                    .where(tagging.c.tag_id == Tag.id, Item.hidden.is_(False))
                ),
            ),
        ),
    }
    session.add(Item(id=9, hidden=True, tags=[Tag(id=3)]))
    session.commit()
    for options in ways.values():
        for given in (options, options[::-1]):
            assert ids(session, select(Item), *given) == [1, 2, 3]
            assert ids(session, select(Tag), *given) == [1, 2]
            assert ids(session, select(Item).where(Item.tags.any()), *given) == [1, 2, 3]


def test_values_of_criteria_within_criteria_are_those_of_the_run(session):
    for number, found in ((1, [1, 3]), (2, [1, 2]), (1, [1, 3])):
        tags = with_loader_criteria(Tag, Tag.id == number)
        assert ids(session, select(Item), with_loader_criteria(Item, Item.tags.any()), tags) == found


def test_the_exists_in_a_subquery(session):
    inner = select(Item.id).where(Item.tags.any(id=2))
    assert ids(session, select(Item).where(Item.id.in_(inner))) == [1, 2]
    assert ids(session, select(Item).where(Item.id.in_(inner)), TAGS) == []


@pytest.mark.parametrize("make", [lambda inner: inner.subquery(), lambda inner: inner.cte()])
def test_the_subquery_of_an_alias(session, make):
    item = aliased(Item, make(select(Item)))
    assert ids(session, select(item), ITEMS) == [1, 2, 4, 6]
    assert ids(session, select(Tag).join(item, item.id == Tag.id), ITEMS) == [1, 2]
    assert ids(session, select(Tag).join(item, item.id == Tag.id + 1), ITEMS) == [1]
    assert session.query(item).options(ITEMS).count() == 4


def test_a_set_operation_in_the_subquery_of_an_alias(session):
    item = aliased(Item, union_all(select(Item), select(Item).where(Item.id > 4)).subquery())
    assert ids(session, select(item), ITEMS) == [1, 2, 4, 6, 6]


def test_given_statements(session):
    assert ids(session, select(Item).from_statement(select(Item)), ITEMS) == [1, 2, 4, 6]
    assert ids(session, select(Item).options(ITEMS).from_statement(select(Item))) == [1, 2, 4, 6]
    both = select(Item).where(Item.id < 3).union(select(Item).where(Item.id > 2))
    assert ids(session, select(Item).from_statement(both), ITEMS) == [1, 2, 4, 6]


def test_a_listener_hides_what_is_hidden_everywhere(session):
    @event.listens_for(session, "do_orm_execute")
    def hide(execute_state):
        if (
            execute_state.is_select
            and not execute_state.is_column_load
            and not execute_state.is_relationship_load
            and not execute_state.execution_options.get("with_hidden", False)
        ):
            execute_state.statement = execute_state.statement.options(ALL)

    session.expunge_all()  # objects that are there already keep to the options that they came with
    assert ids(session, select(Item)) == [1, 2, 4, 6]
    assert session.scalars(select(Item).where(Item.id == 1)).one().parts == []
    assert session.get(Item, 3) is None
    assert session.scalar(select(func.count()).select_from(Item).where(Item.tags.any())) == 1
    assert session.query(Item).filter(Item.tags.any()).count() == 1
    assert ids(session, select(Item).execution_options(with_hidden=True)) == [1, 2, 3, 4, 5, 6]


def test_what_the_session_has_already_is_found_by_a_lazy_load_whatever_the_criteria(session):
    session.get_one(Item, 6).parent_id = 3
    session.flush()
    session.expunge_all()
    part = session.scalars(select(Item).where(Item.id == 6).options(ITEMS)).one()
    assert part.parent is None  # its row is looked for among those that are shown
    parent = session.get_one(Item, 3)
    assert part.parent is None  # loaded as nothing
    session.expire(part, ["parent"])
    assert part.parent is parent
    # a condition of the relationship itself is asked of the row
    again = session.scalars(
        select(Item)
        .where(Item.id == 6)
        .options(lazyload(Item.parent.and_(Item.hidden.is_(False))))
        .execution_options(populate_existing=True)
    ).one()
    assert again.parent is None


def test_criteria_for_other_objects_cost_a_lazy_load_no_statement(session):
    parent = session.get_one(Item, 4)
    part = session.scalars(select(Item).where(Item.id == 6).options(with_loader_criteria(Tag, Tag.id > 0))).one()
    ran = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *args: ran.append(args[2]))
    assert part.parent is parent
    assert ran == []


@pytest.mark.parametrize("way", ["options", "listener"])
def test_columns_are_loaded_later_for_objects_that_nested_options_have_loaded(session, way):
    if way == "listener":
        event.listen(session, "do_orm_execute", lambda state: None)
    statement = select(Item).where(Item.id == 4).options(selectinload(Item.parts).selectinload(Item.tags))
    whole = session.scalars(statement.options(ALL) if way == "options" else statement).one()
    (part,) = whole.parts
    session.expire(part, ["hidden"])
    assert part.hidden is False
    tagged = select(Item).where(Item.id == 1).options(selectinload(Item.tags).defer(Tag.hidden), ALL)
    (tag,) = session.scalars(tagged.execution_options(populate_existing=True)).one().tags
    session.expire(tag, ["hidden"])
    assert tag.hidden is False


def test_conditions_of_options_stay_out_of_pickles(session):
    session.expunge_all()  # objects that are there already keep to the options that they came with
    shown = Item.tags.and_(Tag.hidden.is_(False))
    item = session.scalars(select(Item).where(Item.id == 1).options(selectinload(shown))).one()
    with pytest.warns(SAWarning, match=r"Item\.tags"):
        pickled = pickle.dumps(item)
    session.expunge_all()
    copy = pickle.loads(pickled)
    assert [tag.id for tag in copy.tags] == [1]
    item = session.scalars(select(Item).where(Item.id == 1).options(lazyload(shown))).one()
    with pytest.warns(SAWarning, match=r"Item\.tags"):
        pickled = pickle.dumps(item)
    assert [tag.id for tag in item.tags] == [1]
    session.expunge_all()
    copy = pickle.loads(pickled)
    session.add(copy)
    assert sorted(tag.id for tag in copy.tags) == [1, 2]


def test_conditions_choose_objects_and_do_not_part_them_from_their_rows(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Item(id=1, parts=[Item(id=2), Item(id=3)]))
        session.commit()
        whole = session.get_one(Item, 1)
        put_off = session.scalars(select(Item).where(Item.id == 2).options(defer(Item.hidden))).one()

        @event.listens_for(session, "do_orm_execute")
        def limit(state: Any) -> None:
            state.statement = state.statement.options(with_loader_criteria(Item, Item.id == 3))

        assert put_off.hidden is False
        session.refresh(whole)
        session.refresh(whole, ["hidden"])
        session.expire(whole, ["hidden"])
        assert whole.hidden is False
        session.expire_all()
        assert (whole.hidden, put_off.hidden) == (False, False)
        assert session.get(Item, 1) is whole
        assert [part.id for part in whole.parts] == [3]
        session.expunge_all()
        assert session.get(Item, 1) is None


def test_an_object_that_has_left_its_own_conditions_is_loaded_again(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Item(id=1))
        session.commit()
        visible = with_loader_criteria(Item, Item.hidden.is_(False))
        item = session.scalars(select(Item).options(visible)).one()
        item.hidden = True
        session.flush()
        session.expire(item)
        assert item.hidden is True
        assert session.scalars(select(Item).options(visible)).all() == []
