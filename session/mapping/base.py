"""What every part of a mapping is made of: inspection flags, the mapped property, scan contexts.

A mapper is a dictionary of :class:`MapperProperty` objects.  ``columns.py``, ``composite.py``,
``synonym.py`` and ``relationship.py`` derive theirs from here; ``mapper.py`` puts them together.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from session.constants import InspectionAttrExtensionType, NotExtension

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = [
    "AttributeOptions",
    "DataclassOptions",
    "InspectionAttr",
    "InspectionAttrExtensionType",
    "InspectionAttrInfo",
    "MappedAnnotation",
    "MapperProperty",
    "NotExtension",
    "ORMDescriptor",
    "ScanContext",
]


_T_co = TypeVar("_T_co", covariant=True)


class InspectionAttr:
    """The flags by which the parts of a mapping tell what they are."""

    __slots__: tuple[str, ...] = ()

    is_selectable: ClassVar[bool] = False
    is_aliased_class: ClassVar[bool] = False
    is_instance: ClassVar[bool] = False
    is_mapper: ClassVar[bool] = False
    is_bundle: ClassVar[bool] = False
    is_property: ClassVar[bool] = False
    is_attribute: ClassVar[bool] = False
    is_clause_element: ClassVar[bool] = False
    _is_internal_proxy: ClassVar[bool] = False

    extension_type: InspectionAttrExtensionType = NotExtension.NOT_EXTENSION


class InspectionAttrInfo(InspectionAttr):
    """An inspectable attribute that carries a dictionary for the user's own notes."""

    __slots__ = ()

    _info: dict[Any, Any] | None = None

    @property
    def info(self) -> dict[Any, Any]:
        """The user's own notes on the attribute; made empty when first asked for."""
        notes = self.__dict__.get("_info")
        if notes is None:
            notes = self.__dict__["_info"] = {}
        return notes

    @info.setter
    def info(self, value: Mapping[Any, Any]) -> None:
        self.__dict__["_info"] = dict(value)


class ORMDescriptor(Generic[_T_co]):
    """A class-level attribute that yields SQL on the class and a value on an object."""

    __slots__ = ()


class _Missing(enum.Enum):
    NOT_GIVEN = 0

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __bool__(self) -> bool:
        return False


NOT_GIVEN = _Missing.NOT_GIVEN
"""An argument of a mapping construct that was not written."""


@dataclass(frozen=True)
class DataclassOptions:
    """The dataclass side of a mapped attribute: what becomes of it as a ``dataclasses.field``."""

    init: Any = NOT_GIVEN
    repr: Any = NOT_GIVEN
    default: Any = NOT_GIVEN
    default_factory: Any = NOT_GIVEN
    compare: Any = NOT_GIVEN
    kw_only: Any = NOT_GIVEN
    hash: Any = NOT_GIVEN
    dataclass_metadata: Any = NOT_GIVEN

    def given(self) -> dict[str, Any]:
        """Return the options that were written, by name."""
        return {name: value for name, value in self.__dict__.items() if value is not NOT_GIVEN}


AttributeOptions = DataclassOptions
NO_DATACLASS_OPTIONS = DataclassOptions()


@dataclass
class MappedAnnotation:
    """A ``Mapped[...]`` annotation, read and resolved as far as its names are known.

    :param written: the annotation as it stands in the class.
    :param container: ``Mapped``, ``WriteOnlyMapped`` or ``DynamicMapped``.
    :param argument: what stands between the brackets: a type, or a string where its
        names are not known yet.
    :param optional: whether ``None`` is among its types.
    """

    written: Any
    container: Any
    argument: Any
    optional: bool = False

    #: For a relationship: the target (class, or a string to be resolved later), whether it is a collection,
    #: the class of the collection (``list``, ``set``, ``dict``, ... or ``None``) and the loading style that the
    #: container asks for ("dynamic", "write_only" or ``None``).
    target: Any = None
    uselist: bool = False
    collection_class: Any = None
    lazy: str | None = None
    #: for a dictionary: type of its keys
    key_type: Any = None


