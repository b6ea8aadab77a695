#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab: run the programs named, one after the other, and print for each
#     START name
#     RESULT name status seconds
# followed by the last lines that it said, each after a bar.
# usage: in-lab.sh DIRECTORY SECONDS TEST...
dir=$1 limit=$2
shift 2

# The tests ask /sys how the kernel's own module was loaded. Answer for nestor.
if [ "$LAB_MODULE" = nestor ]; then
	mount -t tmpfs none /sys/module
	for m in kvm kvm_amd kvm_intel; do mkdir -p /sys/module/$m/parameters; done
	p=/sys/module/kvm/parameters
	echo 0 > $p/force_emulation_prefix
	for f in ignore_msrs enable_pmu tdp_mmu enable_vmware_backdoor eager_page_split nx_huge_pages; do
		echo N > $p/$f
	done
	echo N > /sys/module/kvm_amd/parameters/avic
	echo 1 > /sys/module/kvm_amd/parameters/nested
	for f in enable_apicv unrestricted_guest ept; do echo Y > /sys/module/kvm_intel/parameters/$f; done
	echo Y > /sys/module/kvm_intel/parameters/nested
	echo N > /sys/module/kvm_intel/parameters/allow_smaller_maxphyaddr
fi

cd "$dir" || exit 2
for t; do
	echo "START $t"
	start=$(date +%s)
	timeout -s KILL "$limit" "./$t" > /tmp/said 2>&1 < /dev/null
	status=$?
	echo "RESULT $t $status $(($(date +%s) - start))"
	tail -n 6 /tmp/said | cut -c 1-160 | sed 's/^/| /'
done
