"""Relationships: attributes whose value is a mapped object, or a collection of them.

Made by ``relationship()``.  At configure time it finds its target and its join condition
(``relationship_arguments.py``, ``joins.py``) and is told of its other direction (``backrefs.py``); then it puts its
working part on the classes that have it.  Loading (strategies by name), flush and merge read what is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.util import warn, warn_deprecated

from session import instrument
from session._accel import cascading
from session.constants import MANYTOONE, ONETOMANY, RelationshipDirection
from session.exc import LoaderStrategyException
from session.instrument.backref import wire_backref
from session.mapping import backrefs, cascades, joining, merging, strategies
from session.mapping import relationship_arguments as arguments
from session.mapping.aliased import entity_adapter
from session.mapping.base import NOT_GIVEN, DataclassOptions, MappedAnnotation, MapperProperty, ScanContext
from session.mapping.comparators import RelationshipComparator
from session.mapping.decorators import watch_with_validators
from session.mapping.joins import JoinCondition

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["DEFAULT_CASCADE", "RelationshipProperty"]

_STRATEGIES = {True: "select", False: "joined", None: "noload"}
_LOADING = frozenset(
    {
        "select", "peers", "joined", "selectin", "subquery", "immediate", "raise", "raise_on_sql", "noload",
        "dynamic", "write_only",
    }
)  # fmt: skip
_WITHOUT_MEANING_FOR_VIEWS = {
    "passive_deletes": False,
    "passive_updates": True,
    "enable_typechecks": True,
    "active_history": False,
}
DEFAULT_CASCADE = "save-update, merge"


class RelationshipProperty(MapperProperty):
    """One relationship of a mapped class; made by :func:`relationship`, whose parameters it takes.

    What it worked out is there once mappers are configured.
    """

    is_relationship = True
    strategy_kind = "relationship"
    inherit_cache = True
    Comparator = RelationshipComparator

    #: which side has the foreign key; ``None`` until the mappers are configured
    direction: RelationshipDirection | None = None
    condition: JoinCondition
    #: whether an object can be found by the target's primary key, which the parent has
    use_get: bool = False
    #: pairs of the parent's column and the target's primary key column, in the order of the key
    get_pairs: tuple[tuple[Any, Any], ...] = ()
    #: the table between the two; ``None`` without one
    secondary: Any = None
    #: the columns given as ``foreign_keys``; ``None`` if there were none
    given_foreign_keys: Any = None

    def __init__(
        self,
        argument: Any = None,
        secondary: Any = None,
        *,
        uselist: bool | None = None,
        collection_class: Any = None,
        primaryjoin: Any = None,
        secondaryjoin: Any = None,
        back_populates: str | None = None,
        order_by: Any = False,
        backref: Any = None,
        overlaps: str | None = None,
        post_update: bool = False,
        cascade: str | None = DEFAULT_CASCADE,
        viewonly: bool = False,
        dataclass_options: DataclassOptions | None = None,
        lazy: Any = "select",
        passive_deletes: Any = False,
        passive_updates: bool = True,
        active_history: bool = False,
        enable_typechecks: bool = True,
        foreign_keys: Any = None,
        remote_side: Any = None,
        join_depth: int | None = None,
        comparator_factory: Any = None,
        single_parent: bool = False,
        innerjoin: Any = False,
        distinct_target_key: bool | None = None,
        load_on_pending: bool = False,
        query_class: Any = None,
        info: Any = None,
        omit_join: Any = None,
        sync_backref: bool | None = None,
        doc: str | None = None,
        bake_queries: bool = True,
        cascade_backrefs: bool = False,
        _local_remote_pairs: Any = None,
        _legacy_inactive_history_style: bool = False,
    ) -> None:
        super().__init__()
        if back_populates and backref:
            raise ArgumentError(
                "relationship() takes back_populates, the name of a relationship that exists, or backref, which "
                "makes one; not both"
            )
        if cascade_backrefs:
            raise ArgumentError("relationship() has no cascade_backrefs=True any more; leave it out", code="s9r1")
        if viewonly and sync_backref:
            raise ArgumentError("relationship() is either viewonly=True or sync_backref=True, not both")
        if innerjoin not in (True, False, "nested", "unnested"):
            raise ArgumentError(f"innerjoin of relationship() is True, False or 'unnested', not {innerjoin!r}")
        if omit_join:
            warn("omit_join=True has no effect: relationship() finds out by itself; only omit_join=False is of use")
        if dataclass_options is not None and not (
            dataclass_options.default is NOT_GIVEN or dataclass_options.default is None
        ):
            raise ArgumentError("relationship() has no default but None: an object that all would share is of no use")
        self.argument = argument
        self._given = {
            "primaryjoin": primaryjoin,
            "secondaryjoin": secondaryjoin,
            "secondary": secondary,
            "foreign_keys": foreign_keys,
            "remote_side": remote_side,
            "order_by": order_by,
        }
        self._given_pairs = list(_local_remote_pairs or ())
        self.uselist = uselist
        self.collection_class = collection_class
        self.back_populates = back_populates
        self.backref = backref
        self.overlaps = frozenset(name.strip() for name in (overlaps or "").split(",")) - {""}
        self.post_update = post_update
        self.viewonly = viewonly
        self.lazy = lazy
        self.passive_deletes = passive_deletes
        self.passive_updates = passive_updates
        self.active_history = active_history
        self.loads_old_value_at_once = _legacy_inactive_history_style
        self.enable_typechecks = enable_typechecks
        self.join_depth = join_depth
        self.single_parent = single_parent
        self.innerjoin = innerjoin
        self.distinct_target_key = distinct_target_key
        self.load_on_pending = load_on_pending
        self.query_class = query_class
        self.omit_join = omit_join
        self.sync_backref = sync_backref
        self.cascade_backrefs = False
        self.bake_queries = bake_queries
        self.comparator_factory = comparator_factory or type(self).Comparator
        self.order_by: Any = order_by
        self.reverse_properties: set[RelationshipProperty] = set()
        self._lazy_clauses: dict[bool, joining.LazyClause] = {}
        self._entity: Any = None
        self._explicit_strategy = lazy != "select"
        self.doc = doc
        if dataclass_options is not None:
            self.dataclass_options = dataclass_options
        if info is not None:
            self.info = info
        self._take_cascade(cascade)
        if viewonly:
            self._warn_of_writing_arguments()

    # -- settings ------------------------------------------------------------------------

    @property
    def _reverse_property(self) -> set[RelationshipProperty]:
        """The relationships that lead back, by the name under which tools look for them."""
        return self.reverse_properties

    @property
    def lazy(self) -> Any:
        """How it is loaded, as given."""
        return self._lazy

    @lazy.setter
    def lazy(self, value: Any) -> None:
        name = _STRATEGIES.get(value, value) if value is None or isinstance(value, bool) else value
        if name not in _LOADING:
            raise LoaderStrategyException(
                f"lazy={value!r} of relationship() is unknown; there are {', '.join(sorted(_LOADING))}",
                key=self.key,
                strategy=value,
            )
        self._lazy = value
        self.strategy = name

    @property
    def cascade(self) -> cascades.CascadeOptions:
        """The operations that go on to the related objects; may be set from a string."""
        return self._cascade

    @cascade.setter
    def cascade(self, value: str) -> None:
        self._take_cascade(value)
        if self.direction is not None:
            self._check_cascade()
            self._note_orphans()
            for mapper in self.parent.self_and_descendants:
                mapper.forget_derived()

    def _take_cascade(self, value: Any) -> None:
        """Set the cascades; those that are about writing do not apply to a viewonly relationship."""
        options = cascades.CascadeOptions(value)
        self._cascade = options.reading() if self.viewonly else options

    def _warn_of_writing_arguments(self) -> None:
        for name, default in _WITHOUT_MEANING_FOR_VIEWS.items():
            if getattr(self, name) != default:
                warn(f"{name}= of relationship() is about writing, which viewonly=True rules out; leave it out")

    @property
    def secondary_name(self) -> str | None:
        """The table between the two, where it was given by its name; it need not exist yet."""
        given = self._given["secondary"]
        return given if isinstance(given, str) else None

    # -- declarative ---------------------------------------------------------------------

    def declarative_scan(self, context: ScanContext, key: str, annotation: MappedAnnotation | None) -> None:
        """Take target, collection class and loading style from the annotation, where they are not given."""
        if annotation is not None:
            self._take_annotation(annotation)
        if context.dataclass and annotation is not None:
            self._check_default(context, key, annotation)

    def _check_default(self, context: ScanContext, key: str, annotation: MappedAnnotation) -> None:
        """Refuse a dataclass default that is not what an object has there anyway."""
        options = self.dataclass_options
        made = options.default_factory
        if self.uselist and options.default is None:
            raise ArgumentError(
                f"The relationship {context.cls.__name__}.{key} is a collection, whose default is not None; give it "
                f"default_factory={_name_of(self.collection_class or list)}"
            )
        if made is NOT_GIVEN or self.collection_class is not annotation.collection_class:
            return
        if not self.uselist or made is not (self.collection_class or list):
            whole = _name_of(self.collection_class or list) if self.uselist else None
            raise ArgumentError(
                f"The relationship {context.cls.__name__}.{key} has a default_factory, which can be {whole} only"
                + ("" if self.uselist else ": it refers to one object; give it default=None")
            )

    def _take_annotation(self, annotation: MappedAnnotation) -> None:
        if self.argument is None:
            self.argument = annotation.target
        if annotation.lazy is not None:
            self.lazy = annotation.lazy
        if not annotation.uselist:
            if self.uselist is None and annotation.lazy is None:
                self.uselist = False
            return
        if self.uselist is None:
            self.uselist = True
        if self.collection_class is None and self.uselist:
            self.collection_class = annotation.collection_class

    # -- what it leads to ----------------------------------------------------------------

    @property
    def entity(self) -> Any:
        """The mapper, or aliased entity, that the relationship leads to."""
        if self._entity is None:
            self._entity = arguments.find_entity(self)
        return self._entity

    @property
    def mapper(self) -> Any:
        """The mapper that the relationship leads to."""
        return self.entity.mapper

    @property
    def target(self) -> Any:
        """The table, or join of tables, of the target."""
        return self.mapper.persist_selectable

    @property
    def self_referential(self) -> bool:
        """Whether it leads to an object of the same class hierarchy."""
        return bool(self.mapper.common_parent(self.parent))

    # -- configuration -------------------------------------------------------------------

    def do_init(self) -> None:
        """Find target, join condition and other direction, and check that all of it fits together."""
        mapper = self.mapper
        if mapper.registry is not self.parent.registry:
            self.parent.registry.depend_on(mapper.registry)
        self._lazy_clauses.clear()
        self.strategies.clear()
        resolved = arguments.resolve(self, self._given)
        self.secondary = resolved.secondary
        self.order_by = resolved.order_by
        self.given_foreign_keys = resolved.foreign_keys or None
        self.condition = arguments.find_condition(self, resolved, self._given_pairs)
        self.direction = self.condition.direction
        if self.uselist is None:
            self.uselist = self.direction is not MANYTOONE
        self._check_style()
        self._check_cascade()
        self._note_orphans()
        pairs = () if self.entity.is_aliased_class else joining.identity_pairs(self.condition, mapper)
        self.get_pairs = pairs
        self.use_get = bool(pairs)
        self._warn_of_superseded()
        if self.strategy == "noload":
            warn_deprecated(
                f"lazy='noload' of {self} gives None or an empty collection whatever the database has, and will be "
                "removed; use 'raise', 'write_only' or 'select'",
                "2.1",
            )
        backrefs.make_backref(self, RelationshipProperty)
        if self.back_populates:
            backrefs.link(self)
        backrefs.warn_of_overlaps(self)

    def _check_style(self) -> None:
        if self.strategy in ("dynamic", "write_only") and not self.uselist:
            raise InvalidRequestError(
                f"Relationship {self} refers to one object, so it cannot be loaded with lazy={self.strategy!r}, "
                f"which is for collections"
            )

    def _check_cascade(self) -> None:
        cascade = self.cascade
        if cascade.delete_orphan and not self.single_parent and self.direction is not ONETOMANY:
            kind = "many-to-one" if self.direction is MANYTOONE else "many-to-many"
            raise ArgumentError(
                f"Relationship {self} is {kind}, so an object of {self.mapper.class_.__name__} may have several "
                f"parents and 'delete-orphan' cannot tell when it has none; put the cascade on the 'one' side of a "
                f"one-to-many, or say single_parent=True if each belongs to one parent at a time",
                code="bbf0",
            )
        if self.passive_deletes == "all" and (cascade.delete or cascade.delete_orphan):
            raise ArgumentError(
                f"Relationship {self} leaves all deletes to the database by passive_deletes='all'; the cascades "
                f"'delete' and 'delete-orphan' contradict that"
            )

    def _note_orphans(self) -> None:
        """Tell the target's mapper that its objects are not to be without a parent by this relationship."""
        keepers = self.mapper.orphan_parents
        if self in keepers:
            keepers.remove(self)
        if self.cascade.delete_orphan:
            keepers.append(self)

    def _warn_of_superseded(self) -> None:
        """Warn if a base class has a relationship of the same name, with rows of its own to write."""
        parent = self.parent
        if parent.concrete:
            return
        for ancestor in parent.iterate_to_root():
            other = None if ancestor is parent else ancestor.props.get(self.key)
            if other is not None and other is not self and other.is_relationship:
                warn(
                    f"Relationship {self} takes the place of {other} for objects of {parent.class_.__name__}; a flush "
                    f"works through both, so give it another name"
                )

    # -- the join, for others ------------------------------------------------------------

    @property
    def primaryjoin(self) -> Any:
        """The condition between the parent and the target, or the secondary table."""
        return self.condition.primaryjoin

    @property
    def secondaryjoin(self) -> Any:
        """The condition between the secondary table and the target; ``None`` without one."""
        return self.condition.secondaryjoin

    @property
    def local_columns(self) -> Any:
        """The columns of the parent that the condition is about."""
        return self.condition.local_columns

    @property
    def remote_side(self) -> Any:
        """The columns of the far side that the condition is about."""
        return self.condition.remote_columns

    remote_columns = remote_side

    @property
    def local_remote_pairs(self) -> list[tuple[Any, Any]]:
        """Pairs of a column of the parent and the one of the far side that it is compared with."""
        return self.condition.local_remote_pairs

    @property
    def synchronize_pairs(self) -> list[tuple[Any, Any]]:
        """Pairs ``(source, destination)``: a flush copies the value of the first to the second."""
        return self.condition.synchronize_pairs

    @property
    def secondary_synchronize_pairs(self) -> list[tuple[Any, Any]]:
        """The same pairs between the target and the secondary table."""
        return self.condition.secondary_synchronize_pairs

    def lazy_clause(self, reverse: bool = False) -> joining.LazyClause:
        """Return the criterion that finds the targets of one parent.

        :param reverse: find the parents of one target.
        """
        clause = self._lazy_clauses.get(reverse)
        if clause is None:
            clause = self._lazy_clauses[reverse] = joining.lazy_clause(self.condition, reverse)
        return clause

    def joins_for(
        self,
        source_entity: Any,
        target_entity: Any = None,
        of_type: Any = None,
        alias_secondary: bool = False,
        extra_criteria: tuple[Any, ...] = (),
        source_adapter: Callable[[Any], Any] | None = None,
        target_adapter: Callable[[Any], Any] | None = None,
    ) -> joining.JoinParts:
        """Return what a JOIN from one entity to another along this relationship is made of.

        :param source_entity: the mapper or aliased entity that has the relationship.
        :param target_entity: the one to join to; by default ``of_type``, else the relationship's own target.
        :param of_type: the subclass or alias that the user directed the relationship to.
        :param alias_secondary: whether the secondary table takes part under an alias.
        :param extra_criteria: the user's further conditions; they are about the target, and adapted to it where
            the alias is not the user's own (``of_type``).
        :param source_adapter: translates the source's columns, in place of the entity's own.
        :param target_adapter: translates the target's columns, in place of the entity's own.
        """
        target = next(each for each in (target_entity, of_type, self.entity) if each is not None)
        adapt_target = target_adapter or entity_adapter(target)
        criteria = tuple(extra_criteria)
        if of_type is None and adapt_target is not None:
            criteria = tuple(adapt_target(criterion) for criterion in criteria)
        limited = target.mapper.single_criterion()
        if limited is not None:
            criteria = (limited if adapt_target is None else adapt_target(limited), *criteria)
        return joining.join_parts(
            self.condition,
            target.selectable,
            adapt_source=source_adapter or entity_adapter(source_entity),
            adapt_target=adapt_target,
            alias_secondary=alias_secondary,
            criteria=criteria,
        )

    def mapper_is_target(self, mapper: Any) -> bool:
        """Tell whether objects of a mapper can be related by this relationship."""
        return bool(mapper.isa(self.mapper))

    # -- on the class --------------------------------------------------------------------

    def instrument_class(self, mapper: Mapper[Any]) -> None:
        """Put the attribute on the class of ``mapper``."""
        instrument.register_attribute(
            mapper.class_,
            self.key,
            comparator=self.comparator_factory(self, mapper),
            parententity=mapper,
            doc=self.doc,
        )

    def post_instrument_class(self, mapper: Mapper[Any]) -> None:
        """Give the attribute its implementation, and let changes reach the Session and the other side."""
        key = self.key
        loader, style = self._loader()
        found_by_select = self.direction is not MANYTOONE or not self.use_get
        instrument.register_impl(
            mapper.class_,
            key,
            "collection" if self.uselist else "object",
            loader=loader,
            collection_class=self.collection_class,
            active_history=self.active_history or (self.loads_old_value_at_once and found_by_select),
            defers_history=found_by_select,
            trackparent=self.single_parent or self.direction is ONETOMANY,
            send_modified=not self.viewonly,
            parent_token=self,
            **style,
        )
        attribute = mapper.class_manager[key]
        if self.single_parent:
            cascades.allow_one_parent(attribute, self)
        watch_with_validators(mapper, key)
        cascades.track_cascades(attribute, self)
        if backrefs.syncs(self):
            wire_backref(attribute, self.back_populates or "", bool(self.uselist))

    def _loader(self) -> tuple[Any, dict[str, Any]]:
        """Ask the loading strategy for the attribute's loader, and for an implementation of its own if it has one."""
        if (self.strategy_kind, self.strategy) not in strategies.factories and not strategies.factories:
            return None, {}
        strategy = strategies.strategy_for(self, self.strategy)
        style = getattr(strategy, "impl_options", None)
        return strategy.attribute_loader(), (style() if style is not None else {})

    # -- work ----------------------------------------------------------------------------

    def cascade_step(self, type_: str) -> Any:
        """Tell the walk of a cascade what it has to know of this relationship."""
        impl = self.parent.class_manager[self.key].impl
        return cascading.Step(
            key=self.key,
            uselist=bool(impl.collection),
            former=type_ == "save-update",
            ask=bool(impl.dynamic or (type_ == "delete" and not self.passive_deletes)),
            skip_new=type_ == "refresh-expire" and not self.cascade.delete_orphan,
            manager=self.mapper.class_manager,
            prop=self,
        )

    def check_member(self, state: Any) -> None:
        """Refuse an object of a class that the relationship is not for.

        :raises AssertionError: its class neither is the target nor inherits from it.
        """
        cascades.check_member(self, state)

    def cascade_iterator(
        self,
        type_: str,
        state: Any,
        dict_: dict[str, Any],
        visited_states: set[Any],
        halt_on: Callable[[Any], bool] | None = None,
    ) -> Iterator[tuple[Any, Mapper[Any], Any, dict[str, Any]]]:
        return iter(cascades.related(self, type_, state, dict_, visited_states, halt_on))

    def merge(
        self,
        session: Any,
        source_state: Any,
        source_dict: dict[str, Any],
        dest_state: Any,
        dest_dict: dict[str, Any],
        load: bool,
        recursive: dict[Any, Any],
        resolve_conflict_map: dict[Any, Any],
    ) -> None:
        """Merge the related objects by ``session._merge()``."""
        merging.merge(
            self,
            session,
            source_state,
            source_dict,
            dest_state,
            dest_dict,
            load,
            recursive,
            resolve_conflict_map,
        )


def _name_of(factory: Any) -> str:
    return getattr(factory, "__name__", repr(factory))
