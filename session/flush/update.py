"""UPDATEs: only columns whose values differ from what was loaded, in the order of the primary key.

In come persistent states; out go UPDATEs, neighbours that set the same columns with one statement
or one ``executemany()``.  Most rows are made by the loop in ``gather``; those with a version counter, a
changed primary key, SQL among their values or a row switch are worked out here one by one.
A row count that is not what it should be raises ``StaleDataError``.
Next on the way: ``core/driver.py``, which runs the statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, update
from sqlalchemy.engine import Connection

from session._accel import gather, state_loops
from session.constants import NO_VALUE, PASSIVE_OFF, REKEYED
from session.core.arrays import ArraySource, is_one_of
from session.core.driver import driver_for
from session.exc import FlushError
from session.flush.counts import check_row_count, warn_unverified
from session.flush.defaults import DefaultContext
from session.flush.notify import expire, tell_refreshed
from session.flush.plans import Prepared, PreparedArrays, change_rows, key_criteria, key_names
from session.flush.recipes import MapperRecipe, TableRecipe, recipe_of

__all__ = ["current_version", "no_version", "update_columns", "update_rows"]


class UpdateShape:
    """An UPDATE of certain columns of a table.

    A row of it holds the new values in the order of the columns, those made by ``onupdate=``, the
    new version, the primary key, the version before.

    :param recipe: says how the table is written.
    :param mask: bits of the columns that are set.
    :param sets_version: a new version is written too.
    :param checks_version: the row must have the version that was loaded.
    """

    def __init__(self, recipe: TableRecipe, mask: int, sets_version: bool, checks_version: bool) -> None:
        self.recipe = recipe
        table = recipe.table
        columns = list(recipe.columns_of_mask(mask))
        keys = list(recipe.keys_of_mask(mask))
        self.value_count = len(columns)
        self.on_update = [entry for entry in recipe.on_update if entry[0] not in columns]
        columns += [entry[0] for entry in self.on_update]
        keys += [entry[1] for entry in self.on_update]
        if sets_version:
            columns.append(recipe.version_column)
            keys.append(str(recipe.version_key))
        made = range(self.value_count, len(keys))
        self.places = [(keys[number], number) for number in made if keys[number] in recipe.attributes]
        self.column_names = [column.key for column in columns]
        criteria = list(recipe.key_columns)
        if checks_version:
            criteria.append(recipe.version_column)
        self.checks_version = checks_version
        names = key_names(table, criteria)
        binds = [bindparam(name, type_=column.type) for name, column in zip(names, criteria, strict=True)]
        statement: Any = update(table).where(*key_criteria(criteria, binds))
        self.made_elsewhere = [pair for pair in recipe.made_on_update if pair[0] not in columns]
        if checks_version and not sets_version and recipe.version_key not in keys:
            pair = (recipe.version_column, str(recipe.version_key))
            if pair not in self.made_elsewhere:
                self.made_elsewhere.append(pair)
        eager = recipe.mapper.eager_defaults is True
        self.fetched = [pair for pair in self.made_elsewhere if eager or pair[0] is recipe.version_column]
        all_names = [*self.column_names, *names]
        self.plain = Prepared(statement, all_names, self.column_names)
        self.returning: Prepared | None = None
        if self.fetched:
            returning = statement.returning(*[column for column, _ in self.fetched])
            self.returning = Prepared(returning, all_names, self.column_names)
        #: many rows at once, where their order cannot matter
        self.together: PreparedArrays | None = None
        if recipe.telling_columns.isdisjoint([*columns, *(column for column, _ in self.made_elsewhere)]):
            self.together = PreparedArrays([*columns, *criteria], self._in_arrays, criteria, recipe.plain_table)

    def _in_arrays(self, source: ArraySource) -> Any:
        """Make the UPDATE of many rows at once; they are looked up, and locked, in their order."""
        table = self.recipe.table
        count = len(self.column_names)
        criteria = [*self.recipe.key_columns, self.recipe.version_column]
        return (
            update(table)
            .values({table.c[name]: value for name, value in zip(self.column_names, source.columns, strict=False)})
            .where(*map(is_one_of, criteria, source.columns[count:]))
        )


class _Worked(NamedTuple):
    """An UPDATE that was worked out for one object."""

    mask: int
    row: tuple[Any, ...]
    sets_version: bool
    checks_version: bool
    expressions: dict[Any, Any]


def update_rows(uow: Any, connection: Connection, table: Any, groups: Iterable[tuple[Any, list[Any]]]) -> None:
    """Update the rows of one table, where there is anything to update.

    :param uow: the flush.
    :param connection: the connection that the flush writes to.
    :param groups: pairs of mapper and its states, in order.
    :raises StaleDataError: if another number of rows was matched.
    :raises FlushError: if an object's primary key was set to ``None``.
    SQL: one UPDATE for neighbours that set the same columns, one for each row with SQL expressions
    or values that the database has to return.
    """
    for mapper, members in groups:
        recipe = recipe_of(mapper).table(table)
        if recipe.equated:
            _carry_keys_over(recipe, members)
        if recipe.version_key is not None or recipe.keyed_by_attribute or uow.row_switches or uow.cascaded:
            _update_one_by_one(uow, connection, recipe, members)
            continue
        for mask, states, rows in gather.gather_updates(
            members, recipe.update_by_key, recipe.keys_of_mask, recipe.key_positions, recipe.unusual_keys
        ):
            if mask == gather.UNUSUAL:
                _update_one_by_one(uow, connection, recipe, states)
                continue
            if recipe.key_positions is not None and mapper.allow_partial_pks:
                _check_keys(recipe, states, rows)
            _update_run(uow, connection, _shape_of(recipe, mask, False, False), states, rows)


def _update_one_by_one(uow: Any, connection: Connection, recipe: TableRecipe, states: Iterable[Any]) -> None:
    """Update objects whose UPDATE has to be worked out for each; neighbours that set the same columns go together."""
    shape: UpdateShape | None = None
    members: list[Any] = []
    rows: list[Any] = []
    for state in states:
        worked = _work_out(uow, recipe, state)
        if worked is None:
            continue
        its_shape = None
        if not worked.expressions:
            its_shape = _shape_of(recipe, worked.mask, worked.sets_version, worked.checks_version)
        if shape is not None and shape is not its_shape:
            _update_run(uow, connection, shape, members, rows)
            members, rows = [], []
        shape = its_shape
        if shape is None:
            _update_expressions(uow, connection, recipe, state, worked)
        else:
            members.append(state)
            rows.append(worked.row)
    if shape is not None:
        _update_run(uow, connection, shape, members, rows)


def _shape_of(recipe: TableRecipe, mask: int, sets_version: bool, checks_version: bool) -> UpdateShape:
    key = (mask, sets_version, checks_version)
    found = recipe.update_shapes.get(key)
    if found is None:
        found = recipe.update_shapes[key] = UpdateShape(recipe, mask, sets_version, checks_version)
    return found


def _carry_keys_over(recipe: TableRecipe, states: list[Any]) -> None:
    """Joined inheritance: give a changed key of the parent table to the attribute of this table's column."""
    for state in states:
        committed = state.committed
        if not committed:
            continue
        for source, target in recipe.equated:
            if source != target and source in committed:
                dict_ = state().__dict__
                if source in dict_ and dict_.get(target) != dict_[source]:
                    state.manager[target].impl.set(state, dict_, dict_[source], None)


