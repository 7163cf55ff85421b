"""Bring a Session's objects in line with rows that an UPDATE or DELETE statement has changed.

Two ways to find the objects: *evaluate* the criteria on those that are loaded, or *fetch* the primary
keys of the rows, with RETURNING or a SELECT before.  Then the values that can be computed are put into
them, the others expire; objects of deleted rows leave the Session.  Next on the way: ``load/dml.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session.core import selects
from session.instrument.base import instance_state
from session.load.evaluator import UNKNOWN, Evaluator, UnevaluatableError

__all__ = ["Synchronizer", "choose_strategy"]

STRATEGIES = ("auto", "evaluate", "fetch", False, None)


def choose_strategy(options: Mapping[str, Any]) -> Any:
    """Read ``synchronize_session``.

    :raises ArgumentError: it is none of the strategies.
    """
    strategy = options.get("synchronize_session", "auto")
    if strategy not in STRATEGIES:
        raise ArgumentError(
            f"synchronize_session={strategy!r} is no way to synchronize a Session; "
            "give 'auto', 'evaluate', 'fetch' or False"
        )
    return strategy


class Synchronizer:
    """One UPDATE or DELETE, and the objects that it concerns.

    :param session: the Session.
    :param statement: the statement, as the user built it.
    :param criteria: everything that limits its rows.
    :param params: values of named parameters.
    :param strategy: see :func:`choose_strategy`.
    :param token: the identity token of the objects that are meant; ``None`` for all.
    """

    def __init__(
        self,
        session: Any,
        statement: Any,
        criteria: Sequence[Any],
        params: Mapping[str, Any],
        strategy: Any,
        token: Any = None,
    ) -> None:
        self.session = session
        self.statement = statement
        self.entity: Any = selects.subject_of(statement)
        self.mapper: Any = self.entity.mapper
        self.criteria = criteria
        self.params = params
        self.strategy = strategy
        self.token = token
        self.matched: list[Any] = []
        #: objects that lack the values by which one could tell
        self.uncertain: list[Any] = []

    def find_by_evaluation(self) -> None:
        """Find the objects in Python; with "auto", turn to "fetch" where that cannot be done.

        :raises InvalidRequestError: the strategy is "evaluate", and the criteria cannot be evaluated.
        """
        try:
            meets = Evaluator(self.entity, self.params).compile(*self.criteria) if self.criteria else None
        except UnevaluatableError as error:
            if self.strategy == "auto":
                self.strategy = "fetch"
                return
            raise InvalidRequestError(
                f"The criteria of the statement on {self.mapper.class_.__name__} cannot be evaluated in Python: "
                f"{error}. Set synchronize_session to 'fetch' or False"
            ) from error
        self.strategy = "evaluate"
        takes_all = meets is None and self.statement.is_delete
        for obj in self.objects():
            if instance_state(obj).expired and not takes_all:
                continue  # all that it holds are changes of its own that wait for a flush
            value = True if meets is None else meets(obj)
            if value is UNKNOWN:
                self.uncertain.append(obj)
            elif value:
                self.matched.append(obj)

    def objects(self) -> Iterable[Any]:
        """Yield the Session's objects of the class."""
        mapper, token = self.mapper, self.token
        for state in list(self.session.identity_map.all_states()):
            if state.mapper.isa(mapper) and (token is None or state.identity_token == token):
                obj = state.obj()
                if obj is not None:
                    yield obj

    def select_keys(self) -> Any:
        """Give the SELECT of the primary keys that the statement is going to change."""
        return select(*self.mapper.primary_key).select_from(selects.plain(self.statement.table)).where(*self.criteria)

    def take_keys(self, keys: Iterable[Sequence[Any]]) -> None:
        """Find the objects by primary keys of rows."""
        single = len(self.mapper.primary_key) == 1
        wanted = {key[0] if single else tuple(key) for key in keys}
        self.matched.extend([obj for obj in self.objects() if instance_state(obj).ident in wanted])

    def after_update(self, values: Mapping[Any, Any]) -> None:
        """Put the new values into the objects, or expire what cannot be computed.

        :param values: columns and the expressions that they were set to.
        """
        if not self.matched and not self.uncertain:
            return
        evaluator = Evaluator(self.entity, self.params)
        functions: dict[str, Any] = {}
        expiring: set[str] = set()
        for column, expression in values.items():
            key = self.key_of(column)
            if key is None:
                continue
            try:
                functions[key] = evaluator.function(expression)
            except UnevaluatableError:
                expiring.add(key)
        expiring.update(self.server_made(functions))
        for obj in self.uncertain:
            stale = [key for key in (*functions, *expiring) if key in obj.__dict__]
            if stale:
                instance_state(obj).expire_attributes(obj.__dict__, stale)
        states = [instance_state(obj) for obj in self.matched]
        self.session._register_altered(states, ())
        for obj, state in zip(self.matched, states, strict=True):
            dict_ = obj.__dict__
            evaluated = {}
            unknown = set()
            changed = state.committed or ()
            for key, function in functions.items():
                if key not in dict_:
                    continue
                value = UNKNOWN if key in changed else function(obj)
                if value is UNKNOWN:
                    unknown.add(key)
                else:
                    evaluated[key] = value
            dict_.update(evaluated)
            stale = [key for key in (*expiring, *unknown) if key in dict_]
            if stale:
                state.expire_attributes(dict_, stale)
            refresh = state.manager.dispatch.refresh
            if refresh and evaluated:
                refresh(state, None, list(evaluated))
            state.commit(dict_, list(evaluated))

    def server_made(self, functions: Mapping[str, Any]) -> list[str]:
        """List attributes that the database changes by itself on UPDATE."""
        return [
            prop.key
            for prop in self.mapper.column_props
            if prop.key not in functions
            and any(
                getattr(column, "onupdate", None) is not None or getattr(column, "server_onupdate", None) is not None
                for column in prop.columns
            )
        ]

    def key_of(self, column: Any) -> str | None:
        """Give the attribute of a column that was set."""
        if isinstance(column, str):
            return column if column in self.mapper.props else None
        prop = self.mapper.prop_of_column.get(selects.plain(column))
        return None if prop is None else prop.key

    def after_delete(self) -> None:
        """Take the objects of deleted rows out of the Session."""
        for obj in self.uncertain:
            state = instance_state(obj)
            if not state.expired:
                state.expire(obj.__dict__)
        states = [instance_state(obj) for obj in self.matched]
        if states:
            self.session._remove_newly_deleted(states)
