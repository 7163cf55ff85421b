"""The Session, its transactions and its makers."""

from __future__ import annotations

from session.execute_state import ORMExecuteState as ORMExecuteState
from session.factory import sessionmaker as sessionmaker
from session.lookups import all_sessions as _sessions  # noqa: F401 -- who looks for Sessions left open reads it
from session.lookups import close_all_sessions as close_all_sessions
from session.lookups import make_transient as make_transient
from session.lookups import make_transient_to_detached as make_transient_to_detached
from session.lookups import object_session as object_session
from session.sessions import JoinTransactionMode as JoinTransactionMode
from session.sessions import Session as Session
from session.transaction import SessionTransaction as SessionTransaction
from session.transaction import SessionTransactionOrigin as SessionTransactionOrigin
from session.transaction import SessionTransactionState as SessionTransactionState
