"""What the random programs of ``tests/model`` have found, each as a small program of its own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, Engine, String, TypeDecorator, delete, event, inspect, select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, PendingRollbackError, SAWarning

import session as package
from session import Session
from session.exc import StaleDataError

from ..model.models import ROWS, make_models
from .everyday import Statements

MODELS: Any = make_models(package)


class LowerCase(TypeDecorator[str]):
    """A text that is kept in lower case."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value.lower()


@pytest.fixture
def models(engine: Engine) -> SimpleNamespace:
    MODELS.metadata.create_all(engine)
    with engine.begin() as connection:
        for table in MODELS.metadata.sorted_tables:
            connection.execute(table.insert(), [dict(zip(table.columns.keys(), row)) for row in ROWS[table.name]])
    return MODELS


@pytest.fixture
def session(engine: Engine, models: SimpleNamespace) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def history(obj: Any, name: str) -> list[Any]:
    return [list(part or ()) for part in inspect(obj).attrs[name].history]


def test_a_deferred_column_of_a_new_object_is_none(session: Session, models: SimpleNamespace) -> None:
    assert models.Owner().note is None
    owner = session.get(models.Owner, 1)
    package.make_transient(owner)
    assert owner.note is None


def test_populate_existing_by_the_base_class_forgets_the_columns_of_the_subclass(
    session: Session, models: SimpleNamespace
) -> None:
    company = session.get(models.Company, 2)
    company.city = "changed"
    with session.no_autoflush:
        session.scalars(select(models.Owner).execution_options(populate_existing=True)).all()
    assert "city" not in company.__dict__
    assert company.city == "oslo"
    assert not inspect(company).modified


def test_none_is_not_among_what_a_reference_lost(session: Session, models: SimpleNamespace) -> None:
    root, leaf = session.get(models.Node, 1), session.get(models.Node, 3)
    assert root.parent is None
    root.parent = leaf
    assert history(root, "parent") == [[leaf], [], []]


def test_refreshing_columns_of_a_row_that_is_gone_is_an_invalid_request(
    session: Session, models: SimpleNamespace
) -> None:
    leaf = session.get(models.Node, 3)
    session.execute(delete(models.Node.__table__).where(models.Node.__table__.c.id == 3))
    for names in (None, ["name"], ["children"]):
        with pytest.raises(InvalidRequestError) as caught:
            session.refresh(leaf, names)
        assert type(caught.value) is InvalidRequestError


def test_adding_no_objects_begins_no_transaction(session: Session) -> None:
    session.add_all([])
    assert not session.in_transaction()


def test_merging_a_pending_object_without_sql_warns_before_it_is_refused(
    session: Session, models: SimpleNamespace
) -> None:
    item = models.Item(name="x")
    session.add(item)
    with pytest.warns(SAWarning), pytest.raises(InvalidRequestError):
        session.merge(item, load=False)


def test_rolling_back_an_outer_savepoint_rolls_back_the_inner_one_first(
    savepoint_engine: Engine, models: SimpleNamespace
) -> None:
    with Session(savepoint_engine) as session:
        outer = session.begin_nested()
        session.add(models.Tag(code="x"))
        session.flush()
        inner = session.begin_nested()
        session.add(models.Tag(code="y"))
        session.flush()
        outer.rollback()  # Core warned here
        assert not inner.is_active
        session.add(models.Tag(code="z"))
        session.commit()
        assert session.scalars(select(models.Tag.code).order_by(models.Tag.code)).all() == ["a", "b", "z"]


def test_an_object_of_two_tables_is_deleted_when_only_its_version_has_expired(
    session: Session, models: SimpleNamespace
) -> None:
    company = session.get(models.Company, 2)
    session.expire(company, ["version"])
    session.delete(company)
    session.flush()
    assert inspect(company).deleted


