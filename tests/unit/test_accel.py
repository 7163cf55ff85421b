"""The switch between compiled and pure, each case in a process of its own."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from session import _accel

ROOT = Path(__file__).parents[2]
PYPY = platform.python_implementation() == "PyPy"

REPORT = (
    "import warnings; warnings.simplefilter('always')\n"
    "from session import _accel\n"
    "packages = {vars(_accel)[name].__name__.rsplit('.', 1)[0] for name in _accel.HOT_MODULES}\n"
    "print(_accel.implementation(), *sorted(packages))\n"
    "print(_accel.why())\n"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the switch and of the pure modules, to which a test adds what it pretends was built."""
    ignore = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    package = tmp_path / "session"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("_py", "_cy"):
        shutil.copytree(ROOT / "session" / name, package / name, ignore=ignore)
    for path in (ROOT / "session").glob("*.py"):
        if path.name != "__init__.py":
            shutil.copy(path, package)
    return tmp_path


def build(copy: Path, names: tuple[str, ...] = _accel.HOT_MODULES, text: str | None = None) -> None:
    """Pretend that modules were built."""
    for name in names:
        pure = (copy / "session" / "_py" / f"{name}.py").read_text(encoding="utf-8")
        (copy / "session" / "_cy" / f"{name}.py").write_text(text or pure, encoding="utf-8")


def run(folder: Path, wish: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "SESSION_PURE_PYTHON"}
    if wish is not None:
        environment["SESSION_PURE_PYTHON"] = wish
    return subprocess.run(
        [sys.executable, "-c", REPORT], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_what_this_process_uses_is_told() -> None:
    assert _accel.implementation() in ("compiled", "pure")
    assert _accel.why()
    package = {"compiled": "session._cy", "pure": "session._py"}[_accel.implementation()]
    for name in _accel.HOT_MODULES:
        assert vars(_accel)[name].__name__ == f"{package}.{name}"


def test_compiled_is_in_use_where_it_is_required() -> None:
    if os.environ.get("SESSION_PURE_PYTHON") == "0":
        assert _accel.implementation() == "compiled"


@pytest.mark.skipif(PYPY, reason="PyPy is pure")
@pytest.mark.parametrize("wish", [None, "", "0"])
def test_a_whole_build_is_taken(copy: Path, wish: str | None) -> None:
    build(copy)
    done = run(copy, wish)
    assert done.stdout.startswith("compiled session._cy\n"), done.stderr
    assert done.stderr == ""


def test_1_is_pure_whatever_is_there(copy: Path) -> None:
    build(copy)
    done = run(copy, "1")
    assert done.stdout == "pure session._py\nSESSION_PURE_PYTHON=1 asks for it\n"
    assert done.stderr == ""


@pytest.mark.parametrize("wish", [None, ""])
def test_no_build_is_normal(copy: Path, wish: str | None) -> None:
    done = run(copy, wish)
    assert done.stdout.startswith("pure session._py\n"), done.stderr
    assert done.stderr == ""


def test_no_build_is_an_error_where_one_is_required(copy: Path) -> None:
    done = run(copy, "0")
    assert done.returncode == 1
    assert "ImportError: SESSION_PURE_PYTHON=0 requires the compiled modules, but " in done.stderr
    assert ("PyPy" if PYPY else "were not built") in done.stderr


@pytest.mark.skipif(PYPY, reason="PyPy does not look at the compiled modules")
def test_a_broken_build_warns_and_gives_pure(copy: Path) -> None:
    build(copy)
    build(copy, _accel.HOT_MODULES[-1:], "raise ImportError('undefined symbol: f')")
    done = run(copy, None)
    assert done.stdout.startswith("pure session._py\n"), done.stderr
    assert "RuntimeWarning" in done.stderr
    assert "undefined symbol: f" in done.stderr


@pytest.mark.skipif(PYPY, reason="PyPy does not look at the compiled modules")
def test_a_broken_build_is_an_error_where_one_is_required(copy: Path) -> None:
    build(copy, text="raise ImportError('undefined symbol: f')")
    done = run(copy, "0")
    assert done.returncode == 1
    assert "undefined symbol: f" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(PYPY or len(_accel.HOT_MODULES) < 2, reason="needs two hot modules to build one of them")
def test_half_a_build_is_none(copy: Path) -> None:
    build(copy, _accel.HOT_MODULES[:1])
    done = run(copy, None)
    assert done.stdout.startswith("pure session._py\n"), done.stderr
    assert "incomplete" in done.stderr


def test_another_value_is_refused(copy: Path) -> None:
    done = run(copy, "yes")
    assert done.returncode == 1
    assert "SESSION_PURE_PYTHON is 'yes'" in done.stderr
