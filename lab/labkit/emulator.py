# SPDX-License-Identifier: GPL-2.0-only
"""Start an emulator, stream the command's output, and see how it ends.

Each host has two channels out: its kernel's console, which is the log file,
and a raw one that carries the command's output followed by a trailer with a
word nobody can guess and the status.  No trailer means that the host died.
QEMU's machine is stopped then, and is asked what it died of (control.py, death.py).
"""

import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import control, death, images, store
from .ui import LabError

TIMED_OUT = 124
HOST_DIED = 125
NOT_LOADED = 126

PANIC = b"Kernel panic - not syncing"
REBOOT = b"reboot: Restarting system"
ACCELERATOR = {"svm": "svm", "svm-rich": "svm", "vmx": "vmx"}
# Ticks, which are instructions or idle, that Bochs takes for a second.
BOCHS_IPS = 100_000_000
BOCHS_MODEL = {"svm-rich": "zambezi", "vmx": "corei7_skylake_x"}


def is_bochs(host):
    return host in BOCHS_MODEL


def kernel_arguments(host, extra, icount=False):
    """The L0 kernel's command line; extra comes last so that it can override."""
    words = ["console=ttyS0,115200", "nokaslr", "mitigations=off", "oops=panic",
             "tsc=reliable", "no_timer_check", "random.trust_cpu=on", "lab.role=host"]
    if is_bochs(host):
        # A reboot would start the CD again: stop, and let the log tell.
        words += ["quiet", "panic=0", "lab.root=0:0:0:0", "lab.run=0:0:1:0", "lab.out=ttyS1"]
        # CPUID of Skylake-X says 3.5 GHz; timers and devices know a second of so many ticks.
        words.append(f"tsc_early_khz={BOCHS_IPS // 1000}")
    else:
        words += ["panic=-1", "lab.root=vda", "lab.run=vdb", "lab.out=hvc0"]
        # On a busy machine the kernel's own measurement comes out as anything.
        words.append(f"tsc_early_khz={1000000 if icount else images.tsc_khz()}")
    return " ".join(words + list(extra))


# --- one run's directory --------------------------------------------------

class RunDirectory:
    """A private directory, locked while it is in use and swept when it is not."""

    def __init__(self):
        base = store.sub("runs")
        _sweep(base)
        self.path = tempfile.mkdtemp(prefix="run-", dir=base)
        self._lock = open(os.path.join(self.path, "lock"), "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _sweep(base):
    """Remove what a run killed with SIGKILL left behind."""
    for name in os.listdir(base):
        path = os.path.join(base, name)
        try:
            if time.time() - os.path.getmtime(path) < 60:
                continue
            with open(os.path.join(path, "lock"), "a") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue


# --- command lines --------------------------------------------------------

class Machine:
    """What to boot.  Paths are of files that exist; memory is in MiB."""

    def __init__(self, host, kernel, initrd, root, run_disk, cpus, memory, icount,
                 extra, cpu_model):
        self.host = host
        self.kernel = kernel
        self.initrd = initrd
        self.root = root
        self.run_disk = run_disk
        self.cpus = cpus
        self.memory = memory
        self.icount = icount
        self.arguments = kernel_arguments(host, extra, icount)
        self.cpu_model = cpu_model
        self.boot_cd = None


def qemu_command(machine, log, out):
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-M", "q35",
            "-cpu", machine.cpu_model or "max", "-accel", "tcg",
            "-m", str(machine.memory), "-smp", str(machine.cpus),
            "-vga", "none", "-display", "none",
            "-kernel", machine.kernel.image, "-initrd", machine.initrd,
            "-append", machine.arguments,
            "-serial", f"file:{log}",
            "-chardev", f"file,id=out,path={out}",
            "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=out"]
    for name, path in (("root", machine.root), ("run", machine.run_disk)):
        argv += ["-drive", f"if=none,id={name},file={path},format=raw,readonly=on",
                 "-device", f"virtio-blk-pci,drive={name}"]
    if machine.icount:
        argv += ["-icount", "shift=0,sleep=off"]
    return argv


def _cylinders(path):
    return os.path.getsize(path) // (16 * 63 * 512)


