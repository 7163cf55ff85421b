"""The server ends the connection before each call in turn: a clear error, nothing half-written, a Session that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import exc, text

from tests.conftest import WATCHED

from .bench import TO_BE_KILLED, Bench, Trial
from .scenarios import SCENARIOS, TWO_PHASE, Scenario
from .test_driver_errors import sample

pytestmark = [
    pytest.mark.skipif(WATCHED, reason="these have engines of their own"),
    pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True),
]

_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = :name"
).bindparams(name=TO_BE_KILLED)


def killer(bench: Bench) -> Callable[[], None]:
    """Give a function that ends the connections of the engine with faults, as an administrator does."""

    def kill() -> None:
        with bench.plain.connect() as connection:
            connection.execute(_END)
        bench.wait_until_gone(TO_BE_KILLED)

    return kill


def run_all(bench: Bench, scenario: Scenario, most: int) -> None:
    bench.untouched(scenario)
    before, after, calls = bench.untouched(scenario)
    counts = []
    for at in sample(len(calls), most):
        if calls[at - 1].kind == "connect":
            continue
        trial = Trial(bench, scenario, before, after)
        hit = trial.run(at, before=killer(bench))
        try:
            counts.append(check(bench, trial, before, after))
        except BaseException as error:
            raise AssertionError(f"call {at} of {len(calls)}, {hit}") from error
    assert any(counts)


def check(bench: Bench, trial: Trial, before: Any, after: Any) -> bool:
    """What has to hold after a connection was lost.

    :return: whether the scenario met an error.
    """
    error = trial.error
    if error is not None:
        assert isinstance(error, exc.DBAPIError)
        assert error.connection_invalidated
        trial.check_failed_flush()
        trial.roll_back()
    trial.check_at_rest()
    in_doubt = bench.clear_prepared()
    present = bench.contents()
    assert present in (before, after)
    if error is None:
        assert present == after
        assert not in_doubt
        use_dead_connection(trial)
    elif in_doubt:
        assert present == before
    trial.check_objects()
    if error is not None:
        if present == after:
            bench.reset()
            trial.session.expunge_all()
            trial.kept.clear()
        trial.check_repeats()
    trial.session.close()
    return error is not None


def use_dead_connection(trial: Trial) -> None:
    """The connection died in the pool: who uses it first is told, and the next use opens another one."""
    try:
        trial.session.execute(text("SELECT 1"))
    except exc.DBAPIError as error:
        assert error.connection_invalidated
    trial.roll_back()
    assert trial.session.scalar(text("SELECT 1")) == 1
    trial.roll_back()


@pytest.mark.parametrize("name", SCENARIOS)
def test_connection_is_lost_before_each_call(database: Any, name: str) -> None:
    run_all(Bench(database, application_name=TO_BE_KILLED), SCENARIOS[name], most=6)


@pytest.mark.parametrize("name", TWO_PHASE)
def test_connection_is_lost_before_each_call_of_two_phases(database: Any, name: str) -> None:
    run_all(Bench(database, application_name=TO_BE_KILLED, twophase=True), TWO_PHASE[name], most=12)


def test_watched_connection_is_lost(database: Any) -> None:
    run_all(Bench(database, application_name=TO_BE_KILLED, watched=True), SCENARIOS["change"], most=6)
