"""How relationships are loaded when they are read: from the identity map, by a SELECT, or not at all.

:class:`LazyLoader` is what a relationship attribute calls.  A many-to-one whose target is in the
Session needs no SQL; everything else runs one prepared SELECT per relationship.
Next on the way: ``load/lazy_parts.py`` for what a load goes by; ``load/prepared.py``;
``load/refresh.py`` for targets that are found by their key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError, MultipleResultsFound
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE, Join
from sqlalchemy.util import warn

from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    LOAD_AGAINST_COMMITTED,
    MANYTOONE,
    NO_RAISE,
    NO_VALUE,
    NON_PERSISTENT_OK,
    PASSIVE_NO_RESULT,
    RELATED_OBJECT_OK,
    SQL_OK,
)
from session.exc import DetachedInstanceError
from session.heard import heard
from session.load.carried import CarriedOptions, peers_of
from session.load.context import EMPTY_DICT
from session.load.lazy_parts import (
    GONE,
    back_options,
    directive_of,
    identity_criterion,
    is_late,
    loads_pending,
    may_flush,
    parameter_ending,
    parametrized,
    plain_way,
    present,
    read_column,
    shown_path,
    target_entity,
)
from session.load.loader_option import RELATIONSHIP, AtPath
from session.load.prepared import PreparedSelect, run_select
from session.load.refresh import load_by_identity
from session.load.renamed import handed_on, path_of
from session.mapping.aliased import as_read
from session.mapping.path import Path
from session.mapping.strategies import hooks, register, strategy_for

__all__ = ["LazyLoader", "LazyStrategy", "NoLoader", "RaiseLoader"]

# -- strategies ------------------------------------------------------------------------------------


@register("relationship", "select", "raise", "raise_on_sql")
class LazyStrategy:
    """The related objects are loaded, or refused, when the attribute is read.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Give the loader of the attribute as mapped."""
        return loader_for(self.prop, self.prop.strategy)

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select nothing; objects get a loader of their own where the options differ from the mapping."""
        prop = self.prop
        name = prop.strategy if directive is None or not directive.name else directive.name
        if directive is not None and directive.name and not is_late(name):
            # the strategy asked for cannot be used at this place: load when read
            name = prop.strategy if is_late(prop.strategy) else "select"
        compile_late(prop, part, name)


def compile_late(prop: Any, part: Any, name: str) -> None:
    """Fill the part of a relationship that is not loaded with the statement."""
    part.reset = True
    if kind_of(name) != kind_of(prop.strategy):
        part.callable = loader_for(prop, name)


def kind_of(name: str) -> str:
    """Give the loader that a strategy leaves to the attribute."""
    return name if name in ("raise", "raise_on_sql", "noload") else "select"


def loader_for(prop: Any, name: str) -> Any:
    """Give the attribute loader of a relationship, made once for each kind.

    :param name: the strategy; all but those that refuse share the lazy loader.
    """
    kind = kind_of(name)
    memo = prop.__dict__.setdefault("attribute_loaders", {})
    found = memo.get(kind)
    if found is None:
        if kind == "noload":
            found = NoLoader(prop)
        elif kind == "select":
            found = LazyLoader(prop)
        else:
            found = RaiseLoader(prop, sql_only=kind == "raise_on_sql")
        found = memo.setdefault(kind, found)
    return found


# -- loaders -----------------------------------------------------------------------------------------


class NoLoader:
    """Finds nothing, ever.

    :param prop: the relationship.
    """

    __slots__ = ("prop",)

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.prop.parent.class_, self.prop.key, "noload"))

    def __call__(self, state: Any, passive: int) -> Any:
        """Give the empty value."""
        return ATTR_EMPTY


