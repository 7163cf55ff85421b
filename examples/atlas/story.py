"""The whole story on one ORM, in a process of its own: `python -m examples.atlas.story --db URL`.

In: a database URL, and in the environment `ATLAS_ORM`. Out: tables on the terminal, and the time of each phase and
all answers in a JSON file. `__main__.py` starts it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import create_engine

from examples.atlas.answers import Answer
from examples.atlas.changes import CHANGES, counts
from examples.atlas.loading import make_continents
from examples.atlas.models import Base
from examples.atlas.orm import ORM_NAME, Session, sessionmaker
from examples.atlas.questions import QUESTIONS
from examples.atlas.sources import World, read_world


class Story:
    """Runs the phases one after the other and remembers how long each took and what it answered.

    Parameters:
        url: database; the tables of the atlas in it are dropped and made anew.
        console: where progress and answers go.
    """

    def __init__(self, url: str, console: Console) -> None:
        self.engine = create_engine(url)
        self.sessions: sessionmaker[Session] = sessionmaker(self.engine)
        self.console = console
        self.seconds: dict[str, float] = {}
        self.answers: list[Answer] = []

    def tell(self) -> None:
        """Load, ask, change."""
        world = read_world()
        Base.metadata.drop_all(self.engine)
        Base.metadata.create_all(self.engine)
        self.load(world)
        for step in (counts, *QUESTIONS, *CHANGES):
            phase = step.__name__.replace("_", " ")
            with self.sessions() as session, self.timed(phase):
                answer = step(session)
            self.answers.append(answer)
            answer.show(self.console)
        self.engine.dispose()

    def load(self, world: World) -> None:
        """Make all objects and write them in one transaction."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with (
            Progress(*columns, TimeElapsedColumn(), console=self.console) as progress,
            self.sessions() as session,
        ):
            making = progress.add_task("make objects", total=world.size)
            with self.timed("make objects"):
                continents = make_continents(world, lambda steps: progress.advance(making, steps))
            writing = progress.add_task("write them", total=None)
            with self.timed("write them"):
                session.add_all(continents)
                session.flush()
                session.commit()
            progress.update(writing, total=world.size, completed=world.size)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Take the wall-clock time of a phase."""
        start = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - start

    def report(self) -> dict[str, Any]:
        """Times and answers, to be written down."""
        return {
            "orm": ORM_NAME,
            "seconds": self.seconds,
            "answers": [answer.as_json() for answer in self.answers],
        }


def main() -> None:
    """Tell the story as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.atlas.story")
    parser.add_argument("--db", required=True, help="database URL")
    parser.add_argument("--report", type=Path, help="write times and answers there, as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    options = parser.parse_args()
    story = Story(options.db, Console(quiet=options.quiet))
    story.tell()
    if options.report:
        options.report.write_text(json.dumps(story.report()))


if __name__ == "__main__":
    main()
