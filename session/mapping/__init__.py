"""The mapping of classes to tables: registry, declarative front, mapper, properties, inheritance."""
