"""Relationships that are loaded by one more SELECT for many parents at once.

In: the parents of one chunk of rows.  Their keys go out in batches of 500 as ``WHERE ... IN``; what
comes back is put beside the parents.  Three kinds of statements, by what the join condition allows: by
the targets' foreign key (or that of the secondary table), by the targets' own primary key (many-to-one), and
in all other cases by a join from the parents' table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from sqlalchemy import bindparam, inspect, select, tuple_
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE, LABEL_STYLE_TABLENAME_PLUS_COL
from sqlalchemy.util import warn

from session._accel import loading, pairings
from session.constants import (
    INSTANCE_STATE,
    MANYTOMANY,
    MANYTOONE,
    NO_AUTOFLUSH,
    NO_VALUE,
    ONETOMANY,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
)
from session.heard import heard
from session.load.going_on import lack_more, related, was_taken_out
from session.load.lazy_parts import GONE, present, read_column, target_entity
from session.load.loader_option import RELATIONSHIP, AtPath, OnlyKeys, has_values
from session.load.option_tree import owning, resolve_options
from session.load.prepared import PreparedSelect, run_select
from session.load.renamed import handed_on, renaming_of
from session.load.strategies_lazy import compile_late
from session.mapping.aliased import alias_of, as_read, with_polymorphic
from session.mapping.strategies import factories, register

__all__ = ["BATCH", "SelectinLoad", "SelectinStrategy", "SubclassLoad"]

BATCH = 500
"""Keys in one SELECT."""

KEYS = "primary_keys"


def ends_here(build: Any, prop: Any, directive: Any, statement_only: bool = False) -> bool:
    """Tell whether a chain of eager loads that only the mapping asks for has come to its end.

    It has where the path goes through the target already, or is as long as ``join_depth``.

    :param statement_only: only the part of the path that this statement has added counts.
    """
    if directive is not None and directive.name and not directive.default:
        return False
    entities = build.path.steps[::2]
    at = build.options.at
    if statement_only and at is not None:
        entities = entities[len(at.steps[::2]) - 1 :]
    depth = getattr(prop, "join_depth", None)
    if depth:
        return bool(len(entities) > depth)
    return any(entity.mapper is prop.mapper for entity in entities)


@register("relationship", "selectin", "subquery")
class SelectinStrategy:
    """The related objects are loaded right after their parents, by a SELECT for each 500 of these.

    ``subqueryload`` is served by this too: it gives the same objects, by other SQL.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Objects that were not loaded by a query with eager loads load when the attribute is read."""
        return factories["relationship", "select"](self.prop).attribute_loader()

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Note the load that follows the rows."""
        if ends_here(build, self.prop, directive):
            compile_late(self.prop, part, "select")
            return
        part.reset = True
        part.post = SelectinLoad(self.prop, mapper, build.path, directive)

    def again(self, build: Any, mapper: Any, directive: Any) -> AgainLoad:
        """Give a load of objects that have come by then, for what options say with another alias."""
        return AgainLoad(self.prop, mapper, build.path, directive)