def test_a_rollback_takes_the_identity_of_new_objects_that_have_left_the_session(
    session: Session, models: SimpleNamespace
) -> None:
    heard = []
    event.listen(session, "persistent_to_transient", lambda session, obj: heard.append(obj))
    expunged, remade = models.Tag(code="c"), models.Tag(code="d")
    session.add_all([expunged, remade])
    session.flush()
    session.expunge(expunged)
    package.make_transient(remade)
    package.make_transient_to_detached(remade)
    assert inspect(expunged).detached
    session.rollback()
    for tag in (expunged, remade):
        assert inspect(tag).transient
        assert inspect(tag).key is None
        assert tag.name is None
    assert heard == [expunged, remade]
    session.add_all([expunged, remade])
    session.commit()
    assert session.scalars(select(models.Tag.code).order_by(models.Tag.code)).all() == ["a", "b", "c", "d"]


def test_a_rollback_leaves_a_new_object_alone_that_has_gone_to_another_session(
    engine: Engine, session: Session, models: SimpleNamespace
) -> None:
    tag = models.Tag(code="c")
    session.add(tag)
    session.flush()
    session.expunge(tag)
    with Session(engine) as other:
        other.add(tag)
        session.rollback()
        assert tag in other
        assert inspect(tag).persistent


def test_a_refresh_that_names_a_many_to_one_to_the_same_class_takes_what_the_session_has(
    session: Session, models: SimpleNamespace
) -> None:
    leaf = session.get(models.Node, 3)
    for expire in (True, False):
        if expire:
            session.expire(leaf)
        session.refresh(leaf, ["parent", "children"])
        assert leaf.__dict__["children"] == []
        assert leaf.__dict__["parent_id"] == 2
        assert "parent" not in leaf.__dict__
    left = leaf.parent
    session.refresh(leaf, ["parent"])
    assert leaf.__dict__["parent"] is left
    item = session.get(models.Item, 1)
    session.refresh(item, ["owner"])
    assert item.__dict__["owner"].id == 1


def test_a_member_that_a_commit_has_deleted_is_warned_of_when_its_rows_are_taken_away(
    session: Session, models: SimpleNamespace
) -> None:
    item = session.get(models.Item, 3)
    assert [tag.code for tag in item.tags] == ["a"]
    session.delete(item)
    session.commit()
    assert inspect(item).detached
    item.tags.clear()
    with pytest.warns(SAWarning, match="Item object that is not in this Session is part of Tag.items; the delete"):
        session.flush()


def test_a_new_child_outside_the_session_is_warned_of_and_gets_the_foreign_key(
    session: Session, models: SimpleNamespace
) -> None:
    company, root = session.get(models.Company, 2), session.get(models.Node, 1)
    item, node = models.Item(name="new"), models.Node(name="new")
    item.owner, node.parent = company, root
    assert item not in session
    with pytest.warns(SAWarning) as caught:
        session.flush()
    assert sorted(str(warning.message).split(";")[0] for warning in caught) == [
        "A Item object that is not in this Session is part of Owner.items",
        "A Node object that is not in this Session is part of Node.children",
    ]
    assert (item.owner_id, node.parent_id) == (2, 1)
    assert item not in session


def test_a_child_that_was_expunged_loses_the_foreign_key_with_its_parent(
    session: Session, models: SimpleNamespace
) -> None:
    item = session.get(models.Item, 1)
    badge = item.badge
    session.expunge(badge)
    session.execute(delete(models.Badge.__table__))
    session.delete(item)
    with pytest.warns(SAWarning, match="Badge object that is not in this Session is part of Item.badge; the delete"):
        session.flush()
    assert badge.item_id is None


def test_a_child_that_was_expunged_follows_the_new_key_of_its_parent(session: Session, models: SimpleNamespace) -> None:
    left = session.get(models.Node, 2)
    (leaf,) = left.children
    session.expunge(leaf)
    session.execute(delete(models.Node.__table__).where(models.Node.__table__.c.id == 3))
    left.id = 7
    with pytest.warns(SAWarning, match="the pk change along this relationship"):
        session.flush()
    assert leaf.parent_id == 7


def test_a_refresh_of_some_attributes_ends_the_expiry_of_the_whole_object(
    session: Session, models: SimpleNamespace
) -> None:
    company = session.get(models.Company, 2)
    for names in (["id"], ["id", "items"]):
        session.expire(company)
        session.refresh(company, names)
        assert not inspect(company).expired
        assert inspect(company).expired_attributes >= {"name", "city", "version"}
        assert session.get(models.Company, 2) is company
        assert "name" not in company.__dict__
    (item,) = company.items
    company.items = []
    assert history(item, "owner") == [[None], [], [company]]
    assert (company.name, company.city) == ("bob", "oslo")


