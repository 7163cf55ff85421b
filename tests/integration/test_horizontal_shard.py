"""``ShardedSession``: the same programs with this package and with ``sqlalchemy.orm``, on files and on schemas."""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.horizontal_shard
import sqlalchemy.orm
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    TypeDecorator,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import (
    ArgumentError,
    InvalidRequestError,
    MultipleResultsFound,
    SADeprecationWarning,
    UnboundExecutionError,
)

import session
import session.ext.horizontal_shard
from session.ext.horizontal_shard import ShardedQuery, ShardedSession, set_shard_id

from ..conftest import Database
from .extended import outcome

NAMES = ("america", "asia", "europe")


@pytest.fixture
def shards(database: Database, tmp_path: Any) -> Iterator[dict[str, Engine]]:
    """Three databases: files of SQLite, schemas of PostgreSQL."""
    if database.name == "sqlite":
        found = [Database("sqlite", database.url.set(database=str(tmp_path / f"{name}.db"))) for name in NAMES]
        yield {name: one.create_engine() for name, one in zip(NAMES, found, strict=True)}
        for one in found:
            one.dispose()
        return
    engine = database.create_engine()
    with engine.begin() as connection:
        for name in NAMES:
            connection.execute(text(f"CREATE SCHEMA {name}"))
    yield {name: engine.execution_options(schema_translate_map={None: name}) for name in NAMES}
    with engine.begin() as connection:
        for name in NAMES:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def make_models(orm: Any, extension: Any) -> SimpleNamespace:
    """Map places, reports about them, and tags of both; choosers that write down what they are asked."""
    asked: list[Any] = []

    class Base(orm.DeclarativeBase):
        pass

    place_tag = Table(
        "place_tag",
        Base.metadata,
        Column("place_id", ForeignKey("place.id"), primary_key=True),
        Column("tag_id", ForeignKey("tag.id"), primary_key=True),
    )

    class Place(Base):
        __tablename__ = "place"
        id = Column(Integer, primary_key=True)
        continent = Column(String(10))
        city = Column(String(20))
        note = orm.deferred(Column(String(20)))
        made = Column(Integer, server_default="7")
        capital_id = Column(ForeignKey("place.id"))
        capital = orm.relationship("Place", remote_side="Place.id", post_update=True)
        reports = orm.relationship("Report", back_populates="place", order_by="Report.id")
        tags = orm.relationship("Tag", secondary=place_tag, order_by="Tag.id")

    class Tag(Base):
        __tablename__ = "tag"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))

    class Report(Base):
        __tablename__ = "report"
        id = Column(Integer, primary_key=True)
        place_id = Column(ForeignKey("place.id"))
        degrees = Column(Integer)
        place = orm.relationship(Place, back_populates="reports")

    def shard_chooser(mapper: Any, instance: Any, clause: Any = None) -> Any:
        if instance is not None:
            asked.append(("shard", mapper.class_.__name__))
        if isinstance(instance, Report):
            return instance.place.continent
        return NAMES[0] if instance is None else getattr(instance, "continent", None) or instance.name

    def identity_chooser(mapper: Any, primary_key: Any, *, lazy_loaded_from: Any, **context: Any) -> Any:
        begun = None if lazy_loaded_from is None else lazy_loaded_from.class_.__name__
        asked.append(("identity", mapper.class_.__name__, list(primary_key), begun))
        return NAMES if lazy_loaded_from is None else [lazy_loaded_from.identity_token]

    def execute_chooser(execution: Any) -> Any:
        e = execution
        asked.append(("execute", e.is_select, e.is_update, e.is_delete, e.is_relationship_load, e.is_orm_statement))
        return NAMES

    def maker(shards: dict[str, Engine]) -> Any:
        return orm.sessionmaker(
            class_=extension.ShardedSession,
            shards=shards,
            shard_chooser=shard_chooser,
            identity_chooser=identity_chooser,
            execute_chooser=execute_chooser,
        )

    return SimpleNamespace(
        orm=orm, option=extension.set_shard_id, Base=Base, Place=Place, Tag=Tag, Report=Report, maker=maker, asked=asked
    )


