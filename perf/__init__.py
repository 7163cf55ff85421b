"""Reference programs that time `session` beside `sqlalchemy.orm` and beside a bare driver; see README.md."""