# -- one object ------------------------------------------------------------------------------


def _work_out(uow: Any, recipe: TableRecipe, state: Any) -> _Worked | None:
    """Work out the UPDATE of one object, ``None`` if it needs none."""
    dict_ = state().__dict__
    replaced = uow.row_switches.get(state)
    committed = state.committed or {}
    mask = 0
    expressions: dict[Any, Any] = {}
    criteria: list[Any] = []
    for key in dict_ if replaced is not None else committed:
        found = recipe.update_by_key.get(key)
        if found is None or key in recipe.key_keys:
            continue
        bit, compare = found
        value = dict_.get(key)
        if gather.is_expression(value):
            expressions[recipe.columns[bit.bit_length() - 1][0]] = value
            continue
        old = committed.get(key, NO_VALUE) if replaced is None else NO_VALUE
        if old is not NO_VALUE and not _differs(value, old, compare):
            continue
        mask |= bit
    for number, key in enumerate(recipe.key_keys):
        old, new = _key_values(recipe, state, dict_, number, key)
        if gather.is_expression(new):
            expressions[recipe.key_columns[number]] = new
        elif old != new and replaced is None:
            if recipe.keys_follow or (state, key) in uow.cascaded:
                old = new
            else:
                mask |= recipe.update_by_key[key][0]
        if old is None:
            raise _null_key(recipe, state, number)
        criteria.append(old)

    sets_version = checks_version = False
    new_version: list[Any] = []
    if recipe.version_key is not None:
        key = recipe.version_key
        if not mask and not expressions and not _has_net_change(recipe.owner, state, dict_):
            return None
        old = current_version(replaced if replaced is not None else state, key)
        if replaced is not None:
            mask &= ~recipe.update_by_key[key][0]
        if old is None or (mask & recipe.update_by_key[key][0] and dict_.get(key) is None):
            raise no_version(recipe, state)
        checks_version = True
        criteria.append(old)
        if recipe.version_generator is not None and not mask & recipe.update_by_key[key][0]:
            sets_version = True
            new_version.append(recipe.version_generator(old))
        elif not mask and not expressions:
            return None
    elif not mask and not expressions:
        return None
    values = [dict_.get(key) for key in recipe.keys_of_mask(mask)]
    return _Worked(mask, (*values, *new_version, *criteria), sets_version, checks_version, expressions)


