"""Values: the reference interpreter of every level of the IR."""

from dfc.runtime.interpreter.entry import run
from dfc.runtime.interpreter.hook import KernelCall, KernelHook
from dfc.runtime.interpreter.machine import Machine
from dfc.runtime.interpreter.memory import View

__all__ = ["KernelCall", "KernelHook", "Machine", "View", "run"]
