"""What follows a change of a relationship, and the listeners it is told by, in both implementations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import ArgumentError

from session.constants import NO_VALUE, PASSIVE_NO_RESULT
from session.exc import UnmappedInstanceError

from .hot import World, outcome, picture, show, state_of


class Desk:
    """In place of a Session: notes what it is asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._warn_on_events = False
        self._transaction = None
        self.kept: list[Any] = []

    def _autobegin_for_change(self) -> None:
        pass

    def _contains_state(self, state: Any) -> bool:
        return state in self.kept

    def _save_or_update_state(self, state: Any) -> None:
        self.world.note("saved", state)
        self.kept.append(state)

    def _flush_warning(self, operation: str) -> None:
        self.world.note("warned", operation)


def related(world: World) -> tuple[Any, Any]:
    """Map parents with a list of children, two-way."""
    parents, children = type("Parent", (), {}), type("Child", (), {})
    world.map(parents, collections=["children"])
    world.map(children, references=["parent"])
    for cls, key, reverse, uselist in ((parents, "children", "parent", True), (children, "parent", "children", False)):
        on_append, on_set, on_remove = world.followers.backref_followers(key, reverse, uselist)
        world.listen(cls, key, "append" if uselist else "set", on_append if uselist else on_set)
        world.listen(cls, key, "remove", on_remove)
    return parents, children


def test_both_sides_change_together(world: World) -> None:
    parents, children = related(world)
    one, two, child = world.make(parents), world.make(parents), world.make(children)
    one.children.append(child)
    assert child.parent is one
    child.parent = two
    assert (list(one.children), list(two.children)) == ([], [child])
    two.children.remove(child)
    assert child.parent is None
    one.children = [child]
    assert child.parent is one
    del child.parent
    assert list(one.children) == []


def test_an_object_that_stands_twice_stays_related_until_the_last_goes(world: World) -> None:
    parents, children = related(world)
    parent, child = world.make(parents), world.make(children)
    parent.children.append(child)
    parent.children.append(child)
    parent.children.remove(child)
    assert child.parent is parent
    parent.children.remove(child)
    assert child.parent is None


def test_a_long_list_is_not_walked_for_each_object_that_leaves(world: World) -> None:
    parents, children = related(world)
    parent = world.make(parents)
    members = [world.make(children) for _ in range(200)]
    parent.children = members
    adapter = parent.children._sa_adapter
    assert not adapter.distinct
    assert parent.children.pop().parent is None
    assert adapter.distinct
    parent.children.remove(members[0])
    assert members[0].parent is None
    assert adapter.distinct
    ways = (
        lambda child: parent.children.append(child),
        lambda child: parent.children.insert(0, child),
        lambda child: parent.children.extend([child]),
        lambda child: parent.children.__setitem__(0, child),
        lambda child: parent.children.__setitem__(slice(0, 1), [child]),
        lambda child: parent.children.__iadd__([child]),
        lambda child: adapter.append_without_event(child),
        lambda child: adapter.append_multiple_without_event([child]),
    )
    for add_again in ways:
        child = parent.children[100]
        parent.children.pop()
        assert adapter.distinct
        add_again(child)
        assert not adapter.distinct
        assert parent.children.count(child) == 2
        parent.children.remove(child)
        assert child.parent is parent
        parent.children.remove(child)
        assert child.parent is None


def test_what_is_no_object_or_no_relationship_is_refused(world: World) -> None:
    parents, _ = related(world)
    parent, stranger = world.make(parents), world.make(world.map())
    for wrong in (1, "text", object(), World, [], parents):
        with pytest.raises(UnmappedInstanceError, match=r"can't be a value of Parent\.children"):
            parent.children.append(wrong)
    with pytest.raises(ArgumentError, match="its attribute 'parent' is not a relationship back to Parent"):
        parent.children.append(stranger)
    foreign = type("Foreign", (), {})()
    foreign.__dict__["_sa_instance_state"] = object()
    with pytest.raises(UnmappedInstanceError):
        parent.children.append(foreign)
    assert list(parent.children) == []


def test_followers_are_called_like_any_listener(world: World) -> None:
    parents, children = related(world)
    parent, child = world.make(parents), world.make(children)
    token = world.impl(parents, "children").append_token
    on_append, on_set, on_remove = world.followers.backref_followers("children", "parent", True)
    assert on_append(state_of(parent), child, token, key=3) is child
    assert child.parent is parent
    assert on_append(state_of(parent), None, token) is None
    assert on_remove(state_of(parent), child, world.impl(parents, "children").remove_token, key=None) is child
    assert child.parent is None
    for nothing in (None, NO_VALUE, PASSIVE_NO_RESULT):
        on_remove(state_of(parent), nothing, token)
        assert on_set(state_of(parent), None, nothing, token) is None
    for wrong in (None, 1, parent):
        with pytest.raises((TypeError, AttributeError)):
            on_append(wrong, child, token)


