"""Runs one target of the fuzzers.

    .venv-fuzz/bin/python -m tests.fuzz TARGET --seconds 60     mutates inputs, guided by the lines of handler/ that they reach
    .venv/bin/python -m tests.fuzz TARGET FILE                  runs one input again
    .venv/bin/python -m tests.fuzz --list                       lists the targets

Inputs that reach something new are kept in `.fuzz/TARGET`, and the next run begins with them. An input that breaks a promise is
written to `.fuzz/TARGET-crash-…`, and a line tells how to run it again. Put it into `tests/fuzz/found/TARGET`, so that
`make test` runs it from then on.
"""

import argparse
import hashlib
import random
import sys
from pathlib import Path

from tests.fuzz.mutating import changed_json

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / ".fuzz"
MAX_BYTES = 2**16  # of one input


def fuzz(name, seconds, corpora):
    import atheris  # in .venv-fuzz alone

    with atheris.instrument_imports(include=["handler"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    corpus = corpora / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    prefix = corpora / f"{name}-"

    def run(content):
        try:
            target.run(content)
        except Exception:
            digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()  # by which libFuzzer names the file
            sys.stderr.write(f"run it again: .venv/bin/python -m tests.fuzz {name} {prefix}crash-{digest}\n")
            raise

    options = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={prefix}"]

    def mutate(content, max_size, seed):
        """Changes a value inside of JSON every other time, so that it stays JSON; libFuzzer's own ways change the bytes."""
        changed = changed_json(content, random.Random(seed)) if seed % 2 else None
        return changed if changed and len(changed) <= max_size else atheris.Mutate(content, max_size)

    options += ["-rss_limit_mb=3000", "-timeout=60", "-verbosity=1", str(corpus)]
    atheris.Setup([sys.argv[0], *options], run, custom_mutator=mutate)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.target and not options.file:
        fuzz(options.target, options.seconds, options.corpora)
        return
    from tests.fuzz.targets import TARGETS

    if options.list:
        sys.stdout.write("".join(f"{name}\n" for name in TARGETS))
    else:
        TARGETS[options.target].run(options.file.read_bytes())


if __name__ == "__main__":
    main()
