"""What the command line reports in one line, without a traceback."""


class TrainingError(Exception):
    """Training, or what comes before and after it, cannot go on; the message says what to change."""
