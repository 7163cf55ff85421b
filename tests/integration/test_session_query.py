"""Query: clauses, rows, its use in other statements, UPDATE and DELETE."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, func, inspect, select, text

from session import Bundle, Query, Session, aliased, joinedload, lazyload, load_only, selectinload
from session.exc import MultipleResultsFound, NoResultFound

from .session_models import Address, Group, User


@pytest.fixture
def session(db):
    with Session(db) as session:
        session.add_all(
            [
                User(id=1, name="ed", age=30, addresses=[Address(id=1, email="ed@x"), Address(id=2, email="ed@y")]),
                User(id=2, name="jack", age=20, addresses=[Address(id=3, email="jack@x")]),
                User(id=3, name="wendy", age=20, groups=[Group(id=1, name="all")]),
            ]
        )
        session.commit()
        yield session


def names(query):
    return [user.name for user in query]


# -- clauses -------------------------------------------------------------------------------------


def test_filter(session):
    query = session.query(User).order_by(User.id)
    assert names(query.filter(User.age == 20)) == ["jack", "wendy"]
    assert names(query.where(User.age == 20, User.name == "jack")) == ["jack"]
    assert names(query.filter_by(age=20, name="wendy")) == ["wendy"]
    assert names(query) == ["ed", "jack", "wendy"]


def test_filter_by_unknown_name(session):
    with pytest.raises(exc.InvalidRequestError):
        session.query(User).filter_by(nothing=1)


def test_order_limit_offset_slice(session):
    query = session.query(User).order_by(User.name.desc())
    assert names(query) == ["wendy", "jack", "ed"]
    assert names(query.order_by(None).order_by(User.name)) == ["ed", "jack", "wendy"]
    assert names(query.limit(2)) == ["wendy", "jack"]
    assert names(query.offset(1).limit(1)) == ["jack"]
    assert names(query.slice(1, 3)) == ["jack", "ed"]
    assert names(query[1:]) == ["jack", "ed"]
    assert names(query[:1]) == ["wendy"]
    assert names(query[0:3:2]) == ["wendy", "ed"]
    assert query[1].name == "jack"
    assert query[3:2] == []
    for index in (-1, slice(-1, None)):
        with pytest.raises(IndexError):
            query[index]
    with pytest.raises(IndexError):
        query[10]


def test_group_by_and_having(session):
    query = session.query(User.age, func.count(User.id)).group_by(User.age).order_by(User.age)
    assert query.all() == [(20, 2), (30, 1)]
    assert query.having(func.count(User.id) > 1).all() == [(20, 2)]


def test_distinct(session):
    assert session.query(User.age).distinct().order_by(User.age).all() == [(20,), (30,)]


def test_joins(session):
    query = session.query(User).order_by(User.id)
    assert names(query.join(User.addresses).filter(Address.email == "jack@x")) == ["jack"]
    assert names(query.join(Address, User.id == Address.user_id).filter_by(email="ed@y")) == ["ed"]
    assert names(query.join(Address)) == ["ed", "jack"]
    assert names(query.outerjoin(User.addresses).filter(Address.id.is_(None))) == ["wendy"]
    assert names(query.join(User.groups).filter(Group.name == "all")) == ["wendy"]
    alias = aliased(Address)
    assert names(query.join(alias, User.addresses).filter(alias.email == "ed@x")) == ["ed"]
    assert names(query.join(User.addresses.of_type(alias)).filter(alias.email == "ed@x")) == ["ed"]


def test_reset_joinpoint(session):
    query = session.query(User).join(User.addresses)
    assert names(query.filter_by(email="jack@x").reset_joinpoint().filter_by(name="jack")) == ["jack"]


def test_select_from(session):
    query = session.query(User.name).select_from(Address).join(Address.user).filter(Address.id == 3)
    assert query.all() == [("jack",)]
    with pytest.raises(exc.InvalidRequestError):
        session.query(User).filter(User.id == 1).select_from(Address)


def test_late_clauses_are_refused(session):
    query = session.query(User).limit(1)
    for late in (
        lambda: query.filter(User.id == 1),
        lambda: query.order_by(User.id),
        lambda: query.join(User.addresses),
        lambda: query.group_by(User.id),
        lambda: query.having(User.id == 1),
        lambda: query.select_from(User),
        lambda: session.query(User).from_statement(text("SELECT * FROM users")).filter(User.id == 1),
    ):
        with pytest.raises(exc.InvalidRequestError):
            late()
    assert query.enable_assertions(False).filter(User.id == 2).one().name == "jack"


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning")
def test_with_parent(session):
    user = session.get(User, 1)
    assert [a.id for a in session.query(Address).with_parent(user).order_by(Address.id)] == [1, 2]
    assert session.query(Address).with_parent(user, User.addresses).count() == 2


# -- rows ----------------------------------------------------------------------------------------


def test_kinds_of_rows(session):
    first = session.query(User).order_by(User.id).first()
    assert isinstance(first, User)
    assert session.query(User.id, User.name).order_by(User.id).first() == (1, "ed")
    assert session.query(User.id).order_by(User.id).first().id == 1
    row = session.query(User, Address).join(User.addresses).filter(Address.id == 3).one()
    assert (row.User.name, row.Address.email) == ("jack", "jack@x")
    bundle = session.query(Bundle("b", User.id, User.name)).filter(User.id == 1).one()
    assert bundle.b == (1, "ed")
    row = session.query(User).filter(User.id == 1).only_return_tuples(True).one()
    assert row == (first,)


def test_entities_are_given_once(session):
    query = session.query(User).join(User.addresses).order_by(User.id)
    assert names(query) == ["ed", "jack"]
    eager = session.query(User).options(joinedload(User.addresses)).order_by(User.id)
    assert [len(user.addresses) for user in eager] == [2, 1, 0]


def test_one_and_its_relatives(session):
    query = session.query(User)
    assert query.filter_by(id=1).one().name == "ed"
    assert query.filter_by(id=9).one_or_none() is None
    assert query.filter_by(id=9).first() is None
    with pytest.raises(NoResultFound):
        query.filter_by(id=9).one()
    for many in (query.one, query.one_or_none, session.query(User.id).scalar):
        with pytest.raises(MultipleResultsFound):
            many()
    assert session.query(User.name).filter_by(id=2).scalar() == "jack"
    assert session.query(User.name).filter_by(id=9).scalar() is None
    assert session.query(func.count(User.id)).scalar() == 3


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning")
def test_get(session):
    query = session.query(User)
    assert query.get(1) is session.get(User, 1)
    assert query.get(9) is None
    session.expunge_all()
    loaded = query.options(selectinload(User.addresses)).get(1)
    assert "addresses" in loaded.__dict__
    for limited in (query.filter(User.id == 1), query.limit(1), query.join(User.addresses)):
        with pytest.raises(exc.InvalidRequestError):
            limited.get(1)
    with pytest.raises(exc.InvalidRequestError):
        session.query(User, Address).get(1)


def test_methods_of_old_warn_whoever_calls_them(session):
    query, user = session.query(User), session.get(User, 1)
    calls = [
        lambda: query.get(1),
        lambda: session.query(Address).with_parent(user),
        lambda: query.with_labels(),
        lambda: query.apply_labels(),
        lambda: query.merge_result([user]),
    ]
    for call in calls:
        with pytest.warns(exc.LegacyAPIWarning) as warned:
            call()
        assert [warning.filename for warning in warned] == [__file__]


def test_count(session):
    assert session.query(User).count() == 3
    assert session.query(User).filter_by(age=20).count() == 2
    assert session.query(User).limit(2).count() == 2
    assert session.query(User.age).distinct().count() == 2
    assert session.query(User, Address).join(User.addresses).count() == 3


def test_columns_can_be_changed(session):
    query = session.query(User).filter(User.age == 20).order_by(User.id)
    assert query.with_entities(User.name).all() == [("jack",), ("wendy",)]
    assert [(user.name, age) for user, age in query.add_columns(User.age)] == [("jack", 20), ("wendy", 20)]
    joined = session.query(User).join(User.addresses).with_entities(Address.email).order_by(Address.id)
    assert joined.all() == [("ed@x",), ("ed@y",), ("jack@x",)]
    with pytest.warns(exc.SADeprecationWarning, match="with_entities"):
        assert query.value(User.name) == "jack"
    with pytest.warns(exc.SADeprecationWarning, match="with_entities"):
        assert list(query.values(User.name, User.age)) == [("jack", 20), ("wendy", 20)]


def test_options_for_what_was_replaced_in_the_columns_say_nothing(session):
    for option in (joinedload(User.addresses), selectinload(User.addresses), load_only(User.name), lazyload("*")):
        query = session.query(User).options(option).order_by(None)
        assert query.with_entities(func.count(User.id)).scalar() == 3
        assert query.with_entities(Address.id).join(User.addresses).count() == 3
        assert session.query(query.exists()).scalar() is True
        assert len(query.with_entities(Address).all()) == 3
        statement = select(User).options(option).order_by(User.id)
        assert session.scalars(statement.with_only_columns(User.name)).all() == ["ed", "jack", "wendy"]
    with pytest.raises(exc.ArgumentError, match="does not apply"):
        session.scalars(select(User.name).options(joinedload(User.addresses)))
    with pytest.raises(exc.ArgumentError, match="does not apply"):
        session.query(User).with_entities(Address).options(joinedload(User.addresses)).all()


def test_parameters(session):
    query = session.query(User).filter(text("name = :name")).params(name="ed")
    assert query.one().id == 1
    assert query.params({"name": "jack"}).one().id == 2


def test_populate_existing_and_options(session):
    user = session.get(User, 1)
    user.name = "changed"
    assert session.query(User).autoflush(False).populate_existing().filter(User.id == 1).one() is user
    assert user.name == "ed"
    assert session.query(User).execution_options(some=1).get_execution_options() == {"some": 1}


def test_yield_per(session):
    query = session.query(User).order_by(User.id).yield_per(1)
    assert names(query) == ["ed", "jack", "wendy"]


def test_from_statement(session):
    query = session.query(User).from_statement(text("SELECT * FROM users ORDER BY id"))
    assert names(query) == ["ed", "jack", "wendy"]
    assert query.first().name == "ed"
    chosen = select(User).where(User.id == 2)
    assert names(session.query(User).from_statement(chosen)) == ["jack"]


def test_with_session(session):
    query = Query(User).filter(User.id == 1)
    assert query.with_session(session).one().name == "ed"
    assert Query([User.id, User.name]).with_session(session).filter(User.id == 1).all() == [(1, "ed")]


def test_column_descriptions(session):
    alias = aliased(User, name="other")
    described = session.query(User, User.id, alias).column_descriptions
    assert [(d["name"], d["aliased"], d["entity"]) for d in described] == [
        ("User", False, User),
        ("id", False, User),
        ("other", True, alias),
    ]


def test_with_for_update(session):
    assert "FOR UPDATE" in str(session.query(User).with_for_update().statement)
    assert session.query(User).with_for_update(nowait=True).filter(User.id == 1).one().id == 1


# -- in other statements -------------------------------------------------------------------------


def test_text_has_labels(session):
    assert "users.name AS users_name" in str(session.query(User))
    assert "users_name" not in str(session.query(User).statement)


def test_subquery(session):
    counts = session.query(Address.user_id, func.count(Address.id).label("number")).group_by(Address.user_id).subquery()
    query = session.query(User.name, counts.c.number).join(counts, User.id == counts.c.user_id).order_by(User.id)
    assert query.all() == [("ed", 2), ("jack", 1)]


def test_subquery_of_an_entity(session):
    young = session.query(User).filter(User.age == 20).subquery()
    alias = aliased(User, young)
    assert names(session.query(alias).order_by(alias.id)) == ["jack", "wendy"]
    labelled = session.query(User).subquery(with_labels=True)
    assert "users_name" in labelled.c


def test_scalar_subquery_label_in_and_exists(session):
    number = session.query(func.count(Address.id)).filter(Address.user_id == User.id).correlate(User)
    assert session.query(User.name, number.scalar_subquery()).order_by(User.id).all() == [
        ("ed", 2),
        ("jack", 1),
        ("wendy", 0),
    ]
    assert session.query(User.name, number.label("n")).order_by(User.id).first().n == 2
    owners = session.query(Address.user_id)
    assert names(session.query(User).filter(User.id.in_(owners)).order_by(User.id)) == ["ed", "jack"]
    has_address = session.query(Address).filter(Address.user_id == User.id).exists()
    assert names(session.query(User).filter(~has_address)) == ["wendy"]
    assert session.query(session.query(User).filter_by(name="ed").exists()).scalar()


def test_cte(session):
    young = session.query(User.id).filter(User.age == 20).cte("young")
    assert names(session.query(User).join(young, young.c.id == User.id).order_by(User.id)) == ["jack", "wendy"]


def test_statement_runs_in_the_session(session):
    statement = session.query(User).filter(User.name == "ed").statement
    assert session.scalars(statement).all() == [session.get(User, 1)]


# -- unions --------------------------------------------------------------------------------------


def test_unions(session):
    ed, jack = session.query(User).filter(User.id == 1), session.query(User).filter(User.id == 2)
    both = ed.union(jack)
    assert names(both.order_by(User.name)) == ["ed", "jack"]
    assert names(both.filter(User.name == "jack")) == ["jack"]
    assert names(both.order_by(User.id.desc()).limit(1)) == ["jack"]
    assert both.count() == 2
    assert names(ed.union_all(ed)) == ["ed"]
    assert ed.union_all(ed).count() == 2
    assert names(session.query(User).except_(ed).order_by(User.id)) == ["jack", "wendy"]
    assert names(session.query(User).intersect(ed)) == ["ed"]
    assert ed.union(jack).all()[0] in session


def test_union_of_columns(session):
    one, two = session.query(User.id, User.name).filter_by(id=1), session.query(User.id, User.name).filter_by(id=2)
    assert one.union(two).order_by(User.id.desc()).all() == [(2, "jack"), (1, "ed")]


def test_join_from_a_union(session):
    both = session.query(User).filter_by(id=1).union(session.query(User).filter_by(id=2))
    assert names(both.join(User.addresses).filter(Address.email == "jack@x")) == ["jack"]


# -- UPDATE and DELETE ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["auto", "evaluate", "fetch", False])
def test_update(session, how):
    users = session.query(User).order_by(User.id).all()
    assert session.query(User).filter(User.age == 20).update({"name": "young"}, synchronize_session=how) == 2
    assert [user.name for user in users] == (["ed", "jack", "wendy"] if how is False else ["ed", "young", "young"])
    session.commit()
    assert [user.name for user in users] == ["ed", "young", "young"]


def test_update_by_attributes_and_expressions(session):
    assert session.query(User).filter_by(id=1).update({User.age: User.age + 1}) == 1
    assert session.get(User, 1).age == 31


def test_delete(session):
    user = session.get(User, 3)
    session.execute(text("DELETE FROM user_groups"))
    assert session.query(User).filter(User.name == "wendy").delete() == 1
    assert user not in session
    assert inspect(user).was_deleted
    assert session.query(User).count() == 2


def test_update_with_other_clauses_is_refused(session):
    query = session.query(User)
    for refused in (
        query.limit(1),
        query.offset(1),
        query.order_by(User.id),
        query.group_by(User.id),
        query.distinct(),
        query.join(User.addresses),
        query.select_from(User),
    ):
        with pytest.raises(exc.InvalidRequestError):
            refused.update({"name": "x"})
        with pytest.raises(exc.InvalidRequestError):
            refused.delete()


def test_query_class_of_the_session(db):
    class OwnQuery(Query):
        def young(self):
            return self.filter(User.age < 25)

    with Session(db, query_cls=OwnQuery) as session:
        assert isinstance(session.query(User).filter(User.id == 1), OwnQuery)
        assert session.query(User).young().count() == 0


def test_statements_are_counted(db, session):
    statements = []
    event.listen(db, "before_cursor_execute", lambda *args: statements.append(args[2]))
    session.query(User).filter(User.id > 1).order_by(User.id).all()
    assert len(statements) == 1


def test_a_query_of_nothing_is_refused(session: Session) -> None:
    for run in (session.query().all, session.query().count, session.query().filter(User.id == 1).first):
        with pytest.raises(exc.InvalidRequestError, match="nothing"):
            run()


def test_queries_are_combined_with_queries_and_selects_alone(session: Session) -> None:
    query = session.query(User)
    assert query.union(select(User)).count() == query.count()
    for wrong in (5, None, "x", User):
        with pytest.raises(exc.ArgumentError):
            query.union(wrong)  # type: ignore[arg-type]
