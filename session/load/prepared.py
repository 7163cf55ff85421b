"""Statements of the loaders' own, translated and compiled once, run many times.

A lazy load, a refresh or a batch of ``selectinload`` has the same statement every time, with other
values.  A :class:`PreparedSelect` is that statement and its plans, one per dialect; running it builds and
compiles nothing.  When somebody listens to ``do_orm_execute``, the statement goes through
``Session.execute`` instead, so that it is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.util import immutabledict

from session._accel import loading
from session.core.driver import read
from session.core.plan import keep
from session.heard import heard
from session.load.context import LoadContext
from session.load.execute import prepare
from session.load.renamed import renamed
from session.load.result import ChunkedResult

__all__ = ["PreparedSelect", "run_select"]

NO_OPTIONS: Mapping[str, Any] = immutabledict()
_start = LoadContext.start
_MAP = "schema_translate_map"


class PreparedSelect:
    """One SELECT of mapped entities with named parameters.

    :param statement: the statement; the values that differ from run to run are ``bindparam()`` with names.
    :param mapper: the mapper of the entity it loads, by which the connection is chosen.
    :param kind: "relationship" or "column": what listeners are told about the load.
    :param names: the names of its parameters, where whoever runs it goes by them.
    """

    __slots__ = ("_latest", "_plans", "kind", "mapper", "names", "statement")

    def __init__(self, statement: Any, mapper: Any, kind: str, names: tuple[str, ...] = ()) -> None:
        self.statement = statement
        self.mapper = mapper
        self.kind = kind
        self.names = names
        self._plans: dict[Any, dict[Any, Any]] = {}
        self._latest: tuple[Any, Any, Any] = (None, None, None)

    def plan(self, session: Any, connection: Any, options: Mapping[str, Any] = NO_OPTIONS) -> Any:
        """Give the plan for a connection's dialect and the schema translation in force."""
        dialect = connection.dialect
        latest = self._latest
        given = options or session.execution_options or connection.get_execution_options()
        translation = ((options and options.get(_MAP)) or translation_of(session, connection)) if given else None
        if latest[0] is dialect and latest[1] is translation:
            return latest[2]
        plans = self._plans.get(dialect)
        if plans is None:
            plans = keep(self._plans, dialect, {})
        key = None if translation is None else frozenset(translation.items())
        plan = plans.get(key)
        if plan is None:
            if translation is None:
                plan = prepare(self.statement, dialect)
            else:
                plan = prepare(self.statement, dialect, schema_translate_map=translation)
            plans[key] = plan
        self._latest = (dialect, translation, plan)
        return plan

    def columns(
        self, session: Any, values: Mapping[str, Any], bind_arguments: Any = None, **settings: Any
    ) -> list[list[Any]]:
        """Run the statement.

        :param values: a value per named parameter.
        :param settings: keywords of :class:`~session.load.context.LoadContext`.
        :return: one list of values, or of objects, per part of the SELECT.
        """
        if "do_orm_execute" in heard and session.dispatch.do_orm_execute:
            return run_select(session, self.statement, values, self.mapper, self.kind, bind_arguments, **settings)
        connection = session._connection_for(self.mapper, self.statement, bind_arguments=bind_arguments)
        options = settings.get("execution_options") or NO_OPTIONS
        plan = self.plan(session, connection, options)
        rows = read(connection, plan.plan, values, None, options)
        if not rows:
            return [[] for _ in plan.parts]
        if plan.aliases and "options" in settings:
            settings["options"] = renamed(settings["options"], plan.aliases)
        context = LoadContext(
            session, statement=self.statement, params=values, bind_arguments=bind_arguments, **settings
        )
        found: list[list[Any]] = plan.columns(context, rows)
        if context.waiting or context.together:
            context.finish_chunk()
        return found

    def first(
        self,
        session: Any,
        values: Mapping[str, Any],
        identity_token: Any = None,
        bind_arguments: Any = None,
        refresh_state: Any = None,
    ) -> Any:
        """Run a statement of one entity that needs no other settings, and give its first object.

        :param values: a value per named parameter.
        :param identity_token: the token of the object's identity key.
        :param refresh_state: the state of the object that is refreshed by it.
        :return: ``None`` if no row has an object.
        :raises MultipleResultsFound: there are several: of a listener, or of classes with tables of their own.
        """
        if ("do_orm_execute" in heard and session.dispatch.do_orm_execute) or self.mapper.has_concrete_heirs:
            settings = {"identity_token": identity_token, "refresh_state": refresh_state}
            found = loading.keep_first(self.columns(session, values, bind_arguments, **settings)[0])
            if len(found) > 1 and refresh_state is None:
                raise MultipleResultsFound(
                    f"One {self.mapper.class_.__name__} object was asked for by its primary key, and there are "
                    f"{len(found)}: in the result of a do_orm_execute listener, or in the tables of concrete subclasses"
                )
        else:
            found = self._run(session, values, NO_OPTIONS, bind_arguments, identity_token, refresh_state=refresh_state)
        for obj in found:
            if obj is not None:
                return obj
        return None

    def related(
        self, session: Any, values: Mapping[str, Any], state: Any, execution_options: Mapping[str, Any], path: Any
    ) -> list[Any]:
        """Run a statement of one entity for a relationship that is read, and give each of its objects once.

        :param values: a value per named parameter.
        :param state: the state whose attribute is read.
        :param path: ``path()`` gives the steps that lead to it, for those who listen.
        """
        if "do_orm_execute" in heard and session.dispatch.do_orm_execute:
            return self.objects(
                session,
                values,
                identity_token=state.identity_token,
                lazy_loaded_from=state,
                autoflush=False,
                execution_options=execution_options,
                path=path(),
            )
        found = self._run(session, values, execution_options, None, state.identity_token, state)
        return loading.keep_first(found)

    def _run(
        self,
        session: Any,
        values: Mapping[str, Any],
        execution_options: Mapping[str, Any],
        bind_arguments: Any,
        identity_token: Any,
        lazy_loaded_from: Any = None,
        refresh_state: Any = None,
    ) -> list[Any]:
        """Run a statement of one entity with nobody listening, and give an object, or ``None``, for each row."""
        connection = session._connection_for(self.mapper, self.statement, bind_arguments=bind_arguments)
        plan = self.plan(session, connection, execution_options)
        rows = read(connection, plan.plan, values, None, execution_options)
        if not rows:
            return []
        run = _start(session, (), execution_options, self.statement, values, bind_arguments, identity_token)
        if lazy_loaded_from is not None:
            run.lazy_loaded_from = lazy_loaded_from
            run.autoflush = False
        if refresh_state is not None:
            run.refresh_state = refresh_state
            run.plain = False
        found: list[Any] = plan.objects(run, rows)
        if run.waiting or run.together:
            run.finish_chunk()
        return found

    def objects(self, session: Any, values: Mapping[str, Any], **settings: Any) -> list[Any]:
        """Run a statement of one entity, and give each of its objects once."""
        return loading.keep_first(self.columns(session, values, **settings)[0])