class RaiseLoader:
    """Refuses to load.

    :param prop: the relationship.
    :param sql_only: what can be had without SQL is given.
    """

    __slots__ = ("lazy", "prop", "sql_only")

    def __init__(self, prop: Any, sql_only: bool) -> None:
        self.prop = prop
        self.sql_only = sql_only
        self.lazy = LazyLoader(prop)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.prop.parent.class_, self.prop.key, "raise_on_sql" if self.sql_only else "raise"))

    def __call__(self, state: Any, passive: int) -> Any:
        """Raise, unless there is nothing to load or the flags say not to.

        :raises InvalidRequestError: the attribute is not loaded.
        """
        if passive & NO_RAISE or (state.ident is None and not loads_pending(self.prop, state)):
            return self.lazy(state, passive)
        if not passive & SQL_OK or not passive & RELATED_OBJECT_OK:
            return self.lazy(state, passive)
        if not passive & NON_PERSISTENT_OK and state.ident is None:
            return PASSIVE_NO_RESULT
        if self.sql_only:
            found = self.lazy(state, passive & ~RELATED_OBJECT_OK) if self.prop.use_get else PASSIVE_NO_RESULT
            if found is not PASSIVE_NO_RESULT:
                return found
        name = "raise_on_sql" if self.sql_only else "raise"
        raise InvalidRequestError(
            f"'{state.class_.__name__}.{self.prop.key}' is not loaded, and lazy='{name}' forbids to load it when it is "
            "read; load it with the query, by selectinload() or joinedload()"
        )


