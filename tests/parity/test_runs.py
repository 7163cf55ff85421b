"""What a run of a statement knows, in both implementations."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import Implementation

NAMES = (
    "autoflush",
    "bind_arguments",
    "carried_options",
    "connection",
    "execution_options",
    "identity_token",
    "lazy_loaded_from",
    "only_keys",
    "options",
    "params",
    "peers",
    "plain",
    "populate_existing",
    "refresh_state",
    "statement",
    "together",
    "watches_new",
    "yield_per",
    "_ends_result",
    "_gathered",
    "_held",
    "waiting",
)


def session(listened: Any = ()) -> Any:
    return SimpleNamespace(
        identity_map=object(), lazy_peers="of the Session", dispatch=SimpleNamespace(loaded_as_persistent=listened)
    )


def kind(implementation: Implementation) -> Any:
    class Run(implementation.runs.Run):  # type: ignore[misc, name-defined]
        __slots__ = ("__weakref__",)

        def carry(self, options: Any) -> Any:
            return [each for each in options if each != "dropped"] or None

    return Run


SETTINGS: list[dict[str, Any]] = [
    {},
    {"options": ("kept", "dropped")},
    {"options": ("dropped",)},
    {"execution_options": {"populate_existing": 1, "identity_token": "t", "yield_per": 5}},
    {"execution_options": {"identity_token": "t", "yield_per": 5}, "identity_token": "own", "yield_per": 7},
    {"execution_options": {"other": 1}, "populate_existing": True},
    {"refresh_state": "state", "only_keys": ["a"]},
    {"only_load_props": ["a"]},
    {"together": {}},
    {"only_load_props": ["a"], "only_keys": ["b"]},
    {"statement": 1, "params": 2, "bind_arguments": 3, "lazy_loaded_from": 4, "connection": 5, "autoflush": False},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("listened", [(), ("listener",)])
def test_both_know_the_same(
    both: tuple[Implementation, Implementation], settings: dict[str, Any], listened: Any
) -> None:
    compiled, pure = (kind(each)(session(listened), **settings) for each in both)
    for name in NAMES:
        assert getattr(compiled, name) == getattr(pure, name), name


@pytest.mark.parametrize("options", [(), ("kept",), ("dropped",)])
@pytest.mark.parametrize("execution_options", [{}, {"populate_existing": True, "identity_token": "other"}])
@pytest.mark.parametrize("listened", [(), ("listener",)])
@pytest.mark.parametrize("token", [None, "token"])
def test_a_run_can_be_started(
    implementation: Implementation, options: Any, execution_options: Any, listened: Any, token: Any
) -> None:
    own, made = session(listened), kind(implementation)
    started = made.start(own, options, execution_options, "statement", "params", "binds", token)
    usual = made(
        own,
        options=options,
        execution_options=execution_options,
        statement="statement",
        params="params",
        bind_arguments="binds",
        identity_token=token,
    )
    assert type(started) is made
    assert usual.run_id == started.run_id + 1
    for name in ("session", "identity_map", *NAMES):
        assert getattr(started, name) == getattr(usual, name), name


def test_each_run_has_a_number_of_its_own(implementation: Implementation) -> None:
    made = kind(implementation)
    numbers = [made(session()).run_id for _ in range(5)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert made(session(), run_id=3).run_id == 3


def test_the_session_has_to_be_one(implementation: Implementation) -> None:
    with pytest.raises(AttributeError):
        kind(implementation)(object())
    with pytest.raises(TypeError):
        kind(implementation)(session(), unheard_of=1)


def test_a_run_in_a_circle_is_collected(implementation: Implementation) -> None:
    run = kind(implementation)(session())
    run.statement = run
    reference = weakref.ref(run)
    del run
    gc.collect()
    assert reference() is None
