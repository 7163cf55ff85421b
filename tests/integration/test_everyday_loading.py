"""How related objects come: lazily, with the row, right after it, or not at all; and options that say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, ForeignKey, inspect, select
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Load,
    Mapped,
    Session,
    aliased,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    mapped_column,
    noload,
    raiseload,
    relationship,
    selectinload,
    subqueryload,
    with_loader_criteria,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    bio: Mapped[str | None]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    pages: Mapped[list[Page]] = relationship(back_populates="book", order_by="Page.number")


class Page(Base):
    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))
    book: Mapped[Book] = relationship(back_populates="pages")


class Shelf(Base):
    """Each relationship has a strategy of its own from the mapping."""

    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    joined: Mapped[Place | None] = relationship(lazy="joined", viewonly=True)
    selectin: Mapped[Place | None] = relationship(lazy="selectin", viewonly=True)
    immediate: Mapped[Place | None] = relationship(lazy="immediate", viewonly=True)
    forbidden: Mapped[Place | None] = relationship(lazy="raise", viewonly=True)
    no_sql: Mapped[Place | None] = relationship(lazy="raise_on_sql", viewonly=True)
    lazy: Mapped[Place | None] = relationship(lazy="select", viewonly=True)


class Place(Base):
    __tablename__ = "place"

    id: Mapped[int] = mapped_column(primary_key=True)
    boxes: Mapped[list[Box]] = relationship(lazy="joined", order_by="Box.id")


class Box(Base):
    __tablename__ = "box"

    id: Mapped[int] = mapped_column(primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [
                Author(
                    name="ed",
                    books=[
                        Book(title="e1", pages=[Page(number=1), Page(number=2)]),
                        Book(title="e2", pages=[Page(number=1)]),
                    ],
                ),
                Author(name="jack", books=[Book(title="j1")]),
                Author(name="wendy"),
            ]
        )
        session.add(Place(id=1, boxes=[Box(), Box()]))
        session.flush()
        session.add(Shelf(place_id=1))
        session.commit()
        session.close()
        yield session


WHOLE = {"ed": {"e1": [1, 2], "e2": [1]}, "jack": {"j1": []}, "wendy": {}}


def whole(authors: list[Author]) -> dict[str, dict[str, list[int]]]:
    return {
        author.name: {book.title: [page.number for page in book.pages] for book in author.books} for author in authors
    }


@pytest.mark.parametrize(
    ("option", "statements"),
    [
        (selectinload(Author.books).selectinload(Book.pages), 3),
        (subqueryload(Author.books).subqueryload(Book.pages), 3),
        (joinedload(Author.books).joinedload(Book.pages), 1),
        (joinedload(Author.books).selectinload(Book.pages), 2),
        (selectinload(Author.books).joinedload(Book.pages), 2),
        (selectinload(Author.books).subqueryload(Book.pages), 3),
        (lazyload(Author.books).lazyload(Book.pages), 7),
        (selectinload("*"), 3),
        (immediateload(Author.books).immediateload(Book.pages), 7),
        (lazyload("*"), 7),
    ],
    ids=lambda value: "",
)
def test_every_strategy_loads_the_same_objects(session: Session, engine: Engine, option: Load, statements: int) -> None:
    with Statements(engine) as sent:
        authors = session.scalars(select(Author).options(option).order_by(Author.id)).unique().all()
        assert whole(authors) == WHOLE
    assert len(sent) == statements


def test_a_loaded_collection_sets_the_many_to_one_without_sql(session: Session, engine: Engine) -> None:
    author = session.scalars(select(Author).options(selectinload(Author.books)).where(Author.name == "ed")).one()
    with Statements(engine) as sent:
        assert author.books[0].author is author
    assert len(sent) == 0


def test_many_to_one_strategies(session: Session, engine: Engine) -> None:
    for option, statements in (
        (joinedload(Book.author), 1),
        (selectinload(Book.author), 2),
        (lazyload(Book.author), 3),
    ):
        session.expunge_all()
        with Statements(engine) as sent:
            books = session.scalars(select(Book).options(option).order_by(Book.id)).all()
            assert [book.author.name for book in books] == ["ed", "ed", "jack"]
        assert len(sent) == statements


def test_joined_collections_need_unique(session: Session) -> None:
    with pytest.raises(InvalidRequestError, match="unique"):
        session.scalars(select(Author).options(joinedload(Author.books))).all()


def test_joined_loading_keeps_limit_and_order_of_the_parents(session: Session, engine: Engine) -> None:
    statement = select(Author).options(joinedload(Author.books)).order_by(Author.name.desc()).limit(2).offset(1)
    with Statements(engine) as sent:
        authors = session.scalars(statement).unique().all()
        assert [(author.name, [book.title for book in author.books]) for author in authors] == [
            ("jack", ["j1"]),
            ("ed", ["e1", "e2"]),
        ]
    assert len(sent) == 1


def test_inner_joined_loading_leaves_out_parents_without(session: Session) -> None:
    authors = session.scalars(
        select(Author).options(joinedload(Author.books, innerjoin=True)).order_by(Author.id)
    ).unique()
    assert [author.name for author in authors] == ["ed", "jack"]


def test_strategies_of_the_mapping(session: Session, engine: Engine) -> None:
    with Statements(engine) as sent:
        shelf = session.scalars(select(Shelf)).unique().one()
        now = len(sent)
        assert {"joined", "selectin", "immediate"} <= set(inspect(shelf).dict)
        assert len(shelf.joined.boxes) == 2
        assert shelf.selectin is shelf.joined is shelf.immediate
        assert len(sent) == now
    with pytest.raises(InvalidRequestError, match=r"Shelf\.forbidden"):
        shelf.forbidden  # noqa: B018
    assert shelf.no_sql is shelf.joined  # in the identity map
    session.expunge_all()
    nothing = [lazyload(attribute) for attribute in (Shelf.joined, Shelf.selectin, Shelf.immediate)]
    shelf = session.scalars(select(Shelf).options(*nothing)).one()
    with pytest.raises(InvalidRequestError, match=r"Shelf\.no_sql"):
        shelf.no_sql  # noqa: B018
    assert shelf.lazy.id == 1


def test_raiseload_refuses_and_names_the_attribute(session: Session) -> None:
    author = session.scalars(select(Author).options(raiseload(Author.books)).limit(1)).one()
    with pytest.raises(InvalidRequestError, match=r"Author\.books"):
        author.books  # noqa: B018
    author = session.scalars(
        select(Author)
        .options(selectinload(Author.books), raiseload("*"))
        .order_by(Author.id)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one()
    assert len(author.books) == 2
    with pytest.raises(InvalidRequestError, match=r"Book\.pages"):
        author.books[0].pages  # noqa: B018


def test_noload_leaves_the_attribute_empty(session: Session) -> None:
    with pytest.warns(DeprecationWarning):
        option = noload(Author.books)
    author = session.scalars(select(Author).options(option).order_by(Author.id).limit(1)).one()
    assert author.books == []


def test_load_only_and_defer(session: Session, engine: Engine) -> None:
    author = session.scalars(select(Author).options(load_only(Author.name)).order_by(Author.id)).first()
    assert inspect(author).unloaded == {"bio", "books"}
    with Statements(engine) as sent:
        assert author.bio is None
    assert len(sent) == 1
    session.expunge_all()
    author = session.scalars(select(Author).options(defer(Author.name, raiseload=True)).order_by(Author.id)).first()
    with pytest.raises(InvalidRequestError, match=r"Author\.name"):
        author.name  # noqa: B018
    session.expunge_all()
    option = selectinload(Author.books).load_only(Book.title)
    author = session.scalars(select(Author).options(option).order_by(Author.id)).first()
    assert "author_id" in inspect(author.books[0]).unloaded
    session.expunge_all()
    option = joinedload(Author.books).options(defer(Book.title), joinedload(Book.pages))
    author = session.scalars(select(Author).options(option).order_by(Author.id)).unique().first()
    assert "title" in inspect(author.books[0]).unloaded
    assert "pages" not in inspect(author.books[0]).unloaded


def test_defaultload_goes_on_without_changing_the_way(session: Session, engine: Engine) -> None:
    option = defaultload(Author.books).selectinload(Book.pages)
    author = session.scalars(select(Author).options(option).where(Author.name == "ed")).one()
    with Statements(engine) as sent:
        assert whole([author]) == {"ed": WHOLE["ed"]}
    assert len(sent) == 2


def test_contains_eager_takes_the_members_from_the_statement(session: Session, engine: Engine) -> None:
    statement = (
        select(Author)
        .join(Author.books)
        .where(Book.title.in_(["e2", "j1"]))
        .options(contains_eager(Author.books))
        .order_by(Author.id)
    )
    with Statements(engine) as sent:
        authors = session.scalars(statement).unique().all()
        assert [(author.name, [book.title for book in author.books]) for author in authors] == [
            ("ed", ["e2"]),
            ("jack", ["j1"]),
        ]
    assert len(sent) == 1


def test_contains_eager_of_an_alias(session: Session, engine: Engine) -> None:
    other = aliased(Book)
    statement = (
        select(Author)
        .outerjoin(Author.books.of_type(other))
        .options(contains_eager(Author.books.of_type(other)).selectinload(other.pages))
        .order_by(Author.id, other.id)
    )
    with Statements(engine) as sent:
        assert whole(session.scalars(statement).unique().all()) == WHOLE
    assert len(sent) == 2


def test_criteria_narrow_a_relationship_for_one_statement(session: Session) -> None:
    statement = select(Author).where(Author.name == "ed").options(selectinload(Author.books.and_(Book.title == "e2")))
    assert [book.title for book in session.scalars(statement).one().books] == ["e2"]
    session.expunge_all()
    statement = (
        select(Author)
        .where(Author.name == "ed")
        .options(joinedload(Author.books), with_loader_criteria(Book, Book.title == "e1"))
    )
    assert [book.title for book in session.scalars(statement).unique().one().books] == ["e1"]
    session.expunge_all()
    statement = select(Book.title).options(with_loader_criteria(Book, lambda kind: kind.title != "e1"))
    assert sorted(session.scalars(statement)) == ["e2", "j1"]


def test_options_stay_with_the_object_for_its_lazy_loads(session: Session, engine: Engine) -> None:
    option = lazyload(Author.books).selectinload(Book.pages)
    author = session.scalars(select(Author).options(option).where(Author.name == "ed")).one()
    with Statements(engine) as sent:
        assert whole([author]) == {"ed": WHOLE["ed"]}
    assert len(sent) == 2


def test_loaded_collections_are_not_overwritten_unless_asked_to(session: Session) -> None:
    author = session.scalars(select(Author).where(Author.name == "ed")).one()
    author.name = "changed"
    with session.no_autoflush:
        session.scalars(select(Author)).all()
        assert author.name == "changed"
        session.scalars(select(Author).execution_options(populate_existing=True)).all()
    assert author.name == "ed"
    assert author not in session.dirty


def test_a_selectin_load_of_many_parents_goes_in_batches(session: Session, engine: Engine) -> None:
    session.add_all([Author(name=f"n{number}", books=[Book(title="b")]) for number in range(1100)])
    session.commit()
    session.close()
    with Statements(engine) as sent:
        authors = session.scalars(select(Author).options(selectinload(Author.books))).all()
        assert sum(len(author.books) for author in authors) == 1103
    assert 2 <= len(sent) <= 4


def test_several_entities_each_with_options(session: Session, engine: Engine) -> None:
    statement = (
        select(Author, Book)
        .join(Author.books)
        .options(selectinload(Author.books), joinedload(Book.pages))
        .order_by(Book.id)
    )
    with Statements(engine) as sent:
        rows = session.execute(statement).unique().all()
        assert [(author.name, book.title, len(book.pages)) for author, book in rows] == [
            ("ed", "e1", 2),
            ("ed", "e2", 1),
            ("jack", "j1", 0),
        ]
        assert rows[0].Author.books == [rows[0].Book, rows[1].Book]
    assert len(sent) == 2


def test_the_same_object_of_many_rows_is_one_object(session: Session) -> None:
    authors = session.scalars(select(Author).join(Author.books).order_by(Book.id)).all()
    assert [author.name for author in authors] == ["ed", "ed", "jack"]
    assert authors[0] is authors[1]


def test_rows_in_chunks_load_their_collections_too(session: Session) -> None:
    statement = select(Author).options(selectinload(Author.books)).order_by(Author.id).execution_options(yield_per=2)
    chunks = [[author.name for author in chunk] for chunk in session.scalars(statement).partitions()]
    assert chunks == [["ed", "jack"], ["wendy"]]
