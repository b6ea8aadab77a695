# SPDX-License-Identifier: GPL-2.0-only
"""The cache directory: built things under the hash of what they are built from.

A thing is built into a temporary name beside its place and renamed when it
is whole, so a reader sees all of it or nothing.  Builders of one thing
exclude each other by flock, which the kernel drops when a builder dies.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

from .ui import LabError


def cache_dir():
    path = os.environ.get("NESTOR_CACHE")
    if not path:
        path = os.path.join(os.path.expanduser("~"), ".cache", "nestor")
    path = os.path.abspath(path)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as err:
        raise LabError(f"cannot make the cache directory {path}: {err.strerror}",
                       "set NESTOR_CACHE to a directory that you may write to") from err
    return path


def sub(*names):
    path = os.path.join(cache_dir(), *names)
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(name, shared=False):
    """Hold the lock called name; any number of holders when shared."""
    with open(os.path.join(sub("locks"), name), "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield handle


def digest(*parts):
    """Hash strings, bytes and nested sequences of them into 16 hex digits."""
    total = hashlib.sha256()

    def feed(part):
        if isinstance(part, (list, tuple)):
            total.update(b"[%d" % len(part))
            for each in part:
                feed(each)
        else:
            data = part if isinstance(part, bytes) else str(part).encode()
            total.update(b"%d:" % len(data))
            total.update(data)

    feed(parts)
    return total.hexdigest()[:16]


def built(kind, name, key, build):
    """Return the path of kind/name-key, calling build(temporary path) if absent.

    Older builds of the same name are removed: a cache that only grows fills
    the disk of whoever edits the inputs.
    """
    place = os.path.join(sub(kind), f"{name}-{key}")
    if os.path.exists(place):
        return place
    with locked(f"{kind}-{name}"):
        if os.path.exists(place):
            return place
        work = tempfile.mkdtemp(prefix=f".{name}-", dir=sub(kind))
        try:
            made = os.path.join(work, "out")
            build(made)
            os.rename(made, place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        forget_old(kind, name, place)
    return place


def forget_old(kind, name, keep, spare=3):
    """Remove all but the newest few builds: a run in progress may use one."""
    base = sub(kind)
    prefix = name + "-"
    found = [os.path.join(base, entry) for entry in os.listdir(base)
             if entry.startswith(prefix) and len(entry) == len(prefix) + 16]
    found = sorted((path for path in found if path != keep), key=os.path.getmtime)
    for path in found[:-spare]:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def _without_make(env):
    """env as a shell would have it: a make that is run by our make takes itself for a part of it.

    The kernel's selftests, for one, then build into "/".
    """
    return {name: value for name, value in env.items()
            if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}


def command(argv, **options):
    """Run argv quietly; on failure raise with the tail of what it said."""
    env = _without_make(options.pop("env", None) or os.environ)
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=options.pop("stdin", subprocess.DEVNULL), env=env, **options)
    except FileNotFoundError as err:
        raise LabError(f"{argv[0]} is not installed", "run: lab/deps") from err
    if done.returncode:
        tail = done.stdout.decode(errors="replace").strip().splitlines()[-8:]
        raise LabError(f"{' '.join(argv[:3])} failed (status {done.returncode}): "
                       + "\n      ".join(tail))
    return done.stdout.decode(errors="replace")
