# SPDX-License-Identifier: GPL-2.0-only
"""Run cases of the oracle on the bare emulated CPU, on nestor or on stock KVM.

A VM that dies in a case is the business of run-oracle.sh, which starts the next.  When the emulated
host itself is gone, what it had said until then is kept; the cases after that are run again with each
one announced, which names the one that took the host; the rest follow in a new host.
"""
import os
import shutil
import struct
import subprocess
import tempfile
import time

import compare

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
L1 = os.path.join(TOP, 'selftests', 'l1')
IMAGE = os.path.join(L1, 'build', 'l1.elf')
SCRIPT = os.path.join(L1, 'run-oracle.sh')

# vendor, the bare CPU's options, the profile that bare and nested have in common, cases a boot
HOSTS = {
    'svm': ('svm', ['--accel', 'tcg'], 'tcg,lenient', 20000),
    'vmx': ('vmx', ['--accel', 'bochs', '--cpu', 'vmx'], 'bochs,lenient', 10000),
}

# Cases run one by one behind the last one that is known to have ended
WINDOW = 2000


def say(text):
    print(text, flush=True)


class Machine:
    """One of the three; its logs are in the directory work, which has a copy of the image."""

    def __init__(self, options, module, work):
        self.options, self.module, self.work = options, module, work
        self.vendor, self.bare_options, self.profile, _ = HOSTS[options.host]
        # The image may be built anew while it is run.
        self.image = os.path.join(work, 'l1.elf')
        if not os.path.exists(self.image):
            shutil.copy(options.image, self.image)

    def command(self, name, where, files, stream):
        timeout = self.options.timeout
        image = ['seed=%d' % self.options.seed, 'most=%d' % self.options.most]
        tail = ['--timeout', str(timeout - 30), '--deaths', '100'] + (['--stream'] if stream else [])
        if self.module == 'bare':
            return [SCRIPT] + self.bare_options + ['--image', self.image] + where + tail + image + [
                'profile=' + self.profile]
        put = [word for path in [self.image, SCRIPT] + files for word in ('--put', path)]
        return [os.path.join(TOP, 'lab', 'run'), '--host', self.options.host, '--module', self.module,
                '--log', os.path.join(self.work, name + '.kernel.log'), '--timeout', str(timeout)] + put + [
                    '--', 'sh', 'run-oracle.sh', '--accel', 'kvm'] + where + tail + image + [
                        'profile=' + self.profile + ',strict']

    def once(self, name, items, begin=0, cases=0, stream=False):
        """One boot: cases as (nr, drop, hash), or a whole range without."""
        with tempfile.TemporaryDirectory() as place:
            where, files = ['--from', str(begin), '--cases', str(cases)], []
            if items is not None:
                path = os.path.join(place, 'list')
                with open(path, 'wb') as out:
                    for nr, drop, value in items:
                        out.write(struct.pack('<IIQ', nr, drop, value))
                where, files = ['--list', path if self.module == 'bare' else 'list'], [path]
            path = os.path.join(self.work, name + '.log')
            start = time.monotonic()
            with open(path, 'wb') as out:
                status = subprocess.run(self.command(name, where, files, stream), stdout=out,
                                        check=False).returncode
            with open(path, errors='replace') as text:
                log = compare.Log(text.read())
        log.seconds, log.status = time.monotonic() - start, status
        if items is not None:
            log.died = [items[i][0] for i in log.died if i < len(items)]
        return log

    def range(self, name, begin, cases):
        return self.once(name, None, begin, cases)

    def list(self, name, items):
        """All of the items, in as many hosts as it takes."""
        whole, rest = compare.Log(''), list(items)
        while rest:
            part = self.once(name, rest)
            whole.add(part)
            if part.ended:
                break
            at = part.reached or 0
            if at and part.status == 124:
                say('  %s: the time was up after %d of %d cases' % (name, at, len(rest)))
                rest = rest[at:]
                continue
            if len(whole.host_died) > self.options.deaths:
                say('  %s: the host died too often' % name)
                return whole
            rest = self.after_death(name, whole, rest[at:])
        whole.ended = True
        return whole

    def after_death(self, name, whole, rest):
        """Name the case that took the host; what is left to run."""
        window = rest[:WINDOW]
        part = self.once(name + '-one-by-one', window, stream=True)
        if part.ended:
            say('  %s: the host died between case %d and %d, but not again' % (
                name, window[0][0], window[-1][0]))
            whole.lost += 1
            whole.add(part)
            return rest[len(window):]
        at = part.reached or 0
        killer = window[min(at, len(window) - 1)][0]
        say('  %s: the host died in case %d (status %d)' % (name, killer, part.status))
        part.cases.pop((killer, 0), None)
        whole.add(part)
        whole.host_died.append(killer)
        return rest[at + 1:]

    def survives(self, nr):
        """Whether case nr alone leaves VM and host alive here."""
        log = self.once('%s-case-%d' % (self.module, nr), [(nr, 0, 0)], stream=True)
        return log.ended and not log.died
