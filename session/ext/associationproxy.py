"""Attributes of related objects, read and written as if they were the object's own.

``association_proxy("kw", "word")`` on ``User`` makes ``user.words`` a list of the words of ``user.kw``, and
``User.words == "x"`` an EXISTS over them.  An :class:`AssociationProxy` stands in the class body; for each class that
has it there is an :class:`AssociationProxyInstance`, which knows the relationship, the class at its end and the
attribute there.  Values of one related object are read and set in place; those of a collection are shown by the views
of ``association_collections.py``.
The API is that of ``sqlalchemy.ext.associationproxy``, for the mappers of this package.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Generic, TypeVar, overload

from sqlalchemy import or_
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.operators import ColumnOperators

from session.constants import InspectionAttrExtensionType
from session.exc import UnmappedClassError
from session.ext.association_collections import VIEWS
from session.ext.association_collections import AssociationCollection as _AssociationCollection
from session.ext.association_collections import AssociationDict as _AssociationDict
from session.ext.association_collections import AssociationList as _AssociationList
from session.ext.association_collections import AssociationSet as _AssociationSet
from session.instrument.base import instance_state, opt_manager_of_class
from session.instrument.mutators import roles_of_builtin
from session.mapping.base import NO_DATACLASS_OPTIONS, NOT_GIVEN, DataclassOptions, InspectionAttrInfo, ORMDescriptor
from session.mapping.inspect import class_mapper, entity_of

__all__ = [
    "AmbiguousAssociationProxyInstance",
    "AssociationProxy",
    "AssociationProxyExtensionType",
    "AssociationProxyInstance",
    "ColumnAssociationProxyInstance",
    "ObjectAssociationProxyInstance",
    "_AssociationCollection",
    "_AssociationDict",
    "_AssociationList",
    "_AssociationSet",
    "association_proxy",
]

_T = TypeVar("_T")


def association_proxy(
    target_collection: str,
    attr: str,
    *,
    creator: Callable[..., Any] | None = None,
    getset_factory: Callable[..., Any] | None = None,
    proxy_factory: Callable[..., Any] | None = None,
    proxy_bulk_set: Callable[..., Any] | None = None,
    info: dict[Any, Any] | None = None,
    cascade_scalar_deletes: bool = False,
    create_on_none_assignment: bool = False,
    init: Any = NOT_GIVEN,
    repr: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    default_factory: Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    kw_only: Any = NOT_GIVEN,
    hash: Any = NOT_GIVEN,
    dataclass_metadata: Any = NOT_GIVEN,
) -> AssociationProxy[Any]:
    """Give a class an attribute of its related objects.

    ::

        class User(Base):
            ...
            kw: Mapped[list[Keyword]] = relationship(secondary=user_keyword)
            words: AssociationProxy[list[str]] = association_proxy("kw", "word")

        user.words.append("orm")  # user.kw.append(Keyword("orm"))
        select(User).where(User.words == "orm")

    :param target_collection: the name of the relationship, to one object or to many.
    :param attr: the attribute of the related objects: a column, a relationship, a proxy again, a property.
    :param creator: makes a related object of a value that is added; of a key and a value, for dictionaries.  By
        default that is the related class.
    :param getset_factory: called with the kind of collection (``list``, ``set``, ``dict``; ``None`` for a single
        object) and the :class:`AssociationProxyInstance`; gives a function that reads the value of a related object,
        and one that sets it (of object and value; for dictionaries of object, key and value).
    :param proxy_factory: makes the view of a collection; called with a function that gives the collection, the
        creator, the name of the attribute, and the :class:`AssociationProxyInstance`.
    :param proxy_bulk_set: fills a view, which has been emptied, when the attribute is set; called with the view and
        the values.
    :param info: notes of the user.
    :param cascade_scalar_deletes: setting a single value to ``None`` takes the related object away as well.
    :param create_on_none_assignment: setting a single value to ``None`` makes a related object where there is none.
    :param init: with the parameters that follow: what the attribute is as a field of a dataclass.
    """
    return AssociationProxy(
        target_collection,
        attr,
        creator=creator,
        getset_factory=getset_factory,
        proxy_factory=proxy_factory,
        proxy_bulk_set=proxy_bulk_set,
        info=info,
        cascade_scalar_deletes=cascade_scalar_deletes,
        create_on_none_assignment=create_on_none_assignment,
        attribute_options=DataclassOptions(
            init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata
        ),
    )


class AssociationProxyExtensionType(InspectionAttrExtensionType):
    """What ``extension_type`` of an association proxy is, in ``inspect(User).all_orm_descriptors``."""

    ASSOCIATION_PROXY = "ASSOCIATION_PROXY"


class AssociationProxy(InspectionAttrInfo, ORMDescriptor[_T]):
    """The attribute as it stands in the class body; see :func:`association_proxy` for the parameters.

    One proxy may serve several classes: it may stand in a mixin, or on a class with subclasses.
    """

    is_attribute = True
    extension_type = AssociationProxyExtensionType.ASSOCIATION_PROXY

    def __init__(
        self,
        target_collection: str,
        attr: str,
        *,
        creator: Callable[..., Any] | None = None,
        getset_factory: Callable[..., Any] | None = None,
        proxy_factory: Callable[..., Any] | None = None,
        proxy_bulk_set: Callable[..., Any] | None = None,
        info: dict[Any, Any] | None = None,
        cascade_scalar_deletes: bool = False,
        create_on_none_assignment: bool = False,
        attribute_options: DataclassOptions | None = None,
    ) -> None:
        self.target_collection = target_collection
        self.value_attr = attr
        self.creator = creator
        self.getset_factory = getset_factory
        self.proxy_factory = proxy_factory
        self.proxy_bulk_set = proxy_bulk_set
        self.cascade_scalar_deletes = cascade_scalar_deletes
        self.create_on_none_assignment = create_on_none_assignment
        self.key = f"_{type(self).__name__}_{target_collection}_{id(self)}"
        if info is not None:
            self.info = info
        self.dataclass_options = attribute_options or NO_DATACLASS_OPTIONS

    def for_class(self, class_: type[Any], obj: object | None = None) -> AssociationProxyInstance[_T]:
        """Give what the proxy is on a mapped class: its relationship, the class at its end, the attribute there.

        :param class_: the class, or one that derives from it.
        :param obj: an object of it; makes no difference.
        :raises UnmappedClassError: the class is not mapped.
        :raises InvalidRequestError: the class has no such relationship.
        """
        manager = opt_manager_of_class(class_)
        if manager is None:
            raise UnmappedClassError(class_)
        known: AssociationProxyInstance[_T] | None = manager.info.get(self)
        if known is None:
            known = manager.info[self] = AssociationProxyInstance.for_proxy(self, class_, obj)
        return known

    @overload
    def __get__(self, instance: None, owner: Any) -> AssociationProxyInstance[_T]: ...

    @overload
    def __get__(self, instance: object, owner: Any) -> _T: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is not None:
            return self.for_class(type(instance)).get(instance)
        entity = entity_of(owner)
        return self if entity is None else self.for_class(entity.mapper.class_)

    def __set__(self, instance: object, values: _T) -> None:
        self.for_class(type(instance)).set(instance, values)

    def __delete__(self, instance: object) -> None:
        self.for_class(type(instance)).delete(instance)

    def __repr__(self) -> str:
        return f"AssociationProxy({self.target_collection!r}, {self.value_attr!r})"


class AssociationProxyInstance(ColumnOperators, Generic[_T]):
    """An association proxy on one class: SQL as ``User.words``, and the values of its objects.

    Its subclasses say what SQL there is, which depends on what the attribute of the related class is.

    :param parent: the proxy in the class body.
    :param owning_class: the mapped class that has it.
    :param target_class: the class that the relationship leads to.
    :param value_attr: the attribute there.
    """

    collection_class: type[Any] | None = None

    def __init__(
        self, parent: AssociationProxy[_T], owning_class: type[Any], target_class: type[Any], value_attr: str
    ) -> None:
        self.parent = parent
        self.key = parent.key
        self.owning_class = owning_class
        self.target_collection = parent.target_collection
        self.target_class = target_class
        self.value_attr = value_attr
        self._entity: Any = owning_class
        self._getset: tuple[Callable[[Any], Any], Callable[..., None]] | None = None

    @classmethod
    def for_proxy(
        cls, parent: AssociationProxy[_T], owning_class: type[Any], parent_instance: Any
    ) -> AssociationProxyInstance[_T]:
        """Look at what the related class has under the name of the attribute, and make what fits.

        :param parent_instance: makes no difference.
        """
        relationship = class_mapper(owning_class).get_property(parent.target_collection)
        if not relationship.is_relationship:
            raise NotImplementedError(
                f"The association proxy {parent!r} of {owning_class.__name__} leads over {relationship}, which is no "
                f"relationship"
            )
        target_class = relationship.mapper.class_
        remote = getattr(target_class, parent.value_attr, None)
        kind: type[AssociationProxyInstance[_T]] = AmbiguousAssociationProxyInstance
        if isinstance(remote, AssociationProxyInstance) or _leads_to_objects(remote):
            kind = ObjectAssociationProxyInstance
        elif isinstance(remote, ColumnOperators) or hasattr(remote, "__clause_element__"):
            kind = ColumnAssociationProxyInstance
        return kind(parent, owning_class, target_class, parent.value_attr)

    def adapt_to_entity(self, adapt_to_entity: Any) -> AssociationProxyInstance[_T]:
        """Give the same proxy as read through an alias of the class."""
        adapted = type(self)(self.parent, self.owning_class, self.target_class, self.value_attr)
        adapted._entity = adapt_to_entity.entity
        return adapted

    @property
    def info(self) -> dict[Any, Any]:
        """Notes of the user on the proxy."""
        return self.parent.info

    @cached_property
    def scalar(self) -> bool:
        """Whether the relationship leads to a single object."""
        return not self.local_attr.property.uselist

    @property
    def local_attr(self) -> Any:
        """The relationship, as an attribute of the class that has the proxy."""
        return getattr(self._entity, self.target_collection)

    @property
    def remote_attr(self) -> Any:
        """The attribute of the related class."""
        return getattr(self.target_class, self.value_attr)

    @property
    def attr(self) -> tuple[Any, Any]:
        """Both: ``select(User).join(User.words.attr[0])``."""
        return self.local_attr, self.remote_attr

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.parent!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        for base in self.owning_class.__mro__:
            for name, value in base.__dict__.items():
                if value is self.parent:
                    return getattr, (self.owning_class, name)
        raise TypeError(f"{self!r} is no attribute of {self.owning_class.__name__} any more")

    # -- values --------------------------------------------------------------------------------

    def get(self, obj: Any) -> Any:
        """Give the value of an object: that of its related object, or a view of those of a collection."""
        if self.scalar:
            getter, _ = self._accessors()
            return getter(getattr(obj, self.target_collection))
        views = instance_state(obj).extra("association_views", dict)
        kept = views.get(self.key)
        view = None if kept is None else kept()
        if view is None:
            view = self.view(partial(getattr, obj, self.target_collection))
            # ours keeps nothing, and is not to hold the object in a circle; that of a factory may know something
            views[self.key] = weakref.ref(view) if self.parent.proxy_factory is None else lambda: view
        return view

    def set(self, obj: Any, values: Any) -> None:
        """Set the value of an object: that of its related object, which is made if need be, or all of a collection."""
        if not self.scalar:
            view = self.get(obj)
            if view is not values:
                self._replace(view, values)
            return
        related = getattr(obj, self.target_collection)
        if related is not None:
            _, setter = self._accessors()
            setter(related, values)
            if values is None and self.parent.cascade_scalar_deletes:
                setattr(obj, self.target_collection, None)
        elif values is not None or self.parent.create_on_none_assignment:
            setattr(obj, self.target_collection, self._creator(values))

    def delete(self, obj: Any) -> None:
        """Delete the relationship's value, and that of a single related object."""
        if self.scalar:
            related = getattr(obj, self.target_collection)
            if related is not None:
                delattr(related, self.value_attr)
        delattr(obj, self.target_collection)

    def view(self, lazy_collection: Callable[[], Any]) -> Any:
        """Make a view of a collection.

        :param lazy_collection: gives the collection.
        :raises InvalidRequestError: it is like no list, set or dictionary.
        """
        if self.parent.proxy_factory is not None:
            return self.parent.proxy_factory(lazy_collection, self._creator, self.value_attr, self)
        if self.collection_class is None:
            self.collection_class, _ = roles_of_builtin(type(lazy_collection()))
        view_class = VIEWS.get(self.collection_class)
        if view_class is None:
            raise InvalidRequestError(
                f"The collection {self.local_attr} is like no list, set or dictionary, so that {self.parent!r} cannot "
                f"show its values; give its class an __emulates__, or the association_proxy() a proxy_factory"
            )
        return view_class(lazy_collection, self._creator, *self._accessors(), self)

    @property
    def _creator(self) -> Callable[..., Any]:
        return self.parent.creator or self.target_class

    def _accessors(self) -> tuple[Callable[[Any], Any], Callable[..., None]]:
        """Return what gets, and what sets, the value of a related object."""
        if self._getset is None:
            make = self.parent.getset_factory or _plain_accessors
            self._getset = make(self.collection_class, self)
        return self._getset

    def _replace(self, view: Any, values: Any) -> None:
        if self.parent.proxy_bulk_set is None:
            view._bulk_replace(self, values)
        else:
            view.clear()
            self.parent.proxy_bulk_set(view, values)

    # -- SQL -----------------------------------------------------------------------------------

    def __clause_element__(self) -> Any:
        raise NotImplementedError(
            f"{self._shown} is no column, and cannot be selected, joined to or ordered by; compare it with something, "
            f"or use its .local_attr and .remote_attr"
        )

    __hash__ = object.__hash__

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS a related object, or one related to that, for a proxy to a relationship.

        :param criterion: a condition on it.
        :param kwargs: attributes of it with the value that each must have.
        :raises InvalidRequestError: there is one at most.
        """
        if not self._plural and not self._chained:
            raise InvalidRequestError(f"{self._shown} is a single value; use has() in place of any()")
        return self._exists_at_the_end(criterion, kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS the related object, or the one related to that, for a proxy to a relationship.

        :param criterion: a condition on it.
        :param kwargs: attributes of it with the value that each must have.
        :raises InvalidRequestError: there may be several.
        """
        if self._plural and not self._chained:
            raise InvalidRequestError(f"{self._shown} is a collection; use any() in place of has()")
        return self._exists_at_the_end(criterion, kwargs)

    @property
    def _shown(self) -> str:
        return f"The association proxy {self.owning_class.__name__}.{self.target_collection}.{self.value_attr}"

    @property
    def _plural(self) -> bool:
        """Whether an object has several values."""
        return not self.scalar

    @property
    def _chained(self) -> bool:
        """Whether the attribute is a proxy itself."""
        return isinstance(self.remote_attr, AssociationProxyInstance)

    def _exists(self, criterion: Any = None) -> Any:
        """EXISTS a related object that fulfils a condition."""
        local = self.local_attr
        return local.has(criterion) if self.scalar else local.any(criterion)

    def _exists_at_the_end(self, criterion: Any, keywords: dict[str, Any]) -> Any:
        raise NotImplementedError


