"""``ConcreteBase`` and ``AbstractConcreteBase``: the same programs with this package and with ``sqlalchemy.orm``."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.ext.declarative
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, func, inspect, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SAWarning

import session
import session.ext.declarative
from session import DeclarativeBase, Mapped, Session, aliased, mapped_column, relationship, with_polymorphic
from session.exc import UnmappedClassError
from session.ext.declarative import AbstractConcreteBase, ConcreteBase

from .everyday import where_classes_die
from .extended import counted, outcome

KINDS = ["ConcreteBase", "AbstractConcreteBase", "strict"]


def make_models(orm: Any, declarative: Any, kind: str) -> SimpleNamespace:
    """Map employees, who have a table of their own or not, managers and engineers."""

    class Base(orm.DeclarativeBase):
        pass

    def in_company() -> Any:
        class InCompany:
            @orm.declared_attr
            def company_id(cls):
                return Column(ForeignKey("company.id"))

            @orm.declared_attr
            def company(cls):
                return orm.relationship("Company")

        return InCompany

    class Company(Base):
        __tablename__ = "company"
        id = Column(Integer, primary_key=True)
        name = Column(String(5))
        staff = orm.relationship("Employee", viewonly=True, order_by="Employee.name")

    class Tag(Base):
        __tablename__ = "tag"
        id = Column(Integer, primary_key=True)
        manager_id = Column(ForeignKey("manager.id"))

    if kind == "ConcreteBase":

        class Employee(declarative.ConcreteBase, in_company(), Base):
            __tablename__ = "employee"
            id = Column(Integer, primary_key=True)
            name = Column(String(50))
            __mapper_args__ = {"polymorphic_identity": "employee", "concrete": True}
    else:

        class Employee(declarative.AbstractConcreteBase, in_company(), Base):  # type: ignore[no-redef]
            strict_attrs = kind == "strict"
            id = Column(Integer, primary_key=True)
            name = Column("fullname", String(50))

    class Manager(in_company(), Employee):
        __tablename__ = "manager"
        id = Column(Integer, primary_key=True)
        name = Column("fullname" if kind != "ConcreteBase" else "name", String(50))
        office = Column("room", String(40))
        tags = orm.relationship("Tag", order_by="Tag.id")
        __mapper_args__ = {"polymorphic_identity": "manager", "concrete": True}

    class Engineer(in_company(), Employee):
        __tablename__ = "engineer"
        id = Column(Integer, primary_key=True)
        name = Column("fullname" if kind != "ConcreteBase" else "name", String(50))
        language = Column(String(40))
        boss_id = Column(ForeignKey("manager.id"))
        boss = orm.relationship("Manager")
        __mapper_args__ = {"polymorphic_identity": "engineer", "concrete": True}

    class Boss(Manager):
        __tablename__ = "boss"
        id = Column(Integer, primary_key=True)
        name = Column("fullname" if kind != "ConcreteBase" else "name", String(50))
        office = Column("room", String(40))
        golf = Column(Integer)
        company_id = Column(ForeignKey("company.id"))
        company = orm.relationship("Company")
        tags = orm.relationship("Tag", primaryjoin="Boss.id == foreign(Tag.manager_id)", viewonly=True)
        __mapper_args__ = {"polymorphic_identity": "boss", "concrete": True}

    Base.registry.configure()
    return SimpleNamespace(
        orm=orm, Base=Base, Company=Company, Tag=Tag, Employee=Employee, Manager=Manager, Engineer=Engineer, Boss=Boss
    )


def fill(models: SimpleNamespace, engine: Engine) -> None:
    models.Base.metadata.create_all(engine)
    with models.orm.Session(engine) as opened:
        red, blue = models.Company(id=1, name="red"), models.Company(id=2, name="blue")
        mia = models.Manager(id=5, name="mia", office="o", company=red, tags=[models.Tag(), models.Tag()])
        opened.add_all([red, blue, mia])
        opened.add_all([models.Engineer(id=5, name="eli", language="py", company=blue, boss=mia)])
        opened.add_all([models.Engineer(id=7, name="fay"), models.Boss(id=9, name="bob", golf=3, company=red)])
        if "employee" in models.Base.metadata.tables:
            opened.add(models.Employee(id=11, name="ann"))
        opened.commit()


def picture(one: Any) -> tuple[Any, ...]:
    kind = type(one).__name__
    found: list[Any] = [kind, one.id, one.name, one.company and one.company.name]
    if kind in ("Manager", "Boss"):
        found += [one.office, [tag.id for tag in one.tags]]
    if kind == "Engineer":
        found += [one.language, one.boss and one.boss.name]
    return tuple(found)


def programs(models: SimpleNamespace, opened: Any) -> list[Any]:
    """Run what can be done with the hierarchy, and give what came out."""
    orm, m = models.orm, models
    statement = select(m.Employee).order_by(m.Employee.name)

    def loaded(*options: Any) -> list[tuple[Any, ...]]:
        opened.expunge_all()
        return [picture(one) for one in opened.scalars(statement.options(*options)).unique()]

    def staff(*options: Any) -> Any:
        opened.expunge_all()
        companies = opened.scalars(select(m.Company).order_by(m.Company.id).options(*options)).unique()
        return [[(type(one).__name__, one.id, one.name) for one in company.staff] for company in companies]

    def blue() -> Any:
        return opened.scalars(select(m.Company).filter_by(name="blue")).one()

    alias = orm.aliased(m.Employee)
    calls: list[Callable[[], Any]] = [
        loaded,
        lambda: loaded(orm.joinedload(m.Employee.company)),
        lambda: loaded(orm.selectinload(m.Employee.company)),
        lambda: loaded(orm.joinedload(m.Manager.tags)),
        lambda: loaded(orm.selectinload(m.Manager.tags)),
        lambda: loaded(orm.joinedload(m.Engineer.boss)),
        lambda: loaded(orm.defer(m.Employee.name)),
        lambda: loaded(orm.load_only(m.Employee.id)),
        staff,
        lambda: staff(orm.selectinload(m.Company.staff)),
        lambda: staff(orm.joinedload(m.Company.staff)),
        lambda: [picture(one) for one in opened.scalars(select(alias).where(alias.name > "f").order_by(alias.name))],
        lambda: sorted(map(tuple, opened.execute(select(m.Employee.name, m.Company.name).join(m.Employee.company)))),
        lambda: [one.id for one in opened.scalars(select(m.Employee).where(m.Employee.company.has(name="blue")))],
        lambda: [picture(one) for one in opened.scalars(statement.where(m.Employee.company == blue()))],
        lambda: [picture(one) for one in opened.scalars(statement.where(m.Employee.company != blue()))],
        lambda: [picture(one) for one in opened.scalars(statement.where(m.Employee.company == None))],  # noqa: E711
        lambda: [picture(one) for one in opened.scalars(statement.where(orm.with_parent(blue(), m.Company.staff)))],
        lambda: [picture(one) for one in opened.query(m.Employee).filter(orm.with_parent(blue(), m.Company.staff))],
        lambda: opened.scalars(select(m.Company.name).where(m.Company.staff.any(m.Employee.name > "f"))).all(),
        lambda: opened.scalars(select(m.Company.name).where(~m.Company.staff.any(m.Employee.name > "f"))).all(),
        lambda: opened.scalars(select(m.Company.name).where(m.Company.staff.any(name="nobody"))).all(),
        lambda: opened.scalar(select(func.count(m.Employee.id))),
        lambda: opened.query(m.Employee).filter(m.Employee.id > 5).count(),
        lambda: [picture(one) for one in opened.query(m.Manager).order_by(m.Manager.name)],
        lambda: picture(opened.get(m.Employee, 7)),
        lambda: picture(opened.get(m.Engineer, 5)),
        lambda: opened.get(m.Employee, 5),
        lambda: opened.get(m.Employee, 99),
        lambda: sorted(opened.scalars(select(m.Employee.name).group_by(m.Employee.name).having(m.Employee.name < "d"))),
        lambda: opened.scalars(select(m.Employee.name).limit(1).order_by(m.Employee.name.desc())).all(),
        lambda: hasattr(m.Manager(name="x"), "type"),
        lambda: sorted(inspect(m.Employee).polymorphic_map),
        lambda: inspect(m.Boss).inherits is inspect(m.Manager),
        lambda: inspect(m.Manager).inherits is inspect(m.Employee),
        lambda: inspect(m.Manager).base_mapper is inspect(m.Employee),
        lambda: sorted(prop.key for prop in inspect(m.Employee).attrs),
    ]
    results = []
    for call in calls:
        opened.rollback()
        opened.expunge_all()
        results.append(outcome(call))
    return results


@pytest.mark.parametrize("kind", KINDS)
def test_each_program_does_what_it_does_with_sqlalchemy_orm(engine: Engine, kind: str) -> None:
    ours = make_models(session, session.ext.declarative, kind)
    theirs = make_models(sqlalchemy.orm, sqlalchemy.ext.declarative, kind)
    fill(ours, engine)
    with theirs.orm.Session(engine) as opened:
        expected = programs(theirs, opened)
    with ours.orm.Session(engine) as opened:
        assert programs(ours, opened) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_written_to_the_tables_of_their_classes(engine: Engine, kind: str) -> None:
    models = make_models(session, session.ext.declarative, kind)
    fill(models, engine)
    with Session(engine) as opened:
        everybody = {one.name: one for one in opened.scalars(select(models.Employee))}
        everybody["mia"].office = "elsewhere"
        everybody["eli"].boss = None
        opened.delete(everybody["bob"])
        opened.add(models.Engineer(name="new", boss=everybody["mia"]))
        opened.commit()
        found = opened.scalars(
            select(models.Employee).where(models.Employee.name != "ann").order_by(models.Employee.name)
        )
        assert [(type(one).__name__, one.name) for one in found] == [
            ("Engineer", "eli"),
            ("Engineer", "fay"),
            ("Manager", "mia"),
            ("Engineer", "new"),
        ]
        assert everybody["mia"].office == "elsewhere"
        assert opened.execute(update(models.Engineer).values(language="c")).rowcount == 3
        assert everybody["eli"].language == "c"


def test_an_object_of_the_base_is_refreshed_from_its_own_table(engine: Engine) -> None:
    models = make_models(session, session.ext.declarative, "ConcreteBase")
    fill(models, engine)
    with Session(engine) as opened:
        opened.add(models.Employee(id=5, name="same key"))
        opened.commit()
        five = opened.scalars(select(models.Employee).where(models.Employee.name == "same key")).one()
        for refresh in (
            lambda: opened.refresh(five),
            lambda: opened.expire(five),
            lambda: opened.expire(five, ["name"]),
        ):
            opened.execute(update(models.Employee.__table__).values(name="changed"))
            refresh()
            assert five.name == "changed"
            assert inspect(five).identity == (5,)
        assert opened.get(models.Manager, 5) is not five


def test_one_statement_brings_all_classes(engine: Engine) -> None:
    models = make_models(session, session.ext.declarative, "AbstractConcreteBase")
    fill(models, engine)
    with Session(engine) as opened, counted(engine) as statements:
        option = session.joinedload(models.Employee.company)
        found = opened.scalars(select(models.Employee).options(option)).all()
        assert {one.company and one.company.name for one in found} == {"red", "blue", None}
        assert [one.office for one in found if isinstance(one, models.Manager)] == ["o", None]
        assert len(statements) == 1


# -- mistakes, and moments ---------------------------------------------------------------------------


def test_an_abstract_base_is_mapped_when_the_mappers_are_configured() -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(AbstractConcreteBase, Base):
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    for use in (select, inspect, session.class_mapper, session.aliased):
        with pytest.raises(UnmappedClassError, match=r"Class Animal .* registry\.configure\(\)") as caught:
            use(Animal)
        assert caught.value.cls is Animal

    Base.registry.configure()  # there is nothing to be made a union of yet

    class Cat(Animal):
        __tablename__ = "cat"
        purrs: Mapped[bool]
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}

    Base.registry.configure()
    assert set(inspect(Animal).attrs.keys()) == {"id", "name", "purrs", "type"}
    assert "AS pjoin" in str(select(Animal))
    with pytest.raises(InvalidRequestError, match="polymorphic_abstract"):
        Animal(name="x")
    with pytest.warns(SAWarning, match="Dog comes too late for SELECTs of Animal"):

        class Dog(Animal):
            __tablename__ = "dog"
            id: Mapped[int] = mapped_column(primary_key=True)
            __mapper_args__ = {"polymorphic_identity": "dog", "concrete": True}


@where_classes_die
def test_the_classes_of_a_hierarchy_are_collected() -> None:
    def make() -> weakref.ref[Any]:
        models = make_models(session, session.ext.declarative, "strict")
        models.Base.registry.dispose()
        return weakref.ref(models.Employee)

    gone = make()
    gc.collect()
    gc.collect()
    assert gone() is None


def test_subclasses_of_an_abstract_class_below_the_base_count(engine: Engine) -> None:
    Base: Any = session.declarative_base()

    class Animal(AbstractConcreteBase, Base):
        _concrete_discriminator_name = "kind"
        id = Column(Integer, primary_key=True)
        type = Column(String(10))

    class Pet(Animal):
        __abstract__ = True
        owner = Column(String(10))

    class Cat(Pet):
        __tablename__ = "cat"
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}

    class Wolf(Animal):
        __tablename__ = "wolf"
        __mapper_args__ = {"polymorphic_identity": "wolf", "concrete": True}

    Base.registry.configure()
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        opened.add_all([Cat(owner="me", type="tabby"), Wolf(type="grey")])
        opened.commit()
        found = opened.execute(select(Animal.kind, Animal.type, Animal).order_by(Animal.kind)).all()
        assert [(kind, type_, type(one)) for kind, type_, one in found] == [
            ("cat", "tabby", Cat),
            ("wolf", "grey", Wolf),
        ]


def test_a_discriminator_that_is_a_column_is_refused() -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(ConcreteBase, Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "animal", "concrete": True}

    class Cat(Animal):
        __tablename__ = "cat"
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}

    with pytest.raises(InvalidRequestError, match="_concrete_discriminator_name"):
        Base.registry.configure()
    Animal._concrete_discriminator_name = "kind"
    Base.registry.configure()
    assert "'cat' AS kind" in str(select(Animal))


def test_a_class_without_identity_is_refused() -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(AbstractConcreteBase, Base):
        id: Mapped[int] = mapped_column(primary_key=True)

    class Cat(Animal):
        __tablename__ = "cat"
        __mapper_args__ = {"concrete": True}

    with pytest.raises(ArgumentError, match=r"Cat.* no polymorphic_identity"):
        Base.registry.configure()
    assert Animal.__abstract__  # type: ignore[attr-defined]
    Base.registry.dispose()


def test_a_hierarchy_of_dataclasses_has_relationships_of_its_own(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class House(Base):
        __tablename__ = "house"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Animal(AbstractConcreteBase, Base):
        id: Mapped[int] = mapped_column(primary_key=True)
        story: Mapped[str | None] = mapped_column(deferred=True)

    class Cat(Animal):
        __tablename__ = "cat"
        house_id: Mapped[int | None] = mapped_column(ForeignKey("house.id"))
        house: Mapped[House | None] = relationship(lazy="joined")
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}

    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        opened.add(Cat(house=House(id=3), story="long"))
        opened.commit()
        opened.expunge_all()
        cat = opened.scalars(select(Animal)).one()
        assert isinstance(cat, Cat)
        assert "story" not in cat.__dict__
        assert "house" in cat.__dict__
        assert cat.house is not None
        assert (cat.house.id, cat.story) == (3, "long")


def test_the_union_of_all_is_what_with_polymorphic_reads_by_itself(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(ConcreteBase, Base):
        __tablename__ = "animal_told"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "animal", "concrete": True}

    class Bird(Animal):
        __tablename__ = "bird_told"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        wings: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "bird", "concrete": True}

    alias_before_configuration = aliased(Animal)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Animal(name="cow"), Bird(name="hen", wings=2), Bird(name="kiwi", wings=0)])
        session.commit()
        for classes in ("*", []):
            for options in ({}, {"aliased": True}, {"flat": True}):
                every = with_polymorphic(Animal, classes, **options)
                found = session.scalars(select(every).where((every.Bird.wings > 0) | (every.name == "cow")))
                assert sorted((type(each).__name__, each.name) for each in found) == [
                    ("Animal", "cow"),
                    ("Bird", "hen"),
                ]
        alias = alias_before_configuration
        assert session.scalars(select(alias.name).order_by(alias.name)).all() == ["cow", "hen", "kiwi"]
