# SPDX-License-Identifier: GPL-2.0-only
"""What the lab boots: root image, initramfs files, boot CD.

The root holds Debian's own QEMU, SeaBIOS, busybox, bash and strace, and both
kernels with their modules.  It is made from packages that apt resolves
against an empty system, so neither root rights nor the user's installed
packages play a part.  One squashfs serves every level: L0 mounts it, and
hands the same disk to L1.

Everything is stored under a hash of its inputs and made again only when
they change.
"""

import hashlib
import lzma
import os
import re
import shutil
import subprocess

from . import apt, cpio, kernels, store
from .ui import LabError, step

LAB = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
GUEST = os.path.join(LAB, "guest")

PACKAGES = ["bash", "busybox-static", "kexec-tools", "kmod", "msr-tools",
            "qemu-system-x86", "seabios", "strace"]
PRUNE = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
         "usr/share/iso-codes", "usr/share/xml", "usr/share/bug", "usr/share/lintian",
         "usr/share/icons", "usr/share/applications", "usr/share/alsa", "usr/lib/ipxe"]

# Bochs takes a disk only in whole cylinders of 16 heads and 63 sectors.
CYLINDER = 16 * 63 * 512

VIRTIO = ["virtio_pci", "virtio_blk", "virtio_console"]
ROOT_FS = ["squashfs", "overlay"]
MODULES = {
    "qemu": VIRTIO + ROOT_FS,
    "bochs": ["ata_piix", "sd_mod"] + ROOT_FS,
    "guest": ["virtio_mmio"] + VIRTIO + ROOT_FS,
}

# Scripts of guest/ that are commands in L0, as lab-NAME.
COMMANDS = ["boot", "demo"]


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def guest_files():
    """The scripts that run inside the lab, as (name, data) pairs."""
    return [(name, read(os.path.join(GUEST, name))) for name in sorted(os.listdir(GUEST))
            if not name.startswith(".") and os.path.isfile(os.path.join(GUEST, name))]


# --- the package tree -----------------------------------------------------

def _apt(work, *argv):
    """Run apt-get as if on a machine where nothing is installed."""
    for name in ("archives/partial", "cache"):
        os.makedirs(os.path.join(work, name), exist_ok=True)
    status = os.path.join(work, "status")
    open(status, "a").close()
    settings = {"Dir::State::status": status, "Dir::Cache": f"{work}/cache",
                "Dir::Cache::archives": f"{work}/archives", "Dir::Log": work,
                "Dir::State::extended_states": f"{work}/extended",
                "Debug::NoLocking": "1"}
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    return apt.get(*options, *argv)


def _unpack(deb, tree):
    """Unpack a package, following the /bin -> /usr/bin links of a merged /usr."""
    source = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    done = subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner",
                           "-C", tree], stdin=source.stdout, check=False)
    source.stdout.close()
    if source.wait() or done.returncode:
        raise LabError(f"cannot unpack {os.path.basename(deb)}", "remove the cache and try again")


def _make_tree(tree):
    work = tree + ".apt"
    try:
        apt.insist(lambda: _apt(work, "--download-only", "--no-install-recommends",
                                "install", *PACKAGES))
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            os.makedirs(os.path.join(tree, "usr", name))
            os.symlink(f"usr/{name}", os.path.join(tree, name))
        archives = os.path.join(work, "archives")
        for name in sorted(os.listdir(archives)):
            if name.endswith(".deb"):
                _unpack(os.path.join(archives, name), tree)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name in PRUNE:
        shutil.rmtree(os.path.join(tree, name), ignore_errors=True)


def package_tree(update=False):
    """The root's packages, unpacked.  Kept until update asks apt again."""
    stamp = ""
    mark = os.path.join(store.sub("tree"), "stamp")
    if update:
        with open(mark, "w") as handle:
            handle.write(os.urandom(8).hex())
    if os.path.exists(mark):
        stamp = read(mark)
    with step("fetching the packages of the lab's root (about 50 MB)"):
        return store.built("tree", "root", store.digest(PACKAGES, PRUNE, stamp), _make_tree)


