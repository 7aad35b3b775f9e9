"""Every error the handler raises, named by what happens next.

ScoringError
├── RejectedInput           permanent: a rejection document is written, nothing is retried
│   ├── EmptyObject           the object has no bytes
│   ├── UnrecognisedFormat    its content is of no format that is read here
│   ├── UnreadableImage       an image that is truncated, corrupt or of an unsupported kind
│   ├── UnreadableArray       a .npy array that is truncated, corrupt or not plain uint8
│   ├── UnreadableIdx         an IDX file that is truncated, corrupt or not of uint8
│   ├── UnreadableList        a list of objects, or a line of one, that names none which may be read
│   ├── UnreadableArchive     a zip or tar archive that is truncated or corrupt
│   ├── UnreadableMember      a member of an archive that is corrupt or compressed in an unsupported way
│   ├── UnsafeMember          a member that is encrypted, a link or an archive itself, or that points out of its archive
│   ├── WrongShape            images of another size than the model's
│   └── ObjectTooLarge        more bytes, pixels, images or members than the settings allow
├── TransientError          the trigger's sender is told, and tries again (in the end: the dead-letter queue)
│   ├── StorageUnavailable    S3 refused, failed or broke off
│   ├── QueueUnavailable      SQS refused, failed or broke off, or took only some of the messages
│   ├── OutOfTime             the end of the invocation came first
│   ├── ConcurrentWrites      other writers kept winning the same document
│   ├── UnacceptedObject      outside `INPUT_URIS`, or at a place that would break a promise; nothing is read
│   ├── UnreadableMessage     a message, record, item or task that names no object in a form that is known
│   ├── UnrecognisedEvent     an invocation by nobody known
│   └── InvocationFailed      what senders that wait for no answer get, so that they try again
└── MisconfiguredError      refuse to start: no object is read
    ├── BadSettings           environment variables, all faults at once
    └── BadArtifact           the model's files disagree with their manifest

A message says what was expected, what was received, and for which object; a class decides what is done about it.
Nothing ever branches on the text of a message.
"""

_MOST_CHARACTERS = 1000


class ScoringError(Exception):
    """Any error of the handler's own; see the module's tree."""


class RejectedInput(ScoringError):
    """The object itself is at fault, so trying again cannot help: say so beside the results."""


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
    """A list of objects, or a line of one, that names none which may be read."""


class UnreadableArchive(RejectedInput):
    """An archive whose structure is truncated or corrupt, so that not even its members are known."""


class UnreadableMember(RejectedInput):
    """A member of an archive whose bytes cannot be had; the other members are scored."""


class UnsafeMember(RejectedInput):
    """A member that nobody should unpack unseen; the other members are scored."""


class WrongShape(RejectedInput):
    """An array whose images are not of the model's height, width and channels."""


class ObjectTooLarge(RejectedInput):
    """More bytes, pixels, images or members than the settings allow, of an object or of one image in it."""


class TransientError(ScoringError):
    """The object may be healthy: report it as failed, and let the sender decide when to try again."""


class StorageUnavailable(TransientError):
    """S3 refused, failed or broke off; `operation` and `code` say where and how."""

    def __init__(self, message: str, *, operation: str = "", code: str = "") -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code


class QueueUnavailable(TransientError):
    """SQS refused, failed or broke off, or took only some of the messages; those it took are harmless when sent again."""


class OutOfTime(TransientError):
    """The end of the invocation came first: before an object was decoded, or a sweep without a queue was through."""


class ConcurrentWrites(TransientError):
    """Other writers kept winning the same document until the attempts ran out."""


class UnacceptedObject(TransientError):
    """An object that may not be read, or whose document has no safe place.

    It is no `RejectedInput`, because a rejection document in its name could take the place of an honest one.
    Its message goes to the dead-letter queue, where a person sees it.
    """


class UnreadableMessage(TransientError):
    """A message that names no object; it fails alone, and from a queue reaches the dead letters intact.

    What it quotes is cut: messages may be as long as anybody likes, and lines of a log may not.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= _MOST_CHARACTERS else f"{message[:_MOST_CHARACTERS]}…")


class UnrecognisedEvent(TransientError):
    """An event that no trigger knows; the message shows its keys."""


class InvocationFailed(TransientError):
    """Something is not finished that only the whole event can be repeated for; raised so that its sender does so."""


class MisconfiguredError(ScoringError):
    """The function itself is at fault: refuse to start, before anything is read."""


class BadSettings(MisconfiguredError):
    """Environment variables that are missing or cannot be understood, all of them at once."""


class BadArtifact(MisconfiguredError):
    """A model whose files, manifest and behaviour disagree."""
