# SPDX-License-Identifier: GPL-2.0-only
#
# What a person types.  What kbuild reads is the file Kbuild beside this one;
# the module is built from a copy of the sources under build/, so that one
# checkout serves several kernels and stays clean.

SERIES	:= 6.1 6.12
# Kernels that lab/kernel builds.
MADE	:= debug kcsan gcov
HOST	?= svm
MODULE	?= nestor
KERNEL	?= 6.1

# Directories whose sources are not part of the module.
OTHER	:= ./build ./.git ./.ci ./lab ./selftests ./tests ./bench ./tools ./Documentation

export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help:
	@echo 'nestor: nested AMD-V and VT-x for Linux guests of guests'
	@echo
	@echo '  make demo [HOST=svm|svm-rich|vmx] [MODULE=nestor|kvm] [KERNEL=6.1|6.12]'
	@echo '                    three Linux kernels stacked, on an emulated CPU'
	@echo '  make check        all tests'
	@echo '  make check-debug  tests on kernels with sanitizers (QUICK=1: the shortest)'
	@echo '  make fuzz TIME=60 libFuzzer on the pure files, that many seconds each'
	@echo '  make coverage     lines of nvmx/, nsvm/ and mmu/ that tests reach, in the lab as well'
	@echo '  make check-upstream  the kernel'"'"'s own KVM selftests on nestor and on stock KVM'
	@echo '                    (HOST=svm|vmx for one of the two; half an hour)'
	@echo '  make oracle       the same random cases on the bare CPU, on nestor and on stock KVM'
	@echo '                    (AMD-V; SEED=1 CASES=20000)'
	@echo '  make bench        side by side with stock KVM, in half an hour (QUICK=1: 5 minutes)'
	@echo '  make modules      nestor.ko for both kernels, in build/6.1 and build/6.12'
	@echo '                    (C=1 runs sparse, W=1 asks for more warnings)'
	@echo '  make deps         install the Debian packages all this needs (root)'
	@echo '  make clean        remove build/ (the cache stays: ~/.cache/nestor)'
	@echo
	@echo 'Documentation/lab.rst describes the emulated host; lab/run --help its options.'

.PHONY: modules $(SERIES:%=module-%) $(MADE:%=module-%)
modules: $(SERIES:%=module-%)

# Copy what changed and drop what is gone, then let kbuild decide what to do.
$(SERIES:%=module-%) $(MADE:%=module-%): module-%:
	@test -f Kbuild || { echo 'make: there is no Kbuild file here: run this in the top directory' >&2; exit 1; }
	@lab/kernels --path headers $* > /dev/null
	@mkdir -p build/$*
	@find . $(foreach d,$(OTHER),-path $d -prune -o) -type f \
		\( -name '*.[chS]' -o -name '*.def' -o -name Kbuild \) -print | LC_ALL=C sort > build/$*/sources
	@mkdir -p build/$*/src
	@xargs cp -u --parents --preserve=timestamps -t build/$*/src < build/$*/sources
	@cd build/$*/src && find . -type f \( -name '*.[chS]' -o -name '*.def' \) ! -name '*.mod.c' -print | \
		LC_ALL=C sort | LC_ALL=C comm -23 - ../sources | xargs -r rm -f
	$(MAKE) -C "$$(lab/kernels --path headers $*)" M=$(CURDIR)/build/$*/src \
		CONFIG_DEBUG_INFO_BTF_MODULES= $(if $(filter $*,$(MADE)),CC=gcc-12) $(if $(filter gcov,$*),GCOV_PROFILE=y KCSAN_SANITIZE=n) modules
	@cmp -s build/$*/src/nestor.ko build/$*/nestor.ko || cp build/$*/src/nestor.ko build/$*/nestor.ko

.PHONY: deps
deps:
	@lab/deps

.PHONY: demo
demo:
	@lab/deps build $(if $(filter svm,$(HOST)),svm,svm bochs)
	$(if $(filter nestor,$(MODULE)),@$(MAKE) -s module-$(KERNEL))
	@lab/demo --host $(HOST) --module $(MODULE) --kernel $(KERNEL)

.PHONY: bench
bench:
	@lab/deps
	@$(MAKE) -s module-6.1 $(if $(QUICK),,module-6.12)
	@$(MAKE) -s -C bench
	@bench/run $(if $(QUICK),--quick)

.PHONY: clean
clean:
	rm -rf build

.PHONY: check-debug
check-debug:
	@lab/deps
	@lab/deps debug
	@tests/check-debug $(if $(QUICK),--quick)

TIME ?= 60
.PHONY: fuzz
fuzz:
	@lab/deps fuzz
	@$(MAKE) -s -C tests/unit fuzz TIME=$(TIME)

.PHONY: coverage
coverage:
	@lab/deps
	@lab/deps debug
	@tests/coverage

.PHONY: check
check:
	@lab/deps
	@tests/check

.PHONY: check-upstream
check-upstream:
	@lab/deps
	@$(MAKE) -s module-$(KERNEL)
	@tests/upstream/run --kernel $(KERNEL) $(if $(filter command line,$(origin HOST)),--host $(HOST))

SEED ?= 1
CASES ?= 20000
.PHONY: oracle
oracle:
	@lab/deps
	@$(MAKE) -s module-6.1
	@$(MAKE) -s -C selftests/l1
	@tests/oracle/run --host $(HOST) --seed $(SEED) --cases $(CASES) $(if $(SHRINK),--shrink $(SHRINK))
