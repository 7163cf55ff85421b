"""The one switch between the compiled hot modules and their Python twins.

Everybody who needs a hot module takes it from here, by its name::

    from session._accel import topological

    topological.sort(edges, nodes)

It is ``session._cy.topological`` where every hot module has been built and
``session._py.topological`` otherwise: all of them or none, never a mixture.
The environment variable ``SESSION_PURE_PYTHON`` decides:

* unset (or empty): compiled if it is there, else pure;
* ``1``: pure;
* ``0``: compiled, or an ``ImportError`` that says why that cannot be.

PyPy, whose own compiler does better, is pure.  A module that was never built is
normal and passes in silence; one that was built and does not load is warned of.
:func:`implementation` and :func:`why` tell what happened.
"""

from __future__ import annotations

import os
import platform
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Literal

#: Each is ``cext/<name>.pyx`` and ``session/_py/<name>.py``; a test holds the three alike.
HOT_MODULES = (
    "topological",
    "histories",
    "state",
    "state_loops",
    "identity",
    "listening",
    "attributes",
    "scalars",
    "references",
    "collected",
    "descriptors",
    "adapters",
    "mutators",
    "followers",
    "construct",
    "loading",
    "pairings",
    "gather",
    "linking",
    "comparisons",
    "shapes",
    "cursors",
    "cascading",
    "merging",
    "runs",
)

_VARIABLE = "SESSION_PURE_PYTHON"


def implementation() -> Literal["compiled", "pure"]:
    """Tell which implementation of the hot modules this process uses."""
    return _implementation


def why() -> str:
    """Tell in one sentence why it is that implementation."""
    return _why


def _select() -> tuple[Literal["compiled", "pure"], str, dict[str, ModuleType]]:
    """Choose, import and return the modules.

    :return: the implementation's name, the reason, the modules by name.
    :raises ImportError: if the compiled ones are required and cannot be had, or
        the variable has a value that means nothing.
    """
    wish = os.environ.get(_VARIABLE, "")
    if wish not in ("", "0", "1"):
        raise ImportError(f"{_VARIABLE} is {wish!r}; it can be unset, 0 (compiled required) or 1 (pure)")
    if wish == "1":
        return "pure", f"{_VARIABLE}=1 asks for it", _load("_py")

    modules: dict[str, ModuleType] = {}
    reason = ""
    cause: ImportError | None = None
    missing = [name for name in HOT_MODULES if find_spec(f"session._cy.{name}") is None]
    if platform.python_implementation() == "PyPy":
        reason = "PyPy runs the pure modules"
    elif len(missing) == len(HOT_MODULES):
        reason = "the compiled modules were not built"
    elif missing:
        reason = f"the build is incomplete, without {', '.join(missing)}"
        cause = ImportError(reason)
    else:
        try:
            modules = _load("_cy")
        except ImportError as error:
            reason, cause = f"the compiled modules do not load: {error}", error

    if not reason:
        return "compiled", "every hot module is built and loads", modules
    if wish == "0":
        raise ImportError(f"{_VARIABLE}=0 requires the compiled modules, but {reason}") from cause
    if cause is not None:
        warnings.warn(f"session runs its slower pure modules: {reason}", RuntimeWarning, stacklevel=2)
    return "pure", reason, _load("_py")


def _load(package: str) -> dict[str, ModuleType]:
    return {name: import_module(f"session.{package}.{name}") for name in HOT_MODULES}


_implementation, _why, _modules = _select()

if TYPE_CHECKING:
    from session._py import adapters as adapters
    from session._py import attributes as attributes
    from session._py import cascading as cascading
    from session._py import collected as collected
    from session._py import comparisons as comparisons
    from session._py import construct as construct
    from session._py import cursors as cursors
    from session._py import descriptors as descriptors
    from session._py import followers as followers
    from session._py import gather as gather
    from session._py import histories as histories
    from session._py import identity as identity
    from session._py import linking as linking
    from session._py import listening as listening
    from session._py import loading as loading
    from session._py import merging as merging
    from session._py import mutators as mutators
    from session._py import pairings as pairings
    from session._py import references as references
    from session._py import runs as runs
    from session._py import scalars as scalars
    from session._py import shapes as shapes
    from session._py import state as state
    from session._py import state_loops as state_loops
    from session._py import topological as topological
else:
    globals().update(_modules)
