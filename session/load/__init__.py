"""From statements to objects: translation, execution, row to instance, loading strategies."""

from session.load import (
    plugin as plugin,
)
from session.load import (
    strategies_column as strategies_column,
)
from session.load import (
    strategies_immediate as strategies_immediate,
)
from session.load import (
    strategies_joined as strategies_joined,
)
from session.load import (
    strategies_lazy as strategies_lazy,
)
from session.load import (
    strategies_none as strategies_none,
)
from session.load import (
    strategies_peers as strategies_peers,
)
from session.load import (
    strategies_selectin as strategies_selectin,
)
