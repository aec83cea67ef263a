"""Machine models: target files, unit kinds, and the paths between memories and units."""

from dfc.runtime.machine.access import Access, Lane, find_port, lanes_of, link_rates
from dfc.runtime.machine.cost import Cost, Term
from dfc.runtime.machine.load import (
    list_targets,
    load_target,
    parse_target,
    target_of,
)
from dfc.runtime.machine.number import Anything, Number, weakest
from dfc.runtime.machine.target import Control, Port, Power, Target, Tier
from dfc.runtime.machine.units import Unit, unit_kinds

__all__ = [
    "Access",
    "Anything",
    "Control",
    "Cost",
    "Lane",
    "Number",
    "Port",
    "Power",
    "Target",
    "Term",
    "Tier",
    "Unit",
    "find_port",
    "lanes_of",
    "link_rates",
    "list_targets",
    "load_target",
    "parse_target",
    "target_of",
    "unit_kinds",
    "weakest",
]
