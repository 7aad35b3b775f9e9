"""Turns what a user names into what a run is asked for: one prefix, all inputs, or lists of objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handler.objects import Prefix, parse_prefix, parse_ref
from infra.backlog.entries import Entry
from infra.backlog.lists import ListFile, StandardInput, read_list
from infra.locations import expand_home
from infra.score.sources import STANDARD_INPUT, WrongSource

_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Sources:
    """What is to be scored: everything under `prefix`, or what `lists` name; all inputs of the stack if there is neither."""

    prefix: Prefix | None = None
    lists: tuple[ListFile, ...] = ()

    @property
    def title(self) -> str:
        """What is to be scored, for people."""
        return str(self.prefix) if self.prefix else ", ".join(map(str, self.lists)) or "all inputs"

    @property
    def name(self) -> str:
        """A short text by which people recognise these sources: of a prefix without its bucket, whose name may be long."""
        if self.prefix:
            return self.prefix.prefix or self.prefix.bucket
        first = next(iter(self.lists), None)
        return "all" if first is None else "list" if isinstance(first, StandardInput) else first.name

    def entries(self) -> Iterator[Entry]:
        """Yields the objects that the lists name; see `read_list`."""
        for one in self.lists:
            yield from read_list(one)


def parse_sources(texts: Sequence[str], *, is_all: bool) -> Sources:
    """Returns the sources that a command names: one prefix, or any number of lists, or all inputs.

    Raises:
        WrongSource: one is neither a prefix nor a file, or no run can have all of them.
    """
    parsed = [_parse(text) for text in dict.fromkeys(texts)]
    if is_all and parsed:
        raise WrongSource(
            f"Expected a SOURCE or --all, which stands for every input. Received: both, {texts[0]!r} and --all; leave one out."
        )
    if not is_all and not parsed:
        raise WrongSource(
            "Expected s3://bucket/prefix/, a list of objects, or --all for every input. Received: nothing; name one of these."
        )
    prefixes = [one for one in parsed if isinstance(one, Prefix)]
    lists = tuple(one for one in parsed if not isinstance(one, Prefix))
    if len(prefixes) > 1:
        raise WrongSource(
            f"Expected one prefix for a run. Received: {prefixes[0]} and {prefixes[1]}; start a run for each, name a prefix "
            "that holds both, or give --all for every input."
        )
    if prefixes and lists:
        raise WrongSource(
            f"Expected a prefix or lists for a run. Received: {prefixes[0]} and {lists[0]}; start a run for each."
        )
    return Sources(prefixes[0] if prefixes else None, lists)


def _parse(text: str) -> Prefix | ListFile:
    if text == STANDARD_INPUT:
        return StandardInput()
    if text.startswith(_SCHEME):
        place = parse_prefix(text) or parse_ref(text)
        if place is None:
            raise WrongSource(f"Expected s3://bucket/prefix/, or the address of a list. Received: {text!r}; mend this address.")
        return place
    path: Path = expand_home(text)
    if path.is_dir():
        raise WrongSource(
            f"Expected objects in S3. Received: {text!r}, a folder here; upload it and name its prefix, or score it here with "
            "`coatcheck score`."
        )
    if not path.is_file():
        raise WrongSource(
            f"Expected s3://bucket/prefix/, or a list of objects. Received: {text!r}, which is no file here; check the path."
        )
    return path