def bochs_command(machine, work, log, out):
    # Bochs locks a disk by a file beside it: give each run its own name for it.
    root = os.path.join(work, "root.img")
    os.symlink(machine.root, root)
    model = machine.cpu_model or BOCHS_MODEL[machine.host]
    lines = [
        'display_library: rfb, options="timeout=0"',
        "romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot",
        "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest",
        f"memory: guest={machine.memory}, host={min(machine.memory, 2048)}",
        f"cpu: count={machine.cpus}, model={model}, ips={BOCHS_IPS}, reset_on_triple_fault=0, "
        "ignore_bad_msrs=1",
        "clock: sync=none",
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
        "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15",
    ]
    for unit, path in (("ata0-master", root), ("ata0-slave", machine.run_disk)):
        lines.append(f"{unit}: type=disk, path={path}, mode=flat, "
                     f"cylinders={_cylinders(path)}, heads=16, spt=63")
    lines += [
        f"ata1-master: type=cdrom, path={machine.boot_cd}, status=inserted",
        "boot: cdrom",
        f"com1: enabled=1, mode=file, dev={log}",
        f"com2: enabled=1, mode=file, dev={out}",
        "panic: action=fatal", "error: action=ignore", "info: action=ignore",
        "debug: action=ignore", f"log: {work}/bochs.log", "sound: driver=dummy",
    ]
    path = os.path.join(work, "bochsrc")
    with open(path, "w") as handle:
        handle.write("\n".join(lines) + "\n")
    return ["bochs", "-q", "-f", path]


# --- running --------------------------------------------------------------

