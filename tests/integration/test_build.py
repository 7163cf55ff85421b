"""Builds from a copy of the source: what they hold, and what they do without a compiler."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("Cython")
pytest.importorskip("wheel")

ROOT = Path(__file__).parents[2]
SHIPPED = ("CHANGES.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md", "pyproject.toml", "setup.py")
FOLDERS = (".ci", "cext", "docs", "examples", "perf", "session", "tests")
NOT_OURS = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", "*.egg-info")

pytestmark = pytest.mark.skipif(
    platform.python_implementation() == "PyPy" or not (ROOT / "README.md").exists(), reason="builds need CPython"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the source as a clone would have it."""
    copy = tmp_path / "source"
    copy.mkdir()
    for name in SHIPPED:
        shutil.copy(ROOT / name, copy)
    for name in FOLDERS:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, copy / name, ignore=NOT_OURS)
    return copy


def build(source: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    cleaned = {name: value for name, value in os.environ.items() if name != "SESSION_PURE_PYTHON"}
    return subprocess.run(
        [sys.executable, "setup.py", *command],
        cwd=source,
        env={**cleaned, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def files_of_wheel(source: Path) -> list[str]:
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_sdist_has_all_that_a_build_and_a_test_run_need(source: Path) -> None:
    done = build(source, "sdist")
    assert done.returncode == 0, done.stderr
    (sdist,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    ours = {
        path.relative_to(source).as_posix()
        for folder in FOLDERS
        for path in (source / folder).rglob("*")
        if path.is_file()
    }
    assert not (ours | set(SHIPPED)) - held
    assert not [name for name in held if name.endswith((".c", ".so", ".pyc"))]


def test_a_pure_wheel_fits_everywhere_and_holds_the_package_alone(source: Path) -> None:
    done = build(source, "bdist_wheel", SESSION_PURE_PYTHON="1")
    assert done.returncode == 0, done.stderr
    held = files_of_wheel(source)
    assert [path.name for path in (source / "dist").glob("*-py3-none-any.whl")]
    assert "session/py.typed" in held
    assert "session/_cy/__init__.py" in held
    assert {name.split("/")[0].split("-")[0] for name in held} == {"session"}
    assert not [name for name in held if name.endswith((".so", ".c", ".pyx"))]


@pytest.mark.parametrize("wish", ["", "0"])
def test_without_a_compiler_the_wheel_is_pure_unless_compiled_is_required(source: Path, wish: str) -> None:
    for path in (source / "cext").glob("*.p*"):
        if path.stem != "topological":  # one is enough, and sooner translated
            path.unlink()
    done = build(source, "bdist_wheel", CC="false", SESSION_PURE_PYTHON=wish)
    if wish == "0":
        assert done.returncode != 0
        return
    assert done.returncode == 0, done.stderr
    assert "could not be built" in done.stderr
    assert not [name for name in files_of_wheel(source) if name.endswith(".so")]


def test_another_wish_is_refused(source: Path) -> None:
    done = build(source, "bdist_wheel", SESSION_PURE_PYTHON="maybe")
    assert done.returncode != 0
    assert "SESSION_PURE_PYTHON is 'maybe'" in done.stderr
