"""``automap``: the same mappings with this package and with ``sqlalchemy.orm``, from reflected and declared tables."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.automap
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String, Table, event, select
from sqlalchemy.exc import ArgumentError, SADeprecationWarning

import session
import session.ext.automap
from session import DeclarativeBase, Mapped, Session, mapped_column, relationship
from session.exc import UnmappedClassError
from session.ext.automap import automap_base, generate_relationship

from .everyday import where_classes_die
from .extended import outcome

OURS = SimpleNamespace(orm=session, ext=session.ext.automap)
THEIRS = SimpleNamespace(orm=sqlalchemy.orm, ext=sqlalchemy.ext.automap)


def tables() -> MetaData:
    metadata = MetaData()
    Table("users", metadata, Column("id", Integer, primary_key=True), Column("name", String(50)))
    Table(
        "address",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id", ondelete="SET NULL")),
        Column("email", String(40)),
    )
    Table(
        "pet",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    )
    Table("passport", metadata, Column("user_id", ForeignKey("users.id"), primary_key=True))
    Table(
        "item",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(10)),
        Column("parent_id", ForeignKey("item.id")),
    )
    Table(
        "user_item",
        metadata,
        Column("user_id", ForeignKey("users.id"), primary_key=True),
        Column("item_id", ForeignKey("item.id"), primary_key=True),
    )
    Table("cell", metadata, Column("x", Integer, primary_key=True), Column("y", Integer, primary_key=True))
    Table(
        "wall",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("x", Integer),
        Column("y", Integer),
        ForeignKeyConstraint(["x", "y"], ["cell.x", "cell.y"]),
    )
    Table("no_key", metadata, Column("user_id", ForeignKey("users.id")), Column("text", String(9)))
    return metadata


@pytest.fixture
def reflected(engine: Engine) -> Engine:
    tables().create_all(engine)
    return engine


def picture(base: Any) -> list[Any]:
    """Show classes, attributes and relationships."""
    found = []
    for mapper in sorted(base.registry.mappers, key=lambda mapper: mapper.class_.__name__):
        sides = [
            (
                prop.key,
                prop.direction.name,
                prop.mapper.class_.__name__,
                prop.uselist,
                sorted(prop.cascade),
                prop.passive_deletes,
                prop.secondary is not None and prop.secondary.name,
                prop.collection_class,
                sorted(other.key for other in prop._reverse_property),
            )
            for prop in sorted(mapper.relationships, key=lambda prop: prop.key)
        ]
        names = sorted(prop.key for prop in mapper.attrs)
        found.append((mapper.class_.__name__, str(mapper.local_table), mapper.inherits is not None, names, sides))
    return found


def shown(value: Any) -> str:
    return str([str(column) for column in value]) if isinstance(value, list) else str(value)


# -- mappings beside those of sqlalchemy.orm ------------------------------------------------------------


def plain(package: SimpleNamespace, engine: Engine) -> Any:
    base = package.ext.automap_base()
    before = list(base.classes), list(base.by_module)
    base.prepare(autoload_with=engine)
    base.prepare(autoload_with=engine)
    module = base.by_module
    for part in package.ext.__name__.split("."):
        module = module[part]
    return (
        before,
        picture(base),
        sorted(base.classes.keys()),
        sorted(module.keys()),
        outcome(lambda: base.classes.nobody),
    )


def without_reflection(package: SimpleNamespace, engine: Engine) -> Any:
    base = package.ext.automap_base(metadata=tables())
    base.prepare(collection_class=set)
    return picture(base)


def some_tables(package: SimpleNamespace, engine: Engine) -> Any:
    base = package.ext.automap_base(name="Root")
    with engine.connect() as connection:
        base.prepare(connection, reflection_options={"only": ["address"]})
    first = picture(base)
    base.prepare(engine)
    return base.__name__, first, picture(base)


def named(package: SimpleNamespace, engine: Engine) -> Any:
    base = package.ext.automap_base()
    asked = []

    def class_name(given: Any, tablename: str, table: Any) -> str:
        asked.append((given is base, tablename, table.name))
        return tablename.title()

    def module_name(given: Any, tablename: str, table: Any) -> str | None:
        return "my.models" if tablename < "m" else None

    def scalar(given: Any, local: Any, referred: Any, constraint: Any) -> str:
        asked.append((given is base, local.__name__, referred.__name__, constraint.referred_table.name))
        return "a_" + referred.__name__.lower()

    def collection(given: Any, local: Any, referred: Any, constraint: Any) -> str:
        asked.append((given is base, local.__name__, referred.__name__, constraint.referred_table.name))
        return "some_" + referred.__name__.lower()

    def generate(given: Any, direction: Any, return_fn: Any, name: str, local: Any, referred: Any, **kw: Any) -> Any:
        if direction is not package.orm.MANYTOMANY:  # of which there either side may come first
            plain = {key: shown(value) for key, value in kw.items() if key != "backref"}
            asked.append((direction.name, return_fn.__name__, name, local.__name__, referred.__name__, str(plain)))
        if direction is package.orm.ONETOMANY:
            kw["cascade"] = "all"
        if referred.__name__ == "Cell":
            return None
        return package.ext.generate_relationship(given, direction, return_fn, name, local, referred, **kw)

    base.prepare(
        autoload_with=engine,
        classname_for_table=class_name,
        modulename_for_table=module_name,
        name_for_scalar_relationship=scalar,
        name_for_collection_relationship=collection,
        generate_relationship=generate,
    )
    modules = sorted(base.classes.keys()), sorted(base.by_module.my.models.keys()), list(base.by_module.my.keys())
    return picture(base), modules, sorted(map(str, asked))


def declared(package: SimpleNamespace, engine: Engine) -> Any:
    orm = package.orm
    base = package.ext.automap_base()

    class User(base):
        __tablename__ = "users"
        called = Column("name", String(50))
        address_collection = orm.relationship("address", collection_class=set)

    class Passport(base):
        __tablename__ = "passport"
        user = orm.relationship("User", back_populates="passport_collection")

    class Thing(base):
        __tablename__ = "item"
        user_collection = orm.relationship("User", secondary="user_item")

    early = outcome(lambda: select(User)), outcome(lambda: User(called="x").__dict__), outcome(lambda: User(other="x"))
    base.prepare(autoload_with=engine)
    base.registry.configure()
    with orm.Session(engine) as opened:
        ann = User(
            called="ann", address_collection={base.classes.address(email="a")}, thing_collection=[Thing(name="t")]
        )
        ann.passport_collection.append(Passport())
        opened.add(ann)
        opened.flush()
        back = [one.user is ann for one in (*ann.address_collection, *ann.passport_collection)]
        items = [[one.called for one in thing.user_collection] for thing in ann.thing_collection]
    return early, picture(base), back, items


def inherited(package: SimpleNamespace, engine: Engine) -> Any:
    base = package.ext.automap_base()

    class User(base):
        __tablename__ = "users"

    class Traveller(User):
        __tablename__ = "passport"

    base.prepare(engine)
    return picture(base), Traveller.__mapper__.inherits is User.__mapper__


def completed(package: SimpleNamespace, engine: Engine) -> Any:
    """Relationships for classes that are declared with all their columns."""
    base = package.ext.automap_base()

    class User(base):
        __tablename__ = "a_user"
        id = Column(Integer, primary_key=True)

    class Address(base):
        __tablename__ = "an_address"
        id = Column(Integer, primary_key=True)
        user_id = Column(ForeignKey("a_user.id"))

    base.metadata.create_all(engine)
    base.prepare()
    user = User(address_collection=[Address(), Address()])
    early = [one.user is user for one in user.address_collection]

    class Late(base):
        __tablename__ = "late"
        id = Column(Integer, primary_key=True)
        user_id = Column(ForeignKey("a_user.id"))

    base.prepare()
    return early, picture(base)


def own_base(package: SimpleNamespace, engine: Engine) -> Any:
    class Root(package.orm.DeclarativeBase):
        def shout(self) -> str:
            return type(self).__name__.upper()

    base = package.ext.automap_base(Root)
    base.prepare(engine)
    return picture(base), base.classes.users().shout(), issubclass(base.classes.users, Root)


def conflicting(package: SimpleNamespace, engine: Engine) -> Any:
    metadata = MetaData()
    Table("one", metadata, Column("id", Integer, primary_key=True))
    Table("other", metadata, Column("id", Integer, primary_key=True), Column("one", ForeignKey("one.id")))
    found = [outcome(package.ext.automap_base(metadata=metadata).prepare)]
    base = package.ext.automap_base(metadata=metadata)
    base.prepare(name_for_scalar_relationship=lambda base, local, referred, constraint: referred.__name__ + "_")
    return found, picture(base)


def self_referential(package: SimpleNamespace, engine: Engine) -> Any:
    metadata = MetaData()
    Table("person", metadata, Column("id", Integer, primary_key=True))
    Table(
        "friend",
        metadata,
        Column("one", ForeignKey("person.id"), primary_key=True),
        Column("other", ForeignKey("person.id"), primary_key=True),
    )
    base = package.ext.automap_base(metadata=metadata)
    base.prepare(
        name_for_collection_relationship=lambda base, local, referred, key: f"by_{next(iter(key.columns)).name}"
    )
    return picture(base)


PROGRAMS = [
    plain,
    without_reflection,
    some_tables,
    named,
    declared,
    inherited,
    completed,
    own_base,
    conflicting,
    self_referential,
]


@pytest.mark.filterwarnings("ignore:relationship:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_each_mapping_is_that_of_sqlalchemy_orm(
    program: Callable[[SimpleNamespace, Engine], Any], reflected: Engine
) -> None:
    assert program(OURS, reflected) == program(THEIRS, reflected)


# -- by itself --------------------------------------------------------------------------------------------


def test_objects_are_written_and_read(reflected: Engine) -> None:
    base = automap_base()
    base.prepare(autoload_with=reflected)
    User, Address, Item = base.classes.users, base.classes.address, base.classes.item
    with Session(reflected) as opened:
        pen, nib = Item(name="pen"), Item(name="nib")
        pen.item_collection.append(nib)
        opened.add(User(name="ann", address_collection=[Address(email="a@b")], item_collection=[pen, nib]))
        opened.commit()
        address = opened.scalars(select(Address)).one()
        assert address.users.name == "ann"
        assert {one.name for one in address.users.item_collection} == {"pen", "nib"}
        assert nib.item is pen
        assert nib.users_collection == [address.users]


def test_declared_classes_are_among_the_classes(reflected: Engine) -> None:
    base = automap_base()

    class User(base):
        __tablename__ = "users"

    with pytest.raises(UnmappedClassError, match=r"Class User is declared, and will be mapped by prepare\(\)"):
        select(User)
    base.prepare(reflected)
    assert base.classes.User is User
    assert "users" not in base.classes
    assert base.by_module[__name__.split(".")[0]] is not None


def test_columns_are_renamed_as_they_are_reflected(reflected: Engine) -> None:
    base = automap_base()

    @event.listens_for(base.metadata, "column_reflect")
    def rename(inspector: Any, table: Any, column_info: Any) -> None:
        column_info["key"] = f"attr_{column_info['name']}"

    base.prepare(reflected)
    assert base.classes.users.__mapper__.column_attrs.keys() == ["attr_id", "attr_name"]
    user = base.classes.users(attr_name="ann", address_collection=[base.classes.address(attr_email="a")])
    with Session(reflected) as opened:
        opened.add(user)
        opened.commit()
        assert user.address_collection[0].attr_user_id == user.attr_id


def test_of_several_foreign_keys_the_first_has_the_names() -> None:
    def letters() -> MetaData:
        metadata = MetaData()
        Table("person", metadata, Column("id", Integer, primary_key=True))
        people = [Column(name, ForeignKey("person.id")) for name in ("writer_id", "reader_id")]
        Table("letter", metadata, Column("id", Integer, primary_key=True), *people)
        return metadata

    base = automap_base(metadata=letters())
    base.prepare()
    relationships = base.classes.letter.__mapper__.relationships
    assert relationships.keys() == ["person"]
    assert [column.name for column in relationships.person.local_columns] == ["writer_id"]
    other = base.classes.person.__mapper__.relationships.letter_collection
    assert [column.name for column in other.remote_side] == ["writer_id"]

    base = automap_base(metadata=letters())
    base.prepare(
        name_for_scalar_relationship=lambda base, local, referred, key: next(iter(key.columns)).name[:-3],
        name_for_collection_relationship=lambda base, local, referred, key: f"as_{next(iter(key.columns)).name[:-3]}",
    )
    assert base.classes.letter.__mapper__.relationships.keys() == ["writer", "reader"]
    assert set(base.classes.person.__mapper__.relationships.keys()) == {"as_writer", "as_reader"}


def test_a_class_is_declared_with_annotations(reflected: Engine) -> None:
    class Root(DeclarativeBase):
        pass

    base: Any = automap_base(Root)

    class User(base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        called: Mapped[str] = mapped_column("name")
        pets: Mapped[list[Any]] = relationship("pet", viewonly=True)

    base.prepare(reflected)
    with Session(reflected) as opened:
        opened.add(User(called="ann", pet_collection=[base.classes.pet()]))
        opened.commit()
        assert len(opened.scalars(select(User)).one().pets) == 1


def test_what_is_refused(reflected: Engine) -> None:
    base = automap_base()
    with pytest.warns(SADeprecationWarning, match="reflect"), pytest.raises(ArgumentError, match="autoload_with"):
        base.prepare(reflect=True)
    with pytest.raises(TypeError, match=r"relationship\(\) or a backref\(\)"):
        generate_relationship(base, session.ONETOMANY, print, "x", base, base)
    with pytest.warns(SADeprecationWarning, match="engine"), pytest.warns(SADeprecationWarning, match="reflect"):
        base.prepare(engine=reflected, reflect=True)
    assert "users" in base.classes


@where_classes_die
def test_classes_are_collected_with_their_base() -> None:
    def make() -> weakref.ref[Any]:
        base = automap_base(metadata=tables())
        base.prepare()
        base.registry.configure()
        base.registry.dispose()
        return weakref.ref(base.classes.users)

    gone = make()
    gc.collect()
    gc.collect()
    assert gone() is None
