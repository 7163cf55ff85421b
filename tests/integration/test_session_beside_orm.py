"""This package and sqlalchemy.orm in one process, imported in either order."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import {first}, {second}
import session, sqlalchemy.orm as orm
from sqlalchemy import create_engine, event, inspect, select

heard = []
for package in (session, orm):
    class Base(package.DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"
        id: package.Mapped[int] = package.mapped_column(primary_key=True)
        name: package.Mapped[str]

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    maker = package.sessionmaker(engine)
    own = package.__name__
    event.listen(maker, "after_commit", lambda s, own=own: heard.append((own, "commit")))
    event.listen(User, "load", lambda u, c, own=own: heard.append((own, "load")))
    event.listen(User, "before_insert", lambda m, c, u, own=own: heard.append((own, "insert")))
    event.listen(User.name, "set", lambda u, v, o, i, own=own: heard.append((own, "set")))
    event.listen(package.Query, "before_compile", lambda q, own=own: heard.append((own, "query")))
    with maker() as s:
        s.add(User(name="a"))
        s.commit()
        s.expunge_all()
        user = s.query(User).one()
        assert user.name == "a"
        assert s.scalars(select(User)).one() is s.get(User, 1) is user
        assert inspect(User).class_ is User
    events = ["set", "insert", "commit", "query", "load"]
    assert heard == [(own, name) for name in events], heard
    heard.clear()
"""


ours_first = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the betas of 2.1 want sqlalchemy.orm imported first"
)


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param("session", "sqlalchemy.orm", marks=ours_first), ("sqlalchemy.orm", "session")],
)
def test_both_work(first, second):
    program = PROGRAM.format(first=first, second=second)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
