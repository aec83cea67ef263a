"""Time, energy and traffic of programs: what a call takes, and what that is made of."""

from dfc.runtime.simulator.bound import Bound, bound_of
from dfc.runtime.simulator.calls import CallTime, Simulator, simulate_call
from dfc.runtime.simulator.capped import below_cap
from dfc.runtime.simulator.estimate_report import (
    CallEstimate,
    Estimate,
    estimate_function,
    estimate_language_model,
)
from dfc.runtime.simulator.language_model import (
    simulate_function,
    simulate_language_model,
)
from dfc.runtime.simulator.record import Record, Timeline
from dfc.runtime.simulator.timing import Category
from dfc.runtime.simulator.timing import Counter as Quantity

__all__ = [
    "Bound",
    "CallEstimate",
    "CallTime",
    "Category",
    "Estimate",
    "Quantity",
    "Record",
    "Simulator",
    "Timeline",
    "below_cap",
    "bound_of",
    "estimate_function",
    "estimate_language_model",
    "simulate_call",
    "simulate_function",
    "simulate_language_model",
]
