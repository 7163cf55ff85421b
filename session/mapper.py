"""The mapper of a class, and what belongs to it."""

from __future__ import annotations

from session.mapping.configure import configure_mappers as configure_mappers
from session.mapping.decorators import reconstructor as reconstructor
from session.mapping.decorators import validates as validates
from session.mapping.inspect import class_mapper as class_mapper
from session.mapping.inspect import object_mapper as object_mapper
from session.mapping.mapper import Mapper as Mapper
