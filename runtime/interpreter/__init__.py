"""Values: the reference interpreter of every level of the IR."""

from dfc.runtime.interpreter.entry import run
from dfc.runtime.interpreter.hook import KernelCall, KernelHook

__all__ = ["KernelCall", "KernelHook", "run"]