def _check_keys(recipe: TableRecipe, states: list[Any], rows: list[Any]) -> None:
    """Refuse rows that cannot be found by their key, because a part of it is NULL."""
    count = len(recipe.key_columns)
    for state, row in zip(states, rows, strict=True):
        key = row[-count:]
        if None in key:
            raise _null_key(recipe, state, key.index(None))


def _null_key(recipe: TableRecipe, state: Any, number: int) -> FlushError:
    return FlushError(
        f"Can't update {recipe.table.name}: {recipe.key_columns[number]}, part of the primary key of the "
        f"{state.class_.__name__} object, is NULL, and no row is found by that",
        state=state,
    )


def no_version(recipe: TableRecipe, state: Any) -> FlushError:
    return FlushError(
        f"A {state.class_.__name__} object has no version: {recipe.version_column} is NULL in its row, so it cannot be "
        f"told whether somebody else has changed it; give the row a version first",
        state=state,
    )


def _key_values(recipe: TableRecipe, state: Any, dict_: dict[str, Any], number: int, key: str) -> tuple[Any, Any]:
    """The value of a key column in the row as it is, and as it is to be."""
    ident = state.ident
    if ident is None:
        value = dict_.get(key)
        return value, value
    if recipe.keyed_by_attribute:
        impl = state.manager[key].impl
        return impl.get_committed_value(state, dict_, PASSIVE_OFF), impl.get(state, dict_, PASSIVE_OFF)
    positions = recipe.key_positions
    old = ident if positions is None else ident[positions[number]]
    return old, dict_.get(key, old)


def current_version(state: Any, key: str) -> Any:
    """The version that the row had when it was loaded."""
    dict_ = state.dict
    committed = state.committed
    if committed is not None and committed.get(key, NO_VALUE) is not NO_VALUE:
        return committed[key]
    value = state.manager[key].impl.get(state, dict_, PASSIVE_OFF)
    return value


def _has_net_change(owner: MapperRecipe, state: Any, dict_: dict[str, Any]) -> bool:
    """Tell whether a column attribute in any of the object's tables differs from what was loaded."""
    committed = state.committed
    if state.ident is None:
        return True
    if not committed:
        return False
    for table in owner.tables:
        by_key = owner.table(table).update_by_key
        for key, old in committed.items():
            if key in by_key:
                value = dict_.get(key)
                if gather.is_expression(value) or old is NO_VALUE:
                    return True
                if _differs(value, old, by_key[key][1]):
                    return True
    return False


