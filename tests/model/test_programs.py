"""Random programs on this package and on ``sqlalchemy.orm``: all that can be seen is equal after each step.

A few programs, always the same, some of them on PostgreSQL; and as many others, drawn anew and made small by hypothesis, as
the environment asks for:

* ``SESSION_MODEL_EXAMPLES``: how many of them; none if not set. ``make model`` runs others, see ``seeds``.
* ``SESSION_MODEL_STEPS``: how many steps they have at most, 25 if not set.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ..conftest import Database
from .machine import (
    SCHOOL_WORLDS,
    SHOP_WORLDS,
    WIDE_SCHOOL_WORLDS,
    WIDE_SHOP_WORLDS,
    Worlds,
    fixed_program,
    programs,
)
from .models import SHOP
from .schema import Schema
from .school import SCHOOL
from .wide_steps import WIDE

EXAMPLES = int(os.environ.get("SESSION_MODEL_EXAMPLES") or 0)
STEPS = int(os.environ.get("SESSION_MODEL_STEPS") or 25)


PLAIN = (pytest.param(SHOP_WORLDS, id="shop"), pytest.param(SCHOOL_WORLDS, id="school"))
WIDER = (pytest.param(WIDE_SHOP_WORLDS, id="wide shop"), pytest.param(WIDE_SCHOOL_WORLDS, id="wide school"))


@pytest.mark.parametrize("worlds", PLAIN)
@pytest.mark.parametrize("seed", range(80))
def test_fixed_program(worlds: Worlds, seed: int) -> None:
    steps, chosen = fixed_program(worlds, seed)
    worlds.replay(steps, **chosen)


@pytest.mark.parametrize("worlds", WIDER)
@pytest.mark.parametrize("seed", range(40))
def test_fixed_program_of_all_steps(worlds: Worlds, seed: int) -> None:
    steps, chosen = fixed_program(worlds, seed)
    worlds.replay(steps, **chosen)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
@pytest.mark.parametrize("schema", [pytest.param(SHOP, id="shop"), pytest.param(SCHOOL, id="school")])
def test_fixed_programs_on_postgresql(database: Database, schema: Schema) -> None:
    pytest.importorskip("psycopg2")
    worlds = Worlds(schema, database.url)
    try:
        for seed in range(20):
            chosen_worlds = worlds.with_steps(WIDE) if seed % 3 == 0 else worlds
            steps, chosen = fixed_program(chosen_worlds, seed)
            chosen_worlds.replay(steps, **chosen)
    finally:
        worlds.dispose()


@pytest.mark.parametrize("worlds", [*PLAIN, *WIDER])
@pytest.mark.skipif(not EXAMPLES, reason="SESSION_MODEL_EXAMPLES is not set")
def test_random_programs(worlds: Worlds) -> None:
    run_state_machine_as_test(
        programs(worlds),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )
