"""Asynchronous sessions, on asynchronous drivers of both databases."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import ForeignKey, event, func, inspect, select, update
from sqlalchemy.exc import IllegalStateChangeError, IntegrityError, InvalidRequestError, MissingGreenlet, StatementError
from sqlalchemy.pool import NullPool

pytest.importorskip("greenlet")
pytest.importorskip("aiosqlite")
pytest.importorskip("asyncpg")

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from session.ext import asyncio as ours
from session.ext.asyncio import (
    AsyncAttrs,
    AsyncEngine,
    AsyncSession,
    async_object_session,
    async_scoped_session,
    async_session,
    async_sessionmaker,
    close_all_sessions,
    create_async_engine,
)

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    made: Mapped[int] = mapped_column(server_default="7")
    members: Mapped[list[Member]] = relationship(
        back_populates="team", cascade="all, delete-orphan", order_by="Member.id"
    )


class Member(Base):
    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"))
    points: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()
    team: Mapped[Team] = relationship(back_populates="members")
    __mapper_args__ = {"version_id_col": version}


Program = Callable[[AsyncEngine], Awaitable[None]]


@pytest.fixture
def run(database: Any) -> Callable[[Program], None]:
    """Run a coroutine with an engine whose tables are there."""
    url = database.url.set(drivername=DRIVERS[database.name])

    @asynccontextmanager
    async def engine_with_tables() -> AsyncIterator[AsyncEngine]:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            yield engine
        finally:
            await engine.dispose()

    async def main(program: Program) -> None:
        async with engine_with_tables() as engine:
            await program(engine)

    return lambda program: asyncio.run(main(program))


async def a_team(maker: async_sessionmaker[Any], name: str = "red", members: int = 3) -> int:
    async with maker.begin() as session:
        team = Team(name=name, members=[Member(points=number) for number in range(members)])
        session.add(team)
        await session.flush()
        return team.id


def test_a_program(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine, expire_on_commit=False)
        key = await a_team(maker)
        async with maker() as session:
            assert isinstance(session, AsyncSession)
            assert type(session.sync_session) is Session
            team = await session.get_one(Team, key)
            assert team.made == 7
            assert [member.points for member in await team.awaitable_attrs.members] == [0, 1, 2]
            team.name = "blue"
            await session.refresh(team, ["name"])
            assert team.name == "red"
            team.name = "blue"
            del team.members[0]
            await session.commit()
            statement = select(Team).options(selectinload(Team.members)).execution_options(populate_existing=True)
            again = (await session.execute(statement)).scalar_one()
            assert again is team
            assert (again.name, [member.points for member in again.members]) == ("blue", [1, 2])
            await session.delete(again)
            await session.commit()
            assert await session.scalar(select(func.count()).select_from(Member)) == 0

    run(program)


def test_many_rows(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        key = await a_team(maker, members=2500)
        async with maker() as session:
            members = (await session.scalars(select(Member).order_by(Member.id))).all()
            assert [member.points for member in members] == list(range(2500))
            for member in members:
                member.points += 1
            await session.commit()
            assert await session.scalar(select(func.sum(Member.points))) == sum(range(2501))
            result = await session.stream_scalars(
                select(Member).order_by(Member.id).execution_options(yield_per=100, populate_existing=True)
            )
            seen = [member.version async for member in result]
            assert seen == [2] * 2500
            await session.execute(update(Member).where(Member.team_id == key).values(points=5))
            assert {member.points for member in await session.scalars(select(Member))} == {5}

    run(program)


@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lazy_load_outside_of_a_greenlet_says_so(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        key = await a_team(maker)
        async with maker() as session:
            team = await session.get_one(Team, key)
            with pytest.raises((StatementError, MissingGreenlet), match="greenlet_spawn has not been called"):
                _ = team.members
            assert len(await team.awaitable_attrs.members) == 3
            assert await session.run_sync(lambda sync: len(sync.get_one(Team, key).members)) == 3

    run(program)
    gc.collect()  # the coroutine that was begun in vain


def test_the_asynchronous_session_of_an_object(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        key = await a_team(maker)
        team = Team()
        assert inspect(team).async_session is None
        assert async_object_session(team) is None
        async with maker() as session:
            team = await session.get_one(Team, key)
            assert inspect(team).async_session is session
            assert async_object_session(team) is session
            assert async_session(session.sync_session) is session
            await close_all_sessions()
            assert inspect(team).async_session is None
            assert team not in session
        with Session() as plain:
            plain.add(team)
            assert inspect(team).async_session is None

    run(program)


def test_errors_and_rollbacks(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        await a_team(maker)
        async with maker() as session:
            session.add(Team(name="red"))
            with pytest.raises(IntegrityError):
                await session.flush()
            await session.rollback()
            team = Team(name="green")
            session.add(team)
            async with session.begin_nested() as savepoint:
                team.name = "grey"
                await session.flush()
                await savepoint.rollback()
            await session.refresh(team)
            assert team.name == "green"
            await session.commit()
            assert sorted(await session.scalars(select(Team.name))) == ["green", "red"]

    run(program)


def test_many_tasks_with_a_session_each(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        key = await a_team(maker, members=1)

        async def read() -> int:
            async with maker() as session:
                team = await session.get_one(Team, key, options=[selectinload(Team.members)])
                await asyncio.sleep(0)
                return len(team.members)

        assert await asyncio.gather(*[read() for _ in range(20)]) == [1] * 20

        tasks = async_scoped_session(maker, scopefunc=asyncio.current_task)

        async def scoped() -> bool:
            try:
                team = await tasks.get_one(Team, key)
                await asyncio.sleep(0)
                return list(tasks.identity_map.values()) == [team] and async_object_session(team) is tasks()
            finally:
                await tasks.remove()

        assert await asyncio.gather(*[asyncio.create_task(scoped()) for _ in range(5)]) == [True] * 5

    run(program)


def test_two_tasks_in_one_session_are_refused(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        maker = async_sessionmaker(engine)
        key = await a_team(maker)
        unpooled = create_async_engine(engine.url, poolclass=NullPool)  # so that each connection takes a while
        async with maker(bind=unpooled) as session:
            team, error, other_error = await asyncio.gather(
                session.get(Team, key), session.get(Team, key), session.close(), return_exceptions=True
            )
            assert team.name == "red"
            assert isinstance(error, InvalidRequestError)
            assert error.code == "isce"
            assert isinstance(other_error, IllegalStateChangeError)
            await session.rollback()
            assert (await session.get_one(Team, key)).name == "red"

    run(program)


def test_events_reach_the_session_inside(run: Callable[[Program], None]) -> None:
    async def program(engine: AsyncEngine) -> None:
        heard = []
        maker = async_sessionmaker(engine)
        async with maker() as session:
            event.listen(session.sync_session, "before_commit", lambda sync: heard.append(async_session(sync)))
            session.add(Team(name="red"))
            await session.commit()
            assert heard == [session]

    run(program)


def test_everything_of_the_other_module_is_here() -> None:
    from sqlalchemy.ext import asyncio as theirs

    names = {
        name for name in dir(theirs) if not name.startswith("_") and not hasattr(getattr(theirs, name), "__path__")
    }
    modules = {"base", "engine", "exc", "result", "scoping", "session"}
    assert names - modules <= set(ours.__all__)
    assert all(hasattr(ours, name) for name in ours.__all__)
