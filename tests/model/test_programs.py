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
from .machine import SCHOOL_WORLDS, SHOP_WORLDS, Worlds, fixed_program, programs
from .models import SHOP
from .schema import Schema
from .school import SCHOOL

EXAMPLES = int(os.environ.get("SESSION_MODEL_EXAMPLES") or 0)
STEPS = int(os.environ.get("SESSION_MODEL_STEPS") or 25)


each_schema = pytest.mark.parametrize(
    "worlds", [pytest.param(SHOP_WORLDS, id="shop"), pytest.param(SCHOOL_WORLDS, id="school")]
)


@each_schema
@pytest.mark.parametrize("seed", range(120))
def test_fixed_program(worlds: Worlds, seed: int) -> None:
    steps, chosen = fixed_program(worlds.schema, seed)
    worlds.replay(steps, **chosen)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
@pytest.mark.parametrize("schema", [pytest.param(SHOP, id="shop"), pytest.param(SCHOOL, id="school")])
def test_fixed_programs_on_postgresql(database: Database, schema: Schema) -> None:
    pytest.importorskip("psycopg2")
    worlds = Worlds(schema, database.url)
    try:
        for seed in range(20):
            steps, chosen = fixed_program(schema, seed)
            worlds.replay(steps, **chosen)
    finally:
        worlds.dispose()


@each_schema
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
