# SPDX-License-Identifier: GPL-2.0-only
#
# What the kernel has to say of what ran in a host with sanitizers. Sourced by watch.sh and
# selftest.sh.

# What a report begins with, or says of itself where it begins in many ways.
REPORT='BUG:|WARNING|INFO: |UBSAN:|KASAN:|KCSAN:|ODEBUG:|DEBUG_LOCKS_WARN|suspicious|cut here|Call Trace'
REPORT="$REPORT"'|Oops|general protection|rcu.*stall|lockup|blocked for more|inconsistent lock|possible (circular|recursive)'
REPORT="$REPORT"'|bad unlock|held lock|sleeping function|scheduling while atomic|corruption|Bad page'
REPORT="$REPORT"'|refcount_t|list_(add|del)|use-after-free|Poison overwritten|Object already free'
REPORT="$REPORT"'|turning off the locking correctness validator|MAX_LOCK|leaked'

# Lines that match and are no report: what KCSAN and kmemleak say when they are switched.
HARMLESS='kmemleak: |kcsan: (enabled|disabled)'

# mark() - what the log says before is not asked for
mark() {
	marker="watch-$$-$(cat /proc/uptime)"
	echo "$marker" > /dev/kmsg
}

# reports() - those since the mark, with what follows the first; status 1 if there is one
reports() {
	dmesg > /tmp/watch.log
	# A log that was too long has lost the mark, and then all of it is asked.
	grep -q "$marker" /tmp/watch.log && sed -i "1,/$marker/d" /tmp/watch.log
	grep -n -E "$REPORT" /tmp/watch.log | grep -v -E "$HARMLESS" > /tmp/watch.found || return 0
	first=$(head -n 1 /tmp/watch.found | cut -d: -f1)
	tail -n "+$((first > 3 ? first - 3 : 1))" /tmp/watch.log | head -n "${REPORT_LINES:-150}" | sed 's/^/# /'
	return 1
}

# leaks_begin() - what was lost before is not asked for
leaks_begin() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	echo scan > /sys/kernel/debug/kmemleak
	echo clear > /sys/kernel/debug/kmemleak
}

# leaks() - what kmemleak finds since, status 1 if anything. An object has to be some seconds old,
# and one scan may still see a pointer to it in a register or on a stack.
leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	sleep 6
	echo scan > /sys/kernel/debug/kmemleak
	sleep 1
	echo scan > /sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak > /tmp/watch.leaks
	[ -s /tmp/watch.leaks ] || return 0
	echo "# $(grep -c '^unreferenced' /tmp/watch.leaks) unreferenced objects"
	head -n 60 /tmp/watch.leaks | sed 's/^/# /'
	return 1
}

# sanitizers() - that they are there and have not given up; a kernel that looks at nothing
# reports nothing
sanitizers() {
	if [ -w /sys/kernel/debug/kcsan ]; then
		grep -q '^enabled: 1' /sys/kernel/debug/kcsan || { echo "# KCSAN is off"; return 1; }
		return 0
	fi
	# It turns itself off when it runs out of memory, and then refuses this.
	echo stack=on > /sys/kernel/debug/kmemleak || { echo "# kmemleak is off"; return 1; }
	grep -q 'debug_locks: *1' /proc/lockdep_stats || { echo "# lockdep is off"; return 1; }
}
