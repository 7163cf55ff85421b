"""Random loads come out alike in both implementations."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ..hot import Context, World, collect, outcome, picture, show, state_of
from .rows import COLUMNS


@pytest.mark.parametrize("seed", range(30))
def test_random_loads_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    runs = [program(world, random.Random(seed)) for world in worlds]
    for number, (compiled, pure) in enumerate(zip(*runs, strict=True)):
        assert compiled == pure, f"step {number}"


def program(world: World, chance: random.Random) -> Any:
    """Loads of all kinds over the same few identities, with changes and expirations between them."""
    cls = world.map(columns=COLUMNS, references=("other",), collections=("parts",))
    world.manager(cls).row = {"id": 0, "name": "expired", "note": "expired"}
    processors = [None, None, chance.choice([None, str])]
    if chance.random() < 0.4:
        world.manager(cls).dispatch.refresh.append(
            lambda state, context, keys: world.note("refresh", state.ident, keys)
        )
    if chance.random() < 0.4:
        world.manager(cls).dispatch.load.append(lambda state, context: world.note("load", state.ident))
    child = world.loader(cls, COLUMNS)
    child.positions, child.pk_positions = [("id", 3), ("name", 4)], (3,)
    held: dict[int, Any] = {}
    for run_id in range(1, 40):
        columns = chance.choice([COLUMNS, COLUMNS, ("id",), ("id", "note")])
        loader = world.loading.RowLoader(world.manager(cls).mapper)
        loader.positions = [(key, COLUMNS.index(key)) for key in columns]
        loader.pk_positions = (0,)
        nested = chance.choice([None, None, "ScalarPairing", "CollectionPairing"])
        if nested:
            key = "other" if nested == "ScalarPairing" else "parts"
            loader.nested = [getattr(world.pairings, nested)(key, child)]
        if chance.random() < 0.3:
            loader.late_keys = [key for key in COLUMNS if key not in columns]
        if chance.random() < 0.2:
            loader.callables = [("note", lambda state, passive: "by the object")]
        if chance.random() < 0.2:
            loader.reset_keys = ["other", "parts"]
        loader.bind([*processors, None, None])
        context = Context(world.home, run_id=run_id, plain=chance.random() < 0.5)
        context.populate_existing = chance.random() < 0.15
        context.carried_options = chance.choice([None, ("option", run_id)])
        context.identity_token = chance.choice([None, None, None, "t"])
        if chance.random() < 0.2 and held:
            context.refresh_state = state_of(chance.choice(list(held.values())))
            context.only_keys = chance.choice([None, ["name"]])
        size = chance.choice([1, 3, 12, 250])
        rows = [
            (
                chance.choice([None, 1, 2, 3, 4, 5]),
                f"n{chance.randrange(3)}",
                chance.randrange(3),
                chance.choice([None, 1, 6]),
                "c",
            )
            for _ in range(size)
        ]
        rows.sort(key=lambda row: (row[0] is None, row[0]) if nested else 0)
        objects: Any = outcome(lambda: None)
        try:
            objects = loader.load(context, rows)
        except Exception as error:
            gives: Any = outcome(fail_again, error)
        else:
            gives = [obj and (obj.__dict__.get("id"), state_of(obj).ident) for obj in objects]
            for obj in objects:
                if obj is not None and chance.random() < 0.3:
                    held[state_of(obj).ident] = obj
        objects = obj = None
        for obj in held.values():
            state, dict_ = state_of(obj), obj.__dict__
            change = chance.choice(["", "", "set", "expire", "expire some", "commit"])
            if change == "set":
                obj.name = f"changed {run_id}"
            elif change == "expire":
                state.expire(dict_)
            elif change == "expire some":
                state.expire_attributes(dict_, ["note", "parts"])
            elif change == "commit":
                state.commit_all(dict_)
        obj = state = dict_ = None
        if chance.random() < 0.3 and held:
            del held[chance.choice(list(held))]
        collect()
        yield (
            gives,
            [(ident, picture(state_of(obj))) for ident, obj in held.items()],
            sorted(repr(state.ident) for state in world.home.all_states()),
            len(world.home),
            show(len(context.kept)),
            world.log[-20:],
        )
        obj = None


def fail_again(error: Exception) -> None:
    raise error
