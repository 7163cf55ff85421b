"""Options that say how relationships and columns are loaded."""

from __future__ import annotations

from session.load.options import Load as Load
from session.load.options import contains_eager as contains_eager
from session.load.options import defaultload as defaultload
from session.load.options import defer as defer
from session.load.options import immediateload as immediateload
from session.load.options import joinedload as joinedload
from session.load.options import lazyload as lazyload
from session.load.options import load_only as load_only
from session.load.options import noload as noload
from session.load.options import peerload as peerload
from session.load.options import raiseload as raiseload
from session.load.options import selectin_polymorphic as selectin_polymorphic
from session.load.options import selectinload as selectinload
from session.load.options import subqueryload as subqueryload
from session.load.options import undefer as undefer
from session.load.options import undefer_group as undefer_group
from session.load.options import with_expression as with_expression