def _die_with_parent():
    """Have the kernel kill the emulator when this process dies, however it dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Trailer:
    """Pass output through, holding back only what may be the trailer."""

    def __init__(self, word):
        self._mark = word.encode() + b" "
        self._held = b""
        self.status = None
        self.complaint = None

    def feed(self, data):
        self._held += data
        at = self._held.find(self._mark)
        if at >= 0:
            line = self._held[at + len(self._mark):]
            if b"\n" not in line:
                # The mark is whole: hold everything until its line is.
                passed, self._held = self._held[:at], self._held[at:]
                return passed
            passed = self._held[:at]
            self._held = b""
            kind, _, value = line.split(b"\n")[0].decode(errors="replace").partition(" ")
            if kind == "status":
                self.status = int(value)
            else:
                self.complaint = value
                self.status = NOT_LOADED
            return passed
        keep = next((size for size in range(min(len(self._mark), len(self._held)), 0, -1)
                     if self._held.endswith(self._mark[:size])), 0)
        passed = self._held[:len(self._held) - keep]
        self._held = self._held[len(self._held) - keep:]
        return passed


class Outcome:
    def __init__(self):
        self.status = None
        self.complaint = None
        self.reason = None
        # What the CPUs looked like at a triple fault: lines.
        self.state = []
        self.instructions = None


def _instructions(work):
    """How far Bochs had counted when the power went off: its ticks, or None."""
    try:
        with open(os.path.join(work, "bochs.log"), "rb") as handle:
            text = handle.read()[-20000:]
    except OSError:
        return None
    found = re.findall(rb"^(\d+)p\[[^\n]*soft power off", text, re.M)
    return int(found[-1]) if found else None


def _log_has(log, words):
    try:
        with open(log, "rb") as handle:
            handle.seek(max(0, os.path.getsize(log) - 16384))
            return words in handle.read()
    except OSError:
        return False


def _log_has_panic(log):
    return _log_has(log, PANIC)


def _over(process, monitor):
    """Whether the machine has ended, with its emulator or before it."""
    if monitor:
        monitor.poll()
    return process.poll() is not None or (monitor and monitor.ended is not None)


def _death(process, monitor, log, outcome):
    """Why the machine is over, and in OUTCOME what can be seen of it."""
    # First: what comes behind a panic is the reboot, in whatever way.
    if _log_has_panic(log):
        return "the host's kernel panicked"
    if monitor and monitor.triple_fault():
        found = death.cpus(monitor.ask)
        outcome.state = list(death.show(found))
        return death.reason(found)
    if process.poll() is None:
        return ("the host rebooted" if monitor.ended == "guest-reset" else
                f"the host ended ({monitor.ended})")
    if process.returncode < 0:
        return f"the emulator was killed by signal {-process.returncode}"
    return f"the emulator ended with status {process.returncode}"


def _watch(process, monitor, reader, trailer, log, deadline, sink, outcome):
    """Copy output until the trailer, a death or the deadline.  MONITOR: QEMU's; None is Bochs.

    The channel is a plain file and is polled: a pipe fills up when its reader
    is slow, and a virtio console then drops what does not fit.
    """
    check = time.monotonic() + 2
    while trailer.status is None:
        now = time.monotonic()
        if now >= deadline:
            outcome.status, outcome.reason = TIMED_OUT, "time is up"
            return
        # Ask this before reading, or the last words of the dying are missed.
        alive = not _over(process, monitor)
        data = os.read(reader, 1 << 20)
        if data:
            sink(trailer.feed(data))
            continue
        if not alive:
            outcome.status, outcome.reason = HOST_DIED, _death(process, monitor, log, outcome)
            return
        if now >= check:
            check = now + 2
            if _log_has_panic(log):
                outcome.status, outcome.reason = HOST_DIED, "the host's kernel panicked"
                return
            # Bochs would start the CD again, and the command with it.
            if not monitor and _log_has(log, REBOOT):
                outcome.status, outcome.reason = HOST_DIED, "the host rebooted"
                return
        time.sleep(0.05)
    outcome.status, outcome.complaint = trailer.status, trailer.complaint


def run(machine, work, log, word, timeout, sink, debug=None):
    """Boot the machine and run it to its end; sink gets the command's output.

    DEBUG is given the process of a Bochs whose debugger still listens to its stdin.
    """
    out = os.path.join(work, "out")
    for path in (out, log):
        open(path, "wb").close()
    reader = os.open(out, os.O_RDONLY)
    if is_bochs(machine.host):
        argv = bochs_command(machine, work, log, out)
        monitor = None
    else:
        monitor = control.Control(work)
        argv = qemu_command(machine, log, out)
        # In front: whoever adds a log file of his own (bench/profile) has that one.
        argv[1:1] = monitor.options()
    outcome = Outcome()
    with open(os.path.join(work, "emulator"), "wb") as noise:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=noise, stderr=noise,
                                       cwd=work, preexec_fn=_die_with_parent,
                                       pass_fds=monitor.descriptors() if monitor else ())
        except FileNotFoundError as err:
            raise LabError(f"{argv[0]} is not installed", "run: lab/deps") from err
    try:
        if monitor:
            monitor.started()
        # Debian's Bochs is the one with the debugger: tell it to continue.
        process.stdin.write(b"c\n")
        process.stdin.flush()
        if debug:
            debug(process)
        else:
            process.stdin.close()
        _watch(process, monitor, reader, Trailer(word), log, time.monotonic() + timeout, sink, outcome)
        if outcome.reason is None:
            _let_power_off(process, monitor, log, outcome)
    except BrokenPipeError:
        outcome.status, outcome.reason = HOST_DIED, "the emulator did not start"
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        if monitor:
            monitor.close()
    outcome.noise = _noise(work)
    outcome.instructions = _instructions(work)
    return outcome


def _wait(process, seconds):
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass


def _let_power_off(process, monitor, log, outcome):
    """The command has ended; so must the host, and in good order."""
    deadline = time.monotonic() + 60
    while not _over(process, monitor):
        if time.monotonic() >= deadline:
            outcome.reason = "the host did not power off"
            break
        time.sleep(0.05)
    else:
        if _log_has_panic(log) or (monitor and monitor.triple_fault()):
            outcome.reason = _death(process, monitor, log, outcome) + " while it powered off"
        elif process.poll() is None:
            monitor.quit()
            _wait(process, 5)
        elif monitor and process.returncode < 0:
            outcome.reason = _death(process, monitor, log, outcome)
    if outcome.reason:
        outcome.status = HOST_DIED


def _noise(work):
    with open(os.path.join(work, "emulator"), "rb") as handle:
        return handle.read()[-2000:].decode(errors="replace").strip()


def print_tail(log, lines=40):
    with open(log, "rb") as handle:
        tail = handle.read()[-20000:].decode(errors="replace").splitlines()[-lines:]
    for line in tail:
        print(f"  | {line.rstrip()}", file=sys.stderr)