def cascading(world: World, keeps_no_orphans: bool) -> tuple[Any, Desk]:
    cls = world.map(collections=["parts"], references=["other"])
    desk = Desk(world)
    world.home = world.identity.IdentityMap(desk)
    world.owner = desk  # type: ignore[assignment]
    for key, uselist in (("parts", True), ("other", False)):
        followers = world.followers.cascade_followers(
            key, uselist, True, keeps_no_orphans, state_of, lambda *what: world.note("parted", what[1:])
        )
        on_append, on_set, on_remove = followers
        for event, listener in (("append", on_append), ("set", on_set), ("remove", on_remove)):
            world.listen(cls, key, event, listener)
    return cls, desk


@pytest.mark.parametrize("keeps_no_orphans", [True, False])
def test_objects_follow_into_the_session_and_out_of_it(world: World, keeps_no_orphans: bool) -> None:
    cls, desk = cascading(world, keeps_no_orphans)
    parent, first, second = world.make(cls), world.make(cls), world.make(cls)
    parent.parts.append(first)
    assert desk.kept == []
    world.file(parent, 1)
    parent.parts.append(second)
    parent.other = first
    assert desk.kept == [state_of(second), state_of(first)]
    desk._warn_on_events = True
    parent.other = None
    parent.parts.remove(second)
    parent.parts.append(second)
    warned = [what for what in world.log if what[1] == "warned"]
    assert [what[2] for what in warned] == ["related attribute set", "collection remove", "collection append"]
    assert len([what for what in world.log if what[1] == "parted"]) == (2 if keeps_no_orphans else 0)


def test_listeners_are_told_as_they_are_at_the_time(world: World) -> None:
    calls = [len, str]
    listeners = world.listening.Listeners(calls)
    assert listeners.now() == (len, str)
    assert bool(listeners)
    calls.remove(len)
    assert listeners.now() == (str,)
    calls.clear()
    assert not listeners
    assert listeners.now() == ()
    for wrong in (None, 1):
        with pytest.raises(TypeError):
            world.listening.Listeners(wrong)


def test_a_listener_may_remove_itself(world: World) -> None:
    cls = world.map()
    dispatch = world.impl(cls, "name").dispatch

    def once(state: Any, value: Any, old: Any, token: Any) -> Any:
        dispatch.set.remove(once)
        return value * 2

    world.listen(cls, "name", "set", once)
    obj = world.make(cls)
    obj.name = "a"
    obj.name = "b"
    assert obj.name == "b"


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_leave_the_same_in_both(worlds: tuple[World, World], seed: int) -> None:
    for number, (compiled, pure) in enumerate(zip(*(program(world, seed) for world in worlds), strict=True)):
        assert compiled == pure, number


def program(world: World, seed: int) -> Iterator[Any]:
    chance = random.Random(seed)
    parents, children = related(world)
    if chance.random() < 0.5:
        world.listen(parents, "children", "append")
        world.listen(children, "parent", "set")
        world.listen(parents, "children", "bulk_replace", lambda *what, keys=None: world.note("bulk", *what))
    objects = [world.make(parents) for _ in range(3)]
    others = [world.make(children) for _ in range(4)]
    for number, obj in enumerate(chance.sample(objects + others, 4)):
        world.file(obj, number)
    for _ in range(150):
        gives = step(chance, objects, others)
        yield gives, [picture(state_of(each)) for each in objects + others], len(world.log), world.log[-3:]
        yield show(list(world.home._modified)), [list(map(show, each.__dict__.get("children", ()))) for each in objects]


def step(chance: random.Random, objects: list[Any], others: list[Any]) -> Any:
    parent, child = chance.choice(objects), chance.choice(others)
    wrong = chance.choice([None, 1, parent])
    steps: list[Any] = [
        lambda: parent.children.append(child),
        lambda: parent.children.remove(child),
        lambda: parent.children.insert(1, child),
        lambda: parent.children.append(wrong),
        lambda: parent.children.pop(),
        lambda: parent.children.clear(),
        lambda: parent.children.extend(others[:2]),
        lambda: parent.children.__setitem__(0, child),
        lambda: parent.children.__setitem__(slice(0, 2), [child]),
        lambda: parent.children.__delitem__(0),
        lambda: setattr(parent, "children", chance.sample(others, 2)),
        lambda: setattr(parent, "children", wrong),
        lambda: setattr(child, "parent", parent),
        lambda: setattr(child, "parent", None),
        lambda: setattr(child, "parent", wrong),
        lambda: delattr(child, "parent"),
        lambda: delattr(parent, "children"),
        lambda: state_of(parent).commit_all(parent.__dict__),
        lambda: state_of(child).commit_all(child.__dict__),
        lambda: state_of(child).expire(child.__dict__),
        lambda: state_of(parent).get_history("children", 0),
    ]
    return outcome(chance.choice(steps))
