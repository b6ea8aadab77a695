# SPDX-License-Identifier: GPL-2.0-only
"""Read the oracle's logs, find where two outcomes of a case part, and who explains it.

A rule explains a field that differs; the file of a vendor has them (rules_svm.txt):

    [name]
    fields = dr6 st*            names of fields, with *
    when = expression           in Python; see Point
    ends = yes                  what comes after it in the case is another program: not compared
    passing = yes               only of a difference that is gone when the case is run again
    reason = one line
    manual = title of the section

The field "died" is of cases in which a machine died: see death().
An outcome is explained when each field that differs at the first line that differs has a
rule.  When the exits themselves are the same, the lines after it are compared as well.
"""
import configparser
import fnmatch
import re


class Case:
    """One case as a log has it in full: what it is made of, and its outcome by lines."""

    def __init__(self, nr, drop):
        self.nr, self.drop = nr, drop
        self.mode = self.npt = None
        self.moves, self.lines, self.hash = [], [], None

    @property
    def applied(self):
        """Text of the moves in effect."""
        return [text for text in self.moves if text is not None]


def words(text):
    """NAME=HEX ... as a dict."""
    found = {}
    for word in text.split():
        name, _, value = word.partition('=')
        found[name] = int(value, 16)
    return found


class Log:
    """What run-oracle.sh printed: hashes, cases in full, cases that killed the machine."""

    def __init__(self, text):
        self.hashes, self.cases, self.died = {}, {}, []
        self.unstable, self.more = [], []
        # Cases that took the host with them; deaths of the host that did not come again
        self.host_died, self.lost = [], 0
        self.ended, self.reached, self.seconds = False, None, 0
        self.noise = []
        case = None
        for line in text.splitlines():
            kind, _, rest = line.partition(' ')
            if kind == 'H':
                nr, value = rest.split()
                self.hashes[int(nr)] = int(value, 16)
            elif kind == 'C':
                nr, drop = rest.split()
                case = Case(int(nr), int(drop, 16))
                self.cases[case.nr, case.drop] = case
            elif kind == 'B' and case:
                part = rest.split()
                case.mode, case.npt = int(part[1]), int(part[3])
            elif kind == 'M' and case:
                number, _, text = rest.partition(' ')
                case.moves.append(None if number.endswith('-') else text)
            elif kind == 'S' and case:
                step, _, text = rest.partition(' ')
                case.lines.append(('S' + step, words(text)))
            elif kind == 'R' and case:
                case.lines.append(('R', words(rest)))
            elif kind == 'E' and case:
                case.hash = int(rest, 16) | 1
                case = None
            elif kind == 'D':
                self.more.append(int(rest))
            elif kind == 'U':
                self.unstable.append(int(rest))
            elif kind == 'X':
                self.died.append(int(rest))
            elif kind == 'T':
                self.ended = True
            elif kind == 'P' and rest.isdigit():
                self.reached = int(rest)
            elif kind and line.strip():
                self.noise.append(line)

    def add(self, other):
        """What another boot had to say, which is the later one."""
        self.hashes.update(other.hashes)
        self.cases.update({key: case for key, case in other.cases.items() if case.hash})
        for name in ('died', 'unstable', 'more', 'host_died', 'noise'):
            getattr(self, name).extend(getattr(other, name))
        self.lost += other.lost
        self.seconds += other.seconds
        self.ended = other.ended


class Point:
    """The first line at which two outcomes part; names that a rule's expression may use.

    f: the field, x and y: its value on the bare CPU and on the other (None: not changed);
    a and b: all that the line has, on both; mode, npt; moves: text of all moves; code: the piece
    that ran; exits: exit codes so far on the bare CPU.
    """

    def __init__(self, case, name, bare, other, exits):
        self.case, self.name, self.bare, self.other, self.exits = case, name, bare, other, exits
        self.fields = sorted(f for f in set(bare) | set(other) if bare.get(f) != other.get(f))

    def scope(self, field):
        step = int(self.name[1:]) if self.name != 'R' else None
        code = next((m for m in self.case.applied if step is not None and
                     m.startswith('code%d ' % step)), '')
        return {'f': field, 'x': self.bare.get(field), 'y': self.other.get(field), 'a': self.bare,
                'b': self.other, 'mode': self.case.mode, 'npt': self.case.npt,
                'moves': '; '.join(self.case.applied), 'code': code, 'exits': self.exits,
                'step': self.name, 're': re}

    @property
    def key(self):
        """What is alike in cases of one cause: exits, fields, the kinds of moves left."""
        exits = '%x' % self.bare.get('exit', 0)
        if self.bare.get('exit') != self.other.get('exit'):
            exits += '/%x' % self.other.get('exit', 0)
        return self.name[0], exits, ' '.join(self.fields)


class Rule:
    def __init__(self, name, section):
        self.name = name
        self.fields = section['fields'].split()
        self.when = compile(section.get('when', 'True').replace('\n', ' '), name, 'eval')
        self.reason, self.manual = section['reason'], section['manual']
        self.ends = section.getboolean('ends', fallback=False)
        self.passing = section.getboolean('passing', fallback=False)

    def explains(self, point, field):
        if not any(fnmatch.fnmatchcase(field, pattern) for pattern in self.fields):
            return False
        try:
            return bool(eval(self.when, point.scope(field)))  # the file is the project's own
        except (TypeError, KeyError):
            # About a value that one of the two has not
            return False


def read_rules(path):
    parser = configparser.ConfigParser(interpolation=None)
    with open(path) as text:
        parser.read_file(text)
    return [Rule(name, parser[name]) for name in parser.sections()]


def death(case, what, survived, rules):
    """Name of the rule for a case in which something died: its field is "died".

    what: VM, host, or bare; survived: whether stock KVM's host lives through it, None if not tried.
    """
    point = Point(case, 'R', {'died': 1}, {}, [])
    scope = dict(point.scope('died'), what=what, survived=survived)
    for rule in rules:
        if 'died' in rule.fields and eval(rule.when, scope):  # the file is the project's own
            return rule.name
    return None


def parting(bare, other, rules, passed=False):
    """(point, names of rules): where two outcomes part without a rule; None when nowhere.

    passed: whether they did not part when the case was run again.
    """
    used, exits = set(), []
    rules = [rule for rule in rules if passed or not rule.passing]
    for index in range(max(len(bare.lines), len(other.lines))):
        if index >= len(bare.lines) or index >= len(other.lines):
            longer = (bare if index < len(bare.lines) else other).lines[index]
            empty = {}
            pair = (longer[1], empty) if index < len(bare.lines) else (empty, longer[1])
            return Point(bare, longer[0], *pair, exits), used
        (name, one), (other_name, two) = bare.lines[index], other.lines[index]
        if name != other_name:
            one, two = dict(one, line=1), dict(two, line=2)
        if one != two:
            point = Point(bare, name, one, two, exits)
            ends = False
            for field in point.fields:
                rule = next((r for r in rules if r.explains(point, field)), None)
                if rule is None:
                    return point, used
                used.add(rule.name)
                ends = ends or rule.ends
            # After exits that differ, or a state that a rule says differs, all may differ.
            if ends or one.get('exit') != two.get('exit'):
                return None, used
        exits.append(one.get('exit'))
    return None, used