def fill(models: SimpleNamespace, shards: dict[str, Engine]) -> Any:
    """Make the tables, and objects whose keys are the same in two shards."""
    gc.collect()  # cursors of results that nobody has read to their end
    for engine in shards.values():
        models.Base.metadata.drop_all(engine)
        models.Base.metadata.create_all(engine)
    m = models
    maker = models.maker(shards)
    with maker() as opened:
        boston = m.Place(id=1, continent="america", city="Boston", reports=[m.Report(id=1, degrees=1)])
        lima = m.Place(id=2, continent="america", city="Lima", capital=boston)
        tokyo = m.Place(id=1, continent="asia", city="Tokyo", reports=[m.Report(id=5, degrees=9)])
        rome = m.Place(id=7, continent="europe", city="Rome", note="old")
        rome.reports = [m.Report(id=2, degrees=20), m.Report(id=3, degrees=30)]
        opened.add_all([boston, lima, tokyo, rome])
        opened.commit()
        assert [inspect(one).identity_token for one in (boston, lima, tokyo, rome)] == [
            "america",
            "america",
            "asia",
            "europe",
        ]
        assert [inspect(one).identity_token for one in rome.reports] == ["europe", "europe"]
    return maker


def programs(models: SimpleNamespace, maker: Any) -> list[Any]:
    m, option = models, models.option
    orm = models.orm
    everywhere = select(m.Place)

    def cities(statement: Any, **keywords: Any) -> list[str]:
        return sorted(one.city for one in opened.scalars(statement, **keywords))

    def keys() -> list[Any]:
        return sorted(((key[0].__name__, *key[1:]) for key in opened.identity_map.keys()), key=str)  # noqa: SIM118

    def rome() -> Any:
        return opened.scalars(everywhere.where(m.Place.city == "Rome")).one()

    def back() -> list[str]:
        one = rome()
        return [report.place.city for report in one.reports]

    def present() -> Any:
        one = rome()
        return one is opened.get(m.Place, 7), one is opened.get(m.Place, 7, identity_token="europe")

    def reread() -> Any:
        one = rome()
        opened.expire(one)
        found = [one.city, one.note]
        opened.expire(one, ["city"])
        found.append(one.city)
        opened.refresh(one)
        return [*found, one.city]

    def change() -> Any:
        found = sorted(opened.scalars(everywhere), key=lambda one: one.city)
        for one in found:
            one.city += "!"
        opened.flush()
        return cities(everywhere)

    def remove() -> Any:
        for one in opened.scalars(everywhere.where(m.Place.id == 1)):
            for report in one.reports:
                if inspect(report).identity_token == inspect(one).identity_token:
                    opened.delete(report)
            one.reports = []
        opened.flush()
        opened.expire_all()
        opened.execute(update(m.Place).values(capital_id=None))
        for one in opened.scalars(everywhere.where(m.Place.id == 1)).all():
            opened.delete(one)
        opened.flush()
        return cities(everywhere), opened.execute(select(m.Report.id).order_by(m.Report.id)).all()

    def merged() -> Any:
        one = opened.merge(m.Place(id=7, continent="europe", city="Roma"))
        opened.flush()
        return inspect(one).key[1:], cities(everywhere)

    def made() -> Any:
        one = m.Place(id=8, continent="asia", city="x")
        opened.add(one)
        opened.flush()
        return (
            one.made,
            inspect(one).identity_token,
            [place.city for place in opened.scalars(everywhere) if place is one],
        )

    def given_token() -> Any:
        one = m.Place(id=9, continent="asia", city="x")
        inspect(one).identity_token = "europe"
        opened.add(one)
        opened.flush()
        return inspect(one).key[1:]

    def fails() -> Any:
        good, bad = m.Place(id=8, continent="asia", city="x"), m.Place(id=7, continent="europe", city="twice")
        opened.add_all([good, bad])
        error = outcome(opened.commit)
        opened.rollback()
        return error, inspect(good).transient, cities(everywhere)

    def updated(**keywords: Any) -> Any:
        one, other = sorted(opened.scalars(everywhere.where(m.Place.id == 1)), key=lambda place: place.city)
        statement = update(m.Place).where(m.Place.id == 1).values(city="new")
        matched = opened.execute(statement, **keywords).rowcount
        return matched, one.city, other.city

    def heard() -> Any:
        shards = []

        @event.listens_for(opened, "do_orm_execute")
        def hear(execution: Any) -> None:
            shards.append((execution.bind_arguments["shard_id"], execution.local_execution_options["identity_token"]))

        opened.scalars(everywhere).all()
        return shards

    shard = {"bind_arguments": {"shard_id": "asia"}}
    calls: list[Callable[[], Any]] = [
        lambda: cities(everywhere),
        keys,
        lambda: cities(everywhere.options(option("asia"))),
        lambda: cities(everywhere, **shard),
        lambda: cities(everywhere, execution_options={"identity_token": "america"}),
        lambda: cities(everywhere.options(orm.joinedload(m.Place.capital))),
        lambda: [one.city for one in opened.scalars(everywhere.order_by(m.Place.city.desc()))],
        lambda: sorted((one.city, inspect(one).key[1:]) for one in opened.scalars(everywhere.where(m.Place.id == 1))),
        lambda: [tuple(row) for row in opened.execute(select(m.Place.city, m.Place.id).order_by(m.Place.id))],
        lambda: opened.execute(select(m.Place.continent)).unique().all(),
        lambda: opened.execute(select(func.count(m.Place.id))).scalars().all(),
        lambda: opened.execute(select(m.Place.id, m.Place.city)).keys() == ["id", "city"],
        lambda: opened.scalars(everywhere.where(m.Place.id == 99)).all(),
        lambda: opened.execute(text("SELECT 1")).all(),
        lambda: opened.execute(text("SELECT 1"), **shard).all(),
        lambda: sorted(opened.scalars(select(m.Place.__table__.c.city))),
        lambda: [len(part) for part in opened.scalars(everywhere.execution_options(yield_per=2)).partitions()],
        lambda: sorted(one.city for one in opened.query(m.Place)),
        lambda: [one.city for one in opened.query(m.Place).set_shard("asia")],
        lambda: opened.query(m.Place).set_shard("america").count(),
        lambda: opened.query(m.Place).count(),
        lambda: opened.query(m.Place).filter(m.Place.id == 1).update({"city": "x"}),
        lambda: opened.query(m.Report).filter(m.Report.degrees > 1).delete(),
        lambda: opened.get(m.Place, 7).city,
        lambda: opened.get(m.Place, 1),
        lambda: opened.get(m.Place, 99),
        lambda: opened.get(m.Place, 1, identity_token="asia").city,
        lambda: opened.get(m.Place, 1, **shard).city,
        lambda: opened.get(m.Place, 1, options=[option("asia")]).city,
        present,
        reread,
        lambda: [report.degrees for report in rome().reports],
        back,
        lambda: opened.scalars(select(m.Report).where(m.Report.degrees == 9)).one().place,
        lambda: sorted((one.city, len(one.reports)) for one in opened.scalars(everywhere)),
        lambda: sorted(
            (one.city, len(one.reports))
            for one in opened.scalars(everywhere.options(orm.selectinload(m.Place.reports)))
        ),
        lambda: sorted(
            (one.city, len(one.reports))
            for one in opened.scalars(everywhere.options(orm.joinedload(m.Place.reports))).unique().all()
        ),
        change,
        remove,
        merged,
        made,
        given_token,
        fails,
        updated,
        lambda: updated(**shard),
        lambda: updated(execution_options={"synchronize_session": "fetch"}, **shard),
        lambda: updated(execution_options={"identity_token": "asia"}),
        lambda: opened.execute(delete(m.Report).where(m.Report.id < 3)).rowcount,
        lambda: opened.execute(insert(m.Place), [{"id": 50, "city": "a"}, {"id": 51, "city": "b"}]),
        lambda: opened.bulk_save_objects([m.Place(id=50)]),
        lambda: opened.bulk_insert_mappings(m.Place, [{"id": 50}]),
        lambda: opened.bulk_update_mappings(m.Place, [{"id": 50}]),
        lambda: opened.connection(**shard).engine is opened.get_bind(shard_id="asia"),
        lambda: (
            opened.get_bind(inspect(m.Place), instance=m.Place(continent="asia")) is opened.get_bind(shard_id="asia")
        ),
        heard,
    ]
    results = []
    for number, call in enumerate(calls):
        with maker() as opened:
            models.asked.clear()
            results.append((number, outcome(call), list(models.asked)))
    return results


