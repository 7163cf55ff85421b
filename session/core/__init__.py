"""The seam to SQLAlchemy Core: the only package that touches Core's private names."""
