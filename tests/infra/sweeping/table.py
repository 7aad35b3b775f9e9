"""Which faults strike which storage, and the reason wherever one does not, so that no case is left out in silence."""

from infra.cloud.faults import Fault

STORAGES = ("moto", "ministack", "files")

# Of the store of files, which is struck at the calls of `Store`: the operations that a fault can strike.
ALL = frozenset({"GET", "HEAD", "PUT", "LIST"})
FILES = {
    Fault.SLOW_DOWN: ALL,  # an error of the disk
    Fault.OUTAGE: ALL,
    Fault.CLOSE_AFTER: ALL,  # an error after the call took effect
    Fault.CUT: frozenset({"GET"}),
    Fault.SLOW: frozenset({"GET"}),
    Fault.HANG_BEFORE: ALL,
    Fault.HANG_AFTER: ALL,
    Fault.CONFLICT: frozenset({"PUT"}),
    Fault.STOPPED: frozenset({"PUT"}),
    Fault.NOT_FOUND: frozenset({"GET", "HEAD"}),
    Fault.KILL_BEFORE: ALL,
    Fault.KILL_AFTER: ALL,
}
_NO_BODY = "only an object that is read has a body; where a call fails after it took effect is `close-after`"
_NO_CONDITION = "only a write has a condition"
REASONS = {
    Fault.INTERNAL_ERROR: "the store of files has one error for whatever the disk refuses, which `503` is",
    Fault.CLOSE_BEFORE: "there is no connection; an error before the call takes effect is `503`",
    Fault.FLIP: "the ETag is the MD5 of the bytes that were read, so other bytes are another state of the object",
    Fault.ACCESS_DENIED: "a file that may not be read is an error of the disk, which `503` is",
    Fault.EXPIRED_TOKEN: "files need no credentials",
    Fault.EMPTY: "a call of the file system has no answer that could be empty",
    Fault.CUT: _NO_BODY,
    Fault.SLOW: _NO_BODY,
    Fault.CONFLICT: _NO_CONDITION,
    Fault.STOPPED: _NO_CONDITION,
    Fault.NOT_FOUND: "a folder without objects is a listing without rows; a write that creates needs no object",
}


def reason(storage: str, operation: str, fault: Fault) -> str | None:
    """Returns why a fault does not strike an operation of a storage; None if it does."""
    if storage != "files" or operation in FILES.get(fault, ()):
        return None
    return REASONS[fault]
