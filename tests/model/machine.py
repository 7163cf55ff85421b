"""Draws the programs: one rule for each step, its arguments by the names and types of its parameters."""

from __future__ import annotations

import inspect
from typing import Any

import sqlalchemy.orm
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import session

from .comparison import differences, equalise, parts_ways
from .models import CLASSES
from .picture import picture
from .steps import STEPS
from .world import NothingToDo, Settings, World

NUMBERS = st.integers(0, 11)

BY_NAME = {
    "kind": st.sampled_from(CLASSES),
    "option": st.sampled_from(("", "selectinload", "joinedload")),
    "how": st.sampled_from(("auto", "fetch", "evaluate", False)),
}
BY_TYPE = {
    "int": NUMBERS,
    "int | None": st.none() | NUMBERS,
    "bool": st.booleans(),
    "list[int]": st.lists(NUMBERS, max_size=3),
}


class Worlds:
    """Both libraries, made once, and the program that runs on them."""

    def __init__(self) -> None:
        self.ours, self.theirs = World(session), World(sqlalchemy.orm)
        self.over = False

    def begin(self, settings: Settings) -> None:
        self.over = False
        for world in (self.ours, self.theirs):
            world.begin(settings)

    def end(self) -> None:
        self.over = False
        for world in (self.ours, self.theirs):
            world.end()

    def step(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Do a step in both worlds.

        :raises AssertionError: something is different afterwards that is promised to be equal.
        """
        outcomes = []
        for world in (self.ours, self.theirs):
            try:
                outcomes.append(world.run(STEPS[name], arguments))
            except NothingToDo:
                outcomes.append(None)
        ours, theirs = outcomes
        if ours is None or theirs is None:
            assert ours is theirs, "there was nothing to do in one world only"
            return
        if parts_ways(ours, theirs):
            self.over = True
            return
        equalise(self.ours, self.theirs)
        found = differences((ours, picture(self.ours)), (theirs, picture(self.theirs)))
        assert not found, "\n".join([f"after {name}{arguments}:", *found])

    def replay(self, steps: list[tuple[str, tuple[Any, ...]]], **settings: bool) -> None:
        """Run a program that is written down."""
        self.begin(Settings(**settings))
        try:
            for name, arguments in steps:
                if not self.over:
                    self.step(name, arguments)
        finally:
            self.end()


WORLDS = Worlds()


class Programs(RuleBasedStateMachine):
    """A program: settings, some objects to begin with, then steps."""

    @initialize(
        autoflush=st.booleans(),
        expire_on_commit=st.booleans(),
        listening=st.booleans(),
        watched=st.booleans(),
        kind=st.sampled_from((None, *CLASSES)),
    )
    def start(self, kind: str | None, **settings: bool) -> None:
        # who listens would hear of deleted objects that stay in the Session: see comparison.equalise
        settings["expire_on_commit"] |= settings["listening"]
        WORLDS.begin(Settings(**settings))
        if kind is not None:
            WORLDS.step("query", (kind, None, "", 0, False, True))

    def teardown(self) -> None:
        if WORLDS.ours.session is not None:
            WORLDS.end()


def rule_for(name: str) -> Any:
    """Make the rule of a step."""
    parameters = list(inspect.signature(STEPS[name]).parameters.values())[1:]

    def run(self: Programs, **arguments: Any) -> None:
        WORLDS.step(name, tuple(arguments[parameter.name] for parameter in parameters))

    run.__name__ = name
    drawn = {each.name: BY_NAME[each.name] if each.name in BY_NAME else BY_TYPE[each.annotation] for each in parameters}
    return precondition(lambda self: not WORLDS.over)(rule(**drawn)(run))


for _name in STEPS:
    setattr(Programs, _name, rule_for(_name))
