# SPDX-License-Identifier: GPL-2.0-only
"""Debian kernels and headers, extracted into the cache, never installed.

Installing a linux-image package changes what the user's machine boots.
`apt-get download` and `dpkg-deb -x` do not, and need no root.  A headers
package names its companions by absolute path; the extracted tree is mended
to name them relatively, so that it works wherever the cache is.
"""

import glob
import os
import re
import shutil
import tempfile

from . import apt, made, store
from .ui import LabError, say, step

SERIES = ("6.1", "6.12")
# What the host can boot: Debian's kernels, and those that are built (lab/kernel).
CHOICES = SERIES + made.NAMES

_META = {"6.1": "linux-image-cloud-amd64"}
_PATTERN = {
    "6.1": r"linux-image-(6\.1\.0-[0-9]+-cloud-amd64)$",
    "6.12": r"linux-image-(6\.12(?:\.[0-9]+)?\+deb12(?:\.[0-9]+)?-cloud-amd64)$",
}


class Kernel:
    """One extracted kernel: paths of the image, its modules and its build tree."""

    def __init__(self, series, root):
        self.series = series
        self.root = root
        images = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))
        if len(images) != 1:
            raise LabError(f"{root} holds no kernel", f"remove {root} and run: lab/kernels")
        self.image = images[0]
        self.release = os.path.basename(self.image)[len("vmlinuz-"):]
        self.headers = os.path.join(root, "usr", "src", f"linux-headers-{self.release}")
        self.modules = os.path.join(root, "lib", "modules", self.release)


def _version_key(text):
    return [int(number) for number in re.findall(r"[0-9]+", text)]


def newest_release(series):
    """The newest kernel release that apt knows of in a series."""
    pattern = re.compile(_PATTERN[series])
    if series in _META:
        for line in apt.ask("depends", _META[series]).splitlines():
            found = pattern.search(line.strip())
            if found:
                return found.group(1)
    names = apt.ask("search", "--names-only", r"^linux-image-6\..*cloud-amd64$")
    found = [match.group(1) for match in
             (pattern.match(line.split(" ")[0]) for line in names.splitlines()) if match]
    if not found:
        raise LabError(f"apt knows no linux-image {series} for cloud-amd64")
    return max(found, key=_version_key)


def _depends(package):
    """First alternative of each dependency, transitively useful ones only."""
    names = re.findall(r"^\s*\|?Depends: (\S+)$",
                       apt.ask("depends", package), re.M)
    return [name for name in names
            if re.match(r"linux-(headers-.*common|kbuild-|compiler-)", name)]


def packages(release):
    headers = f"linux-headers-{release}"
    return [f"linux-image-{release}", headers] + _depends(headers)


def download(names, into):
    """Fetch packages as .deb files; return their paths."""
    apt.get("download", *names, cwd=into)
    return sorted(glob.glob(os.path.join(into, "*.deb")))


def _mend(root, release):
    """Make the build tree name its companions relatively."""
    tree = os.path.join(root, "usr", "src", f"linux-headers-{release}")
    makefile = os.path.join(tree, "Makefile")
    with open(makefile) as handle:
        text = handle.read()
    text = re.sub(r"^include /usr/src/", "include $(dir $(lastword $(MAKEFILE_LIST)))../",
                  text, flags=re.M)
    with open(makefile, "w") as handle:
        handle.write(text)
    for directory, folders, files in os.walk(os.path.join(root, "usr", "src")):
        for name in folders + files:
            _relink(root, os.path.join(directory, name))
    for name in ("build", "source"):
        _relink(root, os.path.join(root, "lib", "modules", release, name))


def _relink(root, path):
    if not os.path.islink(path):
        return
    target = os.readlink(path)
    if not target.startswith("/"):
        return
    os.unlink(path)
    os.symlink(os.path.relpath(root + target, os.path.dirname(path)), path)


def _fetch(series, release, place):
    work = tempfile.mkdtemp(prefix=f".{series}-", dir=os.path.dirname(place))
    try:
        os.chmod(work, 0o755)
        debs = os.path.join(work, "debs")
        root = os.path.join(work, "root")
        os.makedirs(debs)
        os.makedirs(root)
        for deb in download(packages(release), debs):
            store.command(["dpkg-deb", "-x", deb, root])
        _mend(root, release)
        store.command(["depmod", "-b", root, release])
        os.rename(root, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch_newest(series, base):
    release = newest_release(series)
    place = os.path.join(base, release)
    if not os.path.isdir(place):
        with step(f"fetching the Debian kernel {release} and its headers"):
            _fetch(series, release, place)
    return release


def _cached(series):
    found = [os.path.basename(path) for path in
             glob.glob(os.path.join(store.sub("kernels", series), "*"))]
    return max(found, key=_version_key, default=None)


def get(series, update=False):
    """Return the Kernel of a series, fetching it if it is not in the cache.

    A kernel that is there is used without asking apt, so that results stay
    comparable and work goes on without a network; update asks again.
    """
    if series in made.NAMES:
        return Kernel(series, made.root(series))
    if series not in SERIES:
        raise LabError(f"no kernel series {series}", f"choose one of: {', '.join(CHOICES)}")
    base = store.sub("kernels", series)
    release = _cached(series)
    if release is None or update:
        with store.locked(f"kernels-{series}"):
            release = None if update else _cached(series)
            if release is None:
                release = apt.insist(lambda: _fetch_newest(series, base))
    return Kernel(series, os.path.join(base, release))


def verify(kernel):
    """Build a module that does nothing against a tree; raise if that fails."""
    with tempfile.TemporaryDirectory(prefix="nestor-verify-") as work:
        with open(os.path.join(work, "nothing.c"), "w") as handle:
            handle.write('#include <linux/module.h>\nMODULE_LICENSE("GPL");\n')
        with open(os.path.join(work, "Kbuild"), "w") as handle:
            handle.write("obj-m := nothing.o\n")
        store.command(["make", "-C", kernel.headers, f"M={work}", "modules"])
        info = store.command(["modinfo", "-F", "vermagic", os.path.join(work, "nothing.ko")])
        if info.split(" ")[0] != kernel.release:
            raise LabError(f"{kernel.headers} builds modules for '{info.strip()}'")
    say(f"{kernel.release}: an empty module builds")
