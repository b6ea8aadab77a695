# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own KVM selftests, built unmodified from Debian's linux-source package.

The package is downloaded and never installed.  What is kept is the programs; the source, of
which only the parts that they need are unpacked, is gone once they are built.
"""

import glob
import os
import re
import shutil
import tarfile

from . import apt, store
from .ui import LabError, step

PACKAGE = "linux-source-6.12"
PARTS = ("Makefile", "scripts", "tools", "include", "arch/x86", "usr")
# What is done to the source: another text here makes another build.
RECIPE = "make headers; make kvm LDFLAGS=-static; strip 1"


def _unpack(deb, work):
    store.command(["dpkg-deb", "-x", deb, work])
    found = glob.glob(os.path.join(work, "usr", "src", "linux-source-*.tar.*"))
    if len(found) != 1:
        raise LabError(f"{os.path.basename(deb)} holds no source", f"see: apt-cache show {PACKAGE}")
    top = os.path.basename(found[0]).split(".tar")[0]
    wanted = tuple(f"{top}/{part}" for part in PARTS)

    def needed(members):
        for member in members:
            if any(member.name == w or member.name.startswith(w + "/") for w in wanted):
                yield member

    with tarfile.open(found[0]) as tar:
        tar.extractall(work, members=needed(tar))
    return os.path.join(work, top)


def _build(made):
    work = os.path.dirname(made)
    with step(f"fetching {PACKAGE}"):
        apt.insist(lambda: apt.get("download", PACKAGE, cwd=work))
    debs = glob.glob(os.path.join(work, "*.deb"))
    with step("unpacking what the tests need of it"):
        source = _unpack(debs[0], work)
    jobs = f"-j{os.cpu_count() or 1}"
    tests = os.path.join(source, "tools", "testing", "selftests", "kvm")
    with step("building the kernel's KVM selftests"):
        store.command(["make", jobs, "headers"], cwd=source)
        store.command(["make", jobs, "-C", tests, "LDFLAGS=-static"], cwd=source)
    os.makedirs(made)
    for directory in (tests, os.path.join(tests, "x86_64")):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK) and "." not in name:
                shutil.copy(path, os.path.join(made, name))
                store.command(["strip", os.path.join(made, name)])
    if not os.listdir(made):
        raise LabError(f"building {PACKAGE}'s KVM selftests made no programs", f"see: {tests}")
    version = re.search(r"_([^_]*)_", os.path.basename(debs[0]).replace("%3a", ":"))
    with open(os.path.join(made, "version.txt"), "w") as out:
        out.write(f"{PACKAGE} {version.group(1) if version else '?'}\n")


def programs():
    """The directory with the programs, and the version that they are of."""
    place = store.built("upstream", "kvm", store.digest(PACKAGE, PARTS, RECIPE), _build)
    with open(os.path.join(place, "version.txt")) as text:
        return place, text.read().strip()