@dataclass
class ScanContext:
    """Where a property stands while a declarative class is read.

    :param registry: the registry that maps the class.
    :param cls: the class that is being mapped.
    :param origin: the class or mixin in whose body the attribute stands.
    :param module: the name of the module in whose names its annotations are written.
    :param dataclass: whether the class is made a dataclass.
    :param columns: the columns found so far, by attribute key.
    :param own_table: whether the class has a table of its own, rather than that of a mapped base.
    """

    registry: Any
    cls: type[Any]
    origin: type[Any]
    module: str
    dataclass: bool = False
    columns: dict[str, Any] = field(default_factory=dict)
    complete_column: Callable[..., None] | None = None
    own_table: bool = False

    def resolve(self, name: str) -> Any:
        """Find a class or expression by its name in the registry, later.

        :param name: text of the annotation or argument.
        :return: the object; see :func:`session.mapping.clsregistry.resolve`.
        """
        return self.registry.resolve(name, self.cls)


class MapperProperty(InspectionAttrInfo):
    """One attribute of a mapped class, as its mapper sees it.

    Its life: made in the class body; :meth:`declarative_scan` reads its annotation;
    :meth:`set_parent` gives it its mapper and key; :meth:`instrument_class` puts a descriptor on
    each class that has it; :meth:`init` (at configure time) resolves names; then
    :meth:`post_instrument_class` gives the descriptor its implementation.
    """

    is_property = True
    is_relationship: ClassVar[bool] = False
    is_column: ClassVar[bool] = False
    is_descriptor: ClassVar[bool] = False
    strategy_kind: ClassVar[str] = ""

    def __class_getitem__(cls, item: Any) -> Any:
        return types.GenericAlias(cls, item)

    key: str = ""
    parent: Mapper[Any]
    doc: str | None = None
    strategy: str = ""
    _configure_started = False
    _configure_finished = False
    dataclass_options: DataclassOptions = NO_DATACLASS_OPTIONS
    #: whether the attribute has a dataclass default that the constructor must not set
    cascade: Any = frozenset()

    def __init__(self) -> None:
        self.strategies: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}; {self}>"

    def __str__(self) -> str:
        parent = self.__dict__.get("parent")
        return f"{parent.class_.__name__}.{self.key}" if parent is not None else f"(unmapped).{self.key or '?'}"

    # -- declarative ---------------------------------------------------
    def declarative_scan(self, context: ScanContext, key: str, annotation: MappedAnnotation | None) -> None:
        """Take what the annotation of the attribute says.

        :param context: the class that is being read.
        :param key: the attribute's name.
        :param annotation: its annotation, ``None`` if it has none.
        :raises MappedAnnotationError: if the annotation does not fit this kind of attribute.
        """

    @property
    def columns_to_assign(self) -> list[tuple[Any, int]]:
        """The table columns (and their sort order) that the attribute brings into the class's table."""
        return []

    @property
    def mapper_property_to_assign(self) -> MapperProperty | None:
        """The property to be added to the mapper: itself."""
        return self

    # -- life ------------------------------------------------------------
    def set_parent(self, parent: Mapper[Any], init: bool = False) -> None:
        """Make ``parent`` the mapper that declares this property."""
        self.parent = parent

    def instrument_class(self, mapper: Mapper[Any]) -> None:
        """Put the attribute's descriptor on the class of ``mapper``."""

    def init(self) -> None:
        """Resolve everything that may depend on other mappers; once."""
        self._configure_started = True
        self.do_init()
        self._configure_finished = True

    def do_init(self) -> None:
        """The subclass's part of :meth:`init`."""

    def post_instrument_class(self, mapper: Mapper[Any]) -> None:
        """Give the descriptor on the class of ``mapper`` its working part."""

    def setup_for_subclass(self, mapper: Mapper[Any]) -> None:
        """Hook: a mapper that inherits from the parent has taken this property over."""

    # -- work --------------------------------------------------------------
    @property
    def class_attribute(self) -> Any:
        """The descriptor of this property on the class that declares it."""
        return getattr(self.parent.class_, self.key)

    def cascade_iterator(
        self,
        type_: str,
        state: Any,
        dict_: dict[str, Any],
        visited_states: set[Any],
        halt_on: Callable[[Any], bool] | None = None,
    ) -> Iterator[tuple[Any, Mapper[Any], Any, dict[str, Any]]]:
        """Yield ``(object, mapper, state, dict)`` of each object that an operation goes on to; here none."""
        return iter(())

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
        """Copy the attribute's value from one object to another, for ``Session.merge``."""
