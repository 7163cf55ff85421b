"""Makers of Sessions: ``sessionmaker``, and ``scoped_session``, which keeps one Session per thread or scope."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.engine import Connection, Engine, Result, ScalarResult
from sqlalchemy.exc import InvalidRequestError, SAWarning
from sqlalchemy.util import ScopedRegistry, ThreadLocalRegistry, immutabledict

from session.lookups import SessionLookups
from session.query import Query
from session.sessions import Session
from session.transaction import SessionTransaction

__all__ = ["QueryPropertyDescriptor", "scoped_session", "sessionmaker"]

_S = TypeVar("_S", bound=Session)
NO_OPTIONS: Mapping[str, Any] = immutabledict()


class sessionmaker(SessionLookups, Generic[_S]):
    """Makes Sessions with the same settings.

    Each maker makes Sessions of a subclass of its own, so that events can be put on one maker.

    >>> maker = sessionmaker(engine)  # doctest: +SKIP
    >>> with maker.begin() as session:  # doctest: +SKIP
    ...     session.add(User(name="ed"))

    :param bind: the bind of the Sessions.
    :param class_: the class of the Sessions, from which the maker derives its own.
    :param autoflush, expire_on_commit, info, kw: other settings, as for :class:`.Session`.
    """

    class_: type[_S]

    def __init__(
        self,
        bind: Engine | Connection | None = None,
        *,
        class_: type[_S] = Session,  # type: ignore[assignment]
        autoflush: bool = True,
        expire_on_commit: bool = True,
        info: Mapping[Any, Any] | None = None,
        **kw: Any,
    ) -> None:
        self.kw: dict[str, Any] = {
            **kw,
            "bind": bind,
            "autoflush": autoflush,
            "expire_on_commit": expire_on_commit,
        }
        if info is not None:
            self.kw["info"] = info
        self.class_ = type(class_.__name__, (class_,), {"__module__": class_.__module__})

    def __call__(self, **local_kw: Any) -> _S:
        """Make a Session.

        :param local_kw: settings that go before those of the maker; ``info`` is added to the maker's.
        """
        settings = {**self.kw, **local_kw}
        if "info" in self.kw and local_kw.get("info") is not None:
            settings["info"] = {**self.kw["info"], **local_kw["info"]}
        return self.class_(**settings)

    def begin(self) -> AbstractContextManager[_S]:
        """Give a context manager that makes a Session, begins, commits or rolls back, and closes."""
        return self()._maker_context_manager()

    def configure(self, **new_kw: Any) -> None:
        """Change settings for the Sessions to come."""
        self.kw.update(new_kw)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.kw.items())
        return f"{type(self).__name__}(class_={self.class_.__name__!r}, {settings})"


class QueryPropertyDescriptor(Protocol):
    """What :meth:`scoped_session.query_property` gives."""

    def __get__(self, instance: Any, owner: type[Any]) -> Query[Any]: ...


def _of_present_session(name: str, settable: bool = False) -> property:
    """An attribute that is the one of the scope's Session."""

    def read(self: Any) -> Any:
        return getattr(self.registry(), name)

    def write(self: Any, value: Any) -> None:
        setattr(self.registry(), name, value)

    return property(read, write if settable else None, doc=f"See ``Session.{name}``.")


