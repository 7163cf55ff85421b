"""What one run of a statement knows: its attributes.  Pure reference version.

Every statement makes one, so that making one must cost nothing.  ``load/context.py`` adds what can be done with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

from sqlalchemy.util import immutabledict

from session.heard import heard

__all__ = ["Run"]

NO_OPTIONS: Mapping[str, Any] = immutabledict()

_numbers = count(1)

_R = TypeVar("_R", bound="Run")


class Run:
    """One run of one statement; a base class, whose subclass has a method ``carry(options)``.

    The arguments are described by :class:`~session.load.context.LoadContext`.
    """

    __slots__ = (
        "_ends_result",
        "_gathered",
        "_held",
        "autoflush",
        "bind_arguments",
        "carried_options",
        "connection",
        "execution_options",
        "identity_map",
        "identity_token",
        "lazy_loaded_from",
        "only_keys",
        "options",
        "params",
        "peers",
        "plain",
        "populate_existing",
        "refresh_state",
        "run_id",
        "session",
        "statement",
        "together",
        "waiting",
        "watches_new",
        "yield_per",
    )

    def __init__(
        self,
        session: Any,
        *,
        options: Sequence[Any] = (),
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        statement: Any = None,
        params: Any = None,
        bind_arguments: Mapping[str, Any] | None = None,
        refresh_state: Any = None,
        only_keys: Any = None,
        populate_existing: bool = False,
        autoflush: bool = True,
        identity_token: Any = None,
        yield_per: int | None = None,
        lazy_loaded_from: Any = None,
        run_id: int | None = None,
        only_load_props: Any = None,
        together: dict[Any, list[Any]] | None = None,
        connection: Any = None,
    ) -> None:
        self.session = session
        self.identity_map = session.identity_map
        self.options = options
        self.carried_options = self.carry(options) if options else None
        self.execution_options = execution_options
        self.statement = statement
        self.params = params
        self.bind_arguments = bind_arguments
        self.refresh_state = refresh_state
        self.only_keys = only_load_props if only_keys is None else only_keys
        self.connection = connection
        if execution_options:
            populate_existing = populate_existing or bool(execution_options.get("populate_existing", False))
            if identity_token is None:
                identity_token = execution_options.get("identity_token")
            if yield_per is None:
                yield_per = execution_options.get("yield_per")
        self.populate_existing = populate_existing
        self.autoflush = autoflush
        self.identity_token = identity_token
        self.yield_per = yield_per
        self.lazy_loaded_from = lazy_loaded_from
        self.run_id = next(_numbers) if run_id is None else run_id
        self.watches_new = ("loaded_as_persistent" in heard and session.dispatch.loaded_as_persistent) or None
        self.plain = (
            not populate_existing
            and refresh_state is None
            and self.carried_options is None
            and self.watches_new is None
        )
        #: whether objects of all loaders are to know which others came with them
        self.peers: bool = session.lazy_peers
        self.together = together
        self._ends_result = together is None
        self._gathered: dict[Any, dict[int, Any]] | None = None
        self._held: list[Any] | None = None
        self.waiting: dict[int, tuple[Any, list[list[Any]]]] | None = None

    @classmethod
    def start(
        cls: type[_R],
        session: Any,
        options: Sequence[Any],
        execution_options: Mapping[str, Any],
        statement: Any,
        params: Any,
        bind_arguments: Mapping[str, Any] | None,
        identity_token: Any = None,
    ) -> _R:
        """Make a run with nothing out of the ordinary about it; the arguments are those of the class."""
        return cls(
            session,
            options=options,
            execution_options=execution_options,
            statement=statement,
            params=params,
            bind_arguments=bind_arguments,
            identity_token=identity_token,
        )

    def carry(self, options: Sequence[Any]) -> Any:
        """Give the options that the objects of the run keep."""
        raise NotImplementedError
