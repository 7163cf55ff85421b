"""Leaks on purpose, in one way: the measuring has to find it."""

# ruff: noqa: T201

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import inspect

from .measuring import measure
from .world import Person, lasting

KEPT: list[Any] = []
BUFFER = bytearray()


def objects() -> None:
    KEPT.append(inspect(Person()))


def references() -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(Person.__mapper__))


def memory() -> None:
    BUFFER.extend(b"x" * 4000)


def blocks() -> None:
    KEPT.extend(bytes([65 + n, n]) for n in range(10))


def one_object() -> Iterable[Any]:
    person = Person()
    KEPT[:] = [person]
    return [person]


WAYS: dict[str, tuple[Callable[[], Any], str]] = {
    "objects": (objects, "more objects"),
    "references": (references, "more references"),
    "memory": (memory, "bytes"),
    "blocks": (blocks, "blocks"),
    "one object": (one_object, "still alive"),
}


def main(kind: str) -> None:
    work, complaint = WAYS[kind]
    try:
        measure(work, 200, lasting())
    except AssertionError as error:
        if complaint in str(error):
            print(f"found: {kind}")
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
