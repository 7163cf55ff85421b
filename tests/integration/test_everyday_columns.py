"""Column attributes: defaults, enums, types of one's own, deferred and computed columns, synonyms, validators."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal

import pytest
from sqlalchemy import (
    CheckConstraint,
    Computed,
    Dialect,
    Engine,
    Enum,
    FetchedValue,
    ForeignKey,
    LargeBinary,
    Numeric,
    String,
    TypeDecorator,
    case,
    func,
    insert,
    inspect,
    literal_column,
    null,
    select,
    text,
)
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    attribute_keyed_dict,
    column_property,
    composite,
    deferred,
    mapped_column,
    query_expression,
    reconstructor,
    relationship,
    synonym,
    undefer,
    undefer_group,
    validates,
    with_expression,
)

from .everyday import Statements


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


Size = Literal["small", "large"]
key = Annotated[int, mapped_column(primary_key=True)]


class Base(DeclarativeBase):
    pass


class Lines(TypeDecorator[list[str]]):
    """A list of words as one text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        return None if value is None else "\n".join(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str] | None:
        return None if value is None else value.split("\n")


@dataclasses.dataclass
class Point:
    x: int | None
    y: int | None


class Shape(Base):
    __tablename__ = "shape"

    id: Mapped[key]
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    level: Mapped[Level | None]
    size: Mapped[Size] = mapped_column(default="small")
    coded: Mapped[Colour | None] = mapped_column(
        Enum(Colour, native_enum=False, values_callable=lambda kind: [member.value for member in kind])
    )
    price: Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 2))
    born: Mapped[datetime.date | None]
    seen: Mapped[datetime.datetime | None]
    token: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    words: Mapped[list[str] | None] = mapped_column(Lines)
    centre: Mapped[Point] = composite(mapped_column("centre_x"), mapped_column("centre_y"))


class Counter(Base):
    __tablename__ = "counter"

    id: Mapped[key]
    plain: Mapped[int | None] = mapped_column(default=5)
    called: Mapped[int | None] = mapped_column(default=lambda: 6)
    contextual: Mapped[int | None] = mapped_column(
        default=lambda context: (context.get_current_parameters().get("plain") or 0) + 1
    )
    by_sql: Mapped[int | None] = mapped_column(default=select(literal_column("7")).scalar_subquery())
    by_server: Mapped[int | None] = mapped_column(server_default=text("8"))
    changes: Mapped[int | None] = mapped_column(default=0, onupdate=lambda: 99)
    changes_by_sql: Mapped[int | None] = mapped_column(default=0, onupdate=literal_column("3") * 4)
    doubled: Mapped[int | None] = mapped_column(Computed("plain * 2", persisted=True))
    note: Mapped[str | None]


class Article(Base):
    __tablename__ = "article"

    id: Mapped[key]
    title: Mapped[str] = mapped_column()
    body: Mapped[str | None] = deferred(mapped_column("body_text", String))
    summary: Mapped[str | None] = mapped_column(deferred=True, deferred_group="extra")
    review: Mapped[str | None] = mapped_column(deferred=True, deferred_group="extra")
    secret: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)
    heading = synonym("title")
    shouted: Mapped[str] = column_property(func.upper(title))
    length: Mapped[int] = column_property(func.length(title), deferred=True)
    wanted: Mapped[int | None] = query_expression()


class Comment(Base):
    __tablename__ = "comment"

    id: Mapped[key]
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id"))
    stars: Mapped[int] = mapped_column(CheckConstraint("stars < 6"))

    @validates("stars")
    def check_stars(self, name: str, value: int) -> int:
        if value < 0:
            raise ValueError(f"{name} below zero: {value}")
        return value


Article.comment_count = column_property(
    select(func.count(Comment.id)).where(Comment.article_id == Article.id).correlate_except(Comment).scalar_subquery()
)


@pytest.fixture
def session(engine: Engine) -> Any:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def reread(session: Session, instance: Any) -> Any:
    """The same row in an object of another Session, as the database has it."""
    session.commit()
    kind, identity = type(instance), inspect(instance).identity
    session.close()
    return session.get(kind, identity)


def test_values_of_every_common_type_come_back_as_they_were(session: Session) -> None:
    token = uuid.uuid4()
    shape = Shape(
        colour=Colour.BLUE,
        level=Level.HIGH,
        size="large",
        coded=Colour.BLUE,
        price=decimal.Decimal("12.50"),
        born=datetime.date(2020, 2, 29),
        seen=datetime.datetime(2021, 1, 2, 3, 4, 5),
        token=token,
        raw=b"\x00\xff",
        words=["a", "b c"],
        centre=Point(1, 2),
    )
    session.add(shape)
    again = reread(session, shape)
    assert again is not shape
    assert again.colour is Colour.BLUE
    assert again.level is Level.HIGH
    assert again.size == "large"
    assert again.coded is Colour.BLUE
    assert again.price == decimal.Decimal("12.50")
    assert isinstance(again.price, decimal.Decimal)
    assert again.born == datetime.date(2020, 2, 29)
    assert again.seen == datetime.datetime(2021, 1, 2, 3, 4, 5)
    assert again.token == token
    assert again.raw == b"\x00\xff"
    assert again.words == ["a", "b c"]
    assert again.centre == Point(1, 2)


