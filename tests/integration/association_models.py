"""Classes with association proxies of every kind, mapped by this package or by ``sqlalchemy.orm``."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.ext.hybrid import hybrid_property

__all__ = ["make_models", "outcome"]


def make_models(orm: Any, association_proxy: Any) -> SimpleNamespace:
    """Map the classes.

    :param orm: ``session`` or ``sqlalchemy.orm``.
    :param association_proxy: the function of that name that belongs to it.
    """
    base: Any = orm.declarative_base()
    user_word, user_tag = (
        Table(
            name,
            base.metadata,
            Column("user_id", ForeignKey("users.id"), primary_key=True),
            Column("word_id", ForeignKey("word.id"), primary_key=True),
        )
        for name in ("user_word", "user_tag")
    )

    class Word(base):
        __tablename__ = "word"
        id = Column(Integer, primary_key=True)
        text = Column(String(30))
        kind = Column(String(10))
        other_name = orm.synonym("text")
        length = orm.column_property(text + "!")
        __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "word"}

        def __init__(self, text: Any = None, **values: Any) -> None:
            self.text = text
            for name, value in values.items():
                setattr(self, name, value)

        @property
        def loud(self) -> str:
            return self.text.upper()

        @loud.setter
        def loud(self, value: str) -> None:
            self.text = value.lower()

        @hybrid_property
        def marked(self) -> Any:
            return self.text + "?"

        def __repr__(self) -> str:
            return f"Word({self.text!r})"

    class Verb(Word):
        tense = Column(String(10))
        __mapper_args__ = {"polymorphic_identity": "verb"}

    class Entry(base):
        __tablename__ = "entry"
        user_id = Column(ForeignKey("users.id"), primary_key=True)
        word_id = Column(ForeignKey("word.id"), primary_key=True)
        user = orm.relationship("User", back_populates="entries")
        word = orm.relationship(Word)
        text = association_proxy("word", "text")

        def __init__(self, word: Any = None) -> None:
            self.word = word

        def __repr__(self) -> str:
            return f"Entry({self.word!r})"

    class Profile(base):
        __tablename__ = "profile"
        id = Column(Integer, primary_key=True)
        user_id = Column(ForeignKey("users.id"))
        bio = Column(String(30))
        word_id = Column(ForeignKey("word.id"))
        word = orm.relationship(Word)
        text = association_proxy("word", "text")
        notes = orm.relationship("Note")

        def __init__(self, bio: Any = None, **values: Any) -> None:
            self.bio = bio
            for name, value in values.items():
                setattr(self, name, value)

        def __repr__(self) -> str:
            return f"Profile({self.bio!r})"

    class Note(base):
        __tablename__ = "note"
        id = Column(Integer, primary_key=True)
        profile_id = Column(ForeignKey("profile.id"))

    class Score(base):
        __tablename__ = "score"
        id = Column(Integer, primary_key=True)
        user_id = Column(ForeignKey("users.id"))
        game = Column(String(30))
        points = Column(Integer)

        def __init__(self, game: Any, points: Any) -> None:
            self.game, self.points = game, points

        def __repr__(self) -> str:
            return f"Score({self.game!r}, {self.points!r})"

    class Named:
        """A mixin with a proxy."""

        texts = association_proxy("words", "text")

    class User(Named, base):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)
        words = orm.relationship(Word, secondary=user_word, order_by=Word.id)
        tag_words = orm.relationship(Word, secondary=user_tag, collection_class=set)
        entries = orm.relationship(Entry, back_populates="user", cascade="all, delete-orphan", order_by=Entry.word_id)
        profile = orm.relationship(Profile, uselist=False, cascade="all, delete-orphan")
        scores = orm.relationship(
            Score, collection_class=orm.collections.attribute_keyed_dict("game"), cascade="all, delete-orphan"
        )
        tags = association_proxy("tag_words", "text")
        points = association_proxy("scores", "points")
        entry_words = association_proxy("entries", "word")
        entry_texts = association_proxy("entries", "text", creator=lambda text: Entry(Word(text)))
        bio = association_proxy("profile", "bio", info={"shown": True})
        removable = association_proxy("profile", "bio", cascade_scalar_deletes=True)
        made_for_none = association_proxy("profile", "bio", create_on_none_assignment=True)
        favourite = association_proxy("profile", "word", creator=lambda word: Profile(word=word))
        favourite_text = association_proxy("profile", "text")
        notes = association_proxy("profile", "notes")
        loud = association_proxy("words", "loud", creator=lambda text: Word(text.lower()))
        marked = association_proxy("words", "marked")
        other_names = association_proxy("words", "other_name")
        lengths = association_proxy("words", "length")
        tenses = association_proxy("words", "tense", creator=lambda tense: Verb(tense=tense))

    return SimpleNamespace(
        Base=base,
        orm=orm,
        User=User,
        Word=Word,
        Verb=Verb,
        Entry=Entry,
        Profile=Profile,
        Note=Note,
        Score=Score,
        Named=Named,
        association_proxy=association_proxy,
    )


def outcome(do: Callable[[], Any]) -> Any:
    """What comes of it: the class of an error, or what is shown of the value. Sets are shown sorted."""
    try:
        value = do()
        if hasattr(value, "symmetric_difference"):
            return isinstance(value, set), sorted(map(repr, value))
        return value if isinstance(value, (bool, int, str, dict)) else repr(value)
    except Exception as error:
        return type(error)
