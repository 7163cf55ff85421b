"""What a ``do_orm_execute`` listener is given: one execution of one statement, which it may change or replace.

What comes in: the statement and its arguments from ``Session.execute``, or from a loader.  What goes out: the
statement as the listeners leave it, or the result of a listener.  Next on the way: ``statements.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import immutabledict

from session.core.from_statement import FromStatement
from session.core.selects import is_ours, options_of
from session.core.sql import ExecutableOption

if TYPE_CHECKING:
    from session.sessions import Session

__all__ = ["LoadSettings", "ORMExecuteState", "UpdateDeleteSettings", "UserDefinedOption", "invoke_for_token"]

NO_OPTIONS: Mapping[str, Any] = immutabledict()
LOAD_CONTEXT = "_load_context"


class UserDefinedOption(ExecutableOption):
    """Base of options that mean nothing to this package: they are for ``do_orm_execute`` listeners.

    :param payload: anything.
    """

    is_user_defined = True
    _is_user_defined = True
    propagate_to_loaders = False
    """True to be seen with the lazy loads of the objects that the statement loads, too."""

    def __init__(self, payload: Any = None) -> None:
        self.payload = payload


class _Settings:
    """Settings that can be read by the names of the documented API, which have an underscore in front, too."""

    def __getattr__(self, name: str) -> Any:
        plain = name[1:]
        if name.startswith("_") and plain in type(self).__dataclass_fields__:  # type: ignore[attr-defined]
            return getattr(self, plain)
        raise AttributeError(name)


@dataclass(frozen=True)
class LoadSettings(_Settings):
    """How the rows of a SELECT become objects, as the execution options say."""

    populate_existing: bool = False
    autoflush: bool = True
    yield_per: int | None = None
    identity_token: Any = None
    lazy_loaded_from: Any = None
    refresh_state: Any = None


@dataclass(frozen=True)
class UpdateDeleteSettings(_Settings):
    """How an UPDATE or DELETE brings the objects of the Session into line, as the execution options say."""

    synchronize_session: Any = "auto"
    dml_strategy: str = "auto"
    autoflush: bool = True
    identity_token: Any = None


class ORMExecuteState:
    """One execution of a statement by a Session, before it takes place.

    :ivar session: the Session.
    :ivar statement: the statement; a listener may put another one in its place.
    :ivar parameters: its parameters: a mapping, a list of mappings, or ``None``.
    :ivar local_execution_options: the options given for this execution.
    :ivar execution_options: these together with the statement's own, as they were when the listeners were called.
    :ivar bind_arguments: what will be passed to ``Session.get_bind()``.
    """

    def __init__(
        self,
        session: Session,
        statement: Any,
        parameters: Any,
        execution_options: Mapping[str, Any],
        bind_arguments: dict[str, Any],
        listeners: Sequence[Callable[[ORMExecuteState], Any]],
    ) -> None:
        self.session = session
        self.statement = statement
        self.parameters = parameters
        self.bind_arguments = bind_arguments
        self.local_execution_options: Mapping[str, Any] = immutabledict(execution_options)
        self.execution_options: Mapping[str, Any] = immutabledict(
            {**statement.get_execution_options(), **execution_options}
        )
        self._listeners = listeners
        self._position = 0

    def run(self) -> Any:
        """Call the listeners in turn.

        :return: the result that one of them has given, which ends the matter, or ``None``.
        """
        for number, listener in enumerate(self._listeners, 1):
            self._position = number
            result = listener(self)
            if result is not None and result is not False:
                return result
        return None

    def invoke_statement(
        self,
        statement: Any = None,
        params: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Execute the statement now; of the listeners only those after the present one hear of it.

        :param statement: instead of :attr:`statement`.
        :param params: added to :attr:`parameters`; for a list of these, a list of the same length.
        :param execution_options: added to the present ones.
        :param bind_arguments: added to the present ones.
        :return: a Core ``Result``; ``Result.freeze()`` makes it fit for a cache.
        """
        return self.session._execute(
            self.statement if statement is None else statement,
            self.parameters if params is None else _merged(self.parameters, params),
            {**self.local_execution_options, **(execution_options or {})},
            {**self.bind_arguments, **(bind_arguments or {})},
            self._listeners[self._position :],
        )

    def update_execution_options(self, **opts: Any) -> None:
        """Add to the options of this execution, for the statement and for later listeners' own executions."""
        self.local_execution_options = immutabledict({**self.local_execution_options, **opts})

    @property
    def token(self) -> Any:
        """The identity token that the objects of the statement have, ``None`` if that is open."""
        given = self.execution_options.get("identity_token")
        return self._load.get("identity_token") if given is None else given

    # -- what it is about ----------------------------------------------------------------------

    @property
    def bind_mapper(self) -> Any:
        """The mapper by which the bind is chosen, or ``None``."""
        return self.bind_arguments.get("mapper")

    @property
    def all_mappers(self) -> list[Any]:
        """The mappers of the entities in the statement, each once; none for a compound of several SELECTs."""
        if not self.is_orm_statement or isinstance(self.statement, CompoundSelect):
            return []
        if self.is_select or self.is_from_statement:
            found: dict[Any, None] = {}
            for description in self.statement.column_descriptions:
                entity = description.get("entity")
                if entity is not None:
                    found[inspect(entity).mapper] = None
            return list(found)
        mapper = self.bind_mapper
        return [] if mapper is None else [mapper]

    @property
    def is_orm_statement(self) -> bool:
        """True if the statement is about mapped classes."""
        return is_ours(self.statement)

    @property
    def is_executemany(self) -> bool:
        """True if the parameters are a list."""
        return isinstance(self.parameters, list)

    @property
    def _core(self) -> Any:
        """The statement whose kind counts: of ``from_statement()`` the inner one."""
        statement = self.statement
        return statement.element if isinstance(statement, FromStatement) else statement

    @property
    def is_select(self) -> bool:
        """True for a SELECT or set operation."""
        return bool(self._core.is_select)

    @property
    def is_from_statement(self) -> bool:
        """True for ``select(...).from_statement(...)``."""
        return isinstance(self.statement, FromStatement)

    @property
    def is_insert(self) -> bool:
        """True for an INSERT."""
        return bool(self._core.is_dml and self._core.is_insert)

    @property
    def is_update(self) -> bool:
        """True for an UPDATE."""
        return bool(self._core.is_dml and self._core.is_update)

    @property
    def is_delete(self) -> bool:
        """True for a DELETE."""
        return bool(self._core.is_dml and self._core.is_delete)

    # -- loads that attributes and refreshes ask for -------------------------------------------

    @property
    def _load(self) -> Mapping[str, Any]:
        return self.local_execution_options.get(LOAD_CONTEXT, NO_OPTIONS)  # type: ignore[no-any-return]

    @property
    def is_column_load(self) -> bool:
        """True for a load of expired or deferred columns of one object, and for a refresh."""
        return self._load.get("kind") in ("column", "refresh")

    @property
    def is_relationship_load(self) -> bool:
        """True for a load of related objects: lazily, or in the wake of another statement."""
        return self._load.get("kind") == "relationship"

    @property
    def lazy_loaded_from(self) -> Any:
        """The state of the object whose relationship is loaded lazily, or ``None``.

        :raises InvalidRequestError: the statement is no SELECT.
        """
        if not self.is_select:
            raise InvalidRequestError("lazy_loaded_from belongs to a SELECT; this statement is another one")
        return self._load.get("lazy_loaded_from")

    @property
    def loader_strategy_path(self) -> Any:
        """The way to the relationship that is loaded: mapper, relationship, mapper, ...; ``None`` for other loads."""
        return self._load.get("path")

    # -- settings ------------------------------------------------------------------------------

    @property
    def load_options(self) -> LoadSettings:
        """The settings of an ORM SELECT.

        :raises InvalidRequestError: the statement is no SELECT.
        """
        options, load = self.execution_options, self._load
        return LoadSettings(
            populate_existing=bool(options.get("populate_existing") or load.get("populate_existing")),
            # for a relationship load that is settled before its statement: the options of another do not tell
            autoflush=self.is_relationship_load or bool(options.get("autoflush", True)),
            yield_per=options.get("yield_per"),
            identity_token=options.get("identity_token", load.get("identity_token")),
            lazy_loaded_from=self.lazy_loaded_from,
            refresh_state=load.get("refresh_state"),
        )

    @property
    def update_delete_options(self) -> UpdateDeleteSettings:
        """The settings of an ORM UPDATE or DELETE.

        :raises InvalidRequestError: the statement is neither.
        """
        if not (self.is_update or self.is_delete):
            raise InvalidRequestError("update_delete_options are for UPDATE and DELETE; this statement is another one")
        options = self.execution_options
        return UpdateDeleteSettings(
            synchronize_session=options.get("synchronize_session", "auto"),
            dml_strategy=options.get("dml_strategy", "auto"),
            autoflush=bool(options.get("autoflush", True)),
            identity_token=options.get("identity_token"),
        )

    @property
    def user_defined_options(self) -> list[Any]:
        """The ``UserDefinedOption`` objects among the statement's options."""
        options = self._load.get("options")
        if options is None:
            options = options_of(self.statement)
        return [option for option in options if getattr(option, "is_user_defined", False)]


def invoke_for_token(execution: ORMExecuteState, token: Any, bind_arguments: Mapping[str, Any]) -> Any:
    """Execute the statement now, and give the objects that it brings an identity token.

    :param token: the token, also where a loader's statement goes by another one.
    :param bind_arguments: added to the present ones.
    :return: a Core ``Result``.
    """
    options: dict[str, Any] = {"identity_token": token}
    load = execution.local_execution_options.get(LOAD_CONTEXT)
    if load is not None:
        options[LOAD_CONTEXT] = {**load, "identity_token": token}
    return execution.invoke_statement(execution_options=options, bind_arguments=bind_arguments)


def _merged(before: Any, added: Any) -> Any:
    """Parameters with others added: mapping to mapping, list to list of the same length."""
    if not before:
        return added
    if isinstance(before, list):
        if not isinstance(added, list) or len(added) != len(before):
            raise InvalidRequestError(
                f"The statement has a list of {len(before)} sets of parameters; invoke_statement() can take "
                "only a list of the same length in addition"
            )
        return [{**one, **other} for one, other in zip(before, added, strict=True)]
    return {**before, **added}
