"""The errors of the object-relational layer; each carries its data, not only words.

All are kinds of the Core errors, so ``except sqlalchemy.exc.SQLAlchemyError``
and ``except sqlalchemy.exc.InvalidRequestError`` catch them too, and all take
the ``code`` of Core's errors.  Any can be made from a message alone; what it is
about is given by keyword and kept as an attribute, ``None`` where unknown.

Errors that Core has already (``PendingRollbackError``, ``IntegrityError``, ...)
are raised as they are and are found in :mod:`sqlalchemy.exc`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import (
    ArgumentError,
    InvalidRequestError,
    MultipleResultsFound,
    NoResultFound,
    SQLAlchemyError,
)

__all__ = [
    "NO_STATE",
    "ConcurrentModificationError",
    "DetachedInstanceError",
    "FlushError",
    "LoaderStrategyException",
    "MappedAnnotationError",
    "MultipleResultsFound",
    "NoResultFound",
    "ObjectDeletedError",
    "ObjectDereferencedError",
    "StaleDataError",
    "UnmappedClassError",
    "UnmappedColumnError",
    "UnmappedError",
    "UnmappedInstanceError",
]


class _CarriesData:
    """Keeps keyword arguments named in ``_data`` as attributes, also through a pickle."""

    _data: tuple[str, ...] = ()
    args: tuple[Any, ...]

    def __init__(self, *args: Any, **keywords: Any) -> None:
        for name in self._data:
            setattr(self, name, keywords.pop(name, None))
        super().__init__(*args, **keywords)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    """Make an error again as it was, without running its constructor's wording."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class StaleDataError(_CarriesData, SQLAlchemyError):
    """A statement of a flush reached another number of rows than it was for.

    Somebody else changed or deleted the row, or changed its version; or a
    trigger or a driver hides the true count.

    :param table: the table that was written to.
    :param expected: how many rows should have matched.
    :param matched: how many did.
    :param keys: the primary keys of the rows that did not; ``None`` where it is not known which these are.
    """

    _data = ("table", "expected", "matched", "keys")
    table: Any
    expected: int | None
    matched: int | None
    keys: list[tuple[Any, ...]] | None


#: The old name of :class:`StaleDataError`.
ConcurrentModificationError = StaleDataError


class FlushError(_CarriesData, SQLAlchemyError):
    """A flush cannot go on with the objects as they are.

    :param state: the state of the object that stands in the way.
    """

    _data = ("state",)
    state: Any


class MappedAnnotationError(_CarriesData, ArgumentError):
    """A ``Mapped[...]`` annotation cannot be understood.

    :param cls: the class that is being mapped.
    :param key: the attribute's name.
    """

    _data = ("cls", "key")
    cls: type[Any] | None
    key: str | None


class UnmappedError(_CarriesData, InvalidRequestError):
    """Something that has no mapping was given where a mapping is needed."""


class ObjectDereferencedError(_CarriesData, SQLAlchemyError):
    """The object was garbage-collected while its state was still in use.

    :param state: the state that has lost its object.
    """

    _data = ("state",)
    state: Any


class DetachedInstanceError(_CarriesData, SQLAlchemyError):
    """An attribute is not loaded, and its object has no Session to load it with.

    :param state: the object's state.
    :param key: the attribute's name.
    """

    code = "bhk3"
    _data = ("state", "key")
    state: Any
    key: str | None


class UnmappedInstanceError(UnmappedError):
    """An object whose class is not mapped was given where a mapped one is needed.

    :param obj: the object; kept as ``.obj``.
    :param msg: the message; by default one that names the object's class.
    """

    obj: Any

    def __init__(self, obj: Any, msg: str | None = None, **keywords: Any) -> None:
        self.obj = obj
        super().__init__(_about_instance(obj) if msg is None else msg, **keywords)


class UnmappedClassError(UnmappedError):
    """A class that is not mapped was given where a mapped one is needed.

    :param cls: the class; kept as ``.cls``.
    :param msg: the message; by default one that names the class.
    """

    cls: Any

    def __init__(self, cls: Any, msg: str | None = None, **keywords: Any) -> None:
        self.cls = cls
        super().__init__(_about_class(cls) if msg is None else msg, **keywords)


#: What looking for the state of an object that has none may raise.
NO_STATE = (AttributeError, KeyError)


class ObjectDeletedError(_CarriesData, InvalidRequestError):
    """The row of a persistent object is gone.

    :param state: the object's state, kept as ``.state``; or a message, as with
        any error.
    :param msg: the message; by default one that names the object.
    """

    state: Any

    def __init__(self, state: Any, msg: str | None = None, **keywords: Any) -> None:
        self.state = None if isinstance(state, str) else state
        if msg is None:
            msg = state if isinstance(state, str) else _about_lost_row(state)
        super().__init__(msg, **keywords)


class UnmappedColumnError(_CarriesData, InvalidRequestError):
    """A column was asked of a mapper that does not map it.

    :param column: the column.
    :param mapper: the mapper that was asked.
    """

    _data = ("column", "mapper")
    column: Any
    mapper: Any


class LoaderStrategyException(_CarriesData, InvalidRequestError):
    """An attribute has no loading strategy of the kind that an option asks for.

    :param cls: the mapped class.
    :param key: the attribute's name.
    :param strategy: what was asked for.
    """

    _data = ("cls", "key", "strategy")
    cls: type[Any] | None
    key: str | None
    strategy: Any


def _about_instance(obj: Any) -> str:
    if isinstance(obj, type):
        return (
            f"Expected an object of a mapped class, got the class {_name(obj)} itself; "
            f"give an object that was made from it"
        )
    kind = _name(type(obj))
    return (
        f"An object of {kind} cannot be used here, because {kind} is not mapped, or the object was made "
        f"without the mapped constructor; map the class first, and create its objects by calling it"
    )


def _about_class(cls: Any) -> str:
    if not isinstance(cls, type):
        return f"Expected a mapped class, got {cls!r}, which is no class"
    return f"The class {_name(cls)} is not mapped; map it, or derive it from a declarative base, before it is used here"


def _about_lost_row(state: Any) -> str:
    cls = getattr(state, "class_", None)
    key = getattr(state, "key", None)
    which = f"object of {_name(cls)}" if isinstance(cls, type) else "object"
    identity = f" with primary key {key[1]!r}" if isinstance(key, tuple) and len(key) > 1 else ""
    return (
        f"Cannot load the {which}{identity}: its row is not in the database any more; "
        f"expunge the object from its Session, or roll back"
    )


def _name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