@pytest.mark.skipif(sys.version_info < (3, 11), reason="queries of the betas of SQLAlchemy 2.1 lose objects of shards")
def test_each_program_does_what_it_does_with_sqlalchemy_orm(shards: dict[str, Engine]) -> None:
    theirs = make_models(sqlalchemy.orm, sqlalchemy.ext.horizontal_shard)
    ours = make_models(session, session.ext.horizontal_shard)
    expected = programs(theirs, fill(theirs, shards))
    found = programs(ours, fill(ours, shards))
    for one, other in zip(found, expected, strict=True):
        assert one == other


@pytest.fixture
def models() -> SimpleNamespace:
    return make_models(session, session.ext.horizontal_shard)


@pytest.fixture
def maker(models: SimpleNamespace, shards: dict[str, Engine]) -> Any:
    return fill(models, shards)


def test_rows_between_objects_go_to_the_shard_of_the_parent(
    models: SimpleNamespace, maker: Any, shards: dict[str, Engine]
) -> None:
    m = models
    with maker() as opened:
        tokyo = opened.get(m.Place, 1, identity_token="asia")
        tokyo.tags = [m.Tag(id=1, name="asia"), m.Tag(id=2, name="asia")]
        rome = opened.get(m.Place, 7)
        rome.tags = [m.Tag(id=1, name="europe")]
        opened.commit()
        assert [len(one.tags) for one in (tokyo, rome)] == [2, 1]
        assert rome.tags[0] is not tokyo.tags[0]
    counts = {}
    for name, engine in shards.items():
        with engine.connect() as connection:
            counts[name] = connection.scalar(select(func.count()).select_from(m.Base.metadata.tables["place_tag"]))
    assert counts == {"america": 0, "asia": 2, "europe": 1}
    with maker() as opened:
        tokyo = opened.get(m.Place, 1, identity_token="asia")
        del tokyo.tags[0]
        opened.commit()
        opened.delete(opened.get(m.Place, 7))
        for report in opened.scalars(select(m.Report)):
            report.place = None
        opened.commit()
        assert sorted(one.city for one in opened.scalars(select(m.Place))) == ["Boston", "Lima", "Tokyo"]