def test_an_enum_is_stored_by_name_or_by_what_the_column_says(session: Session) -> None:
    session.add(Shape(colour=Colour.BLUE, coded=Colour.BLUE))
    session.flush()
    assert session.execute(text("SELECT colour, coded FROM shape")).one() == ("BLUE", "b")


def test_values_are_compared_as_their_types_say(session: Session) -> None:
    session.add_all([Shape(colour=Colour.RED, words=["x"]), Shape(colour=Colour.BLUE, words=["y", "z"])])
    session.commit()
    assert session.scalars(select(Shape.id).where(Shape.colour == Colour.BLUE)).all() == [2]
    assert session.scalars(select(Shape.id).where(Shape.words == ["y", "z"])).all() == [2]
    assert session.scalars(select(Shape.id).filter_by(size="small").order_by(Shape.id)).all() == [1, 2]


def test_defaults_fill_in_what_was_not_set(session: Session) -> None:
    counter = Counter()
    session.add(counter)
    assert counter.plain is None
    session.flush()
    assert (counter.plain, counter.called, counter.contextual) == (5, 6, 6)
    assert (counter.by_sql, counter.by_server, counter.doubled) == (7, 8, 10)
    assert (counter.changes, counter.changes_by_sql) == (0, 0)


def test_none_in_a_new_object_counts_as_not_set_and_null_as_null(session: Session) -> None:
    counter = Counter(plain=1, called=None, by_server=None)
    other = Counter(plain=1, called=null(), by_server=null())
    session.add_all([counter, other])
    session.commit()
    assert (counter.called, counter.by_server) == (6, 8)
    assert (other.called, other.by_server) == (None, None)


def test_onupdate_sets_its_column_with_every_update(session: Session) -> None:
    counter = Counter()
    session.add(counter)
    session.commit()
    counter.note = "changed"
    session.commit()
    assert (counter.changes, counter.changes_by_sql) == (99, 12)
    counter.changes = 1
    session.flush()
    assert counter.changes == 1


def test_computed_columns_follow_an_update(session: Session) -> None:
    counter = Counter(plain=4)
    session.add(counter)
    session.flush()
    assert counter.doubled == 8
    counter.plain = 10
    session.flush()
    assert counter.doubled == 20


def test_an_sql_expression_can_be_assigned(session: Session) -> None:
    counter = Counter(plain=select(literal_column("20")).scalar_subquery())
    session.add(counter)
    session.flush()
    assert counter.plain == 20
    counter.plain = Counter.plain + 1
    session.flush()
    assert "plain" in inspect(counter).expired_attributes
    assert counter.plain == 21