class SelectinLoad:
    """One relationship, to be loaded for the objects of a statement.

    :param prop: the relationship.
    :param mapper: the class whose objects are the parents.
    :param path: where the parents stand.
    :param directive: what the options say.
    """

    def __init__(self, prop: Any, mapper: Any, path: Any, directive: Any) -> None:
        self.prop = prop
        self.mapper = mapper
        self.target = directed_entity(prop, directive)
        self.criteria: tuple[Any, ...] = () if directive is None else tuple(directive.criteria)
        depth = None if directive is None else directive.params.get("recursion_depth")
        self.recursion_depth: int = depth or 0
        #: what the options want loaded behind it, also where it is loaded itself
        self.further: Any = None if directive is None or not directive.scope.attributes else directive.scope
        self.chunksize: int = (None if directive is None else directive.params.get("chunksize")) or BATCH
        if depth and not prop.mapper.common_parent(prop.parent):
            raise InvalidRequestError(f"recursion_depth is for relationships of a class to itself; {prop} is none")
        self.path = path.child(prop, self.target)
        self.prepared: PreparedSelect | None = None
        self.by_target_key = bool(prop.use_get and not self.criteria and self.target is target_entity(prop))
        self.link_columns: Sequence[Any] = () if self.by_target_key else link_columns(prop)
        self.arguments: tuple[Any, ...] = (prop, mapper, path, directive)
        self.joined: Any = None

    # -- statement -------------------------------------------------------------------------

    def statement(self, options: Sequence[Any]) -> Any:
        """Build the SELECT for a batch of keys."""
        prop, target = self.prop, self.target
        entity = target.entity
        more: Sequence[Any] = ()
        if self.by_target_key:
            keys: Sequence[Any] = as_read(target, [pair[1] for pair in prop.get_pairs])
            statement = select(entity)
        elif self.link_columns:
            keys = self.link_columns
            if prop.secondary is not None:
                joined = prop.joins_for(prop.parent, target)
                statement = select(*keys, entity).select_from(prop.secondary)
                statement = statement.join(entity, joined.secondaryjoin)
            else:
                keys = as_read(target, keys)
                statement = select(*keys, entity)
            if self.criteria:
                more = [target.adapt(each) if target.is_aliased_class else each for each in self.criteria]
        else:
            parents = alias_of(prop.parent)
            keys = [parents.adapt(column) for column in prop.parent.primary_key]
            way = getattr(parents.entity, prop.key)
            if target is not target_entity(prop) or target.is_aliased_class:
                way = way.of_type(entity)
            if self.criteria:
                way = way.and_(*self.criteria)
            statement = select(*keys, entity).select_from(parents.entity).join(way)
        if len(keys) == 1:
            statement = statement.where(keys[0].in_(bindparam(KEYS, expanding=True)))
        else:
            statement = statement.where(tuple_(*keys).in_(bindparam(KEYS, expanding=True)))
        statement = statement.where(*more).set_label_style(LABEL_STYLE_NONE)
        if prop.order_by and not self.by_target_key:
            statement = statement.order_by(*as_read(target, prop.order_by))
        return statement.options(*options, AtPath(self.path))

    def columns(self, context: Any, keys: Sequence[Any]) -> list[list[Any]]:
        """Run the SELECT for one batch of keys."""
        settings = self.settings(context)
        bind_arguments = settings.pop("bind_arguments")
        values = {KEYS: list(keys)}
        options = context.options
        if has_values(options):
            statement = self.refreshed(options)
            return run_select(
                context.session, statement, values, self.target.mapper, RELATIONSHIP, bind_arguments, **settings
            )
        if self.prepared is None:
            statement = self.named_by(options).statement(handed_on(options))
            self.prepared = PreparedSelect(statement, self.target.mapper, RELATIONSHIP)
        return self.prepared.columns(context.session, values, bind_arguments, **settings)

    def settings(self, context: Any) -> dict[str, Any]:
        """Give the keywords of the context of one SELECT."""
        found: dict[str, Any] = context.follow_up()
        if "do_orm_execute" in heard and context.session.dispatch.do_orm_execute:
            found["path"] = self.named_by(context.options).path.steps[:-1]
        return found

    def refreshed(self, options: Sequence[Any]) -> Any:
        """Build the SELECT with the options of this run, whose bound values are not those of the first."""
        made = self.named_by(options)
        if self.criteria:
            current = current_criteria(options, made.path)
            if current is not None:
                if made is self:
                    made = copy(self)
                made.criteria = current
        return made.statement(handed_on(options))

    def named_by(self, options: Sequence[Any]) -> SelectinLoad:
        """Give this load as it is for the aliases that the options of this run name."""
        names = renaming_of(options)
        if names is None:
            return self
        made = copy(self)
        made.path, made.target = names.path(self.path), names.entity(self.target)
        return made

    # -- run ---------------------------------------------------------------------------------

    def run(self, context: Any, parents: Sequence[Any]) -> None:
        """Load the relationship for all parents that do not have it."""
        if len(parents) <= self.chunksize:
            self.load(context, parents)
            return
        with context.one_result():
            self.load(context, parents)

    def load(self, context: Any, parents: Sequence[Any]) -> None:
        """Load the relationship level by level; one level, unless it recurs."""
        key = self.prop.key
        depth, further = self.recursion_depth, self.further
        waiting = list(parents)
        done: set[int] = set()
        while waiting:
            todo = []
            present: list[Any] = []
            for parent in waiting:
                dict_ = parent.__dict__
                if id(parent) in done:
                    continue
                if key in dict_:
                    if depth:
                        done.add(id(parent))
                        present += related(parent, key)
                    elif further is not None and lack_more(related(parent, key), further):
                        todo.append(parent)
                    continue
                if was_taken_out(dict_[INSTANCE_STATE], key):
                    continue
                done.add(id(parent))
                todo.append(parent)
            children = present
            if todo:
                load = self.by_own_key if self.by_target_key else self.by_parent_key
                children = [*load(context, todo), *present]
            if not depth:
                return
            depth -= 1
            # what was loaded is held by its parents, so that numbers in ``done`` stay theirs
            waiting = children

    def by_own_key(self, context: Any, parents: Sequence[Any]) -> list[Any]:
        """Load the targets of a many-to-one by their primary keys."""
        key = self.prop.key
        found: list[Any] = []
        again = loads_one_again(context)
        if not again:
            parents, without = self.divided(parents)
            if without:
                found = self.from_parents().by_parent_key(context, without)
        by_ident = self.awaited(context, parents)
        if again:
            found = self.take_present(context, by_ident)
        for batch in batches(in_order(by_ident), self.chunksize):
            objects = self.columns(context, batch)[0]
            for obj in objects:
                if obj is None:
                    continue
                ident = obj.__dict__[INSTANCE_STATE].ident
                waiting = by_ident.pop(ident, None)
                if waiting is not None:
                    found.append(obj)
                    for parent in waiting:
                        set_scalar(parent, key, obj)
        for waiting in by_ident.values():
            for parent in waiting:
                set_scalar(parent, key, None)
        return found

    def divided(self, parents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Divide the parents of a many-to-one: those that have their foreign key, and those that have to load it."""
        columns = [local for local, _ in self.prop.get_pairs]
        mapper: Any = None
        keys: list[str] = []
        having, without = [], []
        for parent in parents:
            dict_ = parent.__dict__
            state = dict_[INSTANCE_STATE]
            if state.manager.mapper is not mapper:
                mapper = state.manager.mapper
                keys = [mapper.get_property_by_column(column).key for column in columns]
            for key in keys:
                if key not in dict_ and not was_taken_out(state, key):
                    without.append(parent)
                    break
            else:
                having.append(parent)
        return having, without

    def from_parents(self) -> Any:
        """Give the load of the same many-to-one by the parents' own keys."""
        found = self.joined
        if found is None:
            found = type(self)(*self.arguments)
            found.by_target_key = False
            self.joined = found
        return found

    def take_present(self, context: Any, by_ident: dict[Any, list[Any]]) -> list[Any]:
        """Take what the Session has of the targets of a many-to-one, and out of those that are awaited."""
        found = []
        for ident in list(by_ident):
            obj = present(context.session, self.prop.mapper, ident, context.identity_token, PASSIVE_OFF | NO_AUTOFLUSH)
            if obj is None or obj is GONE:
                continue
            found.append(obj)
            for parent in by_ident.pop(ident):
                set_scalar(parent, self.prop.key, obj)
        return found

    def awaited(self, context: Any, parents: Sequence[Any]) -> dict[Any, list[Any]]:
        """Give the primary keys of the targets of a many-to-one, with the parents that refer to each."""
        prop = self.prop
        by_ident: dict[Any, list[Any]] = {}
        locals_ = [local for local, _ in prop.get_pairs]
        for parent in parents:
            dict_ = parent.__dict__
            state = dict_[INSTANCE_STATE]
            mapper = state.manager.mapper
            values = [read_column(mapper, state, dict_, column, PASSIVE_OFF | NO_AUTOFLUSH) for column in locals_]
            if any(value is None or value is NO_VALUE or value is PASSIVE_NO_RESULT for value in values):
                set_scalar(parent, prop.key, None)
                continue
            by_ident.setdefault(values[0] if len(values) == 1 else tuple(values), []).append(parent)
        return by_ident

    def by_parent_key(self, context: Any, parents: Sequence[Any]) -> list[Any]:
        """Load the targets by the keys of their parents."""
        prop = self.prop
        key = prop.key
        by_ident = {parent.__dict__[INSTANCE_STATE].ident: parent for parent in parents}
        found = []
        single = len(prop.parent.primary_key) == 1
        for batch in batches(list(by_ident), self.chunksize):
            *links, children = self.columns(context, batch)
            idents: Sequence[Any] = links[0] if single else list(zip(*links, strict=False))
            groups = grouped(idents, children)
            for ident in batch:
                items = groups.get(ident, [])
                found += items
                parent = by_ident[ident]
                if key in parent.__dict__:
                    continue
                if prop.uselist:
                    pairings.set_collection(parent, key, items)
                    continue
                if len(items) > 1:
                    warn(
                        f"'{type(parent).__name__}.{key}' holds one object (uselist=False), but its eager load found "
                        f"{len(items)}; the first was taken"
                    )
                set_scalar(parent, key, items[0] if items else None)
        return found


class AgainLoad(SelectinLoad):
    """What one more alias in ``of_type()`` brings to the objects of a relationship that is loaded."""

    def load(self, context: Any, parents: Sequence[Any]) -> None:
        """Send the SELECT for all parents that refer to objects; these keep what they have."""
        key = self.prop.key
        todo = [parent for parent in parents if key in parent.__dict__ and related(parent, key)]
        if todo:
            load = self.by_own_key if self.by_target_key else self.by_parent_key
            load(context, todo)


def loads_one_again(context: Any) -> bool:
    """Tell whether the run loads one object again, expired or refreshed, and no objects for the first time."""
    return context.refresh_state is not None or context.only_keys is not None


def directed_entity(prop: Any, directive: Any, aliased: bool = False) -> Any:
    """Give the entity that a relationship is loaded with, by its mapping or by ``of_type()``.

    A subclass in ``of_type()`` stands for all of the target's objects, with the subclass's columns.

    :param aliased: the subclass's tables go under aliases.
    """
    if directive is None:
        return target_entity(prop)
    if directive.alias is not None:
        return directive.alias
    named = [mapper for mapper in directive.subclasses if mapper is not prop.mapper]
    for mapper in named:
        if not mapper.isa(prop.mapper):
            return mapper
    if not named:
        return target_entity(prop)
    return inspect(with_polymorphic(prop.mapper, [mapper.class_ for mapper in named], aliased=aliased, flat=aliased))


def link_columns(prop: Any) -> Sequence[Any]:
    """Give the columns that refer to the parent's primary key and nothing else, in its order.

    They are columns of the target, or of the secondary table; empty where the condition is more than that.
    """
    if prop.direction is MANYTOONE or prop.omit_join is False:
        return ()
    parent = prop.parent
    far: dict[Any, Any] = {}
    pairs = prop.local_remote_pairs if prop.direction is ONETOMANY else prop.synchronize_pairs
    for local, remote in pairs:
        far[key_column(parent, local)] = remote
    if None in far or len(far) != len(parent.primary_key) or set(far) != set(parent.primary_key):
        return ()
    if not only_equalities(prop.primaryjoin, len(far)):
        return ()
    if prop.direction is MANYTOMANY and prop.secondary is None:
        return ()
    return [far[column] for column in parent.primary_key]


def key_column(mapper: Any, column: Any) -> Any:
    """Give the primary key column that a column is or always equals, ``None`` if it is none."""
    for key in mapper.primary_key:
        if key is column or column in mapper.equivalent_columns.get(key, ()):
            return key
    return None


def only_equalities(clause: Any, count: int) -> bool:
    """Tell whether a join condition is so many equalities of columns and nothing else."""
    pending = [clause]
    seen = 0
    while pending:
        each = pending.pop()
        if each.__visit_name__ in ("clauselist", "expression_clauselist", "grouping"):
            if getattr(getattr(each, "operator", None), "__name__", "and_") != "and_":
                return False
            pending.extend(each.get_children())
        elif each.__visit_name__ == "binary" and each.operator.__name__ == "eq":
            if not all(hasattr(side, "table") for side in (each.left, each.right)):
                return False
            seen += 1
        else:
            return False
    return seen == count


def current_criteria(options: Sequence[Any], path: Any) -> tuple[Any, ...] | None:
    """Give the conditions that the options of this run put on a relationship.

    :param path: the path to its target.
    """
    resolved = resolve_options(handed_on(options))
    *steps, prop, _ = path.steps
    entity = steps[-1]
    directive = resolved.scope_at(steps).find(entity, owning(entity, prop), prop.key, RELATIONSHIP)
    return None if directive is None else tuple(directive.criteria)


def set_scalar(parent: Any, key: str, value: Any) -> None:
    """Set a reference as loaded."""
    dict_ = parent.__dict__
    if key in dict_:
        return
    state = dict_[INSTANCE_STATE]
    state.manager[key].impl.set_committed_value(state, dict_, value)


def grouped(idents: Sequence[Any], children: Sequence[Any]) -> Mapping[Any, list[Any]]:
    """Give the children of each parent, each once, in the order of their rows.

    :param idents: for each child the identity of the parent that it is a row for.
    """
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for ident, child in zip(idents, children, strict=False):
        groups[ident].append(child)
    if len(set(map(id, children))) < len(children) or None in groups:
        for ident, items in groups.items():
            groups[ident] = loading.keep_first(items)
    return groups


def in_order(keys: Any) -> list[Any]:
    """Sort keys, so that equal loads emit equal SQL; as they come where they cannot be sorted."""
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


def batches(keys: Sequence[Any], size: int = BATCH) -> Iterator[Sequence[Any]]:
    """Cut a list of keys into batches."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


class SubclassLoad:
    """The columns of a subclass, to be loaded for objects whose rows came from the base class's tables.

    :param build: the translation of the base class.
    :param mapper: the subclass.
    :param source: the most derived class whose tables the statement selects from.
    """

    def __init__(self, build: Any, mapper: Any, source: Any) -> None:
        self.mapper = mapper
        self.path = build.path
        self.prepared: PreparedSelect | None = None
        #: what the subclass has and the base class has not, without what waits until it is read
        self.keys = [
            key for key, prop in mapper.props.items() if key not in source.props and not build.is_put_off(prop, mapper)
        ]
        self.selected = {*self.keys, *mapper.pk_keys}
        discriminator = mapper.prop_of_column.get(mapper.polymorphic_on)
        if discriminator is not None:
            self.selected.add(discriminator.key)

    def run(self, context: Any, objects: Sequence[Any]) -> None:
        """Load the missing columns by one SELECT for each 500 objects."""
        own = [key for key in self.keys if self.mapper.props[key].is_column]
        waiting = {}
        for obj in objects:
            dict_ = obj.__dict__
            state = dict_[INSTANCE_STATE]
            if isinstance(obj, self.mapper.class_) and state.expired_keys and any(key not in dict_ for key in own):
                waiting[state.ident] = obj
        settings = context.follow_up()
        bind_arguments = settings.pop("bind_arguments")
        for batch in batches(in_order(waiting)):
            values = {KEYS: list(batch)}
            if has_values(context.options):
                statement = self.statement(context.options)
                run_select(context.session, statement, values, self.mapper, "", bind_arguments, **settings)
                continue
            if self.prepared is None:
                self.prepared = PreparedSelect(self.statement(context.options), self.mapper, "")
            self.prepared.columns(context.session, values, bind_arguments, **settings)

    def statement(self, options: Sequence[Any]) -> Any:
        """Build the SELECT for a batch of keys."""
        mapper = self.mapper
        names = renaming_of(options)
        path = self.path if names is None else names.path(self.path)
        keys = as_read(mapper, mapper.primary_key)
        left = keys[0] if len(keys) == 1 else tuple_(*keys)
        statement = select(mapper).where(left.in_(bindparam(KEYS, expanding=True)))
        statement = statement.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        return statement.options(*handed_on(options), AtPath(path), OnlyKeys(self.selected))


factories["mapper", "selectin_polymorphic"] = SubclassLoad  # type: ignore[assignment]
