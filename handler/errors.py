"""Defines every error that the handler raises, grouped by what happens next.

ScoringError
├── RejectedInput           permanent: a rejection document is written, nothing is retried
│   ├── EmptyObject           the object has no bytes, or no images
│   ├── UnrecognisedFormat    the object's content is of no format that is read here, or it is an archive of such files alone
│   ├── UnreadableImage       an image that is truncated, corrupt or of an unsupported kind
│   ├── UnreadableArray       a .npy array, or a CSV of pixels or a line of one, that is truncated, corrupt or not plain uint8
│   ├── UnreadableIdx         an IDX file that is truncated, corrupt or not of uint8
│   ├── UnreadableList        a list of objects, or a line of one, that names no object that may be read
│   ├── UnreadableArchive     an archive or a packed object that is truncated or corrupt, or what follows one
│   ├── UnreadableMember      a member of an archive that is corrupt or compressed in an unsupported way
│   ├── UnsafeMember          a member that is encrypted, a link or an archive itself, or that points out of its archive
│   ├── WrongShape            images of another size than the model's
│   ├── ArchivedObject        an object in an archive storage class, which must be restored before it can be read
│   └── ObjectTooLarge        more bytes, pixels, images, members or named objects than the settings allow
├── TransientError          the sender is told, and tries again (after the last attempt: the dead-letter queue)
│   ├── StorageUnavailable    the store of objects refused, failed or broke off
│   ├── ObjectChanged         an object no longer has the ETag that was asked for
│   ├── QueueUnavailable      SQS refused, failed or broke off, or took only some of the messages
│   ├── OutOfTime             the time of the invocation was over
│   ├── OutOfRoom             the rows of a shard of a backlog have no room for one more
│   ├── ProcessKilled         an object whose scoring ended the process at an earlier attempt
│   ├── ConcurrentWrites      other writers won every attempt at a document
│   ├── UnrecognisedEvent     an invocation by a source that no trigger knows, or that waits for a task token
│   └── InvocationFailed      an event that is not finished, so that its source sends it again
├── DeadLetter              no document can be written and trying again cannot help: a person must look at it
│   ├── UnacceptedObject      outside `INPUT_URIS`, or at a place that would break a promise; nothing is read
│   └── UnreadableMessage     a message, record, item or task that names no object in a known form
└── MisconfiguredError      the function refuses to start: no object is read
    ├── BadSettings           environment variables that are missing or malformed, all of them at once
    ├── StaleRun              a run over a backlog that was planned for another model, or is not planned
    └── BadArtifact           the model's files disagree with their manifest

A message says what was expected, what was received, and for which object; a class decides what is done about it.
Nothing ever branches on the text of a message. What a message quotes may come from strangers or from other software, so the
text of an error is printable and holds no credentials, wherever it goes: into logs, answers and documents.
"""

from handler.plain_text import plain

# What msgspec raises for bytes that are not the JSON that was expected. Its own errors are ValueErrors, and so is that of bytes
# that are not UTF-8; JSON of more than a thousand levels raises the other one.
BROKEN_JSON = (ValueError, RecursionError)

_MAX_CHARACTERS = 1000  # of the text of an error that quotes a message


class ScoringError(Exception):
    """The base class of the handler's own errors; the module's docstring shows the tree."""

    def __str__(self) -> str:
        """Returns the message on one line."""
        return plain(super().__str__())


class RejectedInput(ScoringError):
    """The object itself is at fault, so trying again cannot help: a rejection document says so in place of predictions."""


class EmptyObject(RejectedInput):
    """The object has no bytes, like the folders that the S3 console makes, or holds no images."""


class UnrecognisedFormat(RejectedInput):
    """The first bytes of the object, or of all members of an archive, belong to no format that is read here."""


class UnreadableImage(RejectedInput):
    """An image file that cannot be decoded whole."""


class UnreadableArray(RejectedInput):
    """A `.npy` array, or a CSV of pixels or a line of one, that cannot be read, or does not hold uint8 pixels."""


class UnreadableIdx(RejectedInput):
    """An IDX file that cannot be read, or does not hold uint8 images."""


class UnreadableList(RejectedInput):
    """A list of objects, or a line of one, that names no object that may be read."""


class UnreadableArchive(RejectedInput):
    """An archive or packed object whose structure is truncated or corrupt, or bytes that follow one and are no part of it."""


class UnreadableMember(RejectedInput):
    """A member of an archive whose bytes cannot be unpacked; the other members are scored."""


class UnsafeMember(RejectedInput):
    """A member that is not safe to unpack; the other members are scored."""


class WrongShape(RejectedInput):
    """An array whose images are not of the model's height, width and channels."""


class ArchivedObject(RejectedInput):
    """An object of which S3 gives no byte before it is restored from its archive; a sweep scores it once it is restored."""


class ObjectTooLarge(RejectedInput):
    """An object, or one image in it, of more bytes, pixels, images, members or named objects than the settings allow."""


class TransientError(ScoringError):
    """The object may be healthy, so it is reported as failed, and the sender decides when to try again."""


class StorageUnavailable(TransientError):
    """The store of objects refused, failed or broke off; `operation` is the call, and `code` the store's error code."""

    def __init__(self, message: str, *, operation: str = "", code: str = "") -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code


class ObjectChanged(TransientError):
    """An object was asked for by its ETag, but has another ETag now."""


class QueueUnavailable(TransientError):
    """SQS refused, failed or broke off, or took only some messages; sending all of them again is harmless."""


class OutOfTime(TransientError):
    """The invocation's time was over before an object was decoded, a call was answered, or a sweep or list was done."""


class OutOfRoom(TransientError):
    """The rows of a shard of a backlog would need more room than there is, so the object gets a document of its own.

    In a run of a model that is not deployed, it is left to another run.
    """


class ProcessKilled(TransientError):
    """An object of a backlog that was being scored alone when the process was killed, so it is not scored again in this run."""


class ConcurrentWrites(TransientError):
    """Other writers won every attempt at a document, or its input changed while the document was replaced."""


class UnrecognisedEvent(TransientError):
    """An event that no trigger recognises, or that could not be answered; the error's message shows the event's keys."""


class InvocationFailed(TransientError):
    """A part of an event is not finished, and its source can only repeat the whole event; this error makes it do so."""


class DeadLetter(ScoringError):
    """No document can be written, and trying again cannot help.

    A queue moves such a message to its dead letters, where a person sees it; a source without dead letters is told that the
    message failed.
    """


class UnacceptedObject(DeadLetter):
    """An object that may not be read, or whose document has no safe place.

    This is no `RejectedInput`, because a rejection document for such an object could take the place of another object's
    document.
    """


class UnreadableMessage(DeadLetter):
    """A message that names no object; it fails alone, and a queue moves it to the dead letters unchanged.

    The text of this error is truncated, because it quotes the message, which may be of any length.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= _MAX_CHARACTERS else f"{message[:_MAX_CHARACTERS]}…")


class MisconfiguredError(ScoringError):
    """The function itself is at fault, so it refuses to start before anything is read."""


class BadSettings(MisconfiguredError):
    """Environment variables that are missing or cannot be understood; one error names all of them."""

    def __str__(self) -> str:
        """Returns the message, which has a line for each variable."""
        return "\n".join(map(plain, str(self.args[0]).split("\n")))


class StaleRun(MisconfiguredError):
    """A run over a backlog that cannot go on with this function, since it was planned for another model or not at all."""


class BadArtifact(MisconfiguredError):
    """A model whose files, manifest and behaviour disagree.

    A loaded model that has no number for an image, but NaN, fails the object of that image alone.
    """