def translation_of(session: Any, connection: Any) -> Any:
    """Give the schema translation that is in force, or ``None``."""
    options = session.execution_options
    if options and _MAP in options:
        return options[_MAP]
    given = connection.get_execution_options()
    return given.get(_MAP) if given else None


def run_select(
    session: Any,
    statement: Any,
    values: Mapping[str, Any],
    mapper: Any,
    kind: str,
    bind_arguments: Any = None,
    **settings: Any,
) -> list[list[Any]]:
    """Run a loader's statement through ``Session.execute``.

    :param kind: what listeners are told about the load: "relationship", "column", "refresh" or nothing.
    :param settings: keywords of the run's context; ``execution_options`` are those of the statement too.
    :return: one list of values, or of objects, per part of the SELECT.
    """
    given = dict(bind_arguments) if bind_arguments else {}
    if "mapper" not in given:  # for this statement; the loads that follow it have mappers of their own
        given["mapper"] = settings["own_mapper"] = mapper
    options = settings.pop("execution_options", NO_OPTIONS)
    result = session.execute(
        statement,
        dict(values),
        execution_options={**options, "_load_context": {**settings, "kind": kind}},
        bind_arguments=given,
    )
    # a listener may have asked for chunks, whose rows repeat nothing
    rows = (result if isinstance(result, ChunkedResult) else result.unique()).all()
    return [list(column) for column in zip(*rows, strict=False)] if rows else [[], []]