def test_an_option_holds_for_the_loads_that_follow(models: SimpleNamespace, maker: Any) -> None:
    m = models
    for option in (set_shard_id("europe"), set_shard_id("europe", propagate_to_loaders=False)):
        with maker() as opened:
            rome = opened.scalars(select(m.Place).options(option)).one()
            m.asked.clear()
            assert [report.id for report in rome.reports] == [2, 3]
            assert bool(m.asked) is not option.propagate_to_loaders
            assert rome.note == "old"
    statement = select(m.Place).options(set_shard_id("asia"), session.selectinload(m.Place.reports))
    with maker() as opened:
        m.asked.clear()
        assert [[report.id for report in one.reports] for one in opened.scalars(statement)] == [[5]]
        assert m.asked == []


def test_peers_load_in_all_shards(models: SimpleNamespace, maker: Any) -> None:
    m = models
    with maker(lazy_peers=True) as opened:
        found = {one.city: one for one in opened.scalars(select(m.Place))}
        assert [report.id for report in found["Rome"].reports] == [2, 3]
        assert [report.id for report in found["Boston"].reports] == [1, 5]  # those with the same foreign key
        assert [report.place.city for report in found["Rome"].reports] == ["Rome", "Rome"]


def test_rows_beside_a_statement_go_to_one_shard(models: SimpleNamespace, maker: Any) -> None:
    m = models
    rows = [{"id": 50, "city": "a"}, {"id": 51, "city": "b"}]
    shard = {"bind_arguments": {"shard_id": "asia"}}
    with maker() as opened:
        made = opened.scalars(insert(m.Place).returning(m.Place), rows, **shard).all()
        assert {inspect(one).key[1:] for one in made} == {((50,), "asia"), ((51,), "asia")}
        opened.execute(update(m.Place), [{"id": 50, "city": "c"}], **shard)
        assert sorted(one.city for one in made) == ["b", "c"]
        with pytest.raises(NotImplementedError, match="go to one shard; execute_chooser gave 3"):
            opened.execute(update(m.Place), [{"id": 50, "city": "c"}])


def test_several_objects_for_one_key_are_refused(models: SimpleNamespace, maker: Any) -> None:
    m = models
    with maker() as opened:
        with pytest.raises(
            MultipleResultsFound, match="Place object was asked for by its primary key, and there are 2"
        ):
            opened.get(m.Place, 1)
        opened.expunge_all()
        report = opened.scalars(select(m.Report).where(m.Report.degrees == 9)).one()
        with pytest.raises(MultipleResultsFound, match=r"'Report\.place' looked for one Place"):
            _ = report.place
        opened.expunge_all()
        opened.add(report)
        tokyo = opened.get(m.Place, 1, identity_token="asia")
        assert report.place is tokyo  # where identity_chooser says that it is


