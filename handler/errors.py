"""Every error the handler raises, named by what happens next.

ScoringError
├── RejectedInput           permanent: a rejection document is written, nothing is retried
│   ├── EmptyObject           the object has no bytes
│   ├── UnrecognisedFormat    its content is of no format that is read here
│   ├── UnreadableImage       an image that is truncated, corrupt or of an unsupported kind
│   ├── UnreadableArray       a .npy array that is truncated, corrupt or not plain uint8
│   ├── UnreadableIdx         an IDX file that is truncated, corrupt or not of uint8
│   ├── UnreadableList        a list of objects, or a line of one, that names no object that may be read
│   ├── UnreadableArchive     a zip or tar archive that is truncated or corrupt
│   ├── UnreadableMember      a member of an archive that is corrupt or compressed in an unsupported way
│   ├── UnsafeMember          a member that is encrypted, a link or an archive itself, or that points out of its archive
│   ├── WrongShape            images of another size than the model's
│   └── ObjectTooLarge        more bytes, pixels, images, members or named objects than the settings allow
├── TransientError          the trigger's sender is told, and tries again (in the end: the dead-letter queue)
│   ├── StorageUnavailable    the store of objects refused, failed or broke off
│   ├── ObjectChanged         an object is no longer the one that was asked for
│   ├── QueueUnavailable      SQS refused, failed or broke off, or took only some of the messages
│   ├── OutOfTime             the end of the invocation came first
│   ├── ConcurrentWrites      other writers kept winning the same document
│   ├── UnrecognisedEvent     an invocation by a source that no trigger knows
│   └── InvocationFailed      an event of which something is not finished, so that its source sends it again
├── DeadLetter              no document can be written and trying again cannot help: it is left to a person
│   ├── UnacceptedObject      outside `INPUT_URIS`, or at a place that would break a promise; nothing is read
│   └── UnreadableMessage     a message, record, item or task that names no object in a known form
└── MisconfiguredError      refuse to start: no object is read
    ├── BadSettings           environment variables, all faults at once
    └── BadArtifact           the model's files disagree with their manifest

A message says what was expected, what was received, and for which object; a class decides what is done about it.
Nothing ever branches on the text of a message.
"""

_MAX_CHARACTERS = 1000


class ScoringError(Exception):
    """Any error of the handler's own; see the module's tree."""


class RejectedInput(ScoringError):
    """The object itself is at fault, so trying again cannot help: a rejection document says so in place of predictions."""


class EmptyObject(RejectedInput):
    """The object has no bytes, as the folders have that the S3 console makes."""


class UnrecognisedFormat(RejectedInput):
    """The first bytes belong to no format that is read here."""


class UnreadableImage(RejectedInput):
    """An image file that cannot be decoded whole."""


class UnreadableArray(RejectedInput):
    """A `.npy` array that cannot be read, or does not hold uint8 pixels."""


class UnreadableIdx(RejectedInput):
    """An IDX file that cannot be read, or does not hold uint8 images."""


class UnreadableList(RejectedInput):
    """A list of objects, or a line of one, that names no object that may be read."""


class UnreadableArchive(RejectedInput):
    """An archive whose structure is truncated or corrupt, so that not even its members are known."""


class UnreadableMember(RejectedInput):
    """A member of an archive whose bytes cannot be unpacked; the other members are scored."""


class UnsafeMember(RejectedInput):
    """A member that is not safe to unpack; the other members are scored."""


class WrongShape(RejectedInput):
    """An array whose images are not of the model's height, width and channels."""


class ObjectTooLarge(RejectedInput):
    """An object, or one image in it, of more bytes, pixels, images, members or named objects than the settings allow."""


class TransientError(ScoringError):
    """The object may be healthy: report it as failed, and let the sender decide when to try again."""


class StorageUnavailable(TransientError):
    """The store of objects refused, failed or broke off; `operation` and `code` say where and how."""

    def __init__(self, message: str, *, operation: str = "", code: str = "") -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code


class ObjectChanged(TransientError):
    """The object that was asked for by its ETag has another one by now."""


class QueueUnavailable(TransientError):
    """SQS refused, failed or broke off, or took only some of the messages; those it took are harmless when sent again."""


class OutOfTime(TransientError):
    """The end of the invocation came first: before an object was decoded, a call was answered, or a sweep or list was done."""


class ConcurrentWrites(TransientError):
    """Other writers kept winning the same document until the attempts ran out."""


class UnrecognisedEvent(TransientError):
    """An event that no trigger knows; the error's message shows the event's keys."""


class InvocationFailed(TransientError):
    """Something of an event is not finished, and its source can only repeat the event whole; raising this makes it do so."""


class DeadLetter(ScoringError):
    """No document can be written and trying again cannot help.

    A queue moves such a message to its dead letters, where a person sees it; a source without them is told that it failed.
    """


class UnacceptedObject(DeadLetter):
    """An object that may not be read, or whose document has no safe place.

    It is no `RejectedInput`, because a rejection document in its name could take the place of an honest one.
    """


class UnreadableMessage(DeadLetter):
    """A message that names no object; it fails alone, and from a queue reaches the dead letters intact.

    The message of this error is cut, because it quotes what it received, which may be of any length.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= _MAX_CHARACTERS else f"{message[:_MAX_CHARACTERS]}…")


class MisconfiguredError(ScoringError):
    """The function itself is at fault: refuse to start, before anything is read."""


class BadSettings(MisconfiguredError):
    """Environment variables that are missing or cannot be understood, all of them at once."""


class BadArtifact(MisconfiguredError):
    """A model whose files, manifest and behaviour disagree."""
