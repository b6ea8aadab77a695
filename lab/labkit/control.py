# SPDX-License-Identifier: GPL-2.0-only
"""Ask QEMU how its machine ended, while the machine is still there to be looked at.

QEMU stops a machine that powers off or resets instead of leaving (-action), and says so on a
monitor (QMP) whose other end is held here.  Which reset it was is in no message of that: a triple
fault and a reboot have the same reason.  The log of resets (-d cpu_reset) has a line for the first.
"""

import json
import os
import select
import socket
import time

TRIPLE_FAULT = b"Triple fault\n"


class Control:
    """The monitor of one QEMU."""

    def __init__(self, work):
        self._resets = os.path.join(work, "resets")
        self._socket, self._theirs = socket.socketpair()
        self._held = b""
        self._answers = []
        # Why the machine stopped, in QEMU's word (ShutdownCause); None while it runs.
        self.ended = None

    def options(self):
        return ["-action", "reboot=shutdown,shutdown=pause", "-d", "cpu_reset", "-D", self._resets,
                "-chardev", f"socket,id=control,fd={self._theirs.fileno()}",
                "-mon", "chardev=control,mode=control"]

    def descriptors(self):
        """What QEMU has to inherit."""
        return [self._theirs.fileno()]

    def started(self):
        self._theirs.close()
        self._send("qmp_capabilities")

    def close(self):
        self._socket.close()
        self._theirs.close()

    def _send(self, command, **arguments):
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except OSError:
            pass

    def poll(self, seconds=0.0):
        """Take what QEMU has said, waiting for it up to SECONDS; False when it is gone."""
        if not select.select([self._socket], [], [], seconds)[0]:
            return True
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        self._held += data
        *lines, self._held = self._held.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message.get("event") == "SHUTDOWN":
                self.ended = message["data"]["reason"]
            elif "return" in message or "error" in message:
                self._answers.append(message.get("return"))
        return bool(data)

    def ask(self, line, cpu=0):
        """The answer to a command for people (HMP), on behalf of a CPU; '' when there is none in time."""
        while self.poll() and select.select([self._socket], [], [], 0)[0]:
            pass
        self._answers.clear()
        self._send("human-monitor-command", **{"command-line": line, "cpu-index": cpu})
        end = time.monotonic() + 5
        while not self._answers and time.monotonic() < end:
            if not self.poll(0.5):
                break
        answer = self._answers[0] if self._answers else ""
        return answer if isinstance(answer, str) else ""

    def triple_fault(self):
        """Whether the machine ended by one.  A guest's is an exit to its host, and not in the log."""
        try:
            with open(self._resets, "rb") as handle:
                return TRIPLE_FAULT in handle.read()
        except OSError:
            return False

    def quit(self):
        self._send("quit")
