# cython: binding=True, nonecheck=True
"""What one run of a statement knows, compiled; ``session/_py/runs.py`` explains it."""

from sqlalchemy.util import immutabledict

from session.heard import heard as _heard

__all__ = ["Run"]

NO_OPTIONS = immutabledict()

cdef set heard = _heard
cdef long long last_number = 0


cdef class Run:
    """One run of one statement; a base class, whose subclass has a method ``carry(options)``.

    The arguments are described by :class:`~session.load.context.LoadContext`.
    """

    cdef public object session, identity_map, options, carried_options, execution_options, statement, params
    cdef public object bind_arguments, refresh_state, only_keys, connection, populate_existing, autoflush
    cdef public object identity_token, yield_per, lazy_loaded_from, run_id, watches_new
    cdef public object peers, together, _gathered, _held, waiting
    cdef public bint plain, _ends_result

    def __init__(
        self,
        session,
        *,
        options=(),
        execution_options=NO_OPTIONS,
        statement=None,
        params=None,
        bind_arguments=None,
        refresh_state=None,
        only_keys=None,
        populate_existing=False,
        autoflush=True,
        identity_token=None,
        yield_per=None,
        lazy_loaded_from=None,
        run_id=None,
        only_load_props=None,
        together=None,
        connection=None,
    ):
        global last_number
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
        if run_id is None:
            last_number += 1
            run_id = last_number
        self.run_id = run_id
        self.watches_new = ("loaded_as_persistent" in heard and session.dispatch.loaded_as_persistent) or None
        self.plain = (
            not populate_existing
            and refresh_state is None
            and self.carried_options is None
            and self.watches_new is None
        )
        self.peers = session.lazy_peers
        self.together = together
        self._ends_result = together is None

    @classmethod
    def start(cls, session, options, execution_options, statement, params, bind_arguments, identity_token=None):
        """Make a run with nothing out of the ordinary about it; the arguments are those of the class."""
        global last_number
        cdef Run run
        if execution_options:
            return cls(
                session,
                options=options,
                execution_options=execution_options,
                statement=statement,
                params=params,
                bind_arguments=bind_arguments,
                identity_token=identity_token,
            )
        run = <Run?>cls.__new__(cls)
        last_number += 1
        run.run_id = last_number
        run.session = session
        run.identity_map = session.identity_map
        run.options = options
        if options:
            run.carried_options = run.carry(options)
        run.execution_options = execution_options
        run.statement = statement
        run.params = params
        run.bind_arguments = bind_arguments
        run.populate_existing = False
        run.autoflush = True
        run.identity_token = identity_token
        run.watches_new = ("loaded_as_persistent" in heard and session.dispatch.loaded_as_persistent) or None
        run.plain = run.carried_options is None and run.watches_new is None
        run.peers = session.lazy_peers
        run._ends_result = True
        return run

    def carry(self, options):
        """Give the options that the objects of the run keep."""
        raise NotImplementedError
