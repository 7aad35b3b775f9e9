"""Removes or inverts each guard of the function, one at a time, and requires that a test fails of it.

python -m tests.mutants.guards              every guard, some minutes
python -m tests.mutants.guards WORD …        those whose file or reason holds one of these words

A guard is a piece of code that keeps a promise or a limit. `code` stands once in its file, and `broken` takes its place in a
copy of the repository, where the tests of `tests` then run. `test_guards.py` holds this list to the code.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MAX_S = 300  # of the tests of one guard, which need some seconds
COPIED = shutil.ignore_patterns(".git", ".venv*", "mutants", ".aws-sam", ".hypothesis", "__pycache__", ".training")


@dataclass(frozen=True)
class Guard:
    """A guard of the function: `keeps` says what is lost without it, and some of the tests in `tests` must notice."""

    keeps: str
    path: str
    code: str
    broken: str
    tests: str


DOCUMENTS, SCORING = "tests/handler/test_documents.py", "tests/handler/test_scoring.py"
DELIVERY, SWEEPS = "tests/handler/test_delivery.py", "tests/handler/test_sweeping.py tests/handler/test_marks.py"
STORES = "tests/infra/stores/test_conformance.py tests/handler/test_storage.py"
ARCHIVES = "tests/handler/formats/test_zip_archive.py tests/handler/formats/test_containers.py"
TRIGGERS = "tests/handler/triggers"
MODEL, BACKLOG = "tests/handler/test_model.py", "tests/handler/backlog"

GUARDS = (
    # I1 to I4: one document, of the present state, never rewritten
    Guard(
        "a document is never created over another one",
        "handler/documents.py",
        "created = self._put(document, None, deadline)",
        'created = self._put(document, getattr(self.find(document.source.ref, deadline), "etag", None), deadline)',
        DOCUMENTS,
    ),
    Guard(
        "a redelivery changes no byte",
        "handler/documents.py",
        "if existing.metadata == document.metadata or",
        "if",
        DOCUMENTS,
    ),
    Guard(
        "the document of a new model replaces that of the old one",
        "handler/documents.py",
        "            _MAKER: self.maker,\n",
        "",
        DOCUMENTS + " tests/handler/test_maker.py",
    ),
    Guard(
        "an object that is gone gets no document in the place of another one",
        "handler/documents.py",
        "        if current is None:\n            return Outcome.GONE\n",
        "        assert current\n",
        DOCUMENTS,
    ),
    Guard(
        "an old state never replaces a newer one",
        "handler/documents.py",
        "if (current.etag, current.version_id) != (document.source.etag, document.source.version_id):",
        "if False:",
        DOCUMENTS,
    ),
    Guard(
        "a replacement replaces only what was looked at",
        "handler/documents.py",
        "if self._put(document, existing.etag, deadline) is not WriteResult.WRITTEN:",
        "if self._put(document, self.find(document.source.ref, deadline).etag, deadline) is not WriteResult.WRITTEN:",
        DOCUMENTS + " tests/handler/protocol",
    ),
    Guard(
        "an input that changed while its document was replaced is scored again",
        "handler/documents.py",
        "            return None\n        self._require_unchanged(document.source, deadline)\n",
        "            return None\n",
        DOCUMENTS,
    ),
    Guard(
        "a replacement whose answer was lost is looked at too",
        "handler/documents.py",
        "if outcome is Outcome.DUPLICATE and attempt:",
        "if False:",
        DOCUMENTS,
    ),
    Guard(
        "the document of another bucket's object is left alone",
        "handler/documents.py",
        "        self.require_same_bucket(document.source, existing)\n",
        "",
        DOCUMENTS,
    ),
    Guard(
        "attempts at a document are bounded",
        "handler/documents.py",
        "for attempt in range(MAX_ATTEMPTS):",
        "for attempt in range(10**4):",
        DOCUMENTS,
    ),
    Guard(
        "no pause outlasts the invocation",
        "handler/documents.py",
        "if seconds > deadline.left_s:",
        "if False:",
        DOCUMENTS,
    ),
    Guard(
        "a rejection of an archived object ends when the object is restored",
        "handler/documents.py",
        "and not described.is_archived and",
        "and",
        DOCUMENTS + " " + SCORING + " " + SWEEPS,
    ),
    Guard(
        "a document of another state of the object is not taken for its own",
        "handler/documents.py",
        "return described.etag == source.etag and is_same_version",
        "return is_same_version",
        DOCUMENTS + " " + SCORING + " " + SWEEPS,
    ),
    Guard(
        "a document of another version of the object is not taken for its own",
        "handler/documents.py",
        "return described.etag == source.etag and is_same_version",
        "return described.etag == source.etag",
        DOCUMENTS + " " + SCORING + " tests/handler/histories",
    ),
    Guard(
        "a document of another version of the object is replaced",
        "handler/documents.py",
        "return version | {",
        "return {",
        DOCUMENTS + " " + SCORING + " tests/handler/histories",
    ),
    # places, I5
    Guard(
        "no document has a key that S3 refuses",
        "handler/documents.py",
        "if key_bytes > MAX_KEY_BYTES:",
        "if False:",
        DOCUMENTS,
    ),
    Guard(
        "no document lies among the marks of sweeps",
        "handler/documents.py",
        "if ref.key.startswith(RESERVED):",
        "if False:",
        "tests/handler/test_inputs.py",
    ),
    Guard(
        "nothing under the output is read",
        "handler/inputs.py",
        "if self.documents.holds(ref) or not",
        "if not",
        "tests/handler/test_inputs.py",
    ),
    Guard(
        "nothing outside the inputs is read",
        "handler/inputs.py",
        "or not any(prefix.holds(ref) for prefix in self.prefixes):",
        "or False:",
        "tests/handler/test_inputs.py",
    ),
    Guard(
        "an object whose document has no place is not read",
        "handler/inputs.py",
        "            )\n        self.documents.place(ref)\n",
        "            )\n",
        "tests/handler/test_inputs.py",
    ),
    Guard(
        "nothing outside the inputs is listed",
        "handler/inputs.py",
        "if not any(accepted.includes(prefix) for accepted in self.prefixes):",
        "if False:",
        "tests/handler/test_inputs.py " + SWEEPS,
    ),
    Guard(
        "the second form of a key is accepted like the first",
        "handler/inputs.py",
        "            opened = self.open(alternative, deadline)\n            if opened is None:",
        "            opened = self.store.open(alternative, deadline=deadline)\n            if opened is None:",
        "tests/handler/test_inputs.py",
    ),
    Guard(
        "the output shares nothing with the inputs",
        "handler/settings.py",
        "if output and output.overlaps(prefix):",
        "if False:",
        "tests/handler/test_settings.py",
    ),
    Guard(
        "a prefix ends in a slash",
        "handler/objects.py",
        'if match and (not prefix or prefix.endswith("/")) else None',
        "if match else None",
        "tests/handler/test_settings.py tests/handler/triggers",
    ),
    Guard(
        "no number of the settings is honoured beyond what can be done",
        "handler/settings.py",
        "and 0 < int(text) <= maximum:",
        "and 0 < int(text):",
        "tests/handler/test_settings.py",
    ),
    # I6, I7: messages
    Guard(
        "a message with an unreadable part fails",
        "handler/triggers/request.py",
        "return not self.problem and all(",
        "return all(",
        TRIGGERS,
    ),
    Guard(
        "a message is finished only when all that it asks for is",
        "handler/triggers/request.py",
        "and all(results.of(asked).is_finished for asked in self.asked)",
        "and any(results.of(asked).is_finished for asked in self.asked)",
        TRIGGERS + " " + DELIVERY,
    ),
    Guard(
        "an object that was received before is not scored again",
        "handler/triggers/request.py",
        "or message.unless_done or message.receive_count > 1,",
        "or message.unless_done,",
        TRIGGERS + " " + DELIVERY + " tests/handler/test_app_triggers.py",
    ),
    Guard(
        "no key is longer than S3's",
        "handler/triggers/request.py",
        "or not 0 < key_bytes <= MAX_KEY_BYTES:",
        "or not 0 < key_bytes:",
        TRIGGERS,
    ),
    Guard(
        "no message without an id is answered",
        "handler/triggers/sqs.py",
        "if not all(record.messageId for record in records):",
        "if False:",
        TRIGGERS,
    ),
    Guard(
        "an event in endless envelopes is refused",
        "handler/triggers/carried.py",
        "if envelopes > MAX_ENVELOPES:",
        "if False:",
        TRIGGERS,
    ),
    Guard(
        "messages that were received before are begun one by one",
        "handler/delivery.py",
        "            self._do([message])\n            self._delete_finished([message])\n",
        "            self._do([message])\n",
        DELIVERY,
    ),
    Guard(
        "what is done is deleted before a message that may kill is begun",
        "handler/delivery.py",
        "            if again:\n                self._delete_finished(first)\n",
        "",
        DELIVERY,
    ),
    Guard(
        "a message that came for the third time is begun alone",
        "handler/delivery.py",
        "if _is_begun_alone(it) and",
        "if",
        DELIVERY,
    ),
    Guard(
        "a message that came for the third time is begun before new ones",
        "handler/delivery.py",
        "            self._do_one_by_one(ahead)\n            self._do(first)\n",
        "            self._do(first)\n            self._do_one_by_one(ahead)\n",
        DELIVERY,
    ),
    Guard(
        "nothing is sent again for ever where there is no time for anything",
        "handler/delivery.py",
        "late if has_others or self.sweeps else ()",
        "late",
        DELIVERY,
    ),
    Guard(
        "what was said of an object outlives that it is archived",
        "handler/documents.py",
        " or self._outlives(existing, document):",
        ":",
        DOCUMENTS,
    ),
    Guard(
        "only the function's own queue is managed",
        "handler/custody.py",
        " and message.queue_name == self.queue.name",
        "",
        DELIVERY,
    ),
    Guard(
        "a message is not sent again for ever",
        "handler/custody.py",
        " and message.receive_count <= MAX_FAILURES",
        "",
        DELIVERY,
    ),
    Guard(
        "a lease does not hide what was deleted",
        "handler/custody.py",
        " if handle not in self._deleted",
        "",
        DELIVERY,
    ),
    Guard(
        "a failed message comes again later each time",
        "handler/delivery.py",
        "FIRST_RETRY_S * RETRY_FACTOR ** min(message.receive_count - 1, 10))",
        "FIRST_RETRY_S)",
        DELIVERY,
    ),
    Guard(
        "a message of several calls' size is sent in several calls",
        "handler/custody.py",
        " or size > _MAX_SENT_BYTES",
        "",
        DELIVERY,
    ),
    Guard(
        "an entry that SQS did not take is told",
        "handler/work_queue.py",
        "        if left:\n            raise",
        "        if False:\n            raise",
        "tests/handler/test_work_queue.py",
    ),
    Guard(
        "a queue that does not answer is left",
        "handler/work_queue.py",
        'return call_by(deadline, f"{name} to {self._url}", call)',
        "return call()",
        "tests/handler/test_work_queue.py tests/handler/test_hanging.py",
    ),
    # I7, I8: time
    Guard(
        "nothing is begun when the time is over",
        "handler/opening.py",
        "            require_time(budget)\n",
        "",
        SCORING,
    ),
    Guard(
        "a long object is left when the time is over",
        "handler/scoring.py",
        "                require_time(budget)\n                if isinstance(item, Named):",
        "                if isinstance(item, Named):",
        SCORING + " " + DELIVERY,
    ),
    Guard(
        "a body that waited too long is opened again",
        "handler/opening.py",
        "and work.idle_until and work.idle_until.is_over:",
        "and False:",
        SCORING,
    ),
    Guard(
        "large objects wait until the small ones are done",
        "handler/opening.py",
        "            others.append(work)\n",
        "            yield work\n",
        SCORING,
    ),
    Guard(
        "no call outlasts the deadline",
        "handler/aws.py",
        "return future.result(min(deadline.left_s, max_s))",
        "return future.result()",
        "tests/handler/test_hanging.py",
    ),
    Guard(
        "no call of one object holds up the others for long",
        "handler/aws.py",
        "return future.result(min(deadline.left_s, max_s))",
        "return future.result(deadline.left_s)",
        "tests/handler/test_hanging.py tests/handler/test_storage.py",
    ),
    Guard(
        "no call is begun after the deadline",
        "handler/aws.py",
        '    if deadline.is_over:\n        raise out_of_time(what, "not begun")\n',
        "",
        "tests/handler/test_hanging.py " + STORES,
    ),
    Guard(
        "an answer that comes after the deadline is not used",
        "handler/s3_calls.py",
        "        if deadline.is_over:\n",
        "        if False:\n",
        "tests/handler/test_hanging.py " + STORES,
    ),
    # S3
    Guard(
        "a create is on condition",
        "handler/storage.py",
        '{"IfNoneMatch": "*"} if replacing is None',
        "{} if replacing is None",
        STORES,
    ),
    Guard(
        "a replacement is on condition",
        "handler/storage.py",
        'else {"IfMatch": f\'"{replacing}"\'}',
        "else {}",
        STORES,
    ),
    Guard(
        "an answer without an ETag is no success",
        "handler/storage.py",
        '        require_fields("PutObject", ref, response, "ETag")\n',
        "",
        STORES,
    ),
    Guard(
        "an empty answer is not the end of a list",
        "handler/storage.py",
        '            require_fields("ListObjectsV2", prefix, page, "IsTruncated")\n            if page["IsTruncated"]:',
        '            if page.get("IsTruncated"):',
        STORES,
    ),
    Guard(
        "a rejected object is read to its end, where its checksum is",
        "handler/inputs.py",
        "    except RejectedInput:\n        _read_to_the_end(body)\n        raise\n",
        "    except RejectedInput:\n        raise\n",
        "tests/handler/test_inputs.py " + SCORING,
    ),
    Guard(
        "a scored object is read to its end, where its checksum is",
        "handler/inputs.py",
        "        raise\n    _read_to_the_end(body)\n",
        "        raise\n",
        "tests/handler/test_inputs.py " + SCORING,
    ),
    # isolation
    Guard(
        "a bug that one object triggers fails that object alone",
        "handler/work.py",
        "    except Exception as error:  # a bug that one object triggers must not fail the other objects\n",
        "    except ValueError as error:\n",
        SCORING,
    ),
    Guard(
        "a rejected object is no failure",
        "handler/work.py",
        "        work.rejection = type(error)(str(error))",
        "        work.failure = type(error)(str(error))",
        SCORING,
    ),
    Guard(
        "the error of an object keeps none of its bytes",
        "handler/scoring.py",
        "                    drop_tracebacks(report.error)\n",
        "                    pass\n",
        SCORING + " tests/handler/test_guards.py tests/infra/stores/test_memory_use.py",
    ),
    # limits
    Guard(
        "an object above MAX_OBJECT_BYTES is not decoded",
        "handler/scoring.py",
        "        self._require_size(work.source)\n",
        "",
        SCORING,
    ),
    Guard(
        "an object holds at most MAX_IMAGES_PER_OBJECT images",
        "handler/formats/__init__.py",
        "        if count > max_items:\n",
        "        if False:\n",
        "tests/handler/formats",
    ),
    Guard(
        "an object unpacks to at most MAX_UNPACKED_BYTES",
        "handler/formats/meter.py",
        "if self._unpacked_bytes > max_bytes:",
        "if False:",
        "tests/handler/formats",
    ),
    Guard(
        "an object unpacks to at most MAX_COMPRESSION_RATIO times its size",
        "handler/formats/meter.py",
        "if self._unpacked_bytes > max(_JUDGED_FROM_BYTES, max_times * self._packed_bytes):",
        "if False:",
        "tests/handler/formats",
    ),
    Guard(
        "content that is read whole has at most MAX_MEMBER_BYTES",
        "handler/formats/meter.py",
        "if len(content) > limits.member_bytes:",
        "if False:",
        "tests/handler/formats",
    ),
    Guard(
        "a member has at most MAX_MEMBER_BYTES",
        "handler/formats/members.py",
        "    if size_bytes > limits.member_bytes:\n",
        "    if False:\n",
        ARCHIVES,
    ),
    Guard(
        "a zip archive has at most MAX_ARCHIVE_MEMBERS",
        "handler/formats/zip_directory.py",
        "if len(entries) > limits.archive_members:",
        "if False:",
        ARCHIVES,
    ),
    Guard(
        "members that share bytes are refused",
        "handler/formats/zip_directory.py",
        "if any(end > start for end, start in zip(ends, starts, strict=False)):",
        "if False:",
        ARCHIVES,
    ),
    Guard(
        "bytes before an archive are refused",
        "handler/formats/zip_directory.py",
        "if in_place and in_place[0][0] != 0:",
        "if False:",
        ARCHIVES,
    ),
    Guard(
        "a member is unpacked no further than it declared",
        "handler/formats/zip_archive.py",
        "        if left < 0:\n            break\n",
        "",
        ARCHIVES,
    ),
    Guard(
        "a member whose checksum is wrong is not scored",
        "handler/formats/zip_archive.py",
        "if left or crc != entry.crc:",
        "if left:",
        ARCHIVES,
    ),
    Guard(
        "an encrypted member is not read",
        "handler/formats/zip_archive.py",
        "if entry.flags & _ENCRYPTED:",
        "if False:",
        ARCHIVES,
    ),
    Guard(
        "a link in a zip archive is not followed",
        "handler/formats/zip_archive.py",
        "if stat.S_IFMT(entry.mode) not in {0, stat.S_IFREG}:",
        "if False:",
        ARCHIVES,
    ),
    Guard(
        "a member's name stays in its archive",
        "handler/formats/zip_archive.py",
        "    require_safe_name(entry.name)\n",
        "",
        ARCHIVES,
    ),
    Guard(
        "an archive in an archive is not opened",
        "handler/formats/members.py",
        "    if is_archive(content):\n",
        "    if False:\n",
        ARCHIVES,
    ),
    Guard(
        "a member that its decoder fails on fails alone",
        "handler/formats/members.py",
        "    except Exception as error:  # the member is in memory",
        "    except ZeroDivisionError as error:  # the member is in memory",
        ARCHIVES,
    ),
    Guard(
        "a header of an array is checked before it is read",
        "handler/formats/npy.py",
        "    if length > _MAX_HEADER_BYTES:\n",
        "    if False:\n",
        "tests/handler/formats/test_arrays.py",
    ),
    Guard(
        "an array is of uint8",
        "handler/formats/npy.py",
        "    if dtype != np.uint8:\n",
        "    if False:\n",
        "tests/handler/formats/test_arrays.py",
    ),
    Guard(
        "a chain of lists ends",
        "handler/dispatch.py",
        "if self.lists > MAX_LISTS:",
        "if False:",
        "tests/handler/test_dispatch.py " + SCORING,
    ),
    Guard(
        "a list that was sent is not sent again",
        "handler/dispatch.py",
        "if existing and self.documents.is_sent_list(existing, listing.source):",
        "if False:",
        "tests/handler/test_dispatch.py " + SCORING,
    ),
    Guard(
        "a list sends nothing that may not be read",
        "handler/dispatch.py",
        "        try:\n            self.inputs.require_accepted(ref)\n        except",
        "        try:\n            pass\n        except",
        "tests/handler/test_dispatch.py " + SCORING,
    ),
    Guard(
        "the rest of an object is read from the same state",
        "handler/storage.py",
        'options: dict[str, Any] = {"IfMatch": f\'"{if_match}"\'} if if_match else {}',
        "options: dict[str, Any] = {}",
        STORES,
    ),
    # sweeps
    Guard(
        "a document is trusted only if it is surely younger than its input",
        "handler/marks.py",
        "return self.made_since is not None and written >= max(read, self.made_since) + SETTLED",
        "return self.made_since is not None and written >= self.made_since + SETTLED",
        SWEEPS,
    ),
    Guard(
        "a document of an earlier maker is not trusted",
        "handler/marks.py",
        "return self.made_since is not None and written >= max(read, self.made_since) + SETTLED",
        "return self.made_since is not None and written >= read + SETTLED",
        SWEEPS,
    ),
    Guard(
        "the time of an upload in parts is not trusted",
        "handler/marks.py",
        'or "-" in source.etag or',
        "or",
        SWEEPS,
    ),
    Guard(
        "the time of an object that may have been restored is not trusted",
        "handler/marks.py",
        " or source.storage_class not in INSTANT:",
        ":",
        SWEEPS,
    ),
    Guard(
        "the marker is looked at again after some minutes",
        "handler/marks.py",
        "or not 0 <= self.clock() - self._renewed_at < RENEWAL_S:",
        "and True:",
        SWEEPS,
    ),
    Guard(
        "a sweep that was not clean leaves no note",
        "handler/sweeping.py",
        "if marks and run.tally.is_clean:",
        "if marks:",
        SWEEPS,
    ),
    Guard(
        "a chain that another version began leaves no note",
        "handler/sweeping.py",
        "            chain = msgspec.structs.replace(chain, is_clean=False, maker=maker)\n",
        "            chain = msgspec.structs.replace(chain, maker=maker)\n",
        SWEEPS,
    ),
    Guard(
        "a sweep sends no more objects than it may",
        "handler/sweeping.py",
        "chosen = found[: tally.room]",
        "chosen = found",
        SWEEPS,
    ),
    Guard(
        "a sweep waits while the queue is long",
        "handler/sweeping.py",
        "if count <= self.max_queue_messages:",
        "if True:",
        SWEEPS,
    ),
    Guard(
        "an error of a sweep fails the sweep alone",
        "handler/sweeping.py",
        "        except Exception as error:  # the other messages",
        "        except ZeroDivisionError as error:  # the other messages",
        SWEEPS,
    ),
    # the model
    Guard(
        "a model of another digest is not parsed",
        "handler/model.py",
        '    _require(digest == manifest.model.sha256, f"{MODEL_FILE} with sha256 {manifest.model.sha256}", digest)\n',
        "",
        MODEL,
    ),
    Guard(
        "a model of another size is not parsed",
        "handler/model.py",
        "    _require(len(content) == manifest.model.size_bytes,",
        "    _require(True,",
        MODEL,
    ),
    Guard(
        "a model that behaves otherwise than its golden batch is refused",
        "handler/model.py",
        "_require(bool(difference <= GOLDEN_TOLERANCE),",
        "_require(True,",
        MODEL,
    ),
    Guard(
        "a model that gives no probabilities is refused",
        "handler/model.py",
        "    _check_probabilities(scores.probabilities)\n",
        "",
        MODEL,
    ),
    Guard(
        "a model whose input has another shape is refused",
        "handler/model.py",
        "_require(classifier.image_shape == manifest.input.as_tuple,",
        "_require(True,",
        MODEL,
    ),
    Guard(
        "a model of another number of classes is refused",
        "handler/model.py",
        "_require(classifier.classes == len(manifest.classes),",
        "_require(True,",
        MODEL,
    ),
    Guard(
        "a conversion that is newer than the software is refused",
        "handler/model.py",
        "_require(conversion.revision <= known,",
        "_require(True,",
        MODEL,
    ),
    Guard(
        "one graph is used by one thread at a time",
        "handler/model.py",
        "        with self._lock:\n",
        "        if True:\n",
        MODEL,
    ),
)


def is_noticed(guard: Guard) -> bool:
    """Returns whether a test fails, or never ends, once the guard is broken."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=COPIED)
        path = copy / guard.path
        path.write_text(path.read_text().replace(guard.code, guard.broken))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-cov", "-p", "no:cacheprovider", *guard.tests.split()]
        environment = os.environ | {"PYTHONPATH": str(copy)}
        try:
            done = subprocess.run(command, cwd=copy, check=False, capture_output=True, env=environment, timeout=MAX_S)
        except subprocess.TimeoutExpired:
            return True
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{guard.keeps}: pytest ended with {done.returncode}\n{done.stdout.decode()[-3000:]}")
    return done.returncode == 1


def main(*words):
    """Breaks each guard in turn, and prints which nobody notices."""
    chosen = [guard for guard in GUARDS if not words or any(word in f"{guard.path} {guard.keeps}" for word in words)]
    unnoticed = 0
    for guard in chosen:
        noticed = is_noticed(guard)
        unnoticed += not noticed
        sys.stdout.write(f"{'noticed' if noticed else 'NOT NOTICED'}: {guard.path}: {guard.keeps}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - unnoticed} of {len(chosen)} guards are noticed when they are broken\n")
    raise SystemExit(bool(unnoticed))


if __name__ == "__main__":
    main(*sys.argv[1:])