def _differs(value: Any, old: Any, compare: Any) -> bool:
    """Tell whether a value has changed; a comparison that gives no plain ``True`` counts as a change."""
    same = value is old or value == old if compare is None else compare(value, old)
    return same is not True


# -- running ---------------------------------------------------------------------------------


def _update_run(
    uow: Any, connection: Connection, shape: UpdateShape, states: list[Any], rows: list[Any], kept: bool = True
) -> None:
    """Run the UPDATE of rows that set the same columns, and give the objects what was made for them.

    :param kept: the rows stay; if they are to be deleted next, the objects keep the values that they had.
    """
    recipe = shape.recipe
    if shape.on_update:
        rows = _with_on_update(connection, shape, rows)
    dialect = connection.dialect
    fetched: list[tuple[Any, str]] = []
    if kept and shape.returning is not None and recipe.can_return(dialect):
        fetched = shape.fetched
        plan, arranged = shape.returning.arrange(uow, connection, rows)
        found = driver_for(connection).fetch_each(plan, arranged)
        lacking = [number for number, row in enumerate(found) if row is None]
        check_row_count("UPDATE", recipe.table, states, len(found) - len(lacking), lacking)
        gather.assign_columns(states, found, [key for _, key in fetched], plan.processors)
    else:
        lacking = []
        matched = change_rows(uow, connection, shape.together, shape.plain, rows, shape.checks_version, lacking)
        if matched is not None:
            check_row_count("UPDATE", recipe.table, states, matched, lacking)
        elif shape.checks_version:
            warn_unverified("UPDATE", recipe.table, dialect)
    if not kept:
        gather.write_back(states, rows, [place for place in shape.places if place[0] == recipe.version_key])
        return
    if shape.places:
        gather.write_back(states, rows, shape.places)
    if shape.places or fetched:
        tell_refreshed(uow, states, [*(key for key, _ in shape.places), *(key for _, key in fetched)])
    if shape.made_elsewhere:
        _forget_made(uow, states, shape, fetched)


def _with_on_update(connection: Connection, shape: UpdateShape, rows: list[Any]) -> list[Any]:
    """Put the values of ``onupdate=`` into the rows, after the values that are set."""
    count = shape.value_count
    context = DefaultContext(connection, False)
    made = []
    for row in rows:
        extra: list[Any] = []
        for _, _, is_function, default in shape.on_update:
            if is_function:
                context.begin_named(shape.column_names, [*row[:count], *extra])
                extra.append(default(context))
            else:
                extra.append(default)
        made.append((*row[:count], *extra, *row[count:]))
    return made


def _forget_made(
    uow: Any, states: list[Any], shape: UpdateShape, fetched: Sequence[tuple[Any, str]], given: Sequence[str] = ()
) -> None:
    """Expire what the database has changed and the UPDATE has not brought back.

    :param given: further attributes that the UPDATE has not brought back.
    """
    left = [*given, *(pair[1] for pair in shape.made_elsewhere if pair not in fetched)]
    if left:
        expire(states, left)
        if shape.fetched:
            uow.load_after(states, frozenset(left).intersection([key for _, key in shape.fetched]))