def test_a_fetched_value_is_read_after_the_flush(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[key]
        name: Mapped[str | None]
        version: Mapped[int | None] = mapped_column(server_default=FetchedValue(), server_onupdate=FetchedValue())

    with engine.begin() as connection:
        serial = "SERIAL PRIMARY KEY" if engine.dialect.name == "postgresql" else "INTEGER PRIMARY KEY"
        connection.execute(text(f"CREATE TABLE thing (id {serial}, name VARCHAR, version INTEGER DEFAULT 17)"))
    with Session(engine) as session:
        thing = Thing(name="x")
        session.add(thing)
        session.flush()
        assert thing.version == 17
        thing.name = "y"
        session.flush()
        assert "version" in inspect(thing).expired_attributes
        assert thing.version == 17


def test_deferred_columns_come_when_they_are_asked_for(session: Session, engine: Engine) -> None:
    article = Article(title="t", body="long", summary="s", review="r")
    session.add(article)
    again = reread(session, article)
    assert {"body", "summary", "review", "length"} <= inspect(again).unloaded
    with Statements(engine) as sent:
        assert again.body == "long"
        assert len(sent) == 1
        assert again.summary == "s"
        assert again.review == "r"  # came with its group
        assert len(sent) == 2
        assert again.length == 1
        assert len(sent) == 3


def test_undefer_loads_with_the_row(session: Session, engine: Engine) -> None:
    session.add(Article(title="t", body="long", summary="s", review="r"))
    session.commit()
    session.close()
    article = session.scalars(select(Article).options(undefer(Article.body), undefer_group("extra"))).one()
    with Statements(engine) as sent:
        assert (article.body, article.summary, article.review) == ("long", "s", "r")
    assert len(sent) == 0


def test_a_deferred_column_may_refuse_to_load(session: Session) -> None:
    session.add(Article(title="t", secret="x"))
    session.commit()
    session.close()
    article = session.scalars(select(Article)).one()
    with pytest.raises(InvalidRequestError, match=r"Article\.secret"):
        article.secret  # noqa: B018
    assert session.scalars(select(Article.secret)).one() == "x"


def test_a_deferred_column_that_was_not_loaded_can_be_set(session: Session, engine: Engine) -> None:
    article = Article(title="t", body="old")
    session.add(article)
    again = reread(session, article)
    with Statements(engine) as sent:
        again.body = "new"
        session.flush()
    assert not sent.starting("SELECT")
    assert session.scalar(select(Article.body)) == "new"


def test_a_column_property_is_computed_by_the_database(session: Session) -> None:
    article = Article(title="quiet")
    session.add(article)
    session.flush()
    session.add_all([Comment(article_id=article.id, stars=number) for number in (1, 2)])
    session.commit()
    assert article.shouted == "QUIET"
    assert article.comment_count == 2
    assert session.scalars(select(Article.title).where(Article.comment_count == 2)).all() == ["quiet"]
    assert session.scalars(select(Article).order_by(Article.shouted)).all() == [article]


def test_a_query_expression_is_filled_by_the_statement(session: Session) -> None:
    session.add(Article(title="four"))
    session.commit()
    session.close()
    article = session.scalars(
        select(Article).options(with_expression(Article.wanted, func.length(Article.title) * 2))
    ).one()
    assert article.wanted == 8
    session.close()
    assert session.scalars(select(Article)).one().wanted is None


def test_a_synonym_reads_writes_and_queries_its_attribute(session: Session) -> None:
    article = Article(heading="one")
    assert article.title == "one"
    article.heading = "two"
    session.add(article)
    session.commit()
    assert session.scalars(select(Article).where(Article.heading == "two")).one() is article
    assert session.scalars(select(Article).filter_by(heading="two")).one().heading == "two"


def test_a_validator_may_refuse_a_value() -> None:
    with pytest.raises(ValueError, match="stars below zero: -1"):
        Comment(stars=-1)
    comment = Comment(stars=3)
    with pytest.raises(ValueError, match="below zero"):
        comment.stars = -2
    assert comment.stars == 3


def test_validators_see_members_of_collections_and_removals() -> None:
    class Own(DeclarativeBase):
        pass

    seen: list[Any] = []

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[key]
        children: Mapped[dict[str, Child]] = relationship(collection_class=attribute_keyed_dict("name"))

        @validates("children", include_removes=True)
        def see(self, name: str, child: Child, is_remove: bool) -> Child:
            seen.append((name, child.name, is_remove))
            return child

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[key]
        name: Mapped[str]
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))

    parent = Parent()
    parent.children["a"] = Child(name="a")
    del parent.children["a"]
    assert seen == [("children", "a", False), ("children", "a", True)]


def test_a_reconstructor_runs_for_loaded_objects_only(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[key]
        name: Mapped[str]

        def __init__(self, name: str) -> None:
            self.name = name
            self.made_by = "init"

        @reconstructor
        def on_load(self) -> None:
            self.made_by = f"load of {self.name}"

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        thing = Thing("x")
        session.add(thing)
        session.commit()
        assert thing.made_by == "init"
    with Session(engine) as session:
        assert session.scalars(select(Thing)).one().made_by == "load of x"


def test_a_composite_is_compared_set_and_updated_as_one_value(session: Session) -> None:
    shape = Shape(centre=Point(1, 2))
    session.add_all([shape, Shape(centre=Point(3, 4))])
    session.commit()
    assert session.scalars(select(Shape).where(Shape.centre == Point(1, 2))).one() is shape
    assert session.execute(select(Shape.centre).order_by(Shape.id)).scalars().all() == [Point(1, 2), Point(3, 4)]
    shape.centre = Point(5, 6)
    session.flush()
    assert session.execute(text("SELECT centre_x, centre_y FROM shape WHERE id = 1")).one() == (5, 6)
    session.rollback()
    assert shape.centre == Point(1, 2)
    shape.centre = None
    session.commit()
    assert session.execute(text("SELECT centre_x, centre_y FROM shape WHERE id = 1")).one() == (None, None)


def test_columns_of_one_row_may_be_picked_and_labelled(session: Session) -> None:
    session.add_all([Article(title="a"), Article(title="bb")])
    session.commit()
    rows = session.execute(
        select(
            Article.id, Article.title.label("name"), case((Article.title == "a", 1), else_=0).label("is_a")
        ).order_by(Article.id)
    ).all()
    assert [(row.id, row.name, row.is_a) for row in rows] == [(1, "a", 1), (2, "bb", 0)]


def test_insert_of_many_objects_with_different_attributes_set(session: Session) -> None:
    session.add_all([Counter(), Counter(plain=1), Counter(note="n"), Counter(by_server=3)])
    session.commit()
    found = session.execute(select(Counter.plain, Counter.by_server, Counter.note).order_by(Counter.id)).all()
    assert found == [(5, 8, None), (1, 8, None), (5, 8, "n"), (5, 3, None)]


def test_core_insert_uses_the_same_defaults(session: Session) -> None:
    session.execute(insert(Counter.__table__).values(note="core"))
    session.commit()
    counter = session.scalars(select(Counter)).one()
    assert (counter.plain, counter.called, counter.by_server, counter.note) == (5, 6, 8, "core")
