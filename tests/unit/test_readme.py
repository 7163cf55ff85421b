"""What the README shows runs: its tour is a doctest, its programs are executed, the modules that it names are there."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[int, str]]:
    """``(line, text)`` of each fenced block of a language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    return [(TEXT.count("\n", 0, match.start(1)) + 1, match.group(1)) for match in found]


def test_the_tour_is_a_session_that_runs() -> None:
    tour = blocks("pycon")
    assert tour
    names = {"__name__": "readme_tour"}
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for line, text in tour:
        test = doctest.DocTestParser().get_doctest(text, names, "README.md", str(README), line - 1)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize(("line", "text"), [pytest.param(*block, id=f"line {block[0]}") for block in blocks("python")])
def test_a_program_runs(line: int, text: str) -> None:
    exec(compile("\n" * (line - 1) + text, str(README), "exec"), {"__name__": f"readme_line_{line}"})


def test_each_module_that_imports_are_changed_to_is_there() -> None:
    table = re.findall(r"^\| `(sqlalchemy\.orm[\w.]*)` \| `(session[\w.]*)` \|$", TEXT, re.M)
    assert table
    for _, ours in table:
        importlib.import_module(ours)
    [others] = re.findall(r"^and so on for the modules (.*?)\.$", TEXT, re.M | re.S)
    names = re.findall(r"`(\w+)`", others)
    assert len(names) > 20
    for name in names:
        importlib.import_module(f"session.{name}")


def test_the_files_that_it_links_to_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT)
    assert targets
    assert [target for target in targets if not (README.parent / target).exists()] == []


def test_the_files_on_the_map_are_there() -> None:
    text = (README.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`(?:session/)?([\w/]+\.py)(?:`|\.\w)", text) if "NAME" not in name}
    assert named
    sources = [path.as_posix() for path in README.parent.rglob("*.py") if ".venv" not in path.parts]
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in sources)] == []
