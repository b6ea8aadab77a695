# SPDX-License-Identifier: GPL-2.0-only
"""apt without root, and without changing what the system knows of.

The system's package lists are used as they are.  Where they are absent or so old that
the mirror no longer has what they name, newer ones are fetched into the cache.
"""

import os
import subprocess

from . import store
from .ui import LabError, step

_own_lists = False


def _options():
    pairs = ["APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    if _own_lists:
        base = store.sub("apt")
        pairs += [f"Dir::State::lists={base}/lists", f"Dir::Cache={base}/cache",
                  "Debug::NoLocking=1"]
    return [word for pair in pairs for word in ("-o", pair)]


def ask(*argv):
    """Run apt-cache; return what it prints."""
    try:
        return subprocess.run(["apt-cache", *_options(), *argv], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              check=False).stdout.decode()
    except FileNotFoundError as err:
        raise LabError("apt-cache not found: the lab is made from Debian packages",
                       "run this on Debian 12 (bookworm)") from err


def get(*argv, **options):
    """Run apt-get; raise on failure."""
    return store.command(["apt-get", "-y", "-q", *_options(), *argv], **options)


def _refresh():
    global _own_lists
    base = store.sub("apt")
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(base, name), exist_ok=True)
    _own_lists = True
    with step("fetching newer package lists"), store.locked("apt-lists"):
        get("update")


def insist(action):
    """Do action; if apt cannot, fetch newer lists and do it once more."""
    try:
        return action()
    except LabError:
        if _own_lists:
            raise
    try:
        _refresh()
        return action()
    except LabError as err:
        raise LabError(err.cause, "check the network, and that bookworm, bookworm-updates and "
                       "bookworm-security are in /etc/apt/sources.list") from err
