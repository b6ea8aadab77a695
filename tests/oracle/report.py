# SPDX-License-Identifier: GPL-2.0-only
"""What the differences of the oracle come to: explained or not, in groups, made smaller, printed."""
import collections
import itertools

import compare
from machine import Machine, say


class Verdict:
    """What one module's differences come to."""

    def __init__(self):
        self.cases = self.differ = self.nr_explained = self.lost = 0
        self.seconds, self.ended = 0, True
        self.died, self.unstable, self.more = [], [], []
        self.explained, self.groups = collections.Counter(), collections.defaultdict(list)

    def add(self, case, point, used):
        if point:
            self.groups[point.key].append((case, point))
            return
        self.explain(used)

    def explain(self, used):
        self.nr_explained += 1
        for name in used:
            self.explained[name] += 1

    def merge(self, other):
        for name in ('cases', 'differ', 'nr_explained', 'lost', 'seconds'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ('died', 'unstable', 'more'):
            getattr(self, name).extend(getattr(other, name))
        self.ended = self.ended and other.ended
        self.explained.update(other.explained)
        for key, found in other.groups.items():
            self.groups[key].extend(found)

    @property
    def unexplained(self):
        return sum(map(len, self.groups.values())) + len(self.died) + len(self.unstable) + len(self.more)


def judge(log, bare, rules, alone=None, passed=()):
    """The verdict on a log.

    alone: of cases that took nestor's host with them, whether stock KVM's lives through them; passed: cases
    whose difference was gone when they were run again.
    """
    verdict = Verdict()
    verdict.unstable, verdict.more = list(log.unstable), list(log.more)
    verdict.lost, verdict.ended, verdict.seconds = log.lost, log.ended, log.seconds
    for key, case in sorted(log.cases.items()):
        if key in bare:
            verdict.add(case, *compare.parting(bare[key], case, rules, key in passed))
    for nr, what in [(nr, 'VM') for nr in log.died] + [(nr, 'host') for nr in log.host_died]:
        case = bare.get((nr, 0))
        name = case and compare.death(case, what, (alone or {}).get(nr), rules)
        if name:
            verdict.explain([name])
        else:
            verdict.died.append((nr, what, (alone or {}).get(nr)))
    verdict.differ = verdict.nr_explained + verdict.unexplained
    return verdict


def value(number):
    return '-' if number is None else '%x' % number


def show_case(case, point):
    say('    case %d%s, mode %s, nested paging %s' % (
        case.nr, ' drop=%x' % case.drop if case.drop else '', case.mode, 'on' if case.npt else 'off'))
    for text in case.applied:
        say('      %s' % text)
    say('      at %s exit %s: %s' % (point.name, value(point.bare.get('exit')), ', '.join(
        '%s bare %s here %s' % (f, value(point.bare.get(f)), value(point.other.get(f)))
        for f in point.fields[:12])))


def masks(case):
    """Ways to leave moves out: all subsets of the moves, at most those of 9."""
    moves = range(min(len(case.moves), 9))
    for size in range(len(moves), 0, -1):
        for some in itertools.combinations(moves, size):
            yield sum(1 << m for m in some)


def shrink(options, piece, groups, rules):
    """The case of each group with the fewest moves that still parts in the same fields."""
    wanted = [(key, found[0][0]) for key, found in list(groups.items())[:options.shrink]]
    items = [(case.nr, mask, 0) for _, case in wanted for mask in masks(case)]
    if not items:
        return {}
    say('shrinking %d cases (%d variants)' % (len(wanted), len(items)))
    ours = Machine(options, 'nestor', piece.work).once('shrink-nestor', items).cases
    theirs = piece.bare.once('shrink-bare', items).cases
    found = {}
    for key, case in wanted:
        for mask in masks(case):
            pair = case.nr, mask
            if pair not in ours or pair not in theirs:
                continue
            point, _ = compare.parting(theirs[pair], ours[pair], rules)
            if point and point.key == key:
                found[key] = ours[pair], point
                break
    return found


def show_groups(name, verdict, small, full, options):
    for key, found in sorted(verdict.groups.items(), key=lambda item: -len(item[1]))[:options.groups]:
        say('  %s: %d cases, %s exit %s, fields %s' % (name, len(found), *key))
        show_case(*small.get(key, found[0]))
        say('      also: %s' % ' '.join(str(case.nr) for case, _ in found[1:8]))
    for nr, what, alone in verdict.died[:20]:
        say('  %s: the %s died in case %d%s' % (name, what, nr, '' if alone is None else (
            '; stock KVM lives through it' if alone else '; stock KVM does too')))
        if (nr, 0) in full:
            say('    mode %s: %s' % (full[nr, 0].mode, '; '.join(full[nr, 0].applied)))
    if verdict.unstable:
        say('  %s: not the same twice: %s' % (name, ' '.join(map(str, verdict.unstable[:20]))))
    if verdict.lost:
        say('  %s: the host died %d times where it did not do so again' % (name, verdict.lost))


def left_out(done, rules):
    """Cases that the bare CPU does not live through: run nowhere.  The number without a rule."""
    bad = 0
    for piece in done:
        for nr in piece.reference.died:
            case = piece.full.get((nr, 0))
            name = case and compare.death(case, 'bare', None, rules)
            bad += not name
            say('  bare: it died in case %d: %s%s' % (nr, name or 'no rule', '' if name or not case else
                                                      ': mode %s: %s' % (case.mode, '; '.join(case.applied))))
    return bad


def final(options, done, rules):
    """Print it all; whether nestor has anything that is not explained."""
    say('%-7s %d cases in %.0f s' % ('bare', sum(len(p.reference.hashes) for p in done),
                                     sum(p.reference.seconds for p in done)))
    bad = left_out(done, rules) or not all(piece.reference.ended for piece in done)
    names = list(dict.fromkeys(name for piece in done for name in piece.logs))
    for name in names:
        verdict, full = Verdict(), {}
        for piece in done:
            if name in piece.logs:
                part = piece.verdicts(rules)[name]
                part.cases = len(piece.reference.hashes)
                verdict.merge(part)
                full.update(piece.full)
        say('%-7s %d cases in %.0f s: %d differ, %d explained, %d unexplained%s' % (
            name, verdict.cases, verdict.seconds, verdict.differ, verdict.nr_explained, verdict.unexplained,
            '' if verdict.ended else '; NOT ALL WERE RUN'))
        small = {}
        if name == 'nestor':
            bad = bad or verdict.unexplained or not verdict.ended
            small = shrink(options, done[-1], verdict.groups, rules) if options.shrink else {}
        show_groups(name, verdict, small, full, options)
        for rule in rules:
            if verdict.explained[rule.name]:
                say('  %s: %d cases: %s ("%s")' % (name, verdict.explained[rule.name], rule.reason, rule.manual))
    return 1 if bad else 0