class LazyLoader:
    """Loads the related objects of one object.

    :param prop: the relationship.
    """

    __slots__ = ("_prepared", "prop")

    passes_transients = True
    """It has nothing for an object without identity and Session, and need not be asked."""

    def __init__(self, prop: Any) -> None:
        self.prop = prop
        self._prepared: dict[Any, PreparedSelect] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.prop.parent.class_, self.prop.key, "select"))

    def __call__(self, state: Any, passive: int, execution_options: Mapping[str, Any] = EMPTY_DICT) -> Any:
        """Load, as far as the flags allow.

        :param execution_options: options for the SELECT, if one is needed.
        :return: the object, or a list of objects; or a marker: ``PASSIVE_NO_RESULT`` if the flags forbid what
            would be needed, ``ATTR_EMPTY`` if there is nothing to go by.
        :raises DetachedInstanceError: the object has no Session.
        """
        prop = self.prop
        pending = state.ident is None
        home = state.home
        if pending and (home is None or not loads_pending(prop, state)):
            return ATTR_EMPTY
        plain = plain_way(prop, state)
        use_get = prop.use_get and plain
        if (not passive & SQL_OK and not use_get) or (pending and not passive & NON_PERSISTENT_OK):
            return PASSIVE_NO_RESULT
        if not use_get and not passive & RELATED_OBJECT_OK:
            return PASSIVE_NO_RESULT
        session = None if home is None else home.session()
        if session is None:
            if passive & NO_RAISE:
                return PASSIVE_NO_RESULT
            raise DetachedInstanceError(
                f"Cannot load '{prop.key}' of a {state.class_.__name__} object: it belongs to no Session. Load it "
                "before the object is detached, for instance with selectinload(), or attach the object with "
                "Session.add() first",
                state=state,
                key=prop.key,
            )
        if use_get:
            return self.by_identity(session, state, passive, execution_options)
        return self.by_select(session, state, passive, pending, execution_options)

    def by_identity(self, session: Any, state: Any, passive: int, execution_options: Mapping[str, Any]) -> Any:
        """Find the target of a many-to-one by its primary key, in the Session first."""
        prop = self.prop
        dict_ = state.dict
        # for the history of a value that was replaced unread, the old one is asked for
        replaced = prop.key in dict_
        mapper = state.manager.mapper
        values = []
        for local, _ in prop.get_pairs:
            value = read_column(mapper, state, dict_, local, passive)
            if value is PASSIVE_NO_RESULT or value is NO_VALUE:
                return value
            values.append(value)
        if prop.key in dict_ and not replaced:
            # reading an expired column has loaded the whole object
            return ATTR_WAS_SET
        target = prop.mapper
        nulls = values.count(None)
        if nulls and (nulls == len(values) or not getattr(target, "allow_partial_pks", True)):
            return None
        ident = values[0] if len(values) == 1 else tuple(values)
        token = session._token_of(target, ident, state) if session._tells_tokens else state.identity_token
        found = present(session, target, ident, token, passive)
        if found is not None:
            return None if found is GONE else found
        if not passive & SQL_OK or not passive & RELATED_OBJECT_OK:
            return PASSIVE_NO_RESULT
        if may_flush(session, state, passive):
            session._autoflush()
            if prop.key in dict_ and not replaced and not state._deleted:
                return ATTR_WAS_SET
            found = present(session, target, ident, token, passive)
            if found is not None:
                return None if found is GONE else found
        if not nulls and self.by_peers(session, state, passive, execution_options):
            return ATTR_WAS_SET
        options = self.options_for(state, target)
        if options or ("do_orm_execute" in heard and session.dispatch.do_orm_execute):
            criterion, values_ = identity_criterion(target, values)
            statement = select(target).where(*criterion).options(*options)
            objects = run_select(
                session,
                statement,
                values_,
                target,
                RELATIONSHIP,
                options=options,
                identity_token=state.identity_token,
                lazy_loaded_from=state,
                autoflush=False,
                path=shown_path(state, prop),
                execution_options=execution_options,
            )[0]
            if len(objects) > 1:
                raise MultipleResultsFound(
                    f"The lazy load of '{state.class_.__name__}.{prop.key}' looked for one {target.class_.__name__} "
                    f"object by its primary key, and found {len(objects)}"
                )
            obj = objects[0] if objects else None
        else:
            obj = load_by_identity(
                session,
                target,
                values,
                identity_token=state.identity_token,
                execution_options=execution_options,
                kind=RELATIONSHIP,
            )
        return obj if obj is None or isinstance(obj, target.class_) else None

    def by_select(
        self, session: Any, state: Any, passive: int, pending: bool, execution_options: Mapping[str, Any]
    ) -> Any:
        """Load the related objects by the join condition."""
        prop = self.prop
        dict_ = state.dict
        # for the history of a value that was replaced unread, the old one is asked for
        replaced = prop.key in dict_
        if may_flush(session, state, passive) and not pending:
            session._autoflush()
            if prop.key in dict_ and not replaced and not state._deleted:
                return ATTR_WAS_SET
            # what a flush has loaded to delete the object along with is gone
            replaced = prop.key in dict_
        clause = prop.lazy_clause()
        mapper = state.manager.mapper
        values: dict[str, Any] = {}
        nulls = []
        ending = parameter_ending(prop)
        for number, (_, column) in enumerate(clause.params, 1):
            value = read_column(mapper, state, dict_, column, passive)
            if value is PASSIVE_NO_RESULT:
                return value
            name = f"param_{number}{ending}"
            if value is None or value is NO_VALUE:
                if pending:
                    return [] if prop.uselist else None
                nulls.append(name)
                value = None
            values[name] = value
        if prop.key in dict_ and not replaced:
            # reading an expired column has loaded the whole object
            return ATTR_WAS_SET
        if nulls and len(nulls) == len(values) and prop.direction is not MANYTOONE:
            return [] if prop.uselist else None
        if not pending and self.by_peers(session, state, passive, execution_options):
            return ATTR_WAS_SET
        for name in nulls:
            del values[name]
        options = self.options_for(state, prop.mapper)
        if options:
            watched = "do_orm_execute" in heard and session.dispatch.do_orm_execute
            settings: dict[str, Any] = {"path": shown_path(state, prop)} if watched else {}
            columns = run_select(
                session,
                self.statement_with(state, options, tuple(nulls)),
                values,
                prop.mapper,
                RELATIONSHIP,
                options=options,
                identity_token=state.identity_token,
                lazy_loaded_from=state,
                autoflush=False,
                execution_options=execution_options,
                **settings,
            )
            objects = [obj for obj in columns[0] if obj is not None]
        else:
            prepared = self.prepared(mapper, tuple(nulls))
            objects = prepared.related(session, values, state, execution_options, lambda: shown_path(state, prop))
        if prop.uselist:
            return objects
        if len(objects) > 1:
            warn(
                f"'{state.class_.__name__}.{prop.key}' holds one object (uselist=False), but its lazy load found "
                f"{len(objects)}; the first was taken"
            )
        return objects[0] if objects else None

    def by_peers(
        self, session: Any, state: Any, passive: int, execution_options: Mapping[str, Any] = EMPTY_DICT
    ) -> bool:
        """Load for all objects that came with this one, where they are to load together; tell whether that was done."""
        if peers_of(state) is None or passive & LOAD_AGAINST_COMMITTED:
            return False
        together: Any = strategy_for(self.prop, "peers")
        return bool(together.load(session, state, directive_of(self.prop, state), execution_options))

    # -- statements ---------------------------------------------------------------------------

    def prepared(self, mapper: Any, nulls: tuple[str, ...]) -> PreparedSelect:
        """Give the prepared SELECT, made at the first load."""
        found = self._prepared.get(nulls)
        if found is None:
            statement = self.statement(nulls)
            backwards = back_options(self.prop)
            if backwards:
                statement = statement.options(*backwards)
            prepared = PreparedSelect(statement, self.prop.mapper, RELATIONSHIP)
            found = self._prepared.setdefault(nulls, prepared)
        return found

    def statement(self, nulls: tuple[str, ...], target: Any = None, criteria: tuple[Any, ...] = ()) -> Any:
        """Build the SELECT of the related objects of one object."""
        prop = self.prop
        entity = target_entity(prop) if target is None else target
        statement = select(entity.entity).set_label_style(LABEL_STYLE_NONE)
        own = parametrized(prop.lazy_clause(), nulls, parameter_ending(prop))
        statement = statement.where(*as_read(prop.mapper, [own]), *criteria)
        if isinstance(prop.secondary, Join):
            # its columns alone would not bring its ON clauses
            statement = statement.select_from(prop.secondary)
        if prop.order_by:
            statement = statement.order_by(*as_read(prop.mapper, prop.order_by))
        return statement

    def statement_with(self, state: Any, options: tuple[Any, ...], nulls: tuple[str, ...]) -> Any:
        """Give the SELECT with the options that came with the object."""
        prop = self.prop
        held = state.load_options
        memo = held.memo if isinstance(held, CarriedOptions) else {}
        key = (prop, state.load_path, nulls)
        found = memo.get(key)
        if found is None:
            directive = directive_of(prop, state)
            criteria = () if directive is None else directive.criteria
            statement = self.statement(nulls, criteria=tuple(criteria)).options(*options)
            found = memo.setdefault(key, statement)
        return found

    def options_for(self, state: Any, target: Any) -> tuple[Any, ...]:
        """Give the options that the load of an object's related objects runs with."""
        held = state.load_options
        if not held and state.load_path is None:
            return ()
        prop = self.prop
        if not held:
            return (*back_options(prop), AtPath(state.load_path.child(prop, target_entity(prop))))
        memo = held.memo if isinstance(held, CarriedOptions) else {}
        key = ("options", prop, state.load_path)
        found: tuple[Any, ...] | None = memo.get(key)
        if found is None:
            start = path_of(state)
            if start is None:
                start = Path.root(state.manager.mapper)
            found = (*handed_on(held), *back_options(prop), AtPath(start.child(prop, target_entity(prop))))
            memo[key] = found
        return found


def _restore(cls: type[Any], key: str, name: str) -> Any:
    prop = cls.__dict__["_session_manager_"].mapper.get_property(key)
    return loader_for(prop, name)


def relationship_loader(prop: Any, mapper: Any = None) -> Any:
    """Give the attribute loader of a relationship as mapped; what the mapping calls for its attributes."""
    return strategy_for(prop).attribute_loader()


hooks.relationship_loader = relationship_loader
