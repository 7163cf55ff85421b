"""sessionmaker, scoped_session, arguments of the Session, binds."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import (
    Engine,
    Integer,
    create_engine,
    delete,
    event,
    exc,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.pool import StaticPool

from session import (
    DeclarativeBase,
    Mapped,
    Query,
    Session,
    aliased,
    close_all_sessions,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from .session_models import Address, Base, User

# -- arguments -----------------------------------------------------------------------------------


def test_wrong_arguments(db):
    for wrong in (
        {"autocommit": True},
        {"future": False},
        {"join_transaction_mode": "nothing"},
        {"binds": {"users": db}},
    ):
        with pytest.raises(exc.ArgumentError):
            Session(db, **wrong)
    with pytest.raises(TypeError):
        Session(db, nothing=1)


def test_info_may_be_replaced(db):
    session = Session(db, info={"a": 1})
    notes = {"b": 2}
    session.info = notes
    session.info["c"] = 3
    assert session.info is notes
    assert notes == {"b": 2, "c": 3}


def test_info(db):
    given = {"a": 1}
    session = Session(db, info=given)
    session.info["b"] = 2
    assert (session.info, given) == ({"a": 1, "b": 2}, {"a": 1})
    assert Session(db).info == {}


def test_plain_attributes(db):
    session = Session(db, autoflush=False, expire_on_commit=False)
    assert (session.bind, session.autoflush, session.expire_on_commit, session.is_active) == (db, False, False, True)


# -- sessionmaker --------------------------------------------------------------------------------


def test_maker(db):
    maker = sessionmaker(db, expire_on_commit=False, info={"a": 1, "b": 1})
    session = maker(autoflush=False, info={"b": 2})
    assert (session.bind, session.expire_on_commit, session.autoflush) == (db, False, False)
    assert session.info == {"a": 1, "b": 2}
    assert maker().info == {"a": 1, "b": 1}
    maker.configure(info={"c": 3}, autoflush=False)
    assert (maker().info, maker().autoflush) == ({"c": 3}, False)
    assert "autoflush=False" in repr(maker)


def test_each_maker_has_a_class_of_its_own(db):
    class Own(Session):
        pass

    one, two = sessionmaker(db, class_=Own), sessionmaker(db, class_=Own)
    assert issubclass(one.class_, Own)
    assert one.class_ is not two.class_
    assert isinstance(one(), Own)


def test_maker_begin(db):
    maker = sessionmaker(db)
    with maker.begin() as session:
        session.add(User(name="a"))

    def fail():
        with maker.begin() as session:
            session.add(User(name="b"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with maker() as session:
        assert session.scalars(select(User.name)).all() == ["a"]
        assert maker.object_session(session.scalars(select(User)).one()) is session
    assert maker.identity_key(User, 1) == (User, (1,), None)


# -- scoped_session ------------------------------------------------------------------------------


def test_scope_by_thread(db):
    scoped = scoped_session(sessionmaker(db))
    here = scoped()
    assert scoped() is here
    there = []
    thread = threading.Thread(target=lambda: (there.append(scoped() is here), scoped.remove()))
    thread.start()
    thread.join()
    assert there == [False]
    scoped.remove()
    assert scoped() is not here
    scoped.remove()


def test_scope_by_function(db):
    scope = ["one"]
    scoped = scoped_session(sessionmaker(db), scopefunc=lambda: scope[0])
    one = scoped()
    scope[0] = "two"
    assert scoped() is not one
    scope[0] = "one"
    assert scoped() is one


def test_settings_for_a_session_that_exists_are_refused(db):
    scoped = scoped_session(sessionmaker(db))
    assert scoped(autoflush=False).autoflush is False
    with pytest.raises(exc.InvalidRequestError):
        scoped(autoflush=True)
    with pytest.warns(exc.SAWarning):
        scoped.configure(autoflush=True)
    scoped.remove()
    assert scoped().autoflush is True
    scoped.remove()


def test_methods_are_those_of_the_session(db):
    scoped = scoped_session(sessionmaker(db))
    public = {name for name in dir(Session) if not name.startswith("_")}
    own = {"bind_mapper", "bind_table", "connection_callable", "dispatch"}
    assert public - own <= {name for name in dir(scoped_session) if not name.startswith("_")}
    user = User(name="a")
    scoped.add(user)
    assert user in scoped
    assert list(scoped) == [user]
    assert list(scoped.new) == [user]
    scoped.commit()
    assert scoped.get(User, user.id) is user
    assert scoped.scalars(select(User)).all() == [user]
    assert scoped.query(User).one() is user
    user.name = "b"
    assert list(scoped.dirty) == [user]
    assert scoped.is_modified(user)
    with scoped.no_autoflush:
        assert scoped.scalar(text("SELECT name FROM users")) == "a"
    scoped.autoflush = False
    assert scoped().autoflush is False
    scoped.rollback()
    assert user.name == "a"
    assert scoped.object_session(user) is scoped()
    with scoped.begin_nested():
        scoped.delete(user)
    scoped.close()
    scoped.remove()


def test_query_property(db):
    scoped = scoped_session(sessionmaker(db))

    class OwnQuery(Query):
        pass

    class WithQuery:
        query = scoped.query_property()
        own = scoped.query_property(OwnQuery)

    class OwnBase(DeclarativeBase):
        pass

    class Thing(OwnBase, WithQuery):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)

    OwnBase.metadata.create_all(db)
    scoped.add(Thing(id=1))
    assert Thing.query.one().id == 1
    assert isinstance(Thing.own, OwnQuery)
    scoped.remove()


# -- binds ---------------------------------------------------------------------------------------


class Elsewhere(DeclarativeBase):
    pass


class Parent(Elsewhere):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


def memory():
    return create_engine("sqlite://", poolclass=StaticPool)


@pytest.fixture
def one():
    engine = memory()
    yield engine
    engine.dispose()


@pytest.fixture
def two():
    engine = memory()
    yield engine
    engine.dispose()


def test_binds_by_class_mapper_and_table(one, two):
    for key in (User, inspect(User), User.__table__):
        session = Session(one, binds={key: two})
        assert session.get_bind(User) is two
        assert session.get_bind(inspect(User)) is two
        assert session.get_bind(clause=select(User)) is two
        assert session.get_bind(clause=User.__table__) is two
        assert session.get_bind(Address) is one
        assert session.get_bind() is one


def test_binds_by_base_class(one, two):
    session = Session(binds={Base: one, Elsewhere: two})
    assert session.get_bind(User) is one
    assert session.get_bind(Parent) is two
    assert session.get_bind(clause=select(Parent.id)) is two
    with pytest.raises(exc.UnboundExecutionError):
        session.get_bind()


def test_bind_mapper_and_table(one, two):
    session = Session()
    session.bind_mapper(User, one)
    session.bind_table(Address.__table__, two)
    assert session.get_bind(User) is one
    assert session.get_bind(Address) is two
    assert session.get_bind(clause=text("SELECT 1"), bind=two) is two
    with pytest.raises(exc.ArgumentError):
        session.bind_mapper("text", one)


def test_nothing_bound():
    session = Session()
    for work in (
        lambda: session.execute(text("SELECT 1")),
        lambda: session.execute(select(User)),
        lambda: session.get(User, 1),
        lambda: session.query(User).all(),
        session.connection,
        session.get_bind,
        lambda: session.get_bind(User),
    ):
        with pytest.raises(exc.UnboundExecutionError):
            work()
    with pytest.raises(exc.InvalidRequestError):
        session.get_bind(str)


def test_work_goes_where_it_is_bound(one, two):
    Base.metadata.create_all(one)
    Base.metadata.create_all(two)
    with Session(binds={User: one, Address: two}) as session:
        session.add_all([User(id=1, name="a"), Address(id=1, email="x")])
        session.commit()
        assert session.query(User).count() == 1
        assert session.query(Address).one().email == "x"
    for engine, users, addresses in ((one, 1, 0), (two, 0, 1)):
        with engine.connect() as connection:
            assert len(connection.execute(User.__table__.select()).all()) == users
            assert len(connection.execute(Address.__table__.select()).all()) == addresses


def test_overridden_get_bind(one, two):
    Base.metadata.create_all(one)
    Base.metadata.create_all(two)
    asked = []

    class Routing(Session):
        def get_bind(self, mapper=None, clause=None, **keywords) -> Engine:
            asked.append((None if mapper is None else mapper.class_, keywords))
            return one if self._flushing else two

    with Routing() as session:
        session.add(User(id=1, name="a"))
        session.commit()
        assert session.get(User, 1) is None
        assert session.execute(select(User), bind_arguments={"shard": 1}).all() == []
    assert asked[0] == (User, {})
    assert asked[-1] == (User, {"shard": 1})


@pytest.fixture
def by_class(one, two):
    Base.metadata.create_all(one)
    Base.metadata.create_all(two)
    with Session(one) as session:
        session.add(User(id=1, name="first"))
        session.commit()
    with Session(binds={User: one, Address: two}) as session:
        yield session


@pytest.mark.parametrize("mapper", [Address, inspect(Address)])
def test_a_statement_about_a_class_goes_where_that_is_bound_whatever_mapper_is_sent_along(by_class, mapper):
    arguments = {"mapper": mapper}
    assert by_class.scalars(select(User.name), bind_arguments=arguments).all() == ["first"]
    assert by_class.get(User, 1, bind_arguments=arguments).name == "first"
    assert by_class.execute(update(User).values(name="second"), bind_arguments=arguments).rowcount == 1
    by_class.execute(insert(User), [{"id": 2, "name": "third"}], bind_arguments=arguments)
    assert by_class.scalars(select(User.name).order_by(User.id)).all() == ["second", "third"]
    assert by_class.execute(delete(User), bind_arguments=arguments).rowcount == 2


def test_a_mapper_sent_along_decides_for_statements_that_have_none(by_class, two):
    with two.begin() as connection:
        connection.execute(insert(User.__table__).values(id=7, name="elsewhere"))
    arguments = {"mapper": Address}
    count = text("SELECT count(*) FROM users WHERE name = 'elsewhere'")
    assert by_class.scalar(count, bind_arguments=arguments) == 1
    assert by_class.connection(arguments).engine is two


@pytest.mark.parametrize("sent", [{"mapper": Address}, {"clause": select(Address)}])
def test_a_union_goes_where_its_tables_are_bound_unless_something_else_is_sent_along(by_class, two, sent):
    with two.begin() as connection:
        connection.execute(insert(User.__table__).values(id=7, name="elsewhere"))
    both = select(User.name).union(select(User.name))
    assert by_class.scalars(both).all() == ["first"]
    assert by_class.scalars(both, bind_arguments=sent).all() == ["elsewhere"]


def test_listeners_are_shown_the_mapper_of_the_statement(by_class):
    shown = []

    def listener(execution):
        shown.append(execution.bind_mapper)
        execution.bind_arguments["mapper"] = inspect(Address)

    event.listen(by_class, "do_orm_execute", listener)
    assert by_class.scalars(select(User.name), bind_arguments={"mapper": Address}).all() == ["first"]
    by_class.scalars(select(User.name).union(select(User.name))).all()
    assert shown == [inspect(User), None]


def test_get_bind_is_asked_for_a_union_without_mapper(one):
    Base.metadata.create_all(one)
    asked = []

    class Routing(Session):
        def get_bind(self, mapper=None, **keywords) -> Engine:
            asked.append(mapper)
            return one

    with Routing() as session:
        session.execute(select(User.id).union(select(Address.id)))
        session.execute(select(aliased(User)))
    assert asked == [None, inspect(User)]


def test_bound_to_a_connection(one):
    Base.metadata.create_all(one)
    with one.connect() as connection:
        session = Session(connection)
        session.add(User(name="a"))
        session.commit()
        assert session.connection() is connection
        session.close()
        assert not connection.closed


def test_close_all_sessions_keeps_makers(one):
    maker = sessionmaker(one)
    session = maker()
    session.connection()
    close_all_sessions()
    assert not session.in_transaction()


def test_binds_are_replaced_not_changed(one, two):
    session = Session(binds={User: one})
    before = session.binds
    assert before == {User: one, User.__table__: one}
    session.bind_mapper(Address, two)
    assert before == {User: one, User.__table__: one}
    assert session.binds[Address] is two
    with pytest.raises(TypeError):
        session.binds[User] = two
