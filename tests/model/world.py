"""One library at work: its classes, its database, its Session, and the objects that the program holds."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakSet

from sqlalchemy import URL, Engine, event, inspect

from .databases import make_engine
from .schema import Schema

OBJECT_EVENTS = (
    "before_attach",
    "after_attach",
    "transient_to_pending",
    "pending_to_transient",
    "pending_to_persistent",
    "persistent_to_transient",
    "persistent_to_deleted",
    "deleted_to_persistent",
    "deleted_to_detached",
    "persistent_to_detached",
    "detached_to_persistent",
    "loaded_as_persistent",
)
SESSION_EVENTS = (
    "before_flush",
    "after_flush",
    "after_flush_postexec",
    "before_commit",
    "after_commit",
    "after_rollback",
    "after_soft_rollback",
    "after_transaction_create",
    "after_transaction_end",
)
ROW_EVENTS = ("before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete")
INSTANCE_EVENTS = ("load", "refresh", "refresh_flush", "expire")
VALUE_EVENTS = ("append", "append_wo_mutation", "remove")


class Settings(NamedTuple):
    """How a program's Session is made, and who listens: to the Session, to the engine, to the mapped classes."""

    autoflush: bool = True
    expire_on_commit: bool = True
    listening: bool = False
    watched: bool = False
    hearing: bool = False


class Outcome(NamedTuple):
    """What came of one step."""

    result: Any
    error: str | None
    warnings: list[str]
    events: list[Any]
    heard: list[Any]
    statements: list[str]
    rows_written: int


class NothingToDo(Exception):
    """The step has no object to work on; it counts as nothing."""