def test_adding_objects_whose_rows_are_gone_begins_no_transaction(session: Session, models: SimpleNamespace) -> None:
    badge = session.get(models.Badge, 1)
    session.delete(badge)
    session.commit()
    with pytest.raises(InvalidRequestError):
        session.add_all([badge])
    assert not session.in_transaction()
    session.add_all([models.Badge()])
    assert session.in_transaction()


def test_an_object_that_lost_its_parent_has_it_back_after_a_rollback(session: Session, models: SimpleNamespace) -> None:
    owner = session.get(models.Owner, 1)
    first, second = owner.items
    owner.items.remove(first)
    second.owner = None
    session.rollback()
    first.name = second.name = "kept"
    session.commit()
    assert [item.name for item in owner.items] == ["kept", "kept"]


def test_an_orphan_whose_delete_is_rolled_back_is_no_orphan(session: Session, models: SimpleNamespace) -> None:
    owner = session.get(models.Owner, 1)
    first, second = owner.items
    with session.begin_nested() as savepoint:
        owner.items.remove(first)
        session.flush()
        assert inspect(first).deleted
        savepoint.rollback()
    first.name = "kept"
    session.commit()
    assert owner.items == [first, second]


def test_an_expired_object_is_no_orphan(session: Session, models: SimpleNamespace) -> None:
    item = session.get(models.Item, 1)
    assert item.owner.id == 1
    del item.owner
    session.expire_all()
    item.name = "kept"
    session.commit()
    assert item.owner.id == 1


def test_a_relationship_is_read_as_it_is_after_its_autoflush_has_deleted_the_object(
    session: Session, models: SimpleNamespace
) -> None:
    pen, hat = session.get(models.Item, 1), session.get(models.Item, 3)
    assert hat.owner.id == 2
    session.delete(pen)
    assert pen.badge is None
    del hat.owner
    assert hat.tags == []
    assert inspect(pen).deleted
    assert inspect(hat).deleted
    session.rollback()
    assert [tag.code for tag in pen.tags] == ["a", "b"]
    assert [tag.code for tag in hat.tags] == ["a"]


@pytest.mark.parametrize("put_off", ["load_only", "all", "named", "raising"])
def test_the_key_and_what_tells_the_class_are_never_deferred(
    session: Session, models: SimpleNamespace, put_off: str
) -> None:
    option = {
        "load_only": package.load_only(models.Owner.version),
        "all": package.defer("*"),
        "named": package.defer(models.Owner.kind),
        "raising": package.defer(models.Owner.id, raiseload=True),
    }[put_off]
    owners = session.scalars(select(models.Owner).order_by(models.Owner.id).options(option)).all()
    assert [(owner.__dict__["id"], owner.__dict__["kind"]) for owner in owners] == [(1, "owner"), (2, "company")]
    merged = session.merge(models.Owner(id=1))
    assert merged is owners[0]
    assert not session.is_modified(merged)


@pytest.mark.parametrize("verb", [update, delete])
def test_an_evaluated_statement_leaves_the_changes_of_expired_objects_alone(
    session: Session, models: SimpleNamespace, verb: Any
) -> None:
    session.autoflush = False
    leaf, tag = session.get(models.Node, 3), session.get(models.Tag, "b")
    session.commit()
    tag.name = leaf.name = "x"
    for entity in (models.Node, models.Tag):
        statement = verb(entity).where(entity.name == "x")
        if verb is update:
            statement = statement.values(name="y")
        session.execute(statement, execution_options={"synchronize_session": "evaluate"})
    assert inspect(leaf).persistent
    assert (leaf.name, tag.name) == ("x", "x")
    session.commit()
    assert (leaf.name, tag.name) == ("x", "x")


