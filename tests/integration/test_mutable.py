"""Values that change inside: the same programs with this package and with ``sqlalchemy.orm``, row by row."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.mutable
import sqlalchemy.orm
from sqlalchemy import JSON, Column, Engine, ForeignKey, Integer, PickleType, String, inspect, select

import session
import session.ext.mutable


def make_models(orm: Any, mutable: Any) -> SimpleNamespace:
    base: Any = orm.declarative_base()

    class Mixin:
        mixed = Column(mutable.MutableDict.as_mutable(PickleType))

    class Point(mutable.MutableComposite):
        def __init__(self, x: Any, y: Any) -> None:
            self.x, self.y = x, y

        def __setattr__(self, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)
            self.changed()

        def __composite_values__(self) -> tuple[Any, ...]:
            return self.x, self.y

        def __getstate__(self) -> Any:
            return self.x, self.y

        def __setstate__(self, values: Any) -> None:
            self.x, self.y = values

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

        def __hash__(self) -> int:
            return hash((self.x, self.y))

        @classmethod
        def coerce(cls, key: str, value: Any) -> Any:
            return cls(*value) if isinstance(value, tuple) else super().coerce(key, value)

    class Thing(Mixin, base):
        __tablename__ = "thing"
        id = Column(Integer, primary_key=True)
        kind = Column(String(10))
        name = Column(String(10))
        data = Column(mutable.MutableDict.as_mutable(JSON), default=dict)
        items = Column(mutable.MutableList.as_mutable(PickleType()))
        members = Column(mutable.MutableSet.as_mutable(PickleType()))
        plain = Column(JSON)
        x = Column(Integer)
        y = Column(Integer)
        point = orm.composite(Point, x, y)
        __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "thing"}

    class Special(Thing):
        __tablename__ = "special"
        id = Column(ForeignKey("thing.id"), primary_key=True)
        more = Column(mutable.MutableDict.as_mutable(JSON))
        __mapper_args__ = {"polymorphic_identity": "special"}

    return SimpleNamespace(Thing=Thing, Special=Special, Point=Point, metadata=base.metadata, orm=orm, mutable=mutable)


OURS = make_models(session, session.ext.mutable)
THEIRS = make_models(sqlalchemy.orm, sqlalchemy.ext.mutable)
for _models, _prefix in ((OURS, "Our"), (THEIRS, "Their")):  # pickled by these names
    for _name in ("Thing", "Special", "Point"):
        _cls = getattr(_models, _name)
        _cls.__qualname__ = _prefix + _name
        globals()[_prefix + _name] = _cls


@pytest.fixture(params=["ours", "theirs"])
def models(request: pytest.FixtureRequest, engine: Engine) -> SimpleNamespace:
    found = OURS if request.param == "ours" else THEIRS
    found.metadata.create_all(engine)
    return found


@pytest.fixture
def opened(models: SimpleNamespace, engine: Engine) -> Iterator[Any]:
    with models.orm.Session(engine) as opened:
        yield opened


FULL = {"data": {"a": 1}, "items": [3, 1, 2], "members": {1, 2}, "mixed": {"m": 1}, "plain": {"p": 1}, "x": 1, "y": 2}

CHANGES: dict[str, list[Callable[[Any], Any]]] = {
    "data": [
        lambda data: data.__setitem__("b", 2),
        lambda data: data.__delitem__("a"),
        lambda data: data.update({"c": 3}, d=4),
        lambda data: data.setdefault("e", 5),
        lambda data: data.pop("a"),
        lambda data: data.popitem(),
        lambda data: data.clear(),
    ],
    "items": [
        lambda items: items.append(4),
        lambda items: items.extend([5, 6]),
        lambda items: items.__iadd__([7]),
        lambda items: items.insert(0, 8),
        lambda items: items.remove(3),
        lambda items: items.pop(),
        lambda items: items.pop(0),
        lambda items: items.sort(reverse=True),
        lambda items: items.reverse(),
        lambda items: items.__setitem__(slice(0, 2), [9]),
        lambda items: items.__setitem__(0, 9),
        lambda items: items.__delitem__(0),
        lambda items: items.clear(),
    ],
    "members": [
        lambda members: members.add(3),
        lambda members: members.update({4}, [5]),
        lambda members: members.__ior__({6}),
        lambda members: members.__iand__({1}),
        lambda members: members.__isub__({1}),
        lambda members: members.__ixor__({1, 9}),
        lambda members: members.intersection_update({1}),
        lambda members: members.difference_update({1}),
        lambda members: members.symmetric_difference_update({1, 7}),
        lambda members: members.remove(1),
        lambda members: members.discard(2),
        lambda members: members.pop(),
        lambda members: members.clear(),
    ],
    "mixed": [lambda mixed: mixed.__setitem__("n", 2)],
}


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, changes in CHANGES.items() for place in range(len(changes))]
)
def test_each_change_is_noticed_and_written(opened: Any, models: SimpleNamespace, name: str, place: int) -> None:
    change = CHANGES[name][place]
    expected = type(FULL[name])(FULL[name])  # type: ignore[operator]
    change(expected)
    new = models.Special(**FULL)
    assert type(getattr(new, name)).__name__ == f"Mutable{type(expected).__name__.title()}"
    opened.add(new)
    opened.commit()
    loaded = opened.get(models.Thing, new.id)
    value = getattr(loaded, name)
    assert not opened.is_modified(loaded)
    change(value)
    assert opened.is_modified(loaded)
    opened.commit()
    assert getattr(loaded, name) == expected
    change_again = FULL[name]
    setattr(loaded, name, change_again)
    opened.flush()
    assert not opened.is_modified(loaded)
    change(getattr(loaded, name))
    assert opened.is_modified(loaded)


def test_a_default_and_a_refreshed_value_tell_of_changes(opened: Any, models: SimpleNamespace) -> None:
    thing = models.Thing()
    opened.add(thing)
    opened.flush()
    thing.data["made"] = "by default"
    assert opened.is_modified(thing)
    opened.commit()
    for names in (None, ["data"]):
        opened.refresh(thing, names)
        assert thing.data == {"made": "by default"}
        thing.data["again"] = 1
        assert opened.is_modified(thing)
    opened.rollback()
    assert thing.data == {"made": "by default"}


def test_other_values_and_other_types_are_left_alone(opened: Any, models: SimpleNamespace) -> None:
    thing = models.Thing(**FULL)
    opened.add(thing)
    opened.commit()
    thing.plain["p"] = 2
    assert type(thing.plain) is dict
    assert not opened.is_modified(thing)
    thing.data = None
    assert thing.data is None
    with pytest.raises(ValueError, match="items"):
        thing.items = {"no": "list"}


def test_a_value_that_was_replaced_tells_no_more(opened: Any, models: SimpleNamespace) -> None:
    thing = models.Thing(**FULL)
    opened.add(thing)
    opened.flush()
    before = thing.data
    thing.data = {"new": 1}
    opened.flush()
    before["late"] = 1
    assert not opened.is_modified(thing)


def test_one_value_can_have_several_parents(opened: Any, models: SimpleNamespace) -> None:
    one, two = models.Thing(data={}), models.Special()
    two.data = one.data
    opened.add_all([one, two])
    opened.flush()
    one.data["x"] = 1
    assert opened.is_modified(one)
    assert opened.is_modified(two)
    opened.commit()
    assert one.data == two.data == {"x": 1}
    two.data["y"] = 2
    opened.commit()
    assert (one.data, two.data) == ({"x": 1}, {"x": 1, "y": 2})


@pytest.mark.parametrize("load", [True, False])
def test_merged_and_pickled_values_tell_of_changes(opened: Any, models: SimpleNamespace, load: bool) -> None:
    thing = models.Special(**FULL, more={"k": 1})
    opened.add(thing)
    opened.commit()
    assert (thing.data, thing.more, thing.items, thing.members, thing.point.x, thing.name) == (
        *({"a": 1}, {"k": 1}, [3, 1, 2], {1, 2}),
        *(1, None),
    )
    opened.expunge(thing)
    again = pickle.loads(pickle.dumps(thing))
    again.items.append("unpickled")
    assert inspect(again).modified
    merged = opened.merge(thing, load=load)
    opened.flush()
    merged.data["b"] = 2
    merged.items.append(4)
    merged.members.add(3)
    merged.more["l"] = 2
    merged.point.x = 7
    opened.commit()
    assert (merged.data, merged.items, merged.members, merged.more, merged.x) == (
        {"a": 1, "b": 2},
        [3, 1, 2, 4],
        {1, 2, 3},
        {"k": 1, "l": 2},
        7,
    )


@pytest.mark.parametrize("kind", ["Thing", "Special"])
def test_composites_tell_of_changes(opened: Any, models: SimpleNamespace, kind: str) -> None:
    thing = getattr(models, kind)(point=models.Point(1, 2))
    opened.add(thing)
    opened.commit()
    thing.point.x = 5
    assert opened.is_modified(thing)
    opened.commit()
    assert (thing.x, thing.y) == (5, 2)
    opened.expire(thing)
    thing.point.y = 6
    opened.flush()
    assert opened.execute(select(models.Thing.x, models.Thing.y)).one() == (5, 6)
    thing.point = (8, 9)
    opened.flush()
    thing.point.x = 10
    opened.commit()
    assert thing.point == models.Point(10, 9)
    opened.refresh(thing)
    thing.point.x = 11
    assert thing.x == 11
    transient = getattr(models, kind)(x=1, y=2)
    transient.point.x = 3
    assert transient.x == 3


def test_attributes_and_types_are_associated_by_name(engine: Engine) -> None:
    for orm, mutable in ((session, session.ext.mutable), (sqlalchemy.orm, sqlalchemy.ext.mutable)):
        base: Any = orm.declarative_base()  # type: ignore[attr-defined]

        class Special(JSON):
            pass

        class Own(mutable.MutableDict):  # type: ignore[name-defined,misc]
            pass

        class Kept(base):  # type: ignore[valid-type,misc]
            __tablename__ = "kept"
            id = Column(Integer, primary_key=True)
            by_type = Column(Special)
            by_attribute = Column(JSON)

        Own.associate_with(Special)
        orm.configure_mappers()  # type: ignore[attr-defined]
        mutable.MutableDict.associate_with_attribute(Kept.by_attribute)
        kept = Kept(by_type={}, by_attribute={})
        assert type(kept.by_type) is Own
        assert type(kept.by_attribute) is mutable.MutableDict