def test_a_flush_writes_in_one_transaction_for_each_shard(models: SimpleNamespace, maker: Any) -> None:
    m = models
    with maker() as opened:
        opened.add_all([m.Place(id=20 + number, continent=NAMES[number % 3], city="new") for number in range(9)])
        opened.flush()
        bind = opened.get_bind(shard_id="asia")
        assert opened.connection_callable(inspect(m.Place), m.Place(continent="asia")).engine is bind
        assert opened.connection_callable(inspect(m.Place), shard_id="asia").engine is bind
        assert len(opened.scalars(select(m.Place).where(m.Place.city == "new")).all()) == 9
        opened.rollback()
        assert opened.scalars(select(m.Place).where(m.Place.city == "new")).all() == []


def test_what_cannot_be_is_refused(shards: dict[str, Engine]) -> None:
    def one(*arguments: Any, **context: Any) -> list[str]:
        return ["asia"]

    with pytest.raises(ArgumentError, match="needs identity_chooser"):
        ShardedSession(one, execute_chooser=one)
    with pytest.raises(ArgumentError, match="needs execute_chooser"):
        ShardedSession(one, one)
    with pytest.warns(SADeprecationWarning, match="query_chooser"), pytest.raises(ArgumentError, match="not both"):
        ShardedSession(one, one, one, query_chooser=one)
    opened = ShardedSession(lambda *_, **__: None, one, lambda execution: [])
    opened.bind_shard("asia", shards["asia"])
    assert opened.get_bind(shard_id="asia") is shards["asia"]
    assert type(opened.query(select(1).subquery())) is ShardedQuery
    with pytest.raises(UnboundExecutionError, match="no shard 'mars', but 'asia'"):
        opened.get_bind(shard_id="mars")
    with pytest.raises(UnboundExecutionError, match="Nothing tells the shard"):
        opened.connection()
    with pytest.raises(UnboundExecutionError, match="shard_chooser gave no shard"):
        opened.get_bind(clause=select(1))
    with pytest.raises(InvalidRequestError, match="gave no shard in which"):
        opened.execute(select(1))


def test_choosers_of_another_time(models: SimpleNamespace, maker: Any, shards: dict[str, Engine]) -> None:
    m = models
    seen: list[Any] = []

    def id_chooser(query: Any, primary_key: Any) -> list[str]:
        seen.append((type(query), primary_key))
        return ["europe"]

    def query_chooser(statement: Any) -> list[str]:
        seen.append(statement.is_select)
        return ["europe"]

    with (
        pytest.warns(SADeprecationWarning, match="id_chooser"),
        pytest.warns(SADeprecationWarning, match="query_chooser"),
    ):
        opened = ShardedSession(lambda *_: "europe", id_chooser=id_chooser, query_chooser=query_chooser, shards=shards)
    assert opened.get(m.Place, 7).city == "Rome"
    assert seen == [(ShardedQuery, [7]), True]
    opened.close()


class Folded(TypeDecorator[str]):
    """Text that is written in lower case, whatever it is in Python."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.lower()


@pytest.fixture
def folded(shards: dict[str, Engine]) -> tuple[Any, ShardedSession]:
    Base: Any = session.declarative_base()

    class Part(Base):
        __tablename__ = "part"
        code = Column(Folded, primary_key=True)
        shard = Column(String(10))
        note = Column(String(10))

    for engine in shards.values():
        Base.metadata.create_all(engine)
    opened = ShardedSession(
        shards=shards,
        shard_chooser=lambda mapper, part, clause=None: "asia" if part is None else part.shard,
        identity_chooser=lambda mapper, key, **context: NAMES,
        execute_chooser=lambda execution: NAMES,
    )
    return Part, opened


def test_the_key_of_an_object_is_compared_with_the_row_in_its_shard(folded: tuple[Any, ShardedSession]) -> None:
    Part, opened = folded
    with opened:
        opened.add(Part(code="ab", shard="europe"))
        opened.commit()
        part = opened.scalars(select(Part)).one()
        session.attributes.set_committed_value(part, "code", "AB")
        part.note = "new"
        opened.flush()
        assert opened.scalars(select(Part.note)).all() == ["new"]


def test_the_copy_of_a_sharded_session_writes_and_reads_by_itself(folded: tuple[Any, ShardedSession]) -> None:
    Part, opened = folded
    with opened, copy.deepcopy(opened) as other:
        other.add_all([Part(code="1", shard="america"), Part(code="2", shard="europe")])
        other.commit()
        assert not opened.in_transaction()
        assert len(opened.scalars(select(Part)).all()) == 2
        opened.rollback()
        assert sorted(part.code for part in other.scalars(select(Part))) == ["1", "2"]
