# SPDX-License-Identifier: GPL-2.0-only
"""What the tools say to the person who runs them: progress and errors, on stderr.

Standard output belongs to the command that runs in the lab, so nothing
here ever writes to it.
"""

import contextlib
import os
import sys
import threading
import time


class LabError(Exception):
    """Something the user can act on: one line of cause, one of remedy."""

    def __init__(self, cause, remedy=None):
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def colour(code, text, stream=sys.stderr):
    """Colour only a terminal, and honour NO_COLOR."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def complain(err):
    print(f"lab: {colour('31', 'error:')} {err.cause}", file=sys.stderr)
    if err.remedy:
        print(f"lab: {colour('33', 'next:')} {err.remedy}", file=sys.stderr)
    sys.stderr.flush()


@contextlib.contextmanager
def step(text, quiet_for=1.0):
    """Announce a step only once it has taken quiet_for seconds.

    A cached step finishes at once and would be noise; one that takes long
    without a word looks like a hang.
    """
    start = time.monotonic()
    announced = threading.Event()

    def announce():
        announced.set()
        say(f"{text} ...")

    timer = threading.Timer(quiet_for, announce)
    timer.daemon = True
    timer.start()
    try:
        yield
    except BaseException:
        timer.cancel()
        raise
    timer.cancel()
    if announced.is_set():
        say(f"{text}: done in {time.monotonic() - start:.0f} s")


def main(entry):
    """Run a tool's main function; turn a LabError into a message and status 2."""
    try:
        sys.exit(entry())
    except LabError as err:
        complain(err)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output went away; keep the interpreter from
        # complaining about it a second time when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
