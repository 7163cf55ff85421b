"""Ways to map a class, and what the mapped class is like."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Optional

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    func,
    inspect,
    select,
)

from session import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    MappedAsDataclass,
    Session,
    class_mapper,
    clear_mappers,
    column_property,
    configure_mappers,
    declarative_base,
    declared_attr,
    has_inherited_table,
    mapped_column,
    object_mapper,
    registry,
    relationship,
)

key = Annotated[int, mapped_column(primary_key=True)]
short_text = Annotated[str, mapped_column(String(30))]
required_text = Annotated[str, "required"]
created = Annotated[datetime.datetime, mapped_column(server_default=func.current_timestamp())]


def test_a_class_under_declarative_base_is_stored_and_found_again(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        nickname: Mapped[Optional[str]]  # noqa: UP045

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="ed"))
        session.commit()
    with Session(engine) as session:
        user = session.scalars(select(User)).one()
        assert (user.id, user.name, user.nickname) == (1, "ed", None)
        assert type(user) is User


def test_annotations_give_type_and_nullability() -> None:
    class Base(DeclarativeBase):
        type_annotation_map: ClassVar[dict[Any, Any]] = {int: BigInteger, required_text: String(50)}

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[key]
        big: Mapped[int]
        maybe: Mapped[int | None]
        named: Mapped[short_text]
        noted: Mapped[short_text | None]
        wanted: Mapped[required_text]
        forced: Mapped[str | None] = mapped_column(nullable=False)
        at: Mapped[created]
        price: Mapped[float] = mapped_column(Numeric(10, 2))

    columns = Thing.__table__.c
    assert columns.id.primary_key
    assert isinstance(columns.big.type, BigInteger)
    assert not columns.big.nullable
    assert columns.maybe.nullable
    assert columns.named.type.length == 30
    assert not columns.named.nullable
    assert columns.noted.nullable
    assert columns.wanted.type.length == 50
    assert not columns.forced.nullable
    assert columns.at.server_default is not None
    assert columns.price.type.scale == 2


def test_one_annotated_column_serves_many_classes() -> None:
    class Base(DeclarativeBase):
        pass

    class One(Base):
        __tablename__ = "one"
        id: Mapped[key]

    class Two(Base):
        __tablename__ = "two"
        id: Mapped[key]

    assert One.__table__.c.id is not Two.__table__.c.id
    assert One.__table__.c.id.table is One.__table__


def test_declarative_base_function_takes_plain_columns(engine: Engine) -> None:
    Base = declarative_base()

    class User(Base):
        __tablename__ = "user_account"
        id = Column(Integer, primary_key=True)
        name = Column("user_name", String(20))

    Base.metadata.create_all(engine)
    assert "user_name" in User.__table__.c
    with Session(engine) as session:
        session.add_all([User(name="a"), User(name="b")])
        session.commit()
        assert session.scalars(select(User.name).where(User.name > "a")).all() == ["b"]


def test_declarative_base_function_takes_class_and_metadata() -> None:
    class Shared:
        def describe(self) -> str:
            return f"{type(self).__name__}"

    metadata = MetaData(schema="special")
    Base = declarative_base(cls=Shared, metadata=metadata, name="Root")
    assert Base.__name__ == "Root"

    class User(Base):
        __tablename__ = "user_account"
        id = Column(Integer, primary_key=True)

    assert User().describe() == "User"
    assert User.metadata is metadata
    assert User.__table__.schema == "special"


def test_a_base_without_metaclass_works_alike(engine: Engine) -> None:
    class Base(DeclarativeBaseNoMeta):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="x"))
        session.flush()
        assert session.scalar(select(User.name)) == "x"


def test_registry_mapped_decorates_a_class_of_any_base(engine: Engine) -> None:
    mapping = registry()

    class Greeter:
        def greet(self) -> str:
            return f"hello {self.name}"  # type: ignore[attr-defined]

    @mapping.mapped
    class User(Greeter):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        def __init__(self, name: str) -> None:
            self.name = name

    mapping.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User("ed"))
        session.commit()
        assert session.scalars(select(User)).one().greet() == "hello ed"


def test_map_imperatively_maps_a_class_to_a_table(engine: Engine) -> None:
    mapping = registry()
    users = Table("user_account", mapping.metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
    addresses = Table(
        "address",
        mapping.metadata,
        Column("id", Integer, primary_key=True),
        Column("user_id", ForeignKey("user_account.id")),
        Column("mail", String(50)),
    )

    class User:
        pass

    class Address:
        def __init__(self, mail: str) -> None:
            self.mail = mail

    mapper = mapping.map_imperatively(
        User,
        users,
        properties={
            "full_name": users.c.name,
            "addresses": relationship(Address, back_populates="user", order_by=addresses.c.id),
        },
    )
    mapping.map_imperatively(Address, addresses, properties={"user": relationship(User, back_populates="addresses")})
    assert mapper is inspect(User)
    mapping.metadata.create_all(engine)
    with Session(engine) as session:
        user = User()
        user.full_name = "ed"
        user.addresses = [Address("a@x"), Address("b@x")]
        session.add(user)
        session.commit()
        assert [address.mail for address in session.get(User, 1).addresses] == ["a@x", "b@x"]
        assert session.scalars(select(User).filter_by(full_name="ed")).one() is user


def test_imperative_mapping_leaves_out_and_prefixes_columns() -> None:
    mapping = registry()
    table = Table(
        "thing", mapping.metadata, Column("id", Integer, primary_key=True), Column("a", Integer), Column("b", Integer)
    )

    class Without:
        pass

    class Prefixed:
        pass

    mapping.map_imperatively(Without, table, exclude_properties=["b"])
    mapping.map_imperatively(Prefixed, table, column_prefix="_")
    assert [attribute.key for attribute in inspect(Without).column_attrs] == ["id", "a"]
    assert [attribute.key for attribute in inspect(Prefixed).column_attrs] == ["_id", "_a", "_b"]


def test_declarative_with_an_explicit_table(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __table__ = Table(
            "user_account", Base.metadata, Column("id", Integer, primary_key=True), Column("name", String(20))
        )

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="ed"))
        session.commit()
        assert session.get(User, 1).name == "ed"


def test_table_args_and_mapper_args_are_obeyed() -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        __table_args__ = (UniqueConstraint("name", name="one_name"), {"schema": "other", "info": {"a": 1}})
        __mapper_args__ = {"eager_defaults": True}
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(index=True)
        __table_ignored__ = 1

    table = User.__table__
    assert table.schema == "other"
    assert table.info == {"a": 1}
    assert "one_name" in {constraint.name for constraint in table.constraints}
    assert [list(index.columns.keys()) for index in table.indexes] == [["name"]]
    assert inspect(User).eager_defaults is True


def test_mixins_and_declared_attr_give_each_class_its_own_parts(engine: Engine) -> None:
    class Base(DeclarativeBase):
        @declared_attr.directive
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

        id: Mapped[int] = mapped_column(primary_key=True)

    class Owner(Base):
        name: Mapped[str]

    class Owned:
        owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))

        @declared_attr
        def owner(cls) -> Mapped[Owner | None]:
            return relationship("Owner")

        @declared_attr.directive
        def __table_args__(cls) -> tuple[Any, ...]:
            return (Index(f"{cls.__name__.lower()}_owner", "owner_id"),)

    class Car(Owned, Base):
        wheels: Mapped[int] = mapped_column(default=4)

    class House(Owned, Base):
        pass

    Base.metadata.create_all(engine)
    assert Car.__table__.c.owner_id is not House.__table__.c.owner_id
    assert {index.name for index in House.__table__.indexes} == {"house_owner"}
    with Session(engine) as session:
        ed = Owner(name="ed")
        session.add_all([Car(owner=ed), House(owner=ed)])
        session.commit()
        assert session.scalars(select(Car)).one().owner is session.scalars(select(House)).one().owner
        assert session.scalars(select(Car.wheels)).one() == 4


def test_an_abstract_class_is_not_mapped_itself() -> None:
    class Base(DeclarativeBase):
        pass

    class Dated(Base):
        __abstract__ = True
        at: Mapped[datetime.datetime | None]

    class Note(Dated):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert inspect(Dated, raiseerr=False) is None
    assert "at" in Note.__table__.c
    assert not has_inherited_table(Note)


def test_columns_and_relationships_can_be_added_to_a_finished_class(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Address(Base):
        __tablename__ = "address"
        id: Mapped[int] = mapped_column(primary_key=True)

    configure_mappers()
    User.name = mapped_column(String(20))
    Address.user_id = Column(ForeignKey("user_account.id"))
    Address.user = relationship(User, backref="addresses")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="ed", addresses=[Address()]))
        session.commit()
        assert session.get(Address, 1).user.name == "ed"


def test_the_mapper_tells_what_it_maps() -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column("user_name")
        addresses: Mapped[list[Address]] = relationship(back_populates="user")

    class Address(Base):
        __tablename__ = "address"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"))
        user: Mapped[User] = relationship(back_populates="addresses")

    mapper = inspect(User)
    assert mapper is User.__mapper__
    assert mapper is class_mapper(User)
    assert mapper is object_mapper(User())
    assert mapper.class_ is User
    assert mapper.local_table is User.__table__
    assert mapper.primary_key == (User.__table__.c.id,)
    assert set(mapper.attrs.keys()) == {"id", "name", "addresses"}
    assert [attribute.key for attribute in mapper.column_attrs] == ["id", "name"]
    assert mapper.relationships.addresses.mapper.class_ is Address
    assert mapper.get_property_by_column(User.__table__.c.user_name).key == "name"
    assert set(mapper.columns.keys()) == {"id", "name"}
    assert {"id", "name", "addresses"} <= set(mapper.all_orm_descriptors.keys())
    assert {mapper.class_ for mapper in Base.registry.mappers} == {User, Address}


def test_the_default_constructor_takes_attributes_by_name() -> None:
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        @property
        def shout(self) -> str | None:
            return self.name and self.name.upper()

        @shout.setter
        def shout(self, value: str) -> None:
            self.name = value.lower()

    assert User(shout="ED").name == "ed"
    assert User().name is None
    with pytest.raises(TypeError, match=r"nmae.*User"):
        User(nmae="x")


def test_mapped_as_dataclass_has_a_constructor_repr_and_equality(engine: Engine) -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]
        age: Mapped[int | None] = mapped_column(default=None)
        addresses: Mapped[list[Address]] = relationship(default_factory=list, repr=False)

    class Address(Base):
        __tablename__ = "address"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        mail: Mapped[str]
        user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"), init=False)

    Base.metadata.create_all(engine)
    user = User("ed", addresses=[Address("a@x")])
    assert "User(" in repr(user)
    assert "name='ed'" in repr(user)
    assert User("x", 3) != User("x", 4)
    with Session(engine) as session:
        session.add(user)
        session.commit()
        assert user.addresses[0].mail == "a@x"
        assert user.age is None
    with pytest.raises(TypeError):
        User()


def test_clear_mappers_takes_the_instrumentation_away() -> None:
    # In a registry of its own: the others of this process stay as they are.
    mapping = registry()

    @mapping.mapped
    class User:
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert inspect(User, raiseerr=False) is not None
    mapping.dispose()
    assert inspect(User, raiseerr=False) is None
    assert callable(clear_mappers)


def test_two_classes_of_one_name_are_told_apart_by_module_path() -> None:
    class Base(DeclarativeBase):
        pass

    def make(module: str) -> Any:
        class Item(Base):
            __module__ = module
            __tablename__ = module.replace(".", "_")
            id = mapped_column(Integer, primary_key=True)

        return Item

    first, second = make("shop.new"), make("shop.old")

    class Order(Base):
        __tablename__ = "order_line"
        id: Mapped[int] = mapped_column(primary_key=True)
        item_id = mapped_column(ForeignKey("shop_old.id"))
        item = relationship("shop.old.Item")

    configure_mappers()
    assert inspect(Order).relationships.item.mapper.class_ is second
    assert first is not second


def test_declared_columns_take_the_prefix_unless_they_have_another_name(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Numbered:
        number: Mapped[int] = mapped_column(default=4)

    class Prefixed(Numbered, Base):
        __tablename__ = "prefixed"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None] = mapped_column("full_name")
        plain = Column(Integer)
        late: Mapped[int | None] = mapped_column(deferred=True)
        more = column_property(plain + 1)
        __mapper_args__ = {"column_prefix": "_"}

    class Heir(Prefixed):
        __tablename__ = "heir"
        heir_id: Mapped[int] = mapped_column(ForeignKey("prefixed.id"), primary_key=True)

    assert sorted(inspect(Prefixed).attrs.keys()) == ["_id", "_number", "_plain", "late", "more", "name"]
    assert sorted(inspect(Heir).attrs.keys()) == ["_id", "_number", "_plain", "heir_id", "late", "more", "name"]
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Prefixed(_id=1, name="a", _plain=2))
        session.commit()
        found = session.scalars(select(Prefixed).where(Prefixed._plain == 2)).one()
        assert (found._id, found.name, found._number, found.more) == (1, "a", 4, 3)
        session.get_one(Prefixed, 1)._plain = 5
        session.commit()
        assert found.more == 6
