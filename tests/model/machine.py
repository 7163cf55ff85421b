"""Draws the programs: fixed ones by seed, or with hypothesis one rule for each step.

Arguments are drawn by the names and types of the parameters of a step.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import sqlalchemy.orm
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import URL

import session

from .comparison import FLUSH_ERRORS, differences, equalise, without_taken_rows
from .endings import (
    brought_back,
    came_to_keys,
    cleared,
    deletes_rows_of_new,
    displaced,
    doubled,
    emptied,
    forgotten,
    left_behind,
    nothing_here_or_there,
    outside,
    parts_ways,
    read_of_transient,
    unreadable,
    waits_with_its_tree,
    was_refused,
)
from .models import SHOP
from .picture import picture
from .schema import Schema
from .school import SCHOOL
from .steps import STEPS
from .wide_steps import WIDE
from .world import NothingToDo, Settings, World

Steps = Mapping[str, Callable[..., Any]]

NUMBERS = st.integers(0, 11)

CHOICES: dict[str, tuple[Any, ...]] = {
    "option": ("", "selectinload", "joinedload"),
    "how": ("auto", "fetch", "evaluate", False),
    "loader": (
        *("subqueryload", "immediateload", "raiseload", "lazyload", "defaultload"),
        *("defer", "load_only", "undefer"),
    ),
    "row_event": ("before_insert", "before_update"),
}
BY_NAME = {name: st.sampled_from(choices) for name, choices in CHOICES.items()}
BY_TYPE = {
    "int": NUMBERS,
    "int | None": st.none() | NUMBERS,
    "bool": st.booleans(),
    "list[int]": st.lists(NUMBERS, max_size=3),
}


class Worlds:
    """Both libraries, made once for each schema, and the program that runs on them.

    :param url: of a PostgreSQL database, see :class:`World`.
    :param steps: what the programs can do, by name.
    """

    def __init__(self, schema: Schema, url: URL | None = None, steps: Steps = STEPS) -> None:
        self.schema, self.steps = schema, steps
        self.ours, self.theirs = World(session, schema, url), World(sqlalchemy.orm, schema, url)
        self.over = False

    def with_steps(self, steps: Steps) -> Worlds:
        """The same worlds, for programs of other steps."""
        others = copy(self)
        others.steps = steps
        return others

    def begin(self, settings: Settings) -> None:
        self.over = False
        for world in (self.ours, self.theirs):
            world.begin(settings)

    def end(self) -> None:
        self.over = False
        for world in (self.ours, self.theirs):
            world.end()

    def dispose(self) -> None:
        """Close the connections."""
        for world in (self.ours, self.theirs):
            world.engine.dispose()

    def step(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Do a step in both worlds.

        :raises AssertionError: something is different afterwards that is promised to be equal.
        """
        outcomes = []
        had_deleted = self.ours.has_deleted
        gone = outside(self.ours) & outside(self.theirs)
        for world in (self.ours, self.theirs):
            try:
                outcomes.append(world.run(self.steps[name], arguments))
            except NothingToDo:
                outcomes.append(None)
        ours, theirs = outcomes
        if ours is None or theirs is None:
            self.over = nothing_here_or_there(ours, theirs) or deletes_rows_of_new(self.ours, ours, theirs)
            self.over = self.over or any(each(self.ours, self.theirs) for each in (doubled, emptied))
            assert ours is theirs or self.over, "there was nothing to do in one world only"
            equalise(self.ours, self.theirs)  # it may have looked at objects
            return
        ours = without_taken_rows(self.ours, ours, theirs)
        over = parts_ways(ours, theirs) or was_refused(name, ours, theirs)
        over = over or read_of_transient(name, arguments, self.ours, theirs)
        over = over or deletes_rows_of_new(self.ours, ours, theirs)
        over = over or any(each(self.ours, self.theirs) for each in (waits_with_its_tree, doubled, cleared, unreadable))
        if name in ("update_where", "delete_where"):
            over = over or forgotten(self.ours, self.theirs)
        if name == "savepoint_rollback":
            over = over or left_behind(self.ours, self.theirs)
        if ours.error in FLUSH_ERRORS and theirs.error in FLUSH_ERRORS:
            over = over or came_to_keys(self.ours, self.theirs)
        if "rollback" in name or ours.error:
            over = over or brought_back(gone & outside(self.ours), self.theirs)
            over = over or (had_deleted and displaced(self.ours, self.theirs))
        if over:
            self.over = True
            return
        equalise(self.ours, self.theirs)
        found = differences((ours, picture(self.ours)), (theirs, picture(self.theirs)))
        assert not found, "\n".join([f"after {name}{arguments}:", *found])
        self.over = name == "close" and had_deleted

    def replay(self, steps: list[tuple[str, tuple[Any, ...]]], **settings: bool) -> None:
        """Run a program that is written down."""
        self.begin(Settings(**settings))
        try:
            for name, arguments in steps:
                if not self.over:
                    self.step(name, arguments)
        finally:
            self.end()


