# SPDX-License-Identifier: GPL-2.0-only
"""Write an initramfs: a "newc" cpio archive, without root and reproducibly.

The archive is left uncompressed: the emulated CPU takes longer to unpack it
than the emulator takes to hand it over.
"""

import os
import stat


class Archive:
    def __init__(self, stream):
        self._stream = stream
        self._inode = 0
        self._folders = set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        fields = [self._inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(name) + 1, 0]
        self._put(b"070701" + b"".join(b"%08X" % field for field in fields)
                  + name.encode() + b"\0")
        self._put(data)

    def _put(self, data):
        self._stream.write(data + b"\0" * (-len(data) % 4))

    def folder(self, name):
        if name and name not in self._folders:
            self.folder(os.path.dirname(name))
            self._folders.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
        position = self._stream.tell()
        self._stream.write(b"\0" * (-position % 512))