@pytest.mark.parametrize("load", [package.selectinload, package.immediateload])
def test_eager_loads_go_under_the_changes_that_are_queued(session: Session, models: SimpleNamespace, load: Any) -> None:
    session.autoflush = False
    owner = session.get(models.Owner, 1)
    items = session.scalars(select(models.Item).order_by(models.Item.id)).all()
    tag, other = session.get(models.Tag, "a"), session.get(models.Tag, "b")
    items[0].owner, items[2].owner = None, owner
    tag.items.remove(items[0])
    other.items.append(items[2])
    assert "items" not in owner.__dict__
    session.scalars(select(models.Owner).options(load(models.Owner.items))).unique().all()
    session.scalars(select(models.Item).options(load(models.Item.tags))).unique().all()
    assert owner.__dict__["items"] == [items[1], items[2]]
    assert history(owner, "items") == [[items[2]], [items[1]], [items[0]]]
    assert [item.__dict__["tags"] for item in items] == [[other], [], [tag, other]]
    session.commit()
    assert owner.items == [items[1], items[2]]
    assert [item.tags for item in items[1:]] == [[], [tag, other]]


def test_a_flush_warns_of_each_update_of_a_row_that_is_of_another_class(
    session: Session, models: SimpleNamespace
) -> None:
    company = session.get(models.Company, 2)
    assert session.merge(models.Owner(id=2, kind="owner", name="x")) is company
    with pytest.warns(SAWarning, match="owner"):
        session.flush()
    company.name = "y"
    with pytest.warns(SAWarning, match="owner"):
        session.flush()
    company.kind = "company"
    session.flush()


def test_the_rest_of_an_expired_object_loads_with_its_eager_relationships(
    session: Session, models: SimpleNamespace
) -> None:
    options = package.joinedload(models.Owner.items)
    owner = session.scalars(select(models.Owner).where(models.Owner.id == 1).options(options)).unique().one()
    session.expire(owner)
    session.refresh(owner, ["note"])
    assert not inspect(owner).expired
    assert owner.name == "ann"
    assert len(owner.__dict__["items"]) == 2


@pytest.mark.parametrize("forget", ["expire", "refresh"])
@pytest.mark.parametrize("orphans", [False, True])
def test_an_object_that_came_to_a_parent_stays_there_when_it_expires(
    session: Session, models: SimpleNamespace, forget: str, orphans: bool
) -> None:
    if orphans:
        old, new = session.get(models.Owner, 1), session.get(models.Owner, 2)
        places, moved = [old.items, new.items], [session.get(models.Item, 1), session.get(models.Item, 3)]
    else:
        old, new = session.get(models.Node, 1), session.get(models.Node, 2)
        places, moved = [old.children, new.children], [session.get(models.Node, 3)]
    with session.no_autoflush:
        for obj, place in zip(moved, [places[1], places[0]] if orphans else [places[0]], strict=True):
            place.append(obj)
        for obj in moved:
            getattr(session, forget)(obj)
    session.commit()
    if orphans:
        assert [item.owner for item in moved] == [new, old]
    else:
        assert moved[0].parent is old


