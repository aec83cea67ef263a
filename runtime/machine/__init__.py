"""Machine models: target files, unit kinds, and the paths between memories and units."""

from dfc.runtime.machine.access import Access, Lane, find_port, lanes_of, link_rates
from dfc.runtime.machine.cost import Cost, Part, Term
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.load import (
    list_targets,
    load_target,
    parse_target,
    target_of,
)
from dfc.runtime.machine.memory import Port, Tier
from dfc.runtime.machine.network import Exchange, Network
from dfc.runtime.machine.number import Amount, Anything, Count, Number, Rate, weakest
from dfc.runtime.machine.power import Power, capped_scale
from dfc.runtime.machine.structure import Contraction, contraction_of
from dfc.runtime.machine.target import Clock, Control, Target
from dfc.runtime.machine.units import Unit, unit_kinds
from dfc.runtime.machine.units.base import Effort
from dfc.runtime.machine.work import Controls

__all__ = [
    "Access",
    "Amount",
    "Anything",
    "Clock",
    "Contraction",
    "Control",
    "Controls",
    "Cost",
    "Count",
    "Effort",
    "Energies",
    "Exchange",
    "Lane",
    "Network",
    "Number",
    "Part",
    "Port",
    "Power",
    "Rate",
    "Target",
    "Term",
    "Tier",
    "Unit",
    "capped_scale",
    "contraction_of",
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
