# SPDX-License-Identifier: GPL-2.0-only
"""The table, the targets, the JSON file and the chart."""

import json

from rows import NO_MEASURE, ROWS, TARGETS

TITLES = dict(ROWS)


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


class Report:
    """RESULTS by host: {host: {(module, kernel): Result}}."""

    def __init__(self, results, commit):
        self.commit = commit
        self.hosts = {}
        for result in results:
            rows = self.hosts.setdefault(result.setup.host, {})
            key = (result.setup.module, result.setup.kernel)
            if key in rows:
                rows[key].add(result)
            else:
                rows[key] = result

    def figure(self, host, module, kernel, row):
        result = self.hosts.get(host, {}).get((module, kernel))
        value = result.rows.get(row) if result else None
        return value[0] if value else None

    def kernels(self, host):
        return sorted({kernel for _, kernel in self.hosts[host]}, key=lambda k: int(k.split(".")[1]))

    def table(self):
        lines = [f"commit {self.commit}; instructions for one operation, world switches in brackets"]
        for host in self.hosts:
            for kernel in self.kernels(host):
                lines += self._host_table(host, kernel)
        return "\n".join(lines)

    def _host_table(self, host, kernel):
        ours = self.hosts[host].get(("nestor", kernel))
        theirs = self.hosts[host].get(("kvm", kernel))
        release = next((r.kernel for r in (ours, theirs) if r and r.kernel), kernel)
        lines = ["", f"{host}, Linux {release}",
                 f"  {'':46}{'nestor':>26}{'stock KVM':>26}{'ratio':>8}"]
        for result in (ours, theirs):
            if result and result.error:
                lines.append(f"  {result.setup.name}: {result.error}")
        for name, title in ROWS:
            a = ours.rows.get(name) if ours else None
            b = theirs.rows.get(name) if theirs else None
            left, right = self._cell(ours, name), self._cell(theirs, name)
            if left == right == "-":
                continue
            ratio = f"{a[0] / b[0]:.2f}" if a and b and b[0] else "-"
            lines.append(f"  {title:46}{left:>26}{right:>26}{ratio:>8}")
        for key, title in (("vm", "memory of a VM, KiB"), ("vcpu", "memory of a vCPU, KiB"),
                           ("gib", "memory of the shadow of 1 GiB of L2, KiB")):
            a = ours.weights.get(key) if ours else None
            b = theirs.weights.get(key) if theirs else None
            if a is not None or b is not None:
                lines.append(f"  {title:46}{number(a):>26}{number(b):>26}")
        return lines

    @staticmethod
    def _cell(result, name):
        value = result.rows.get(name) if result else None
        if not value:
            return "host died" if result and name.split(".")[0] in result.lost else "-"
        text = number(value[0])
        if value[1] is None:
            return text
        return f"{text} [{value[1]:,.1f}]" if value[1] < 1000 else f"{text} [{value[1]:,.0f}]"

    def targets(self):
        lines = ["", "targets (Linux 6.1):"]
        for t in TARGETS:
            ours = self.figure(t.host, "nestor", "6.1", t.row)
            theirs = self.figure(t.host, "kvm", "6.1", t.row)
            value = t.figure(ours, theirs) if ours is not None else None
            if value is None:
                lines.append(f"  not measured  {t.text} ({t.host})")
                continue
            word = "reached    " if value <= t.limit else "not reached"
            shown = f"{value:,.0f}" if t.limit > 1 else f"{value:.2f}"
            lines.append(f"  {word}   {t.text} ({t.host}): {shown}, target {t.limit:,}")
        lines += self._worse()
        return "\n".join(lines)

    def _worse(self):
        found, left_out = [], []
        compared = False
        for host in self.hosts:
            for kernel in self.kernels(host):
                for name, title in ROWS:
                    a = self.figure(host, "nestor", kernel, name)
                    b = self.figure(host, "kvm", kernel, name)
                    if a is None or b is None:
                        continue
                    compared = True
                    if a > b * 1.01 + 0.5:
                        share = f"{a / b:.2f} of KVM's" if b >= 1 else f"{a:,.0f}, KVM {b:,.0f}"
                        line = f"{host} {kernel}: {title.strip()}: {share}"
                        if name in NO_MEASURE:
                            left_out.append(f"    not counted: {line}: {NO_MEASURE[name]}")
                        else:
                            found.append(f"    {line}")
        if not compared:
            return ["  not measured  no row worse than KVM's"]
        word = "not reached" if found else "reached    "
        return [f"  {word}   no row worse than KVM's"] + found + left_out

    def data(self):
        out = {"commit": self.commit, "unit": "instructions for one operation", "hosts": {}}
        for host, results in self.hosts.items():
            for (module, kernel), result in results.items():
                out["hosts"].setdefault(host, {})[f"{module}-{kernel}"] = {
                    "kernel": result.kernel, "error": result.error, "lost": result.lost,
                    "memory_kib": result.weights,
                    "rows": {name: {"instructions": round(value[0], 1), "world_switches": value[1]}
                             for name, value in result.rows.items()}}
        return out

    def write(self, path):
        with open(path + ".json", "w") as handle:
            json.dump(self.data(), handle, indent=1, sort_keys=True)
            handle.write("\n")
        with open(path + ".svg", "w") as handle:
            handle.write(self.chart())

    def chart(self, kernel="6.1"):
        """Bars of nestor's share of KVM's instructions, one a row."""
        bars = []
        for host in self.hosts:
            for name, title in ROWS:
                a = self.figure(host, "nestor", kernel, name)
                b = self.figure(host, "kvm", kernel, name)
                if a and b:
                    bars.append((f"{title.strip()} ({host})", a / b))
        height = 18 * len(bars) + 60
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" '
               'font-family="sans-serif" font-size="12">',
               '<rect width="100%" height="100%" fill="#fff"/>',
               f'<text x="10" y="20" font-size="14">Instructions of nestor, share of stock KVM {kernel} '
               f'(commit {self.commit})</text>',
               f'<line x1="760" y1="32" x2="760" y2="{height - 10}" stroke="#888"/>']
        for i, (title, share) in enumerate(bars):
            y = 40 + 18 * i
            width = min(share, 1.2) * 360
            colour = "#3a7" if share <= 1 else "#c43"
            title = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            out += [f'<text x="390" y="{y + 11}" text-anchor="end">{title}</text>',
                    f'<rect x="400" y="{y}" width="{width:.1f}" height="13" fill="{colour}"/>',
                    f'<text x="{404 + width:.1f}" y="{y + 11}">{share:.2f}</text>']
        return "\n".join(out + ["</svg>"]) + "\n"