class ColumnAssociationProxyInstance(AssociationProxyInstance[_T]):
    """A proxy to a column, or anything else that is SQL: operators are those of the column, inside of an EXISTS."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        return self._exists(op(self.remote_attr, *other, **kwargs))

    def __eq__(self, other: Any) -> Any:
        """EXISTS a related object with that value; for ``None`` also where there is no related object."""
        found = self._exists(self.remote_attr == other)
        return or_(found, self.local_attr == None) if other is None else found  # noqa: E711

    __hash__ = object.__hash__

    def _exists_at_the_end(self, criterion: Any, keywords: dict[str, Any]) -> Any:
        if keywords:
            names = ", ".join(keywords)
            raise ArgumentError(f"{self._shown} leads to a column, which has no {names}; compare it by ==")
        return self._exists(criterion)


class ObjectAssociationProxyInstance(AssociationProxyInstance[_T]):
    """A proxy to a relationship, or to a proxy: it can be compared with what that can be compared with."""

    def contains(self, other: Any, **kwargs: Any) -> Any:
        """Test whether an object, or a value, is among those of the proxy.

        :raises InvalidRequestError: there is one at most; use ``==``.
        """
        if not self._plural and not self._chained:
            raise InvalidRequestError(f"{self._shown} is a single object; use == in place of contains()")
        remote = self.remote_attr
        return self._exists(remote.contains(other) if self._remote_plural else remote == other)

    def __eq__(self, other: Any) -> Any:
        """EXISTS a related object that refers to that one; for ``None`` also where there is no related object."""
        self._require_one()
        found = self._exists(self.remote_attr == other)
        return or_(found, self.local_attr == None) if other is None else found  # noqa: E711

    def __ne__(self, other: Any) -> Any:
        """EXISTS a related object that does not refer to that one."""
        self._require_one()
        return self._exists(self.remote_attr != other)

    __hash__ = object.__hash__

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        name = getattr(op, "__name__", op)
        raise NotImplementedError(f"{self._shown} leads to objects, on which there is no operator {name!r}")

    @property
    def _plural(self) -> bool:
        return not self.scalar or self._remote_plural

    @property
    def _remote_plural(self) -> bool:
        remote = self.remote_attr
        return remote._plural if self._chained else bool(remote.property.uselist)

    def _require_one(self) -> None:
        if self._plural:
            raise InvalidRequestError(f"{self._shown} is a collection; use contains() or any()")

    def _exists_at_the_end(self, criterion: Any, keywords: dict[str, Any]) -> Any:
        remote = self.remote_attr
        if self._chained:
            return self._exists(remote._exists_at_the_end(criterion, keywords))
        return self._exists((remote.any if self._remote_plural else remote.has)(criterion, **keywords))


class AmbiguousAssociationProxyInstance(AssociationProxyInstance[_T]):
    """A proxy to what is not mapped on the related class, perhaps on its subclasses: there are values, but no SQL."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        raise self._no_sql()

    def _exists_at_the_end(self, criterion: Any, keywords: dict[str, Any]) -> Any:
        raise self._no_sql()

    @property
    def _chained(self) -> bool:
        return False

    def _no_sql(self) -> AttributeError:
        return AttributeError(
            f"{self._shown} has no SQL: {self.value_attr!r} is not mapped on {self.target_class.__name__}. It may be "
            f"on a subclass; then compare by {self.local_attr} and of_type()"
        )


def _leads_to_objects(attribute: Any) -> bool:
    return getattr(getattr(attribute, "property", None), "is_relationship", False) is True


def _plain_accessors(kind: type[Any] | None, proxy: AssociationProxyInstance[Any]) -> tuple[Any, Any]:
    name = proxy.value_attr

    def get(related: Any) -> Any:
        return None if related is None else getattr(related, name)

    def put(related: Any, *value: Any) -> None:
        setattr(related, name, value[-1])

    return get, put