class scoped_session(Generic[_S]):
    """One Session per scope, made at first use; every method of a Session, on the present one.

    >>> Current = scoped_session(sessionmaker(engine))  # doctest: +SKIP
    >>> Current.add(User(name="ed")); Current.commit(); Current.remove()  # doctest: +SKIP

    :param session_factory: makes the Sessions; a ``sessionmaker`` as a rule.
    :param scopefunc: gives something hashable that tells scopes apart; by default threads are scopes.
    """

    _support_async = False

    session_factory: Any
    registry: ScopedRegistry[_S]

    def __init__(self, session_factory: Any, scopefunc: Callable[[], Any] | None = None) -> None:
        self.session_factory = session_factory
        self.registry = (
            ThreadLocalRegistry(session_factory) if scopefunc is None else ScopedRegistry(session_factory, scopefunc)
        )

    def __call__(self, **kw: Any) -> _S:
        """Give the Session of the present scope.

        :param kw: settings for a Session that is made now.
        :raises InvalidRequestError: settings were given, but the scope has its Session already.
        """
        if not kw:
            return self.registry()
        if self.registry.has():
            raise InvalidRequestError(
                "This scope has its Session already, which cannot take other settings; call remove() first"
            )
        made: _S = self.session_factory(**kw)
        self.registry.set(made)
        return made

    def remove(self) -> None:
        """Close the Session of the present scope, if there is one, and forget it."""
        if self.registry.has():
            self.registry().close()
        self.registry.clear()

    def configure(self, **kwargs: Any) -> None:
        """Change settings of the maker, for Sessions to come."""
        if self.registry.has():
            warnings.warn(
                "The Session of this scope exists already and keeps its settings; the new ones are for later Sessions",
                SAWarning,
                stacklevel=2,
            )
        self.session_factory.configure(**kwargs)

    def query_property(self, query_cls: type[Query[Any]] | None = None) -> QueryPropertyDescriptor:
        """Give a class attribute that queries the class it is read from, in the present scope's Session.

        :param query_cls: the class of the queries; the Session's by default.
        """
        scoped = self

        class query:
            def __get__(self, instance: Any, owner: type[Any]) -> Any:
                if query_cls is None:
                    return scoped.registry().query(owner)
                return query_cls(owner, session=scoped.registry())

        return query()

    def __contains__(self, instance: object) -> bool:
        return instance in self.registry()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.registry())

    # -- the methods of the Session ------------------------------------------------------------

    def add(self, instance: Any, *, _warn: bool = True) -> None:
        """See ``Session.add``."""
        self.registry().add(instance, _warn=_warn)

    def add_all(self, instances: Iterable[Any]) -> None:
        """See ``Session.add_all``."""
        self.registry().add_all(instances)

    def begin(self, nested: bool = False) -> SessionTransaction:
        """See ``Session.begin``."""
        return self.registry().begin(nested=nested)

    def begin_nested(self) -> SessionTransaction:
        """See ``Session.begin_nested``."""
        return self.registry().begin_nested()

    def bulk_insert_mappings(
        self, mapper: Any, mappings: Iterable[dict[str, Any]], return_defaults: bool = False, render_nulls: bool = False
    ) -> None:
        """See ``Session.bulk_insert_mappings``."""
        self.registry().bulk_insert_mappings(mapper, mappings, return_defaults, render_nulls)

    def bulk_save_objects(
        self,
        objects: Iterable[Any],
        return_defaults: bool = False,
        update_changed_only: bool = True,
        preserve_order: bool = True,
    ) -> None:
        """See ``Session.bulk_save_objects``."""
        self.registry().bulk_save_objects(objects, return_defaults, update_changed_only, preserve_order)

    def bulk_update_mappings(self, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        """See ``Session.bulk_update_mappings``."""
        self.registry().bulk_update_mappings(mapper, mappings)

    def close(self) -> None:
        """See ``Session.close``; the Session stays that of the scope."""
        self.registry().close()

    def reset(self) -> None:
        """See ``Session.reset``."""
        self.registry().reset()

    def commit(self) -> None:
        """See ``Session.commit``."""
        self.registry().commit()

    def connection(
        self, bind_arguments: Mapping[str, Any] | None = None, execution_options: Mapping[str, Any] | None = None
    ) -> Connection:
        """See ``Session.connection``."""
        return self.registry().connection(bind_arguments, execution_options)

    def delete(self, instance: Any) -> None:
        """See ``Session.delete``."""
        self.registry().delete(instance)

    def delete_all(self, instances: Iterable[Any]) -> None:
        """See ``Session.delete_all``."""
        self.registry().delete_all(instances)

    def enable_relationship_loading(self, obj: Any) -> None:
        """See ``Session.enable_relationship_loading``."""
        self.registry().enable_relationship_loading(obj)

    def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> Result[Any]:
        """See ``Session.execute``."""
        return self.registry().execute(
            statement, params, execution_options=execution_options, bind_arguments=bind_arguments, **keywords
        )

    def expire(self, instance: Any, attribute_names: Iterable[str] | None = None) -> None:
        """See ``Session.expire``."""
        self.registry().expire(instance, attribute_names)

    def expire_all(self) -> None:
        """See ``Session.expire_all``."""
        self.registry().expire_all()

    def expunge(self, instance: Any) -> None:
        """See ``Session.expunge``."""
        self.registry().expunge(instance)

    def expunge_all(self) -> None:
        """See ``Session.expunge_all``."""
        self.registry().expunge_all()

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """See ``Session.flush``."""
        self.registry().flush(objects)

    def get(
        self,
        entity: Any,
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """See ``Session.get``."""
        return self.registry().get(
            entity,
            ident,
            options=options,
            populate_existing=populate_existing,
            with_for_update=with_for_update,
            identity_token=identity_token,
            execution_options=execution_options,
            bind_arguments=bind_arguments,
        )

    def get_one(
        self,
        entity: Any,
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """See ``Session.get_one``."""
        return self.registry().get_one(
            entity,
            ident,
            options=options,
            populate_existing=populate_existing,
            with_for_update=with_for_update,
            identity_token=identity_token,
            execution_options=execution_options,
            bind_arguments=bind_arguments,
        )

    def get_bind(
        self,
        mapper: Any = None,
        *,
        clause: Any = None,
        bind: Engine | Connection | None = None,
        **kw: Any,
    ) -> Engine | Connection:
        """See ``Session.get_bind``."""
        return self.registry().get_bind(mapper, clause=clause, bind=bind, **kw)

    def invalidate(self) -> None:
        """See ``Session.invalidate``."""
        self.registry().invalidate()

    def is_modified(self, instance: Any, include_collections: bool = True) -> bool:
        """See ``Session.is_modified``."""
        return self.registry().is_modified(instance, include_collections)

    def merge(self, instance: Any, *, load: bool = True, options: Sequence[Any] | None = None) -> Any:
        """See ``Session.merge``."""
        return self.registry().merge(instance, load=load, options=options)

    def merge_all(
        self, instances: Iterable[Any], *, load: bool = True, options: Sequence[Any] | None = None
    ) -> list[Any]:
        """See ``Session.merge_all``."""
        return self.registry().merge_all(instances, load=load, options=options)

    def prepare(self) -> None:
        """See ``Session.prepare``."""
        self.registry().prepare()

    def query(self, *entities: Any, **kwargs: Any) -> Query[Any]:
        """See ``Session.query``."""
        return self.registry().query(*entities, **kwargs)

    def refresh(self, instance: Any, attribute_names: Iterable[str] | None = None, with_for_update: Any = None) -> None:
        """See ``Session.refresh``."""
        self.registry().refresh(instance, attribute_names, with_for_update)

    def rollback(self) -> None:
        """See ``Session.rollback``."""
        self.registry().rollback()

    def scalar(self, statement: Any, params: Any = None, **keywords: Any) -> Any:
        """See ``Session.scalar``."""
        return self.registry().scalar(statement, params, **keywords)

    def scalars(self, statement: Any, params: Any = None, **keywords: Any) -> ScalarResult[Any]:
        """See ``Session.scalars``."""
        return self.registry().scalars(statement, params, **keywords)

    def in_transaction(self) -> bool:
        """See ``Session.in_transaction``."""
        return self.registry().in_transaction()

    def in_nested_transaction(self) -> bool:
        """See ``Session.in_nested_transaction``."""
        return self.registry().in_nested_transaction()

    def get_transaction(self) -> SessionTransaction | None:
        """See ``Session.get_transaction``."""
        return self.registry().get_transaction()

    def get_nested_transaction(self) -> SessionTransaction | None:
        """See ``Session.get_nested_transaction``."""
        return self.registry().get_nested_transaction()

    # -- its attributes ------------------------------------------------------------------------

    bind = _of_present_session("bind", settable=True)
    identity_map = _of_present_session("identity_map", settable=True)
    autoflush = _of_present_session("autoflush", settable=True)
    execution_options = _of_present_session("execution_options", settable=True)
    binds = _of_present_session("binds")
    dirty = _of_present_session("dirty")
    deleted = _of_present_session("deleted")
    new = _of_present_session("new")
    is_active = _of_present_session("is_active")
    info = _of_present_session("info")

    @classmethod
    def close_all(cls) -> None:
        """Close all Sessions in memory."""
        SessionLookups.close_all()

    @classmethod
    def object_session(cls, instance: Any) -> Session | None:
        """Give the Session that an object belongs to."""
        return SessionLookups.object_session(instance)  # type: ignore[no-any-return]

    @classmethod
    def identity_key(cls, class_: Any = None, ident: Any = None, **keywords: Any) -> tuple[Any, ...]:
        """Give an identity key; see ``Session.identity_key``."""
        return SessionLookups.identity_key(class_, ident, **keywords)

    @property
    def no_autoflush(self) -> Any:
        """See ``Session.no_autoflush``."""
        return self.registry().no_autoflush
