# SPDX-License-Identifier: GPL-2.0-only
"""death.py against a machine made up here: when is a triple fault the emulator's?"""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from labkit import death  # noqa: E402

RIP, PF, DF, MODULE = 0xffffffff81234567, 0xffffffff81c00a00, 0xffffffff81c00b00, 0xffffffffc0001234
GDT, TSS, IST, RSP = 0xfffffe0000001000, 0xfffffe0000003000, 0xfffffe0000009000, 0xffa0000000403e00
CR3 = 0x10000
REGISTERS = """
CPU#0
RAX=0000000000000000 RBX=0000000000000000
RIP={RIP:016x} RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
CS =0010 0000000000000000 ffffffff 00a09b00 DPL=0 CS64 [-RA]
TR =0040 {TSS:016x} 00004087 00008900 DPL=0 TSS64-avl
RSI=0000000000000000 RSP={RSP:016x}
GDT=     {GDT:016x} 0000007f
IDT=     {IDT:016x} {limit:08x}
CR0=80050033 CR2={CR2:016x} CR3={CR3:016x} CR4={CR4:08x}
EFER={EFER:016x}
XMM00=0000000000000000 0000000000000000
CPU#1
EAX=00000000
EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1
IDT=     00000000 0000ffff
CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000
EFER=0000000000000000
"""


class Machine:
    """Memory with five-level page tables; what its CPU needs to take a page fault is there."""

    def __init__(self):
        self.memory = {}
        self.free = CR3 + 0x1000
        self.entries = {}
        self.values = dict(RIP=RIP, IDT=death.IDT, limit=0xfff, CR2=death.IDT + 0x80, CR3=CR3, CR4=0x751ef0,
                           EFER=0xd01, TSS=TSS, GDT=GDT, RSP=RSP)
        for address, flags in ((RIP, 0x1), (PF, 0x1), (MODULE, 0x1), (death.IDT, 0x1 | death.NX), (GDT, 0x1),
                               (TSS, 0x3), (IST - 8, 0x3), (RSP - 8, 0x3)):
            self.map(address, flags)
        self.gate(14, PF, 0)
        self.gate(8, DF, 1)
        self.write(TSS + 0x24, IST)

    def map(self, address, flags):
        table = CR3
        for level in range(5, 0, -1):
            at = table + (address >> 3 + 9 * level & 511) * 8
            if level == 1:
                self.memory.setdefault(at, self.free | flags)
            elif at not in self.memory:
                self.memory[at] = self.free | 0x3
            self.entries[address >> 12, level] = at
            self.free += 0x1000
            table = self.memory[at] & death.FRAME

    def entry(self, address, level=1):
        """Where the entry of a level for an address is."""
        return self.entries[address >> 12, level]

    def write(self, address, value):
        frame = self.memory[self.entry(address)] & death.FRAME
        self.memory[frame + (address & 0xfff)] = value

    def gate(self, vector, handler, stack, present=1):
        self.write(death.IDT + 16 * vector, (handler & 0xffff) | 0x10 << 16 | stack << 32 | 0xe << 40 |
                   present << 47 | (handler >> 16 & 0xffff) << 48)
        self.write(death.IDT + 16 * vector + 8, handler >> 32)

    def ask(self, line, _cpu):
        if line == "info registers -a":
            return REGISTERS.format(**self.values).replace("\n", "\r\n")
        found = re.fullmatch(r"xp /1gx (0x[0-9a-f]+)", line)
        if found:
            at = int(found.group(1), 16)
            return f"{at:016x}: {self.memory.get(at, 0):#018x}\r\n"
        return ""

    def cpus(self):
        return death.cpus(self.ask)

    def verdict(self):
        return [cpu.says_unmapped_what_is_mapped() for cpu in self.cpus()]


class Death(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()

    def no(self):
        self.assertEqual(self.machine.verdict(), [False, False])

    def test_all_is_mapped(self):
        self.assertEqual(self.machine.verdict(), [True, False])
        lines = list(death.show(self.machine.cpus()))
        self.assertEqual(lines[-1], death.UNEXPLAINED)
        self.assertFalse([line for line in lines if line.startswith("XMM")])
        self.assertEqual(death.reason(self.machine.cpus()),
                         "the host had a triple fault: CPU 0 at RIP ffffffff81234567, CR2 fffffe0000000080; "
                         "CPU 1 at RIP 000000000000fff0, CR2 0000000000000000")

    def test_registers(self):
        for name, value in (("RIP", MODULE), ("RIP", 0x401000), ("RIP", RIP + 0x1000), ("CR2", RIP),
                            ("CR2", death.IDT + 0xe0), ("IDT", 0), ("limit", 0x7f), ("CR3", 0), ("EFER", 0x501),
                            ("EFER", 0x901), ("EFER", 0), ("CR4", 0x750ef0), ("TSS", TSS + 0x1000), ("GDT", 0),
                            ("RSP", RSP + 0x1000)):
            with self.subTest(name=name, value=hex(value)):
                self.setUp()
                self.machine.values[name] = value
                self.no()
                self.assertNotIn(death.UNEXPLAINED, list(death.show(self.machine.cpus())))

    def test_another_idt(self):
        other = 0xffa0000000800000
        self.machine.map(other, 0x1)
        table = self.machine.memory[self.machine.entry(death.IDT)] & death.FRAME
        self.machine.memory[self.machine.entry(other)] = table | 0x1
        self.machine.values.update(IDT=other, CR2=other + 0x80)
        self.no()

    def test_page_tables(self):
        for address in (RIP, PF, death.IDT, GDT, TSS, IST - 8, RSP - 8):
            for level in range(1, 6):
                with self.subTest(address=hex(address), level=level):
                    self.setUp()
                    self.machine.memory[self.machine.entry(address, level)] &= ~death.PRESENT
                    self.no()

    def test_rights(self):
        for address, level, clear, put in ((RIP, 1, 0, death.NX), (RIP, 3, 0, death.NX), (PF, 1, 0, death.NX),
                                           (RSP - 8, 1, death.WRITE, 0), (RSP - 8, 4, death.WRITE, 0),
                                           (IST - 8, 1, death.WRITE, 0), (RIP, 4, 0, death.LARGE)):
            with self.subTest(address=hex(address), level=level):
                self.setUp()
                at = self.machine.entry(address, level)
                self.machine.memory[at] = self.machine.memory[at] & ~clear | put
                self.no()

    def test_large_page(self):
        at = self.machine.entry(RIP, 2)
        # The PAT bit is no part of the address.
        self.machine.memory[at] = 0x40001001 | death.LARGE
        self.assertEqual(self.machine.cpus()[0].walk(RIP)[1], 0x40000000 | RIP & 0x1fffff)

    def test_gates(self):
        for vector in (8, 14):
            for change in (dict(present=0), dict(handler=MODULE), dict(handler=0)):
                with self.subTest(vector=vector, **change):
                    self.setUp()
                    self.machine.gate(vector, **{"handler": PF, "stack": 1, **change})
                    self.no()
        self.setUp()
        self.machine.gate(8, DF, 2)
        self.no()

    def test_nobody_answers(self):
        self.assertEqual(death.cpus(lambda *_: ""), [])
        self.assertEqual(death.reason([]), "the host had a triple fault: the emulator does not show where")


if __name__ == "__main__":
    unittest.main()