# --- initramfs ------------------------------------------------------------

def _module_files(kernel, names):
    """Module files in load order, dependencies first, each once."""
    found = []
    for name in names:
        text = store.command(["modprobe", "-S", kernel.release, "-d", kernel.root,
                              "--show-depends", name])
        for path in re.findall(r"^insmod (\S+)", text, re.M):
            if path not in found:
                found.append(path)
    return found


def _module_data(path):
    data = read(path)
    return lzma.decompress(data) if path.endswith(".xz") else data


def initramfs(kernel, kind, update=False):
    """An initramfs of busybox, the modules of one kind of machine, and guest/init."""
    tree = package_tree(update)
    busybox = os.path.join(tree, "usr", "bin", "busybox")
    init = read(os.path.join(GUEST, "init"))
    key = store.digest(kernel.release, MODULES[kind], init, tree, read(__file__),
                       read(cpio.__file__))

    def build(out):
        applets = store.command([busybox, "--list-full"]).split()
        with open(out, "wb") as stream:
            archive = cpio.Archive(stream)
            for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "root"):
                archive.folder(name)
            archive.character_device("dev/console", 5, 1)
            archive.character_device("dev/null", 1, 3)
            archive.file("bin/busybox", read(busybox), 0o755)
            for applet in applets:
                if applet != "bin/busybox":
                    archive.link(applet, "/bin/busybox")
            names = []
            for path in _module_files(kernel, MODULES[kind]):
                name = os.path.basename(path).removesuffix(".xz")
                names.append(name)
                archive.file(f"modules/{name}", _module_data(path))
            archive.file("modules/order", "".join(f"{name}\n" for name in names).encode())
            archive.file("init", init, 0o755)
            archive.close()

    return store.built("initramfs", f"{kernel.series}-{kind}", key, build)


# --- root image -----------------------------------------------------------

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = "root:x:0:\nkvm:x:104:\nnogroup:x:65534:\n"


def pad_to_cylinders(path):
    size = os.path.getsize(path)
    os.truncate(path, size + -size % CYLINDER)


def squash(folder, out, compress, extra=()):
    """Make a squashfs of a folder; compress=False is for what lives one run."""
    how = ["-comp", "lz4"] if compress else ["-noI", "-noD", "-noF"]
    store.command(["mksquashfs", folder, out, "-all-root", "-no-xattrs", "-noappend",
                   "-quiet", "-no-progress", *how, *extra])
    pad_to_cylinders(out)


def check_program():
    """The static program that guests check themselves with."""
    source = os.path.join(GUEST, "src", "check.c")

    def build(out):
        store.command(["gcc-12", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s",
                       "-o", out, source])

    return store.built("check", "check", store.digest(read(source)), build)


def tsc_khz():
    """The rate of this machine's TSC, which QEMU shows its guest; kept for this boot."""
    program = check_program()
    key = store.digest(read("/proc/sys/kernel/random/boot_id"))

    def build(out):
        with open(out, "w") as handle:
            handle.write(store.command([program, "tsc"]))

    return int(read(store.built("tsc", "khz", key, build)))