def _update_expressions(uow: Any, connection: Connection, recipe: TableRecipe, state: Any, worked: _Worked) -> None:
    """Update one row that has SQL among its values; Core compiles (and caches) the statement."""
    shape = _shape_of(recipe, worked.mask, worked.sets_version, worked.checks_version)
    row = _with_on_update(connection, shape, [worked.row])[0] if shape.on_update else worked.row
    count = len(shape.column_names)
    criteria = list(recipe.key_columns)
    if worked.checks_version:
        criteria.append(recipe.version_column)
    values = {recipe.table.c[name]: value for name, value in zip(shape.column_names, row[:count], strict=True)}
    for column, expression in worked.expressions.items():
        values[column] = expression
    binds = [
        bindparam(name, value, type_=column.type)
        for name, column, value in zip(key_names(recipe.table, criteria), criteria, row[count:], strict=True)
    ]
    statement: Any = update(recipe.table).where(*key_criteria(criteria, binds)).values(values)
    fetched: list[tuple[Any, str]] = []
    if recipe.can_return(connection.dialect):
        fetched = list(shape.fetched)
        eager = recipe.mapper.eager_defaults is True
        made = [
            (column, recipe.key_of[column]) for column in worked.expressions if eager or column in recipe.key_columns
        ]
        fetched += [pair for pair in made if pair not in fetched]
    if fetched:
        found = connection.execute(
            statement.returning(*[column for column, _ in fetched]), execution_options=uow.execution_options
        ).all()
        check_row_count("UPDATE", recipe.table, [state], len(found))
    else:
        result = connection.execute(statement, execution_options=uow.execution_options)
        if connection.dialect.supports_sane_rowcount:
            check_row_count("UPDATE", recipe.table, [state], result.rowcount)
    own = [
        (key, number)
        for key, number in shape.places
        if recipe.table.c[shape.column_names[number]] not in worked.expressions
    ]
    if own:
        gather.write_back([state], [row], own)
    left = [recipe.key_of[column] for column in worked.expressions]
    state_loops.expire_keys([state], frozenset(left))
    if not worked.expressions.keys().isdisjoint(recipe.key_columns):
        state.extra(REKEYED, lambda: True)
    brought = [key for _, key in fetched]
    if fetched:
        gather.assign_columns([state], [tuple(found[0])], brought, [None] * len(brought))
    tell_refreshed(uow, [state], [*(key for key, _ in own), *brought])
    _forget_made(uow, [state], shape, fetched, [key for key in left if key not in brought])
    if not fetched and recipe.mapper.eager_defaults is True:
        uow.load_after([state], frozenset(left))


# -- columns by themselves -------------------------------------------------------------------


def update_columns(
    uow: Any, connection: Connection, mapper: Any, entries: Sequence[tuple[Any, frozenset[Any]]]
) -> None:
    """Write certain columns of rows that exist already: foreign keys of ``post_update`` relationships.

    :param mapper: the mapper whose tables the columns are in.
    :param entries: pairs of a state and its columns.
    :raises StaleDataError: if another number of rows was matched.
    SQL: UPDATE of these columns (and of those with ``onupdate=``) by primary key.
    """
    recipe_owner = recipe_of(mapper)
    for table in recipe_owner.tables:
        run: tuple[UpdateShape, list[Any], list[Any], bool] | None = None
        for state, columns in entries:
            recipe = recipe_of(state.manager.mapper).table(table)
            mask = 0
            dict_ = state().__dict__
            for column in columns:
                key = recipe.key_of.get(column)
                if key is not None:
                    mask |= recipe.update_by_key[key][0]
            if not mask:
                continue
            for key in recipe.on_update_keys:
                if key in (state.committed or ()) and not gather.is_expression(dict_.get(key)):
                    mask |= recipe.update_by_key[key][0]
            sets_version = recipe.version_generator is not None and state.ident is not None
            values = [dict_.get(key) for key in recipe.keys_of_mask(mask)]
            keys = [_key_values(recipe, state, dict_, number, key)[1] for number, key in enumerate(recipe.key_keys)]
            if recipe.version_key is not None:
                version = state.manager[recipe.version_key].impl.get(state, dict_, PASSIVE_OFF)
                if sets_version:
                    values.append(recipe.version_generator(version))  # type: ignore[misc]
                keys.append(version)
            shape = _shape_of(recipe, mask, sets_version, recipe.version_key is not None)
            kept = not uow.is_deleted(state)
            if run is None or run[0] is not shape or run[3] is not kept:
                if run is not None:
                    _update_run(uow, connection, *run)
                run = (shape, [], [], kept)
            run[1].append(state)
            run[2].append((*values, *keys))
        if run is not None:
            _update_run(uow, connection, *run)
