"""The exceptions that carry one sentence for the user: what was expected, what was found, what to do."""


class DfcError(Exception):
    """Base of every error that a user's input can cause; its text is one sentence, lower case, no full stop."""


class TargetError(DfcError):
    """A target file is wrong; the message names the file and the key."""


class ModelError(DfcError):
    """A model cannot be read or does not fit the request."""


class ExecutionError(DfcError):
    """A program does something its modelled machine cannot; the message names the ops and the buffer."""
