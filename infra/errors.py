"""Defines the error that the command line reports in one line, without a traceback."""


class InfraError(Exception):
    """Raised if a command of this room cannot do its work, or finds something wrong; the message says what to do."""
