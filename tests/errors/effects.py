"""What becomes of each error of the function, by the name of its class."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """What happens after the errors of some names, and whether what failed is tried again."""

    names: tuple[str, ...]
    effect: str
    retried: str


EFFECTS = (
    Effect(
        ("EmptyObject", "UnrecognisedFormat", "WrongShape", "ObjectTooLarge"),
        "rejection document",
        "no",
    ),
    Effect(
        ("UnreadableImage", "UnreadableArray", "UnreadableIdx", "UnreadableArchive", "UnreadableList"),
        "rejection document; for a part of an object, a row under `rejected`",
        "no",
    ),
    Effect(("UnreadableMember", "UnsafeMember"), "row under `rejected` of its document", "no"),
    Effect(("ArchivedObject",), "rejection document", "no; once it is restored, by the next sweep"),
    Effect(("StorageUnavailable", "ObjectChanged", "ConcurrentWrites"), "the object failed", "yes"),
    Effect(
        ("OutOfRoom",),
        "the object gets a document; in a run with `--model`, it is on the list of what failed",
        "with `--model`, by the next run",
    ),
    Effect(("ProcessKilled",), "the object is on the run's list of what failed", "yes, by the next run"),
    Effect(("QueueUnavailable",), "the sweep or the list failed", "yes"),
    Effect(
        ("OutOfTime",),
        "the object, the list or the sweep failed; no document is half-written",
        "yes; objects that have a document are passed over. An object that had to wait for others of its batch is postponed "
        "instead",
    ),
    Effect(("UnacceptedObject",), "the object failed; no document is written", "yes, until it is a dead letter"),
    Effect(("UnreadableMessage",), "this part of the event failed", "yes, until it is a dead letter; a task: no"),
    Effect(("UnrecognisedEvent",), "the invocation failed", "if its sender does so"),
    Effect(("InvocationFailed",), "the invocation failed", "yes, by Lambda or the sender"),
    Effect(("BadSettings",), "no object is read", "yes, until it is a dead letter"),
    Effect(
        ("BadArtifact",),
        "no object is read; where the model has no number for one image, the object of that image failed",
        "yes, until it is a dead letter",
    ),
    Effect(("StaleRun",), "nothing is read", "no; start a run of another name"),
)


def render(table: Callable[..., str]) -> str:
    """Returns the part of the page that says what happens after each error of the function."""
    rows = [(", ".join(f"`{name}`" for name in one.names), one.effect, one.retried) for one in EFFECTS]
    return (
        "## What happens after an error\n\n"
        "An error of one object affects no other object. The function's errors are named by what happens next; a command that\n"
        "ends with an error says in one line what is wrong.\n\n" + table(("error", "effect", "retried?"), rows)
    )
