"""The exceptions whose text is one sentence for the user."""

from dfc.runtime.errors import DfcError, ExecutionError, ModelError, TargetError

__all__ = ["DfcError", "ExecutionError", "ModelError", "TargetError"]