SHOP_WORLDS, SCHOOL_WORLDS = Worlds(SHOP), Worlds(SCHOOL)
WIDE_SHOP_WORLDS, WIDE_SCHOOL_WORLDS = SHOP_WORLDS.with_steps(WIDE), SCHOOL_WORLDS.with_steps(WIDE)


def fixed_program(worlds: Worlds, seed: int) -> tuple[list[tuple[str, tuple[Any, ...]]], dict[str, bool]]:
    """Make a program that is the same with every version of Python and hypothesis.

    :returns: its steps and settings, for :meth:`Worlds.replay`.
    """
    schema, chance = worlds.schema, random.Random(seed)

    def draw(parameter: inspect.Parameter) -> Any:
        if parameter.name == "kind":
            return chance.choice(schema.classes)
        if parameter.name in CHOICES:
            return chance.choice(CHOICES[parameter.name])
        if parameter.annotation == "bool":
            return chance.random() < 0.5
        if parameter.annotation == "list[int]":
            return [chance.randrange(12) for _ in range(chance.randrange(4))]
        if parameter.annotation == "int | None" and chance.random() < 0.5:
            return None
        return chance.randrange(12)

    settings = {name: chance.random() < 0.5 for name in Settings._fields}
    settings["expire_on_commit"] |= settings["listening"]
    steps: list[tuple[str, tuple[Any, ...]]] = [("query", (chance.choice(schema.classes), None, "", 0, False, True))]
    for _ in range(chance.randrange(5, 25)):
        name = chance.choice(list(worlds.steps))
        parameters = list(inspect.signature(worlds.steps[name]).parameters.values())[1:]
        steps.append((name, tuple(map(draw, parameters))))
    return steps, settings


def programs(worlds: Worlds) -> type[RuleBasedStateMachine]:
    """Make the class of the random programs of a schema."""
    kinds = worlds.schema.classes

    class Programs(RuleBasedStateMachine):
        """A program: settings, some objects to begin with, then steps."""

        @initialize(kind=st.sampled_from((None, *kinds)), **{name: st.booleans() for name in Settings._fields})
        def start(self, kind: str | None, **settings: bool) -> None:
            # who listens would hear of deleted objects that stay in the Session: see comparison.equalise
            settings["expire_on_commit"] |= settings["listening"]
            worlds.begin(Settings(**settings))
            if kind is not None:
                worlds.step("query", (kind, None, "", 0, False, True))

        def teardown(self) -> None:
            if worlds.ours.session is not None:
                worlds.end()

    by_name = {**BY_NAME, "kind": st.sampled_from(kinds)}
    for name in worlds.steps:
        setattr(Programs, name, rule_for(worlds, name, by_name))
    return Programs


def rule_for(worlds: Worlds, name: str, by_name: dict[str, Any]) -> Any:
    """Make the rule of a step."""
    parameters = list(inspect.signature(worlds.steps[name]).parameters.values())[1:]

    def run(self: RuleBasedStateMachine, **arguments: Any) -> None:
        if not worlds.over:
            worlds.step(name, tuple(arguments[parameter.name] for parameter in parameters))

    run.__name__ = name
    drawn = {each.name: by_name[each.name] if each.name in by_name else BY_TYPE[each.annotation] for each in parameters}
    return rule(**drawn)(run)