@pytest.mark.parametrize("strategy", ["evaluate", "fetch"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_savepoint_that_is_rolled_back_takes_the_values_of_an_update_statement_with_it(
    savepoint_engine: Engine, models: SimpleNamespace, strategy: str, depth: int
) -> None:
    with Session(savepoint_engine) as session:
        tag, other = session.get(models.Tag, "a"), session.get(models.Tag, "b")
        savepoints = [session.begin_nested() for _ in range(depth)]
        statement = update(models.Tag).where(models.Tag.code == "a").values(name="z")
        session.execute(statement, execution_options={"synchronize_session": strategy})
        assert tag.name == "z"
        for inner in savepoints[:0:-1]:
            inner.commit()
        savepoints[0].rollback()
        assert tag.name == "red"
        assert "name" in other.__dict__


def test_a_deleted_object_that_comes_to_a_list_by_its_other_direction_is_warned_of(
    session: Session, models: SimpleNamespace
) -> None:
    item, tag = session.get(models.Item, 3), session.get(models.Tag, "a")
    tag.items.remove(item)
    session.delete(tag)
    session.commit()
    tag.items.append(item)  # which the tag remembers from before, and which has no row
    with pytest.warns(SAWarning, match="Tag object that is not in this Session"):
        session.commit()
    assert item.tags == []


@pytest.mark.parametrize("load", [package.selectinload, package.joinedload])
def test_an_expired_object_that_was_changed_and_flushed_loads_the_rest_with_what_is_eager(
    session: Session, models: SimpleNamespace, load: Any
) -> None:
    item = session.scalars(select(models.Item).where(models.Item.id == 3).options(load(models.Item.owner))).one()
    session.commit()
    item.name = "changed"
    session.flush()
    assert "owner_id" not in item.__dict__
    assert item.owner_id == 2
    assert item.__dict__["owner"].name == "bob"
    assert item.name == "changed"


@pytest.mark.parametrize("names", [None, ["name", "owner"], ["owner"]])
def test_a_refresh_takes_from_the_session_what_a_selectinload_of_one_object_refers_to(
    engine: Engine, session: Session, models: SimpleNamespace, names: Any
) -> None:
    item = session.scalars(
        select(models.Item).where(models.Item.id == 3).options(package.selectinload(models.Item.owner))
    ).one()
    company = item.owner
    with Statements(engine) as statements:
        session.refresh(item, names)
    assert item.__dict__["owner"] is company
    assert len(statements) == 1


def test_an_expired_object_that_could_not_be_loaded_is_still_expired(session: Session, models: SimpleNamespace) -> None:
    tag = session.get(models.Tag, "a")
    session.add(models.Tag(code="b"))
    with pytest.raises(IntegrityError):
        session.flush()
    assert inspect(tag).expired
    for _ in range(2):
        with pytest.raises(PendingRollbackError):
            tag.name  # noqa: B018
        with pytest.raises(PendingRollbackError):
            session.get(models.Tag, "a")
    assert inspect(tag).expired
    session.rollback()
    assert session.get(models.Tag, "a").name == "red"


@pytest.mark.parametrize("how", [{"populate_existing": True}, {"execution_options": {"an": "option"}}])
def test_a_get_with_options_flushes_once(session: Session, models: SimpleNamespace, how: dict[str, Any]) -> None:
    root, left, leaf = (session.get(models.Node, key) for key in (1, 2, 3))
    assert root.children == [left]
    session.delete(leaf)
    flushes: list[Any] = []
    event.listen(session, "before_flush", lambda *_: flushes.append(1))
    with session.no_autoflush:
        root.children.append(leaf)
    if "populate_existing" not in how:
        session.expunge(left)
    session.get(models.Node, 2, **how)
    assert flushes == [1]
    assert leaf.parent is root
    assert leaf in session.deleted


@pytest.mark.parametrize("take", ["merge", "set_committed_value"])
def test_a_changed_key_that_was_taken_as_loaded_is_no_key_of_the_row(
    session: Session, models: SimpleNamespace, take: str
) -> None:
    leaf = session.get(models.Node, 3)
    if take == "merge":
        leaf.id = 4
        session.merge(leaf, load=False)
    else:
        package.attributes.set_committed_value(leaf, "id", 4)
    leaf.name = "other"
    with pytest.raises(StaleDataError, match="Node"):
        session.flush()
    session.rollback()
    assert session.get(models.Node, 4) is None
    assert session.get(models.Node, 3) is leaf
    assert (leaf.id, leaf.name) == (3, "leaf")


def test_a_key_that_was_loaded_in_another_spelling_is_that_of_the_row(engine: Engine) -> None:
    Base: Any = package.declarative_base()

    class Cased(Base):
        __tablename__ = "cased"
        code = Column(LowerCase(10), primary_key=True)
        name = Column(String(10))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        cased = Cased(code="ABC", name="old")
        session.add(cased)
        session.flush()
        session.refresh(cased)
        assert (inspect(cased).identity, cased.code) == (("ABC",), "abc")
        gc.collect()  # what the row was made an object of
        cased.name = "new"
        session.flush()
        assert inspect(cased).identity == ("abc",)
        session.commit()
        assert session.get(Cased, "abc") is cased


def test_a_refresh_loads_a_relationship_that_it_names_whose_reads_may_not(
    session: Session, models: SimpleNamespace
) -> None:
    statement = select(models.Node).where(models.Node.id == 1)
    root = session.scalars(statement.options(package.raiseload(models.Node.children))).one()
    with pytest.raises(InvalidRequestError, match="forbids"):
        _ = root.children
    session.refresh(root, ["children"])
    assert [child.id for child in root.children] == [2]
