"""The texts of statements with IN lists: the same as Core's, made once for each length."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, TypeDecorator, bindparam, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from session.core.expansion import Expansions
from session.core.plan import Plan, plan_for


class Shouted(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.upper()


THING = Table("thing", MetaData(), Column("id", Integer), Column("name", Shouted), Column("odd%name", Integer))
BY_LISTS = select(THING).where(
    THING.c.name.in_(bindparam("names", expanding=True)),
    THING.c.id == bindparam("id"),
    THING.c["odd%name"].in_(bindparam("odd%numbers", expanding=True)),
)


@pytest.fixture(params=[sqlite.dialect, postgresql.psycopg2.dialect], ids=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> Any:
    return request.param()


def by_core(plan: Plan, values: dict[str, Any]) -> tuple[str, Any]:
    """What Core sends for the same values."""
    compiled = plan.compiled
    values = dict(values)
    state = compiled._process_parameters_for_postcompile(values)
    processors = {**compiled._bind_processors, **state.processors}
    done = {name: processors.get(name, lambda value: value)(value) for name, value in values.items()}
    if plan.positional:
        return state.statement, tuple(done[name] for name in state.positiontup)
    escaped = compiled.escaped_bind_names or {}
    return state.statement, {escaped.get(name, name): value for name, value in done.items()}


def test_same_text_and_parameters_as_core(dialect: Any) -> None:
    plan = plan_for(BY_LISTS, dialect)
    lists: list[tuple[Any, Any]] = [(["a", "b"], [1]), ([], [1, 2]), (["c", "d"], [3]), (("x",), range(3)), ([], [])]
    for _ in range(3):
        for names, numbers in lists:
            values = plan.values({"names": names, "id": 5, "odd%numbers": numbers})
            assert plan.expand(dict(values)) == by_core(plan, values)


def test_a_length_that_comes_again_is_not_written_again(dialect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(BY_LISTS, dialect)
    written = []
    process = type(plan.compiled)._process_parameters_for_postcompile

    def counted(self: Any, values: Any) -> Any:
        written.append(values)
        return process(self, values)

    monkeypatch.setattr(type(plan.compiled), "_process_parameters_for_postcompile", counted)
    for round_ in range(5):
        values = {"names": [f"n{round_}", "z"], "id": round_, "odd%numbers": [round_]}
        _, parameters = plan.expand(plan.values(values))
        found = list(parameters) if plan.positional else list(parameters.values())
        assert sorted(map(str, found)) == sorted([f"N{round_}", "Z", str(round_), str(round_)])
    assert len(written) == 2
    for length in range(40):
        plan.expand(plan.values({"names": ["x"] * length, "id": 1, "odd%numbers": [1]}))
    assert plan._expansions is not None
    assert len(plan._expansions._kept) <= 8


@pytest.mark.parametrize(
    ("statement", "lists"),
    [
        (
            select(THING).where(tuple_(THING.c.id, THING.c.name).in_(bindparam("pairs", expanding=True))),
            [[(1, "a"), (2, "b")], [(3, "c"), (4, "d")], [(5, "e"), (6, "f")]],
        ),
        (
            select(THING).where(THING.c.id.in_(bindparam("pairs", expanding=True, literal_execute=True))),
            [[1, 2], [3, 4], [5, 6]],
        ),
    ],
    ids=["tuples", "literals"],
)
def test_other_texts_are_cores_each_time(dialect: Any, statement: Any, lists: list[Any]) -> None:
    plan = plan_for(statement, dialect)
    for pairs in lists:
        values = plan.values({"pairs": pairs})
        assert plan.expand(dict(values)) == by_core(plan, values)
    assert Expansions(plan.compiled)._lists is None
