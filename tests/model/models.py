"""The mapped classes of the programs, made once for each library: owners and their items, with versions, inheritance, a
tree, one-to-one and many-to-many. ``school.py`` has others.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from .schema import Schema

#: Of each class: plain columns that a program may set, relationships to one, relationships to many.
COLUMNS = {
    "Owner": ("id", "name", "note"),
    "Company": ("id", "name", "note", "city"),
    "Item": ("id", "name", "owner_id"),
    "Badge": ("id", "name", "item_id"),
    "Tag": ("code", "name"),
    "Node": ("id", "name", "parent_id"),
}
TO_ONE = {"Item": ("owner", "badge"), "Badge": ("item",), "Node": ("parent",)}
TO_MANY = {"Owner": ("items",), "Company": ("items",), "Item": ("tags",), "Tag": ("items",), "Node": ("children",)}
#: The class that a relationship leads to.
TARGET = {
    "badge": "Badge",
    "item": "Item",
    "owner": "Owner",
    "items": "Item",
    "tags": "Tag",
    "parent": "Node",
    "children": "Node",
}

#: What the tables hold when a program begins.
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "owner": [(1, "owner", "ann", "n1", 1), (2, "company", "bob", None, 1)],
    "company": [(2, "oslo")],
    "item": [(1, "pen", 1), (2, "cup", 1), (3, "hat", 2)],
    "badge": [(1, "gold", 1)],
    "tag": [("a", "red"), ("b", None)],
    "item_tag": [(1, "a"), (1, "b"), (3, "a")],
    "node": [(1, "root", None), (2, "left", 1), (3, "leaf", 2)],
}


def make_models(orm: ModuleType) -> SimpleNamespace:
    """Map all classes with the given library.

    :returns: the classes by name, and ``metadata``.
    """
    metadata = MetaData()
    base: Any = orm.declarative_base(metadata=metadata)
    item_tag = Table(
        "item_tag",
        metadata,
        Column("item_id", ForeignKey("item.id"), primary_key=True),
        Column("tag_code", ForeignKey("tag.code"), primary_key=True),
    )

    class Owner(base):
        """The base of an inheritance hierarchy, with versions, a deferred column and dependents."""

        __tablename__ = "owner"
        id = Column(Integer, primary_key=True)
        kind = Column(String, nullable=False)
        name = Column(String)
        note = orm.deferred(Column(String))
        version = Column(Integer, nullable=False)
        items = orm.relationship("Item", back_populates="owner", cascade="all, delete-orphan", order_by="Item.id")
        __mapper_args__ = {"version_id_col": version, "polymorphic_on": kind, "polymorphic_identity": "owner"}

    class Company(Owner):
        """A joined-table subclass."""

        __tablename__ = "company"
        id = Column(ForeignKey("owner.id"), primary_key=True)
        city = Column(String)
        __mapper_args__ = {"polymorphic_identity": "company"}

    class Badge(base):
        """The one of a one-to-one."""

        __tablename__ = "badge"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        item_id = Column(ForeignKey("item.id"))
        item = orm.relationship("Item", back_populates="badge")

    class Item(base):
        """A child that is deleted with its owner or without one; its name has to be there."""

        __tablename__ = "item"
        id = Column(Integer, primary_key=True)
        name = Column(String, nullable=False)
        owner_id = Column(ForeignKey("owner.id"))
        owner = orm.relationship("Owner", back_populates="items")
        badge = orm.relationship("Badge", back_populates="item", uselist=False)
        tags = orm.relationship("Tag", secondary=item_tag, back_populates="items", order_by="Tag.code")

    class Tag(base):
        """A key that the program gives and may change."""

        __tablename__ = "tag"
        code = Column(String, primary_key=True)
        name = Column(String)
        items = orm.relationship("Item", secondary=item_tag, back_populates="tags", order_by="Item.id")

    class Node(base):
        """A tree."""

        __tablename__ = "node"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        parent_id = Column(ForeignKey("node.id"))
        children = orm.relationship("Node", back_populates="parent", cascade="all", order_by="Node.id")
        parent = orm.relationship("Node", back_populates="children", remote_side=[id])

    orm.configure_mappers()
    return SimpleNamespace(Owner=Owner, Company=Company, Badge=Badge, Item=Item, Tag=Tag, Node=Node, metadata=metadata)


SHOP = Schema(
    make=make_models,
    columns=COLUMNS,
    keys={kind: names[:1] for kind, names in COLUMNS.items()},
    to_one=TO_ONE,
    to_many=TO_MANY,
    targets={name: (target, "Company") if target == "Owner" else (target,) for name, target in TARGET.items()},
    deletable={"Item": ("owner",), "Badge": ("item",)},
    families=("Owner", "Item", "Badge", "Tag", "Node"),
    parts=("Company",),
    rows=ROWS,
    behind=(
        "UPDATE owner SET version = version + 1 WHERE id = 1",
        "UPDATE item SET name = 'behind'",
        "DELETE FROM item_tag WHERE item_id = 1",
        "DELETE FROM badge",
        "UPDATE node SET parent_id = NULL WHERE id = 3",
        "DELETE FROM node WHERE id = 3",
        "INSERT INTO item (id, name, owner_id) VALUES (6, 'new', 1)",
    ),
)
