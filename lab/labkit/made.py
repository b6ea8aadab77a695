# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that Debian does not make: small ones with sanitizers and gcov.

They are built from Debian's linux-source package, which is downloaded and never
installed, with the options of lab/config. What is kept is the image and a tree to build
modules against; the source is gone once they are made.
"""

import glob
import os
import shutil

from . import apt, store
from .ui import LabError, step

# What is asked for, and the kernel that it means: a module with gcov runs on the one for KCSAN,
# which costs a module nothing that is not instrumented for it.
KERNEL = {"debug": "debug", "kcsan": "kcsan", "gcov": "kcsan"}
NAMES = tuple(KERNEL)

PACKAGE = "linux-source-6.12"
COMPILER = ["CC=gcc-12", "HOSTCC=gcc-12"]
CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "config")
# What no configuration here compiles and what takes long to unpack; each Kconfig has to be there.
LEFT_OUT = ["arch/[a-wyz]*/*.[chS]", "arch/[a-wyz]*/*.dts*", "drivers/gpu/drm/amd/include/*.h",
            "Documentation/[a-z]*/*", "tools/perf/*", "tools/testing/*"]
# What is done to the source: another text here makes another build.
RECIPE = "allnoconfig with base and one fragment; bzImage modules_prepare; install-extmod-build; depmod"
# The module's accesses are what is looked at. Instrumenting all of the kernel takes twice as long
# to build, and on an emulated CPU several times as long to run; the allocators, the copies from and
# to user space and the bit operations report for the module all the same.
ONLY_MODULES = ["KASAN_SANITIZE=n", "UBSAN_SANITIZE=n", "KCSAN_SANITIZE=n"]


def _make(source, *arguments):
    """Run make there, as if not from within another make."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return store.command(["make", "-s", *COMPILER, *arguments], cwd=source, env=env)


def options(name):
    """The text of the configuration fragments of a kernel."""
    text = ""
    for part in ("base", name):
        with open(os.path.join(CONFIG, f"{part}.config")) as handle:
            text += handle.read()
    return text


def _check_options(wanted, path):
    """make drops what it cannot do: a sanitizer that is not there finds nothing."""
    with open(path) as handle:
        have = set(handle.read().splitlines())
    lost = [line for line in wanted.splitlines()
            if line.startswith("CONFIG_") and not line.endswith("=n") and line not in have]
    if lost:
        raise LabError(f"{PACKAGE} does not take {', '.join(lost)}", f"mend {CONFIG}")


def _unpack(work):
    debs = glob.glob(os.path.join(work, "*.deb"))
    store.command(["dpkg-deb", "-x", debs[0], work])
    os.unlink(debs[0])
    found = glob.glob(os.path.join(work, "usr", "src", "linux-source-*.tar.*"))
    if len(found) != 1:
        raise LabError(f"{PACKAGE} holds no source", f"see: apt-cache show {PACKAGE}")
    top = os.path.basename(found[0]).split(".tar")[0]
    store.command(["tar", "-x", "-C", work, "-f", found[0],
                   *[f"--exclude={top}/{part}" for part in LEFT_OUT]])
    os.unlink(found[0])
    return os.path.join(work, top)


def _keep(source, release, root):
    """Lay the results out as the Debian packages do."""
    boot = os.path.join(root, "boot")
    modules = os.path.join(root, "lib", "modules", release)
    headers = os.path.join(root, "usr", "src", f"linux-headers-{release}")
    for path in (boot, modules, headers):
        os.makedirs(path)
    shutil.copy(os.path.join(source, "arch/x86/boot/bzImage"), os.path.join(boot, f"vmlinuz-{release}"))
    shutil.copy(os.path.join(source, "System.map"), os.path.join(boot, f"System.map-{release}"))
    shutil.copy(os.path.join(source, ".config"), os.path.join(boot, f"config-{release}"))
    # There are no modules but ours, so the image's symbols are all.
    shutil.copy(os.path.join(source, "vmlinux.symvers"), os.path.join(source, "Module.symvers"))
    store.command(["sh", "scripts/package/install-extmod-build", headers], cwd=source,
                  env=dict(os.environ, srctree=".", SRCARCH="x86", CC="gcc-12", HOSTCC="gcc-12"))
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(os.path.join(source, name), modules)
    open(os.path.join(modules, "modules.order"), "w").close()
    store.command(["depmod", "-b", root, release])


def _build(name, key, out):
    work = os.path.dirname(out)
    with step(f"fetching {PACKAGE} (150 MB)"):
        apt.insist(lambda: apt.get("download", PACKAGE, cwd=work))
    with step(f"unpacking {PACKAGE}"):
        source = _unpack(work)
    # The release names the configuration: whatever is cached by the release depends on it, too.
    wanted = options(name) + f'CONFIG_LOCALVERSION="-nestor-{name}-{key[:8]}"\n'
    fragment = os.path.join(work, "fragment")
    with open(fragment, "w") as handle:
        handle.write(wanted)
    _make(source, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")
    _check_options(wanted, os.path.join(source, ".config"))
    jobs = f"-j{os.cpu_count() or 1}"
    with step(f"building the kernel '{name}' (5 minutes on two CPUs)"):
        _make(source, jobs, *ONLY_MODULES, "bzImage", "modules_prepare")
    _keep(source, _make(source, "kernelrelease").split()[-1], out)


def _key(name):
    return store.digest(PACKAGE, COMPILER, RECIPE, ONLY_MODULES, options(name))


def root(name):
    """The directory of a kernel, laid out as kernels.Kernel wants it; built if it is not there."""
    if name not in KERNEL:
        raise LabError(f"no kernel {name}", f"choose one of: {', '.join(NAMES)}")
    name = KERNEL[name]
    key = _key(name)
    return store.built("made", name, key, lambda out: _build(name, key, out))


def is_built(name):
    """Is the kernel in the cache?"""
    name = KERNEL[name]
    return os.path.exists(os.path.join(store.sub("made"), f"{name}-{_key(name)}"))
