# SPDX-License-Identifier: GPL-2.0-only
"""What the CPUs of a host looked like when it had a triple fault.

QEMU does not say which CPU it was, nor which fault came first: each CPU is shown, and the page
tables are read from memory for what the CPU had needed to go on.
"""

import re

PRESENT, WRITE, LARGE, NX = 1 << 0, 1 << 1, 1 << 7, 1 << 63
FRAME = 0x000ffffffffff000
LA57, NXE, LMA = 1 << 12, 1 << 11, 1 << 10
# Linux without KASLR.  Modules are above the image.
IMAGE = range(0xffffffff81000000, 0xffffffffa0000000)
IDT = 0xfffffe0000000000
DOUBLE_FAULT, PAGE_FAULT = 8, 14

# Of a state: the floating point registers say nothing here.
_BORING = re.compile(r"^(FCW|FPR|XMM|YMM|ZMM|Opmask|DR\d|CCS)")


class Cpu:
    """One CPU of the stopped machine.  ASK is the monitor's: command and CPU to text."""

    def __init__(self, ask, number, text):
        self._ask = ask
        self.number = number
        self.lines = [line.rstrip() for line in text.splitlines() if not _BORING.match(line)]
        # RIP=..., CR0=...; and the bases: 'TR =0040 fffffe000003d000 00004087 ...', 'IDT=     base limit'.
        self._values = {name: int(value, 16) for name, value in re.findall(r"\b([A-Z]\w+)=([0-9a-f]+)\b", text)}
        self._tables = {name: (int(base, 16), int(limit, 16)) for name, base, limit in re.findall(
            r"^(\w+) *=(?:[0-9a-f]{4})? +([0-9a-f]{8,16}) ([0-9a-f]{8})", text, re.M)}

    def __getitem__(self, name):
        """A register; EIP is all that is shown of RIP outside of long mode."""
        return self._values.get(name, self._values.get("EIP", 0) if name == "RIP" else 0)

    def table(self, name):
        return self._tables.get(name, (0, 0))

    def _physical(self, address):
        found = re.search(r": 0x([0-9a-f]+)", self._ask(f"xp /1gx {address:#x}", self.number))
        return int(found.group(1), 16) if found else None

    def walk(self, address):
        """The entries of the page tables in memory on the way to ADDRESS, from the top, and the physical address.

        The latter is None where an entry is not present, is reserved, or could not be read.
        """
        entries = []
        if not self["EFER"] & LMA:
            return entries, None
        table = self["CR3"] & FRAME
        for level in range(5 if self["CR4"] & LA57 else 4, 0, -1):
            shift = 3 + 9 * level
            entry = self._physical(table + (address >> shift & 511) * 8)
            if entry is None:
                return entries, None
            entries.append(entry)
            if not entry & PRESENT or (entry & NX and not self["EFER"] & NXE) or (entry & LARGE and level > 3):
                return entries, None
            table = entry & FRAME
            if level == 1 or entry & LARGE:
                low = (1 << shift) - 1
                return entries, (table & ~low) | (address & low)
        return entries, None

    def maps(self, address, write=False, fetch=False):
        entries, physical = self.walk(address)
        return (physical is not None and (not write or all(entry & WRITE for entry in entries)) and
                not (fetch and any(entry & NX for entry in entries)))

    def read(self, address):
        """The eight bytes at a linear address, or None."""
        physical = self.walk(address)[1]
        return None if physical is None else self._physical(physical)

    def show(self):
        """Lines for a person: registers, and how memory maps what the CPU was about to use."""
        yield from self.lines
        idt = self.table("IDT")[0]
        for name, address in (("RIP", self["RIP"]), ("CR2", self["CR2"]), ("RSP", self["RSP"]),
                              ("#PF gate", idt + 16 * PAGE_FAULT), ("#DF gate", idt + 16 * DOUBLE_FAULT)):
            entries, physical = self.walk(address)
            way = " ".join(f"{entry:x}" for entry in entries)
            yield (f"{name} {address:016x}: " +
                   (f"page tables {way}: " if way else "no page tables: ") +
                   ("not mapped" if physical is None else f"mapped at {physical:x}"))
        yield from self._ask(f"x /16xb {self['RIP']:#x}", self.number).splitlines()

    def says_unmapped_what_is_mapped(self):
        """Whether the CPU found nothing where its page tables, in memory, have all that it needed.

        The last of the three faults was reading the gate of the second, #DF, out of the IDT: CR2
        has its address.  (A guest can leave any CR2, but none of those run twice has an IDT there.)
        The kernel's own code was at RIP, none of a module, with its own IDT; and the gates
        that the CPU asked for, the handlers behind them, the TSS and the stack are there.  Then no
        state that software gave this CPU explains the fault: it is the emulator's, or
        somebody changed the page tables and then changed them back.
        """
        base, limit = self.table("IDT")
        if (base != IDT or limit < 0xfff or self["CR2"] != base + 16 * DOUBLE_FAULT or
                self["RIP"] not in IMAGE or not self.maps(self["RIP"], fetch=True)):
            return False
        return all(self._delivers(base + 16 * vector) for vector in (PAGE_FAULT, DOUBLE_FAULT))

    def _delivers(self, gate):
        """Whether the page tables have all that delivering an exception by this gate takes."""
        low, high = self.read(gate), self.read(gate + 8)
        if low is None or high is None or not low >> 47 & 1:
            return False
        handler = (low & 0xffff) | (low >> 32 & 0xffff0000) | (high & 0xffffffff) << 32
        stack, slot = self["RSP"], low >> 32 & 7
        if slot:
            # Four bytes, seven pointers' worth of other stacks, then the IST.
            stack = self.read(self.table("TR")[0] + 0x1c + 8 * slot)
            if stack is None:
                return False
        return (handler in IMAGE and self.maps(handler, fetch=True) and
                self.maps(self.table("GDT")[0] + 0x10) and self.maps(stack - 8, write=True))


def cpus(ask):
    """The CPUs of a stopped machine."""
    parts = re.split(r"^\s*CPU#(\d+)\s*$", ask("info registers -a", 0), flags=re.M)
    return [Cpu(ask, int(number), text.strip("\r\n")) for number, text in zip(parts[1::2], parts[2::2])]


def reason(found):
    """One line of what a triple fault looks like."""
    where = "; ".join(f"CPU {cpu.number} at RIP {cpu['RIP']:016x}, CR2 {cpu['CR2']:016x}" for cpu in found)
    return "the host had a triple fault: " + (where or "the emulator does not show where")


UNEXPLAINED = "lab: the CPU found nothing mapped where its page tables in memory map all it needed"


def show(found):
    """All CPUs for a log, and UNEXPLAINED when one of them has no other reason than the emulator."""
    for cpu in found:
        yield f"lab: CPU {cpu.number} at the triple fault:"
        yield from cpu.show()
    if any(cpu.says_unmapped_what_is_mapped() for cpu in found):
        yield UNEXPLAINED
