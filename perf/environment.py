"""What figures depend on besides the code: interpreter, libraries, machine.

In: nothing. Out: names and values, to put beside figures.
"""

from __future__ import annotations

import platform
import re
import sqlite3
import sysconfig
from importlib import metadata

import sqlalchemy


def here() -> dict[str, str]:
    """The environment of this process."""
    return {
        "implementation": platform.python_implementation(),
        "python": platform.python_version(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "options": _options(sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "machine": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": sqlalchemy.__version__,
        "cython": _version("cython"),
    }


def _options(arguments: str) -> str:
    """What the interpreter was configured with, without the folders of its place."""
    return " ".join(sorted(set(re.findall(r"--(?:enable|disable|with|without)-[\w-]+", arguments))))


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