class World:
    """A library, and one program on it after another.

    :param orm: ``session`` or ``sqlalchemy.orm``.
    :param schema: the mapped classes.
    :param url: of a PostgreSQL database, see ``databases``; SQLite in memory if it is not given.
    """

    def __init__(self, orm: ModuleType, schema: Schema, url: URL | None = None) -> None:
        self.orm = orm
        self.schema = schema
        self.models = schema.make(orm)
        self.engine: Engine = make_engine(url, f"{schema.classes[0]}_{orm.__name__}".replace(".", "_").lower())
        self.models.metadata.create_all(self.engine)
        self.raw: Any = self.engine.raw_connection().driver_connection
        self.tables = list(self.models.metadata.sorted_tables)
        self.session: Any = None
        self.has_deleted = False
        self.listeners: list[tuple[Any, str, Any]] = []

    def begin(self, settings: Settings) -> None:
        """Start a program: the rows of the beginning, a new Session, nothing held."""
        self.raw.fill(self.schema, self.models.metadata)
        gc.collect()
        gc.freeze()  # what is there now need not be looked at after each step
        self.session = self.orm.Session(
            self.engine, autoflush=settings.autoflush, expire_on_commit=settings.expire_on_commit
        )
        self.held: dict[int, Any] = {}
        self.has_deleted = False
        self.numbers = 0
        self.savepoints: list[Any] = []
        self.events: list[Any] = []
        self.heard: list[Any] = []
        self.deleted: WeakSet[Any] = WeakSet()
        self.pending: WeakSet[Any] = WeakSet()
        self.outside: WeakSet[Any] = WeakSet()
        self.rows_of_new: set[Any] = set()
        self.acting: dict[Any, bool] = {}
        if settings.watched:
            event.listen(self.engine, "before_cursor_execute", _watch)
        if settings.listening:
            self._listen()
        if settings.hearing:
            self._listen_to_classes()

    def end(self) -> None:
        """End a program, whatever state its Session is in."""
        if event.contains(self.engine, "before_cursor_execute", _watch):
            event.remove(self.engine, "before_cursor_execute", _watch)
        for target, name, listener in self.listeners:
            event.remove(target, name, listener)
        self.listeners.clear()
        session, self.session = self.session, None
        self.held.clear()
        self.savepoints.clear()
        session.close()

    def run(self, step: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
        """Do one step and give what came of it."""
        self.events.clear()
        self.heard.clear()
        self.raw.notes.clear()
        self.outside = WeakSet(obj for obj in self.held.values() if obj not in self.session)
        self.rows_of_new = {self.row_of(obj) for obj in self.session.new}
        written = self.raw.total_changes
        result, error = None, None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = self.plain(step(self, *arguments))
            except NothingToDo:
                raise
            except Exception as raised:
                error = type(raised).__name__
            gc.collect()
        deletes = any(note.startswith("DELETE") for note in self.raw.notes)
        self.has_deleted = self.raw.in_transaction and (deletes or self.has_deleted)
        return Outcome(
            result,
            error,
            sorted(warning.category.__name__ for warning in caught),
            list(self.events),
            list(self.heard),
            [note for note in self.raw.notes if not note.startswith("BEGIN")],
            self.raw.total_changes - written,
        )

    # -- objects -----------------------------------------------------------------------------------

    def hold(self, obj: Any) -> Any:
        """Keep the object alive under a number of its own."""
        if obj is not None and not any(held is obj for held in self.held.values()):
            self.numbers += 1
            self.held[self.numbers] = obj
        return obj

    def pick(self, which: int, *kinds: str) -> Any:
        """One of the held objects, of the given classes if any are given."""
        found = [obj for obj in self.held.values() if not kinds or type(obj).__name__ in kinds]
        if not found:
            raise NothingToDo
        return found[which % len(found)]

    def label(self, obj: Any) -> str:
        """A name that is the same in both worlds."""
        kind = type(obj).__name__
        for number, held in self.held.items():
            if held is obj:
                return f"{kind}#{number}"
        key = inspect(obj).identity
        if key is not None:
            return f"{kind}{list(key)}"
        values = {name: value for name, value in obj.__dict__.items() if isinstance(value, (int, str))}
        return f"{kind}{sorted(values.items())}"

    def row_of(self, obj: Any) -> tuple[str, frozenset[str]]:
        """The table of an object, and the criteria of its row as statements have them."""
        table = type(obj).__table__.name
        keys = self.schema.keys[type(obj).__name__]
        return table, frozenset(f"{table}.{key} = {obj.__dict__.get(key)!r}" for key in keys)

    def plain(self, value: Any) -> Any:
        """The value without objects of this world."""
        if type(value).__name__ in vars(self.models):
            return self.label(value)
        if isinstance(value, (list, tuple, set)):
            return [self.plain(each) for each in value]
        if value is None or isinstance(value, (int, str)):
            return value
        return type(value).__name__

    # -- events ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for name in OBJECT_EVENTS:
            event.listen(self.session, name, lambda session, obj, name=name: self.note_object(name, obj))
        for name in SESSION_EVENTS:
            event.listen(self.session, name, lambda session, *_, name=name: self.note(name, None))

    def _listen_to_classes(self) -> None:
        schema = self.schema
        for kind in schema.families:
            cls = getattr(self.models, kind)
            for name in ROW_EVENTS:
                self.listen_to(cls, name, lambda _, __, obj, name=name: self.hear(obj, name), propagate=True)
            for name in INSTANCE_EVENTS:
                self.listen_to(cls, name, self._instance_listener(name), propagate=True)
            for key in {*schema.columns[kind], *schema.to_one.get(kind, ())}:
                self.listen_to(getattr(cls, key), "set", self._setter(key), propagate=True)
                self.listen_to(getattr(cls, key), "remove", self._member("remove", key), propagate=True)
            for key in schema.to_many.get(kind, ()):
                for name in VALUE_EVENTS:
                    self.listen_to(getattr(cls, key), name, self._member(name, key), propagate=True)
                self.listen_to(getattr(cls, key), "bulk_replace", self._replacer(key), propagate=True)

    def listen_to(self, target: Any, name: str, listener: Any, **options: Any) -> None:
        event.listen(target, name, listener, **options)
        self.listeners.append((target, name, listener))

    def _instance_listener(self, name: str) -> Any:
        def hear(obj: Any, *details: Any) -> None:
            if name != "expire" or details[0] is None or details[0]:  # not of nothing, as after an UPDATE there
                self.hear(obj, name)

        return hear

    def _setter(self, key: str) -> Any:
        return lambda obj, value, old, _: self.hear(obj, "set", key, value, old)

    def _member(self, name: str, key: str) -> Any:
        return lambda obj, value, _, **__: self.hear(obj, name, key, value)

    def _replacer(self, key: str) -> Any:
        return lambda obj, values, _, **__: self.hear(obj, "bulk_replace", key, list(values))

    def hear(self, obj: Any, name: str, *values: Any) -> None:
        """Note an event of a mapped class; those of objects that are gone have nobody to be noted of."""
        if obj is None:
            return
        self.heard.append((self.label(obj), name, *map(self.plain, values)))

    def note(self, name: str, label: str | None) -> None:
        self.events.append((name, label))

    def note_object(self, name: str, obj: Any) -> None:
        """Note an event of an object; ``deleted_to_persistent`` if a flush has deleted it, as is documented;
        ``pending_to_transient`` once, and if it was pending; ``persistent_to_detached`` not if it was in no Session.
        """
        if name == "transient_to_pending":
            self.pending.add(obj)
        elif name == "pending_to_transient":
            if obj not in self.pending:
                return
            self.pending.discard(obj)
        elif name == "pending_to_persistent":
            self.pending.discard(obj)
        elif name == "after_attach":
            self.outside.discard(obj)
        elif name == "persistent_to_detached" and obj in self.outside:
            return
        elif name == "persistent_to_deleted":
            self.deleted.add(obj)
        elif name == "deleted_to_persistent":
            if obj not in self.deleted:
                return
            self.deleted.discard(obj)
        elif name == "deleted_to_detached":
            if obj not in self.deleted:  # heard before
                return
            self.deleted.discard(obj)
        self.note(name, self.label(obj))


def _watch(*_: Any) -> None:
    """A listener that does nothing but be there."""
