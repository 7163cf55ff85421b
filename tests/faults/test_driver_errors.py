"""Every call of the driver fails in turn: the error is the driver's, all or nothing is written, the Session tells the truth.

``SESSION_FAULTS_ALL=1``: every call fails in every way.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import exc, inspect

from session import implementation
from tests.conftest import WATCHED

from .bench import THOROUGH, Bench, Trial, little_to_collect, may_be_swallowed
from .faulty import FAST_WAY, Call, Fault
from .scenarios import FAST_STATEMENTS, SCENARIOS, TWO_PHASE

pytestmark = pytest.mark.skipif(WATCHED, reason="these have engines of their own, watched and not")

KINDS = ("operational", "integrity", "interrupt", "memory", "plain")
_DRIVERS_OWN = {"operational": "OperationalError", "integrity": "IntegrityError"}
_OTHERS = {"interrupt": KeyboardInterrupt, "memory": MemoryError, "plain": Fault}

COMMITS = ("commit", "tpc_commit")


def error_of(kind: str, bench: Bench) -> BaseException:
    if kind in _DRIVERS_OWN:
        return getattr(bench.engine.dialect.dbapi, _DRIVERS_OWN[kind])("as it was asked to")  # type: ignore[no-any-return]
    return _OTHERS[kind]("as it was asked to")


def faults_for(turn: int) -> Iterator[tuple[str, bool, bool]]:
    """How a call fails: kind, after its work or before, with plans not made yet."""
    if THOROUGH:
        for kind in KINDS:
            for late in (False, True):
                for cold in (False, True):
                    yield kind, late, cold
        return
    yield KINDS[turn % 5], turn % 2 == 1, turn % 4 == 3


def check_error(error: BaseException, raised: BaseException, hit: Call) -> None:
    """The error is the one that was raised, as Core would hand it on.

    When a transaction in two phases fails to begin, Core rolls back; where it has begun for the driver all the same,
    that refuses: its error comes out, with the first one behind it.
    """
    if hit.kind == "tpc_begin" and "two-phase transaction" in str(error):
        assert raised in chain_of(error)
        return
    if type(raised).__name__ in _DRIVERS_OWN.values():
        assert isinstance(error, exc.DBAPIError)
        assert error.orig is raised
        assert type(error).__name__ == type(raised).__name__
        if hit.is_statement:
            assert error.statement == hit.text
    elif hit.kind in ("cursor", "begin") and isinstance(error, exc.StatementError):
        assert error.orig is raised  # what goes wrong before there is a cursor
    else:
        assert error is raised, (error, raised)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def forget_frames(*errors: BaseException) -> None:
    """Let go of the cursors that tracebacks hold: with a statement under way they keep a SQLite file locked."""
    for error in errors:
        for one in chain_of(error):
            traceback.clear_frames(one.__traceback__)


def first_commit(calls: list[Call]) -> bool:
    return sum(call.kind in COMMITS for call in calls) == 1


def sample(count: int, most: int) -> list[int]:
    """Numbers from 1 to ``count``, evenly, with the last ones, where a transaction ends."""
    if implementation() == "pure":
        most //= 2  # the calls are the same ones
    if THOROUGH or count <= most:
        return list(range(1, count + 1))
    return sorted(
        {*(1 + number * count // most for number in range(most)), *range(count - max(most // 4, 3), count + 1)}
    )


def run_all(bench: Bench, name: str, scenario: Any, most: int) -> None:
    """Run a scenario with faults at its calls, one after the other.

    :param most: so many of the calls, about.
    """
    bench.untouched(scenario)
    before, after, calls = bench.untouched(scenario)
    with little_to_collect():
        for turn, at in enumerate(sample(len(calls), most), sum(map(ord, name))):
            for kind, late, cold in faults_for(turn):
                if cold:
                    bench.new_engine()
                try:
                    hit = run_one(bench, scenario, before, after, at, kind, late)
                except BaseException as error:
                    how = f"{kind}{', late' if late else ''}{', cold' if cold else ''}"
                    where = f"{name}, call {at} of {len(calls)}, {bench.faults.hit}"
                    raise AssertionError(f"{how}: {where}") from error
                assert hit is not None
    assert run_one(bench, scenario, before, after, len(calls) + 1, "plain", late=False) is None


def run_one(bench: Bench, scenario: Any, before: Any, after: Any, at: int, kind: str, late: bool) -> Call | None:
    raised = error_of(kind, bench)

    def fail() -> None:
        raise raised

    trial = Trial(bench, scenario, before, after)
    hit = trial.run(at, after=fail) if late else trial.run(at, before=fail)
    if trial.error is None:
        assert hit is None or may_be_swallowed(hit), f"an error was swallowed: {hit}"
    else:
        assert hit is not None
        check_error(trial.error, raised, hit)
        forget_frames(trial.error, raised)
        if not isinstance(raised, Exception):
            gc.collect()
        trial.check_failed_flush()
        trial.roll_back()
    trial.check_at_rest()
    trial.bench.clear_prepared()
    present = bench.contents()
    assert present in (before, after), f"half of it was written: {set(present) ^ set(before)}"
    if trial.error is None:
        assert present == after
    committing = hit is not None and hit.kind in COMMITS
    if committing and late:
        # committed, and nobody was told: what the program knows is that it does not know
        assert present == after
        trial.session.expunge_all()
        bench.reset()
        trial.kept[:] = [obj for obj in trial.kept if inspect(obj).transient]
    elif committing and first_commit(bench.faults.calls):
        assert present == before
    trial.check_objects()
    if trial.error is not None and present == after and not committing:
        trial.session.expunge_all()
        trial.kept.clear()
        bench.reset()
    if trial.error is not None:
        trial.check_repeats()
    trial.session.close()
    return hit


def fast_statements(calls: list[Call]) -> int:
    return sum(call.is_statement and call.caller in FAST_WAY for call in calls)


@pytest.mark.parametrize("name", SCENARIOS)
def test_calls_of_the_fast_way_fail_in_turn(database: Any, name: str) -> None:
    scenario = SCENARIOS[name]
    bench = Bench(database)
    _, _, calls = bench.untouched(scenario)
    assert fast_statements(calls) >= FAST_STATEMENTS[name], calls
    run_all(bench, name, scenario, most=10)


@pytest.mark.parametrize("name", SCENARIOS)
def test_calls_by_way_of_core_fail_in_turn(database: Any, name: str) -> None:
    scenario = SCENARIOS[name]
    bench = Bench(database, watched=True)
    _, _, calls = bench.untouched(scenario)
    assert fast_statements(calls) == 0, calls
    run_all(bench, name, scenario, most=4)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
@pytest.mark.parametrize("name", TWO_PHASE)
def test_calls_of_two_phases_fail_in_turn(database: Any, name: str) -> None:
    run_all(Bench(database, twophase=True), name, TWO_PHASE[name], most=10)
