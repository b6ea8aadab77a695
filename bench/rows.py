# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the benchmark's table and the targets."""

# (name the image prints, title); a part of a row is NAME.PART.
ROWS = [
    ("l1/cpuid", "L1: CPUID"),
    ("l1/rdmsr", "L1: RDMSR (APIC_BASE)"),
    ("l1/wrmsr", "L1: WRMSR (microcode id)"),
    ("l1/port-kernel", "L1: port read, device in the kernel"),
    ("l1/port-vmm", "L1: port read, device in the VMM"),
    ("l1/mmio-kernel", "L1: MMIO read, local APIC"),
    ("l1/mmio-vmm", "L1: MMIO read, device in the VMM"),
    ("svm/trip", "L2 -> L1 -> L2, CPUID in L2"),
    ("svm/trip.vmrun", "  VMRUN to L2's first instruction"),
    ("svm/trip.vmexit", "  #VMEXIT to L1's next instruction"),
    ("svm/trip-whole", "the same with CLGI, VMSAVE, VMLOAD, STGI"),
    ("svm/l0-exit", "L2: CPUID that L0 handles alone"),
    ("svm/vmload", "L1: VMLOAD"),
    ("svm/vmsave", "L1: VMSAVE"),
    ("svm/stgi", "L1: STGI"),
    ("svm/clgi", "L1: CLGI"),
    ("svm/inject-eoi", "interrupt from L1 into L2 until EOI and IRET"),
    ("svm/turn-1", "trip with 1 L2"),
    ("svm/turn-4", "trip, 4 L2s in turn"),
    ("svm/turn-16", "trip, 16 L2s in turn"),
    ("vmx/trip", "VT-x: L2 -> L1 -> L2, CPUID in L2"),
    ("vmx/trip.vmresume", "  VMRESUME to L2's first instruction"),
    ("vmx/trip.vmexit", "  VM exit to L1's next instruction"),
    ("vmx/l0-exit", "L2: RDMSR that L0 handles alone"),
    ("vmx/vmread", "L1: VMREAD of a field that exits"),
    ("vmx/vmread-rip", "L1: VMREAD of guest RIP"),
    ("vmx/vmwrite", "L1: VMWRITE of a field that exits"),
    ("vmx/vmptrld", "L1: VMPTRLD of the current VMCS"),
    ("vmx/vmptrld-other", "L1: VMPTRLD of another VMCS"),
    ("vmx/vmptrst", "L1: VMPTRST"),
    ("vmx/vmclear", "L1: VMCLEAR of a VMCS that is not current"),
    ("vmx/vmclear-vmptrld", "L1: VMCLEAR of the current VMCS, VMPTRLD"),
    ("vmx/invept", "L1: INVEPT, single context"),
    ("vmx/invvpid", "L1: INVVPID, single context"),
    ("vmx/inject-eoi", "VT-x: interrupt from L1 into L2 until EOI and IRET"),
    ("vmx/turn-1", "VT-x: trip with VMPTRLD, 1 L2"),
    ("vmx/turn-4", "VT-x: trip with VMPTRLD, 4 L2s in turn"),
    ("vmx/turn-16", "VT-x: trip with VMPTRLD, 16 L2s in turn"),
    ("smp/entries-1", "whole trip, 1 vCPU"),
    ("smp/entries-2", "whole trip, 2 vCPUs on one CPU"),
    ("smp/entries-4", "whole trip, 4 vCPUs on one CPU"),
    ("smp/ipi", "IPI from an L2 to another that halts, to EOI"),
    ("mem/fill-4k.cold", "shadow fill, 4K page, cold"),
    ("mem/fill-4k.after-flush", "shadow fill, 4K page, after a flush"),
    ("mem/fill-2m.cold", "shadow fill, 2M page, cold"),
    ("mem/fill-2m.after-flush", "shadow fill, 2M page, after a flush"),
    ("mem/fill-256m.cold", "shadow fill, 4K page, 65,536 of them"),
    ("mem/change-1-of-16", "1 of 16 mappings changed, all touched"),
    ("mem/change-1-of-1k", "1 of 1,024 mappings changed, all touched"),
    ("mem/change-1-of-64k", "1 of 65,536 mappings changed, all touched"),
    ("stack", "three kernels stacked (lab/demo)"),
]

# Rows of `make bench QUICK=1`.
QUICK = "l1,svm"

# What a whole run runs on each host; Bochs has one CPU.
GROUPS = {"svm": "all", "svm-rich": "l1,svm,mem", "vmx": "l1,vmx,mem"}

# Where three kernels are stacked.
STACKS = ("svm-rich", "vmx")


# Where stock KVM leaves out what the row is about, its figure is no measure.
NO_MEASURE = {
    f"mem/{row}.after-flush":
    "KVM does not look for what the VMM has written to L1's tables (selftests/abi/test_svm32)"
    for row in ("fill-4k", "fill-2m", "fill-256m")
}


class Target:
    """One line of the list of targets: FIGURE, of ours and theirs, has to be at most LIMIT."""

    def __init__(self, host, row, limit, text, figure=None):
        self.host = host
        self.row = row
        self.limit = limit
        self.text = text
        self.figure = figure or (lambda ours, theirs: ours)


def ratio(ours, theirs):
    return ours / theirs if theirs else None


TARGETS = [
    Target("svm", "svm/trip", 2400, "L2 -> L1 -> L2 round trip, instructions"),
    Target("svm", "l1/cpuid", 400, "CPUID exit of L1, instructions, without NRIPS"),
    Target("svm-rich", "l1/cpuid", 400, "CPUID exit of L1, instructions, with NRIPS"),
    Target("svm", "svm/vmload", 500, "VMLOAD trapped, instructions"),
    Target("svm", "svm/vmsave", 500, "VMSAVE trapped, instructions"),
    Target("svm-rich", "svm/vmload", 500, "VMLOAD trapped, instructions"),
    Target("svm-rich", "svm/vmsave", 500, "VMSAVE trapped, instructions"),
    Target("svm-rich", "svm/stgi", 500, "STGI trapped, instructions"),
    Target("svm-rich", "svm/clgi", 500, "CLGI trapped, instructions"),
    Target("vmx", "vmx/trip", 1660, "VT-x: L2 -> L1 -> L2 round trip, instructions"),
    Target("svm", "mem/fill-4k.cold", 0.25, "shadow fill of a 4K page, share of KVM's", ratio),
    Target("svm", "mem/fill-2m.cold", 0.25, "shadow fill of a 2M page, share of KVM's", ratio),
    Target("svm", "mem/change-1-of-64k", 0.10, "invalidate 1 of 65,536, share of KVM's", ratio),
    Target("svm-rich", "stack", 0.70, "the whole stack, share of KVM's", ratio),
    Target("vmx", "stack", 0.70, "VT-x: the whole stack, share of KVM's", ratio),
]
