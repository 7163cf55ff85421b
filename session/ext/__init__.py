"""What ``sqlalchemy.ext`` offers and has to know the mappers for: here for those of this package."""
