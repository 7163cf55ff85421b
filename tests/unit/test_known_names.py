"""Names without documentation that tools around mapped classes rely on."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, create_engine, event, inspect, select
from sqlalchemy.exc import NoInspectionAvailable

from session import (
    DeclarativeBase,
    DeclarativeMeta,
    Mapped,
    Session,
    decl_api,
    declarative_base,
    mapped_column,
    registry,
    relationship,
    synonym,
)
from session.instrumentation import ClassManager


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    children: Mapped[list[Child]] = relationship(back_populates="parent")


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


def test_the_manager_of_a_class_gives_its_mapper_and_attributes():
    manager = Parent._sa_class_manager
    assert isinstance(manager, ClassManager)
    assert manager.mapper is inspect(Parent)
    assert set(manager) == {"id", "children"}
    assert manager["id"] is Parent.id


def test_a_class_that_is_not_mapped_any_more_has_no_manager():
    class Other(DeclarativeBase):
        pass

    class Gone(Other):
        __tablename__ = "gone"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert hasattr(Gone, "_sa_class_manager")
    Other.registry.dispose()
    assert not hasattr(Gone, "_sa_class_manager")
    with pytest.raises(NoInspectionAvailable):
        inspect(Gone)


def test_a_class_is_heard_while_it_is_instrumented_and_not_yet_mapped():
    class Other(DeclarativeBase):
        pass

    heard = []

    @event.listens_for(Other, "class_instrument", propagate=True)
    def instrumented(cls):
        event.listen(cls, "before_insert", lambda mapper, connection, target: heard.append(target))

    class Thing(Other):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = create_engine("sqlite://")
    Other.metadata.create_all(engine)
    with Session(engine) as session:
        thing = Thing()
        session.add(thing)
        session.flush()
    assert heard == [thing]


def test_a_changed_object_in_a_session_is_held_by_its_state():
    parent = Parent(id=1)
    state = inspect(parent)
    assert state._strong_obj is None
    session = Session()
    session.add(parent)
    assert state._strong_obj is parent
    session.expunge(parent)
    assert state._strong_obj is None


def test_changes_of_a_collection_that_is_not_loaded_can_be_seen():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        parent = Parent(id=1, children=[Child(id=1)])
        session.add(parent)
        session.commit()
        first, second = parent.children[0], Child(id=2)
        session.expire(parent)
        assert parent.id == 1
        second.parent = parent
        first.parent = None
        queued = inspect(parent)._pending_mutations["children"]
        assert (queued.added_items, queued.deleted_items) == ([second], [first])
        assert parent.children == [second]
        assert "children" not in inspect(parent)._pending_mutations


def test_declarative_bases_and_their_classes_have_their_registry_under_its_old_name():
    assert Parent._sa_registry is Base._sa_registry is Base.registry
    made = declarative_base()
    assert made._sa_registry is made.registry


def test_a_metaclass_of_ones_own_may_say_the_registry_by_its_old_name():
    own = registry()

    class Made(metaclass=DeclarativeMeta):
        _sa_registry = own
        metadata = own.metadata
        __abstract__ = True

    class Mapping(Made):
        __tablename__ = "mapping"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert inspect(Mapping).registry is own


def test_the_metaclass_of_declarative_bases_stands_beside_the_other_one():
    assert isinstance(Parent, decl_api.DeclarativeAttributeIntercept)
    assert issubclass(decl_api.DeclarativeMeta, decl_api.DeclarativeAttributeIntercept)


def test_a_synonym_tells_what_it_stands_for():
    class Other(DeclarativeBase):
        pass

    class Named(Other):
        __tablename__ = "named"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = synonym("id")
        bare: Mapped[str] = synonym("plain")

        @property
        def plain(self):
            return "plain"

    attrs = inspect(Named).attrs
    assert attrs.number._proxied_object is attrs.id
    assert attrs.bare._proxied_object is Named.plain


def test_execute_takes_the_arguments_that_subclasses_of_sessions_pass_on():
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        assert session.execute(select(1), _parent_execute_state=None, _add_event=None).scalar() == 1
