"""Defines the errors that the command line reports in one line, without a traceback."""


class InfraError(Exception):
    """Raised if a command of this room cannot do its work, or finds something wrong; the message says what to do."""


class WrongUse(InfraError):
    """Raised if a command cannot do what it was asked for, so that it did nothing; the exit status is 2."""
