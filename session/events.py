"""Events of Sessions and queries, through ``sqlalchemy.event``.

Targets of Session events: the class ``Session`` or a subclass, one Session, a ``sessionmaker``, a
``scoped_session``.  Listeners of the life-cycle events get the object, or with ``raw=True`` its state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from session.core.event import legacy_signature
from session.core.inspection import precede
from session.factory import scoped_session, sessionmaker
from session.heard import heard
from session.instrument.class_events import InstrumentationEvents
from session.instrument.events import AttributeEvents, InstanceEvents
from session.mapping.events import MapperEvents, RegistryEvents
from session.query import Query
from session.sessions import Session

__all__ = [
    "AttributeEvents",
    "InstanceEvents",
    "InstrumentationEvents",
    "MapperEvents",
    "QueryEvents",
    "RegistryEvents",
    "SessionEvents",
]

_ABOUT_OBJECTS = frozenset(
    {
        "before_attach",
        "after_attach",
        "transient_to_pending",
        "pending_to_transient",
        "persistent_to_transient",
        "pending_to_persistent",
        "detached_to_persistent",
        "loaded_as_persistent",
        "persistent_to_deleted",
        "deleted_to_persistent",
        "deleted_to_detached",
        "persistent_to_detached",
    }
)


class SessionEvents(event.Events[Any]):
    """What happens to a Session, its transactions and the objects in it."""

    _target_class_doc = "SomeSessionClassOrObject"
    _dispatch_target = Session

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, scoped_session):
            made_by = target.session_factory
            if isinstance(made_by, sessionmaker):
                return made_by.class_
            if isinstance(made_by, type) and issubclass(made_by, Session):
                return made_by
            raise ArgumentError(
                f"Events on a scoped_session need one whose Sessions come from a sessionmaker or a Session class; "
                f"this one has {made_by!r}"
            )
        if isinstance(target, sessionmaker):
            return target.class_
        if isinstance(target, type):
            if issubclass(target, (scoped_session, sessionmaker)):
                return Session
            return target if issubclass(target, Session) else None
        return target if isinstance(target, Session) else None

    @classmethod
    def _listen(cls, event_key: Any, *, raw: bool = False, restore_load_context: bool = False, **keywords: Any) -> None:
        if event_key.identifier in _ABOUT_OBJECTS and not raw:
            event_key = event_key.with_wrapper(_with_object(event_key._listen_fn))
        heard.add(event_key.identifier)
        event_key.base_listen(**keywords)

    # -- statements ----------------------------------------------------------------------------

    def do_orm_execute(self, orm_execute_state: Any) -> None:
        """A statement is about to be executed; a result that the listener returns takes its place."""

    @legacy_signature(
        "0.9",
        ["session", "query", "query_context", "result"],
        lambda update_context: (update_context.session, update_context.query, None, update_context.result),
    )
    def after_bulk_update(self, update_context: Any) -> None:
        """``Query.update()`` was carried out; ``update_context`` has session, query, values and result."""

    @legacy_signature(
        "0.9",
        ["session", "query", "query_context", "result"],
        lambda delete_context: (delete_context.session, delete_context.query, None, delete_context.result),
    )
    def after_bulk_delete(self, delete_context: Any) -> None:
        """``Query.delete()`` was carried out; ``delete_context`` has session, query and result."""

    # -- transactions --------------------------------------------------------------------------

    def after_transaction_create(self, session: Any, transaction: Any) -> None:
        """A ``SessionTransaction`` was made: root, savepoint, or the one of a flush."""

    def after_transaction_end(self, session: Any, transaction: Any) -> None:
        """A ``SessionTransaction`` was closed."""

    def after_begin(self, session: Any, transaction: Any, connection: Any) -> None:
        """A transaction, or savepoint, was begun on a connection; SQL runs on that, as the Session takes none yet."""

    def before_commit(self, session: Any) -> None:
        """``commit()`` was called; its flush is still to come."""

    def after_commit(self, session: Any) -> None:
        """The connections were committed; no SQL can be emitted here."""

    def after_rollback(self, session: Any) -> None:
        """The connections were rolled back; the objects are not restored yet."""

    def after_soft_rollback(self, session: Any, previous_transaction: Any) -> None:
        """A rollback is complete, of whatever level."""

    # -- flush ---------------------------------------------------------------------------------

    def before_flush(self, session: Any, flush_context: Any, instances: Any) -> None:
        """A flush begins; objects may be added, changed and deleted here."""

    def after_flush(self, session: Any, flush_context: Any) -> None:
        """The SQL of a flush was emitted; ``new``, ``dirty`` and ``deleted`` are as before it."""

    def after_flush_postexec(self, session: Any, flush_context: Any) -> None:
        """A flush is complete, and the objects are in their new states."""

    # -- life cycle ----------------------------------------------------------------------------

    def before_attach(self, session: Any, instance: Any) -> None:
        """An object is about to come into the Session."""

    def after_attach(self, session: Any, instance: Any) -> None:
        """An object has come into the Session."""

    def transient_to_pending(self, session: Any, instance: Any) -> None:
        """A new object was added."""

    def pending_to_transient(self, session: Any, instance: Any) -> None:
        """A new object left the Session without a flush."""

    def persistent_to_transient(self, session: Any, instance: Any) -> None:
        """The INSERT of an object was rolled back."""

    def pending_to_persistent(self, session: Any, instance: Any) -> None:
        """A new object was flushed."""

    def detached_to_persistent(self, session: Any, instance: Any) -> None:
        """A detached object was added."""

    def loaded_as_persistent(self, session: Any, instance: Any) -> None:
        """An object was made from a row."""

    def persistent_to_deleted(self, session: Any, instance: Any) -> None:
        """The row of an object was deleted."""

    def deleted_to_persistent(self, session: Any, instance: Any) -> None:
        """The DELETE of an object was rolled back."""

    def deleted_to_detached(self, session: Any, instance: Any) -> None:
        """The DELETE of an object was committed."""

    def persistent_to_detached(self, session: Any, instance: Any) -> None:
        """An object left the Session."""


def _with_object(listener: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(listener)
    def about_object(session: Any, state: Any, *args: Any, **keywords: Any) -> Any:
        obj = state()
        if obj is None:
            return None
        return listener(session, obj, *args, **keywords)

    return about_object


class QueryEvents(event.Events[Any]):
    """What happens to a ``Query`` on its way to a statement."""

    _target_class_doc = "SomeQuery"
    _dispatch_target = Query

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, type):
            return target if issubclass(target, Query) else None
        return target if isinstance(target, Query) else None

    @classmethod
    def _listen(cls, event_key: Any, retval: bool = False, bake_ok: bool = False, **keywords: Any) -> None:
        if not retval:
            event_key = event_key.with_wrapper(_without_value(event_key._listen_fn))
        event_key.base_listen(**keywords)

    def before_compile(self, query: Any) -> None:
        """A query is about to become a statement; with ``retval=True`` a returned query takes its place."""

    def before_compile_update(self, query: Any, update_context: Any) -> None:
        """``Query.update()`` was called; with ``retval=True`` a returned query takes its place."""

    def before_compile_delete(self, query: Any, delete_context: Any) -> None:
        """``Query.delete()`` was called; with ``retval=True`` a returned query takes its place."""


def _without_value(listener: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(listener)
    def for_its_effect(*args: Any, **keywords: Any) -> None:
        listener(*args, **keywords)

    return for_its_effect


precede(SessionEvents)
precede(QueryEvents)