def sample(size=1 << 20):
    """Bytes that do not compress and are the same everywhere."""
    blocks = (hashlib.sha256(b"%d" % number).digest() for number in range(size // 32))
    return b"".join(blocks)


def _finish_root(root, levels, scripts):
    """Add to a copy of the package tree what makes it a lab host."""
    binary = os.path.join(root, "usr", "bin")
    for applet in store.command([os.path.join(binary, "busybox"), "--list"]).split():
        present = [os.path.join(root, "usr", where, applet) for where in ("bin", "sbin")]
        if not any(os.path.lexists(path) for path in present):
            os.symlink("busybox", present[0])
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "put", "lab", "mnt", "etc"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    for name, text in (("passwd", _PASSWD), ("group", _GROUP), ("hostname", "lab\n")):
        with open(os.path.join(root, "etc", name), "w") as handle:
            handle.write(text)
    data = sample()
    scripts = scripts + [("sample", data), ("sample.sha256", hashlib.sha256(data).hexdigest()
                                            .encode()), ("check", read(check_program()))]
    for name, data in scripts:
        path = os.path.join(root, "lab", name)
        if name in COMMANDS:
            path = os.path.join(binary, f"lab-{name}")
        with open(path, "wb") as handle:
            handle.write(data)
        os.chmod(path, 0o755)
    for kernel, initrd in levels:
        shutil.copytree(kernel.modules, os.path.join(root, "usr/lib/modules", kernel.release),
                        symlinks=True)
        shutil.copy(kernel.image, os.path.join(root, "lab", f"vmlinuz-{kernel.series}"))
        shutil.copy(initrd, os.path.join(root, "lab", f"initrd-{kernel.series}"))
    for name in ("vmlinuz", "initrd"):
        os.symlink(f"{name}-6.1", os.path.join(root, "lab", name))


def root_image(update=False):
    tree = package_tree(update)
    levels = [(kernels.get(series), initramfs(kernels.get(series), "guest"))
              for series in kernels.SERIES]
    scripts = [pair for pair in guest_files() if pair[0] != "init"]
    key = store.digest(tree, [(kernel.release, initrd) for kernel, initrd in levels],
                       [part for pair in scripts for part in pair], check_program(), read(__file__))

    def build(out):
        root = out + ".root"
        store.command(["cp", "-a", tree, root])
        _finish_root(root, levels, scripts)
        squash(root, out, compress=True)
        shutil.rmtree(root)

    with step("making the lab's root image"):
        return store.built("root", "root", key, build)


# --- what one run adds ----------------------------------------------------

def _copy_in(path, folder):
    name = os.path.basename(os.path.realpath(path) if path in (".", "..") else
                            path.rstrip("/"))
    if not os.path.exists(path):
        raise LabError(f"--put {path}: no such file or directory")
    target = os.path.join(folder, name)
    if os.path.lexists(target):
        raise LabError(f"--put {path}: another --put is also called {name}",
                       "put a directory that holds both")
    store.command(["cp", "-aH", "--", path, target])


def run_image(out, work, command, settings, puts, module):
    """The small disk of one run: /put, the command, settings, the module."""
    folder = os.path.join(work, "disk")
    os.makedirs(os.path.join(folder, "put"))
    for path in puts:
        _copy_in(path, os.path.join(folder, "put"))
    if module:
        shutil.copy(module, os.path.join(folder, "nestor.ko"))
    with open(os.path.join(folder, "command"), "w") as handle:
        handle.write(command)
    with open(os.path.join(folder, "settings"), "w") as handle:
        handle.write(settings)
    squash(folder, out, compress=False)
    shutil.rmtree(folder, ignore_errors=True)


# --- boot CD for Bochs ----------------------------------------------------

def boot_cd(kernel, initrd, arguments):
    """A GRUB ISO: Bochs cannot be handed a kernel as QEMU can."""
    bad = [word for word in arguments.split() if re.search(r"[\s\"'\\$;&|{}]", word)]
    if bad:
        raise LabError(f"GRUB would change the kernel argument {bad[0]}",
                       "use arguments without quotes, spaces and shell characters")
    key = store.digest(kernel.release, initrd, arguments)

    def build(out):
        folder = out + ".iso"
        os.makedirs(os.path.join(folder, "boot", "grub"))
        shutil.copy(kernel.image, os.path.join(folder, "boot", "vmlinuz"))
        shutil.copy(initrd, os.path.join(folder, "boot", "initrd"))
        with open(os.path.join(folder, "boot", "grub", "grub.cfg"), "w") as handle:
            handle.write("set timeout=0\nmenuentry lab {\n"
                         f"linux /boot/vmlinuz {arguments}\ninitrd /boot/initrd\n}}\n")
        store.command(["grub-mkrescue", "-o", out, folder])
        shutil.rmtree(folder)

    with step("making the boot CD"):
        return store.built("cd", kernel.series, key, build)
