"""Mapped dataclasses: what becomes of the class body."""

from __future__ import annotations

from sqlalchemy import ColumnDefault, create_engine, select

from session import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column


def test_a_plain_default_of_a_mapped_dataclass_makes_a_column() -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Plain(Base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str] = "x"

    assert Plain().name == "x"
    assert Plain(name="y").name == "y"
    assert not Plain.__table__.c.name.nullable


def test_none_beside_an_annotation_stands_for_a_column() -> None:
    class Own(DeclarativeBase):
        pass

    class Named:
        nickname: Mapped[str | None] = None

    class User(Named, Own):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        age: Mapped[int | None] = None

    class Nameless(Named, Own):
        __tablename__ = "nameless"

        id: Mapped[int] = mapped_column(primary_key=True)
        nickname = None

    assert set(User.__table__.c.keys()) == {"id", "age", "nickname"}
    assert User.__table__.c.age.nullable
    assert Nameless.__table__.c.keys() == ["id"]
    assert User(age=3, nickname="n").age == 3


def test_none_beside_an_annotation_of_a_dataclass_is_its_default() -> None:
    class Own(MappedAsDataclass, DeclarativeBase):
        pass

    class User(Own):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        age: Mapped[int | None] = None

    engine = create_engine("sqlite://")
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(), User(age=3)])
        session.commit()
        assert session.scalars(select(User.age).order_by(User.id)).all() == [None, 3]


def test_classes_that_share_a_column_have_defaults_of_their_own() -> None:
    class Own(MappedAsDataclass, DeclarativeBase):
        pass

    class Animal(Own):
        __tablename__ = "animals"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        kind: Mapped[str] = mapped_column(init=False)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Cat(Animal):
        sound: Mapped[str] = mapped_column(default="meow", use_existing_column=True)
        __mapper_args__ = {"polymorphic_identity": "cat"}

    class Dog(Animal):
        sound: Mapped[str] = mapped_column(default="woof", use_existing_column=True)
        __mapper_args__ = {"polymorphic_identity": "dog"}

    class Cow(Animal):
        sound: Mapped[str] = mapped_column(default="moo", use_existing_column=True, init=False)
        __mapper_args__ = {"polymorphic_identity": "cow"}

    assert (Cat().sound, Dog().sound, Cow().sound) == ("meow", "woof", "moo")
    engine = create_engine("sqlite://")
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Cat(), Dog(), Cow(), Dog(sound="arf")])
        session.commit()
        column = Animal.__table__.c.sound
        assert session.scalars(select(column).order_by(Animal.id)).all() == ["meow", "woof", "moo", "arf"]


def test_a_default_that_makes_values_is_shown_by_no_object() -> None:
    class Own(MappedAsDataclass, DeclarativeBase):
        pass

    class Counted(Own):
        __tablename__ = "counted"

        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        size: Mapped[int] = mapped_column(default=ColumnDefault(5))

    assert Counted().size is None
    engine = create_engine("sqlite://")
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Counted(), Counted(size=3)])
        session.commit()
        assert session.scalars(select(Counted.size).order_by(Counted.id)).all() == [5, 3]
