"""Random programs on this package and on ``sqlalchemy.orm``: all that can be seen is equal after each step.

Few programs, always the same, unless the environment says otherwise:

* ``SESSION_MODEL_EXAMPLES``: how many programs; they are others each time. ``make model`` runs 20,000.
* ``SESSION_MODEL_STEPS``: how many steps a program has at most, 25 if not set.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Programs

EXAMPLES = int(os.environ.get("SESSION_MODEL_EXAMPLES") or 0)
STEPS = int(os.environ.get("SESSION_MODEL_STEPS") or 25)


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Let the collector look at everything again."""
    yield
    gc.unfreeze()


def test_random_programs() -> None:
    run_state_machine_as_test(
        Programs,
        settings=settings(
            max_examples=EXAMPLES or 150,
            stateful_step_count=STEPS,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        ),
    )
