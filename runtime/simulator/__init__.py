"""Time, energy and traffic of programs: what a call takes, and what that is made of."""

from dfc.runtime.simulator.calls import CallTime, Simulator, simulate_call
from dfc.runtime.simulator.capped import below_cap
from dfc.runtime.simulator.language_model import (
    simulate_function,
    simulate_language_model,
)
from dfc.runtime.simulator.record import Record, Timeline
from dfc.runtime.simulator.timing import Category
from dfc.runtime.simulator.timing import Counter as Quantity

__all__ = [
    "CallTime",
    "Category",
    "Quantity",
    "Record",
    "Simulator",
    "Timeline",
    "below_cap",
    "simulate_call",
    "simulate_function",
    "simulate_language_model",
]
