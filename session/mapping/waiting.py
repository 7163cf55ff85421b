"""Classes that are declared now and mapped later, because something is missing yet: columns that a database has.

``scan.py`` reads such a class when it is defined, makes its table, and leaves the scan with it (:func:`keep`); an
extension maps it when all is there (:func:`map_classes`).  Until then the class is *waiting*.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from session.constants import WAITING
from session.instrument.base import opt_manager_of_class
from session.mapping.configure import lock

if TYPE_CHECKING:
    from session.mapping.scan import ClassScan

__all__ = ["MappedLater", "is_declared", "keep", "map_classes", "scan_of", "waiting_below"]


class MappedLater:
    """A mixin: the declarative classes that derive from it wait to be mapped.

    :cvar _session_mapped_by_: what has to be called for that, for messages.
    """

    _session_mapped_by_ = ""


def scan_of(cls: type[Any]) -> ClassScan | None:
    """Return the scan of a class that is waiting; ``None`` for any other."""
    found: ClassScan | None = cls.__dict__.get(WAITING)
    return found


def is_declared(cls: type[Any]) -> bool:
    """Tell whether a class is instrumented or waiting, rather than a mixin or a base."""
    return WAITING in cls.__dict__ or opt_manager_of_class(cls) is not None


def keep(scan: ClassScan) -> None:
    """Have a class wait that has been read, and has its table."""
    if scan.table is not None:
        type.__setattr__(scan.cls, "__table__", scan.table)
    type.__setattr__(scan.cls, WAITING, scan)


def waiting_below(base: type[Any]) -> list[ClassScan]:
    """Return the scans of all waiting classes that derive from a class, in the order of their definition."""
    classes = [base]
    for cls in classes:  # grows meanwhile
        classes += cls.__subclasses__()
    scans = {scan.number: scan for scan in map(scan_of, classes) if scan is not None}
    return [scans[number] for number in sorted(scans)]


def map_classes(scans: Iterable[ClassScan]) -> None:
    """Map waiting classes, in the order given; none of them is configured before all are mapped.

    :raises sqlalchemy.exc.ArgumentError: if one cannot be mapped; it goes on waiting, and so do those after it.
    """
    with lock:
        for scan in scans:
            scan.map()
            type.__delattr__(scan.cls, WAITING)
