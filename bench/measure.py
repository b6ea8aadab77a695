# SPDX-License-Identifier: GPL-2.0-only
"""Run the image on one host under one hypervisor, and read what it prints."""

import hashlib
import json
import os
import subprocess

BENCH = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(BENCH)
LAB_RUN = os.path.join(TOP, "lab", "run")
CLOCK = os.path.join(BENCH, "build", "tsc")
PROGRAMS = [os.path.join(BENCH, "build", "bench-vmm"),
            os.path.join(TOP, "selftests", "l1", "build", "l1.elf")]


class Setup:
    """One emulated host with one hypervisor on one kernel."""

    def __init__(self, host, module, kernel, groups, stack=False):
        self.host = host
        self.module = module
        self.kernel = kernel
        self.groups = groups
        self.stack = stack

    @property
    def name(self):
        return f"{self.host}/{self.module}-{self.kernel}" + ("/stack" if self.stack else "")

    def script(self, after=None):
        if self.stack:
            return f"./tsc; lab-demo {self.kernel} {self.kernel} && ./tsc"
        cpus = 4 if self.host == "svm" else 1
        image = f"./bench-vmm -s {cpus} l1.elf 'bench={self.groups} cpus={cpus}"
        if after:
            return f"{image} after={after}'"
        return f"uname -r | sed 's/^/kernel /'; ./bench-vmm -w 200; {image}'"

    def programs(self):
        """The stack has programs of its own, Debian's, and needs but the clock."""
        return [CLOCK] if self.stack else PROGRAMS

    def command(self, after=None):
        """AFTER: only the rows behind this one."""
        argv = [LAB_RUN, "--host", self.host, "--module", self.module, "--kernel", self.kernel,
                "--timeout", "3000"]
        if self.host == "svm":
            argv.append("--icount")
        for path in self.programs():
            argv += ["--put", path]
        return argv + ["--", "sh", "-c", self.script(after)]


class Result:
    """What a setup printed: rows as {name: (instructions, world switches)} for one operation.

    BEGUN is the row that began last; LOST are those that the host did not survive.
    """

    def __init__(self, setup):
        self.setup = setup
        self.rows = {}
        self.lost = []
        self.begun = None
        self.done = False
        self.weights = {}
        self.kernel = None
        self.error = None

    def take(self, text):
        switches = memory = exits = None
        clocks = []
        for line in text.splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == "switches":
                switches = int(words[1])
            elif len(words) == 2 and words[0] == "memory-kib":
                memory = int(words[1])
            elif len(words) == 4 and words[0] == "bench" and words[2].isdigit():
                self._row(words[1], int(words[2]), int(words[3]), switches)
                if words[1] == "mem/fill-256m.cold" and memory is not None:
                    self.weights["gib"] = memory * 4
            elif len(words) == 2 and words[0] == "bench-row":
                self.begun = words[1]
            elif len(words) == 2 and words[0] == "bench-lost":
                self.lost.append(words[1])
            elif words == ["bench", "done"]:
                self.done = True
            elif len(words) == 3 and words[0] == "weight":
                self.weights[words[1]] = int(words[2])
            elif len(words) == 2 and words[0] == "kernel":
                self.kernel = words[1]
            elif len(words) == 3 and words[:2] == ["stat", "exits"]:
                # The first: stock KVM has none any more when L1 has ended.
                exits = exits or int(words[2])
            elif len(words) == 2 and words[0] == "tsc":
                clocks.append(int(words[1]))
        if len(clocks) == 2:
            self.rows["stack"] = (clocks[1] - clocks[0], exits)

    def add(self, other):
        """What another run of the same hypervisor on the same host and kernel found."""
        self.rows.update(other.rows)
        self.weights.update(other.weights)
        self.lost += other.lost
        self.kernel = self.kernel or other.kernel
        self.error = self.error or other.error

    def has(self, name):
        """Has the row NAME, or a part of it, been reported?"""
        return any(row == name or row.startswith(name + ".") for row in self.rows)

    def _row(self, name, ops, total, switches):
        per = switches / ops if switches is not None else None
        self.rows[name] = (total / ops, per)


def fingerprint(setup):
    """Of all that a result comes from and that may change here."""
    sums = hashlib.sha256(json.dumps(setup.command()).encode())
    files = setup.programs()[:]
    if setup.module == "nestor":
        files.append(os.path.join(TOP, "build", setup.kernel, "nestor.ko"))
    for path in files:
        try:
            with open(path, "rb") as handle:
                sums.update(hashlib.sha256(handle.read()).digest())
        except OSError:
            sums.update(b"none")
    return sums.hexdigest()


def kept(setup, path, mark):
    """The result of an earlier run of the very same things, or None."""
    try:
        with open(path + ".out", "rb") as handle:
            first, _, text = handle.read().partition(b"\n")
    except OSError:
        return None
    if first.decode(errors="replace") != mark:
        return None
    result = Result(setup)
    result.take(text.decode(errors="replace"))
    return result


def boots(setup, result, log):
    """Run it, and what is left in a new boot when a row took the host with it; all that was printed."""
    text = b""
    after = None
    while True:
        result.begun = None
        done = subprocess.run(setup.command(after), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=log, check=False)
        text += done.stdout
        result.take(done.stdout.decode(errors="replace"))
        if not done.returncode:
            return text
        after = result.begun
        if result.done or not after:
            result.error = f"lab/run ended with status {done.returncode}"
            return text
        if not result.has(after):
            text += f"\nbench-lost {after}\n".encode()
            result.lost.append(after)


def run(setup, path, resume=False):
    mark = fingerprint(setup)
    result = kept(setup, path, mark) if resume else None
    if result:
        return result
    result = Result(setup)
    with open(path + ".log", "wb") as handle:
        text = boots(setup, result, handle)
        handle.write(text)
    if result.error:
        result.error += f", see {os.path.relpath(path + '.log', TOP)}"
        return result
    with open(path + ".out", "wb") as handle:
        handle.write(mark.encode() + b"\n" + text)
    return result
