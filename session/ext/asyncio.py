"""Asynchronous sessions: those of ``sqlalchemy.ext.asyncio``, with a Session of this package inside.

An :class:`AsyncSession` runs each method of its Session in a greenlet, and awaits the driver there; that is Core's
part, and stays Core's. Here are the classes whose defaults name a Session, and everything else of that module under
the same name::

    from session.ext.asyncio import async_sessionmaker, create_async_engine

    engine = create_async_engine("postgresql+asyncpg://...")
    Session = async_sessionmaker(engine, expire_on_commit=False)

    async with Session.begin() as session:
        session.add(User(name="ed"))
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from sqlalchemy.ext import asyncio as core
from sqlalchemy.ext.asyncio import (
    AsyncAttrs,
    AsyncConnection,
    AsyncEngine,
    AsyncMappingResult,
    AsyncResult,
    AsyncScalarResult,
    AsyncSessionTransaction,
    AsyncTransaction,
    AsyncTupleResult,
    async_engine_from_config,
    async_object_session,
    async_scoped_session,
    async_session,
    create_async_engine,
    create_async_pool_from_url,
)
from sqlalchemy.util import greenlet_spawn

from session.lookups import close_all_sessions as _close_all_sessions
from session.sessions import Session

__all__ = [
    "AsyncAttrs",
    "AsyncConnection",
    "AsyncEngine",
    "AsyncMappingResult",
    "AsyncResult",
    "AsyncScalarResult",
    "AsyncSession",
    "AsyncSessionTransaction",
    "AsyncTransaction",
    "AsyncTupleResult",
    "async_engine_from_config",
    "async_object_session",
    "async_scoped_session",
    "async_session",
    "async_sessionmaker",
    "close_all_sessions",
    "create_async_engine",
    "create_async_pool_from_url",
]


class AsyncSession(core.AsyncSession):
    """A Session for coroutines; its parameters and methods are those of ``sqlalchemy.ext.asyncio.AsyncSession``.

    :ivar sync_session: the :class:`session.Session` that does the work; ``run_sync()`` hands it to a function.
    """

    sync_session_class: Any = Session

    @classmethod
    async def close_all(cls) -> None:
        """Close all Sessions of this process; :func:`close_all_sessions` does the same."""
        await close_all_sessions()


_S = TypeVar("_S", bound=core.AsyncSession)


class async_sessionmaker(core.async_sessionmaker[_S], Generic[_S]):
    """Makes :class:`AsyncSession` objects, with the same arguments each time.

    :param bind: an ``AsyncEngine`` or ``AsyncConnection``.
    :param class_: what is made; :class:`AsyncSession` by default.
    :param keywords: the arguments of ``sqlalchemy.ext.asyncio.async_sessionmaker``.
    """

    def __init__(self, bind: Any = None, *, class_: Any = AsyncSession, **keywords: Any) -> None:
        super().__init__(bind, class_=class_, **keywords)


async def close_all_sessions() -> None:
    """Close all Sessions of this process."""
    await greenlet_spawn(_close_all_sessions)
