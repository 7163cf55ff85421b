"""Both ORMs in one process, whichever is imported first."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import sqlalchemy as sa
from sqlalchemy import event, inspect
{imports}

def program(orm, heard):
    class Base(orm.DeclarativeBase):
        pass

    class Timed:
        pass

    @event.listens_for(Timed, "init", propagate=True)
    def init(target, args, kwargs):
        heard.append(("init", type(target).__name__))

    @event.listens_for(Timed, "before_insert", propagate=True)
    def before_insert(mapper, connection, target):
        heard.append(("before_insert", type(target).__name__))

    class User(Timed, Base):
        __tablename__ = "users"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        name: orm.Mapped[str]
        addresses = orm.relationship("Address", back_populates="user")

    class Address(Base):
        __tablename__ = "addresses"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        user_id = orm.mapped_column(sa.ForeignKey("users.id"))
        user = orm.relationship("User", back_populates="addresses")

    class Plain:
        pass

    orm.registry().map_imperatively(Plain, sa.Table("plain", Base.metadata, sa.Column("id", sa.Integer, primary_key=True)))

    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)

    @event.listens_for(User, "load")
    def load(target, context):
        heard.append(("load", type(target).__name__))

    @event.listens_for(User.name, "set")
    def set_(target, value, old, initiator):
        heard.append(("set", value))

    with orm.Session(engine) as session:
        @event.listens_for(session, "before_commit")
        def before_commit(session):
            heard.append(("before_commit",))

        session.add(User(name="a", addresses=[Address(), Address()]))
        session.add(Plain())
        session.commit()
        session.expunge_all()
        user = session.scalars(sa.select(User).where(User.name == "a")).one()
        assert len(user.addresses) == 2
        assert inspect(user).persistent
        assert inspect(User).local_table is User.__table__
        assert inspect(Plain).local_table.name == "plain"
        joined = sa.select(User.name, sa.func.count()).join(User.addresses).group_by(User.name)
        assert session.execute(joined).all() == [("a", 2)]
    assert not inspect(object(), raiseerr=False)
    return heard

ours = program(session_package, [])
theirs = program(other, [])
assert ours == theirs, (ours, theirs)
assert ("load", "User") in ours and ("before_insert", "User") in ours and ("init", "User") in ours, ours
again = program(session_package, [])
assert again == ours
try:
    inspect(5)
except sa.exc.NoInspectionAvailable:
    print("both work")
"""

OURS = "import session as session_package"
THEIRS = "import sqlalchemy.orm as other"


first = pytest.mark.skipif(sys.version_info < (3, 11), reason="the betas of 2.1 want sqlalchemy.orm imported first")


@pytest.mark.parametrize(
    "imports",
    [pytest.param([OURS, THEIRS], marks=first, id="ours first"), pytest.param([THEIRS, OURS], id="theirs first")],
)
def test_both_orms_work_in_one_process(imports: list[str]) -> None:
    program = textwrap.dedent(PROGRAM).replace("{imports}", "\n".join(imports))
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.stdout == "both work\n", done.stderr
