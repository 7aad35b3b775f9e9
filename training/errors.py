"""Defines the errors that the command line reports in one line, without a traceback; each message says what to change."""


class TrainingError(Exception):
    """Training, or a step before or after it, cannot go on."""


class DataError(TrainingError):
    """The data set is missing, broken, or not the one that its name says."""


class RunError(TrainingError):
    """The folder holds no run that this code can read."""


class ExportError(TrainingError):
    """The model cannot be exported."""


class PictureError(TrainingError):
    """The picture cannot be shown."""
