"""Relationships: how both sides agree, what goes along, what a deletion leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Table, func, inspect, null, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    with_parent,
)

from .everyday import Statements, count


class Base(DeclarativeBase):
    pass


post_tag = Table(
    "post_tag",
    Base.metadata,
    Column("post_id", ForeignKey("post.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    profile: Mapped[Profile | None] = relationship(back_populates="user", cascade="all, delete-orphan")
    posts: Mapped[list[Post]] = relationship(back_populates="author", order_by="Post.title.desc()")
    notes: Mapped[list[Note]] = relationship(back_populates="user", cascade="all, delete-orphan")
    long_posts: Mapped[list[Post]] = relationship(
        primaryjoin="and_(User.id == Post.author_id, func.length(Post.title) > 3)", viewonly=True
    )


class Profile(Base):
    __tablename__ = "profile"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    bio: Mapped[str | None]
    user: Mapped[User | None] = relationship(back_populates="profile")


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"))
    text: Mapped[str | None]
    user: Mapped[User] = relationship(back_populates="notes")


class Post(Base):
    __tablename__ = "post"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    author: Mapped[User | None] = relationship(back_populates="posts")
    tags: Mapped[list[Tag]] = relationship(secondary=post_tag, back_populates="posts", order_by="Tag.name")


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    posts: Mapped[list[Post]] = relationship(secondary=post_tag, back_populates="tags")


class Node(Base):
    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    children: Mapped[list[Node]] = relationship(
        back_populates="parent", cascade="all, delete-orphan", order_by="Node.id"
    )
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


# -- one to many, many to one ---------------------------------------------------------------------


def test_appending_sets_the_other_side_and_the_foreign_key(session: Session) -> None:
    user = User(name="ed")
    post = Post(title="x")
    user.posts.append(post)
    assert post.author is user
    session.add(user)
    session.flush()
    assert post.author_id == user.id


def test_setting_the_parent_moves_the_child_between_collections() -> None:
    ed, wendy = User(name="ed"), User(name="wendy")
    post = Post(title="x", author=ed)
    assert ed.posts == [post]
    post.author = wendy
    assert (ed.posts, wendy.posts) == ([], [post])
    wendy.posts.remove(post)
    assert post.author is None
    ed.posts = [post]
    assert post.author is ed
    del post.author
    assert ed.posts == []


def test_backrefs_do_not_load_the_collection_on_the_other_side(session: Session, engine: Engine) -> None:
    session.add(User(name="ed", posts=[Post(title="a")]))
    session.commit()
    user = session.scalars(select(User)).one()
    with Statements(engine) as sent:
        post = Post(title="b", author=user)
        assert len(sent) == 0
    session.add(post)
    assert [post.title for post in user.posts] == ["b", "a"]


def test_a_change_pending_on_an_unloaded_collection_is_merged_into_it(session: Session) -> None:
    session.add(User(name="ed", posts=[Post(title="a"), Post(title="b")]))
    session.commit()
    with session.no_autoflush:
        user = session.scalars(select(User)).one()
        gone = session.scalars(select(Post).where(Post.title == "a")).one()
        gone.author = None
        session.add(Post(title="c", author=user))
        assert [post.title for post in user.posts] == ["b", "c"]
    session.commit()
    assert [post.title for post in user.posts] == ["c", "b"]


def test_the_collection_is_read_in_its_order(session: Session) -> None:
    session.add(User(name="ed", posts=[Post(title=title) for title in "bca"]))
    session.commit()
    assert [post.title for post in session.get(User, 1).posts] == ["c", "b", "a"]


def test_deleting_the_parent_sets_the_foreign_key_of_its_children_to_null(session: Session) -> None:
    user = User(name="ed", posts=[Post(title="a"), Post(title="b")])
    session.add(user)
    session.commit()
    session.delete(user)
    session.commit()
    assert session.scalars(select(Post.author_id)).all() == [None, None]


def test_replacing_the_collection_takes_the_children_out(session: Session) -> None:
    old, new = Post(title="old"), Post(title="new")
    user = User(name="ed", posts=[old])
    session.add(user)
    session.commit()
    user.posts = [new]
    session.commit()
    assert old.author_id is None
    assert new.author_id == user.id


def test_a_many_to_one_hit_in_the_identity_map_needs_no_sql(session: Session, engine: Engine) -> None:
    session.add(Post(title="a", author=User(name="ed")))
    session.commit()
    user = session.scalars(select(User)).one()
    post = session.scalars(select(Post)).one()
    with Statements(engine) as sent:
        assert post.author is user
    assert len(sent) == 0


def test_setting_the_foreign_key_takes_effect_after_the_flush_and_expiry(session: Session) -> None:
    ed, wendy, post = User(name="ed"), User(name="wendy"), Post(title="a")
    session.add_all([ed, wendy, post])
    session.commit()
    assert post.author is None
    post.author_id = wendy.id
    session.commit()
    assert post.author is wendy


def test_comparisons_of_relationships_select_by_foreign_key(session: Session) -> None:
    ed, wendy = User(name="ed"), User(name="wendy")
    session.add_all([ed, wendy, Post(title="a", author=ed), Post(title="b")])
    session.commit()
    titles = select(Post.title).order_by(Post.title)
    assert session.scalars(titles.where(Post.author == ed)).all() == ["a"]
    assert session.scalars(titles.where(Post.author == None)).all() == ["b"]  # noqa: E711
    assert session.scalars(titles.where(Post.author != None)).all() == ["a"]  # noqa: E711
    assert session.scalars(titles.where(Post.author == null())).all() == ["b"]
    assert session.scalars(titles.where(Post.author != null())).all() == ["a"]
    assert session.scalars(titles.where(Post.author.has(User.name == "ed"))).all() == ["a"]
    assert session.scalars(select(User.name).where(User.posts.any(title="a"))).all() == ["ed"]
    assert session.scalars(select(User.name).where(~User.posts.any())).all() == ["wendy"]
    assert session.scalars(select(User.name).where(User.posts == null())).all() == ["wendy"]
    assert session.scalars(select(User.name).where(User.posts != null())).all() == ["ed"]
    post = session.scalars(select(Post).where(Post.title == "a")).one()
    assert session.scalars(select(User.name).where(User.posts.contains(post))).all() == ["ed"]
    assert session.scalars(select(Post.title).where(with_parent(ed, User.posts))).all() == ["a"]


def test_joins_follow_relationships(session: Session) -> None:
    session.add_all([User(name="ed", posts=[Post(title="a"), Post(title="b")]), User(name="wendy")])
    session.commit()
    inner = select(User.name, Post.title).join(User.posts).order_by(Post.title)
    assert session.execute(inner).all() == [("ed", "a"), ("ed", "b")]
    outer = select(User.name, func.count(Post.id)).outerjoin(User.posts).group_by(User.name).order_by(User.name)
    assert session.execute(outer).all() == [("ed", 2), ("wendy", 0)]


# -- one to one -----------------------------------------------------------------------------------


def test_one_to_one_holds_a_single_object_on_both_sides(session: Session) -> None:
    user = User(name="ed", profile=Profile(bio="x"))
    session.add(user)
    session.commit()
    assert user.profile.user is user
    session.close()
    assert session.get(User, 1).profile.bio == "x"


def test_replacing_a_one_to_one_deletes_the_orphan(session: Session) -> None:
    user = User(name="ed", profile=Profile(bio="old"))
    session.add(user)
    session.commit()
    user.profile = Profile(bio="new")
    session.commit()
    assert session.scalars(select(Profile.bio)).all() == ["new"]
    user.profile = None
    session.commit()
    assert count(session, Profile) == 0


# -- cascades -------------------------------------------------------------------------------------


def test_save_update_reaches_everything_that_hangs_on(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    post = Post(title="a", tags=[Tag(name="t")])
    user.posts.append(post)
    assert post in session
    assert post.tags[0] in session


def test_a_backref_does_not_pull_an_object_into_the_session(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    post = Post(title="a")
    post.author = user
    assert post not in session
    session.add(post)
    session.flush()
    assert post.author_id == user.id


def test_delete_cascades_to_owned_objects(session: Session) -> None:
    user = User(name="ed", notes=[Note(text="a"), Note(text="b")])
    session.add(user)
    session.commit()
    notes = list(user.notes)
    session.delete(user)
    assert all(note in session.deleted for note in notes)
    session.commit()
    assert count(session, Note) == 0
    assert all(inspect(note).detached for note in notes)


def test_an_object_taken_out_of_its_collection_is_an_orphan_and_deleted(session: Session) -> None:
    note = Note(text="a")
    user = User(name="ed", notes=[note])
    session.add(user)
    session.commit()
    user.notes.remove(note)
    assert note in session
    session.flush()
    assert inspect(note).deleted
    session.commit()
    assert count(session, Note) == 0


def test_an_orphan_given_to_another_parent_lives_on(session: Session) -> None:
    ed, wendy, note = User(name="ed"), User(name="wendy"), Note(text="a")
    ed.notes.append(note)
    session.add_all([ed, wendy])
    session.commit()
    with session.no_autoflush:
        ed.notes.remove(note)
        wendy.notes.append(note)
    session.commit()
    assert note.user_id == wendy.id


def test_a_pending_orphan_is_forgotten(session: Session) -> None:
    user = User(name="ed", notes=[Note(text="a")])
    session.add(user)
    note = user.notes.pop()
    assert note not in session
    session.commit()
    assert count(session, Note) == 0


def test_expunge_cascades(session: Session) -> None:
    user = User(name="ed", notes=[Note(text="a")])
    session.add(user)
    session.commit()
    note = user.notes[0]
    session.expunge(user)
    assert inspect(note).detached


# -- many to many ---------------------------------------------------------------------------------


def test_many_to_many_writes_and_removes_link_rows(session: Session) -> None:
    red, blue = Tag(name="red"), Tag(name="blue")
    first, second = Post(title="1", tags=[red, blue]), Post(title="2", tags=[red])
    session.add_all([first, second])
    session.commit()
    assert count(session, post_tag) == 3
    assert [tag.name for tag in first.tags] == ["blue", "red"]
    assert set(red.posts) == {first, second}
    red.posts.remove(first)
    session.commit()
    assert [tag.name for tag in first.tags] == ["blue"]
    session.delete(second)
    session.commit()
    assert count(session, post_tag) == 1
    assert count(session, Tag) == 2


def test_many_to_many_written_from_both_sides_makes_one_row(session: Session) -> None:
    post, tag = Post(title="p"), Tag(name="t")
    post.tags.append(tag)
    assert tag.posts == [post]
    session.add_all([post, tag])
    session.commit()
    assert count(session, post_tag) == 1


def test_many_to_many_joins_and_exists(session: Session) -> None:
    session.add_all([Post(title="1", tags=[Tag(name="red")]), Post(title="2")])
    session.commit()
    joined = select(Post.title).join(Post.tags).where(Tag.name == "red")
    assert session.scalars(joined).all() == ["1"]
    assert session.scalars(select(Post.title).where(Post.tags.any(Tag.name == "red"))).all() == ["1"]


# -- self-referential -----------------------------------------------------------------------------


def test_a_tree_is_stored_read_and_deleted(session: Session) -> None:
    root = Node(name="root")
    root.children = [Node(name="a"), Node(name="b")]
    root.children[0].children.append(Node(name="a1"))
    session.add(root)
    session.commit()
    session.close()
    root = session.scalars(select(Node).where(Node.parent == None)).one()  # noqa: E711
    assert [node.name for node in root.children] == ["a", "b"]
    assert root.children[0].children[0].parent.parent is root
    session.delete(root)
    session.commit()
    assert count(session, Node) == 0


def test_a_subtree_can_be_moved(session: Session) -> None:
    root = Node(name="root", children=[Node(name="a", children=[Node(name="x")]), Node(name="b")])
    session.add(root)
    session.commit()
    a, b = root.children
    b.children.append(a.children[0])
    session.commit()
    assert a.children == []
    assert [node.name for node in b.children] == ["x"]


def test_a_view_only_relationship_reads_and_never_writes(session: Session) -> None:
    user = User(name="ed", posts=[Post(title="long one"), Post(title="no")])
    session.add(user)
    session.commit()
    assert [post.title for post in user.long_posts] == ["long one"]
    session.expire_all()
    assert session.scalars(select(User).where(User.long_posts.any(Post.title == "no"))).all() == []
