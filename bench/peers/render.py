#!/usr/bin/env python3
"""Writes docs/performance.md and its plots from the figures that run.py recorded.

    python render.py [--results bench/peers/results.json] [--out docs] [--no-plots]
"""

import argparse
import json
import pathlib
import statistics

from engines import ISAS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ("llama.cpp", "neural-speed")
SHAPES = {"llama2-7b": "Llama-2-7B shape", "smollm2": "SmolLM2-135M-Instruct"}
TYPE_NAMES = {"int4": "int4 g128", "nf4": "NF4"}


def median(values):
    return statistics.median(values)


def span(values, digits=1):
    """Median, and least to most where there are several."""
    text = f"{median(values):.{digits}f}"
    if len(values) < 2:
        return text
    return f"{text} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(ours, theirs):
    """Of runs in alternation: the median over the rounds, so that a machine that drifts hits both alike."""
    if len(ours) == len(theirs):
        return median([a / b for a, b in zip(ours, theirs)])
    return median(ours) / median(theirs)


def share(values, roofs):
    return f"{100 * ratio(values, roofs):.0f}%" if roofs else ""


def type_name(name):
    return TYPE_NAMES.get(name, name.upper())


class Figures:
    """The cases of one shape and instruction set, by type in the order they were recorded."""

    def __init__(self, everything, shape, isa):
        self.cases = {}
        for key, case in everything["cases"].items():
            case_shape, type_, case_isa = key.split("/")
            if (case_shape, case_isa) == (shape, isa):
                self.cases[type_] = case

    def rows(self, name):
        """(type, engines' figures, their roofs) of each type where nibble has this figure."""
        for type_, case in self.cases.items():
            engines = case["figures"].get(name, {})
            if "nibble" in engines:
                yield type_, engines, case["roofs"].get(name, {})

    def names(self, start):
        found = {name for case in self.cases.values() for name in case["figures"] if name.startswith(start)}
        return sorted(found)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(" --- " for _ in header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def speed_table(figures, name):
    """nibble beside the peers in tokens/s; '' where nothing is recorded."""
    rows = []
    recorded = list(figures.rows(name))
    peers = [peer for peer in PEERS if any(peer in engines for _, engines, _ in recorded)]
    for type_, engines, roofs in recorded:
        ours = engines["nibble"]
        row = [type_name(type_), span(ours), share(ours, roofs.get("nibble"))]
        for peer in peers:
            theirs = engines.get(peer)
            row += [span(theirs), share(theirs, roofs.get(peer)), f"**{ratio(ours, theirs):.2f}**"] if theirs \
                else ["", "", ""]
        rows.append(row)
    header = ["type", "nibble", "of the roof"]
    for peer in peers:
        header += [peer, "of the roof", f"nibble / {peer}"]
    return table(header, rows) if rows else ""


def speed_section(figures, title, name):
    text = speed_table(figures, name)
    return f"### {title}\n\n{text}\n" if text else ""


def gain_table(figures, base, name, title):
    """What a batch or a depth does to the speed of each engine: figure `name` over figure `base`."""
    rows = []
    for type_, case in figures.cases.items():
        for engine, values in case["figures"].get(name, {}).items():
            plain = case["figures"].get(base, {}).get(engine)
            if plain:
                rows.append([type_name(type_), engine, span(plain), span(values), f"{ratio(values, plain):.2f}"])
    header = ["type", "engine", "decode", title, f"{title} / decode"]
    return f"### {title[0].upper()}{title[1:]}\n\n{table(header, rows)}\n" if rows else ""


def load_table(figures):
    rows = []
    for type_, case in figures.cases.items():
        load, resident = case["figures"].get("load", {}), case["figures"].get("resident", {})
        for engine in load:
            if engine in resident:
                rows.append([type_name(type_), engine, span(load[engine]),
                             f"{max(resident[engine]) / 1e9:.2f}"])
    header = ["type", "engine", "load, s", "most resident, GB"]
    return f"### Loading and memory\n\n{table(header, rows)}\n" if rows else ""


def profile_table(case):
    """Share of each operation in prefill and decode, the largest of decode first."""
    share = {}
    for part in case["profile"]:
        if part["batch"] == 1:
            share.setdefault(part["operation"], {})[part["phase"]] = part["share"]
    order = sorted(share, key=lambda operation: -share[operation].get("decode", 0))
    rows = [[operation.replace("_", " "), *(f"{100 * share[operation].get(phase, 0):.1f}%"
                                             for phase in ("decode", "prefill"))] for operation in order]
    return table(["operation", "decode", "prefill"], rows)


def isa_text(isa):
    return f", {ISAS[isa]}" if ISAS[isa] else ""


def main_isa(everything):
    """The instruction sets that most was measured with."""
    count = {isa: sum(key.endswith("/" + isa) for key in everything["cases"]) for isa in ISAS}
    return max(ISAS, key=lambda isa: count[isa])


def profile_section(everything):
    text = ""
    for key, case in everything["cases"].items():
        shape, type_, isa = key.split("/")
        if case.get("profile"):
            text += f"### {shape}, {type_name(type_)}{isa_text(isa)}\n\n{profile_table(case)}\n"
    return f"## Where the time of a token goes\n\n{text}" if text else ""


def shape_section(everything, shape, isa, title, plots):
    figures = Figures(everything, shape, isa)
    text = ""
    for name in figures.names("decode"):
        if name == "decode":
            text += speed_section(figures, "Decode, tokens/s", name)
    for name in figures.names("prefill"):
        text += speed_section(figures, f"Prefill of {name.split()[1]} tokens, tokens/s", name)
    for name in figures.names("decode,"):
        text += gain_table(figures, "decode", name, name.split(", ")[1])
    for name in figures.names("decode at"):
        text += gain_table(figures, "decode", name, f"at {name.split()[-1]} tokens")
    text += load_table(figures)
    if not text:
        return ""
    pictures = "".join(f"![{caption}]({file})\n\n" for caption, file in plots)
    return f"## {title}\n\n{pictures}{text}"


def roofs_text(everything):
    read = [r["read_gb_s"] for case in everything["cases"].values() for r in case.get("machine_roofs", [])]
    int8 = [r["int8_gops"] for case in everything["cases"].values() for r in case.get("machine_roofs", [])]
    if not read:
        return ""
    return (f"- memory reads {span(read)} GB/s, int8 products {span(int8, 0)} Gop/s: the roofs, as `nibble bench`"
            " measures them on all threads after each run\n")


def render(everything, plots):
    machine = everything["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(everything.get("versions", {}).items()))
    commits = sorted({case["nibble_commit"] for case in everything["cases"].values() if case.get("nibble_commit")})
    template = (pathlib.Path(__file__).parent / "performance.template.md").read_text()
    main = main_isa(everything)
    sections = [shape_section(everything, shape, isa, SHAPES[shape] + isa_text(isa),
                              plots.get(shape, []) if isa == main else [])
                for isa in sorted(ISAS, key=lambda isa: isa != main) for shape in SHAPES]
    sections.append(profile_section(everything))
    values = {
        "MACHINE": f"- {machine['processor']}, {machine['cpus']} processors, {machine['memory_gb']} GB,"
                   f" {machine['system']}\n{roofs_text(everything)}- {versions}\n- nibble at {', '.join(commits)}",
        "SECTIONS": "\n".join(section for section in sections if section),
    }
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/peers/results.json")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs")
    parser.add_argument("--no-plots", action="store_true", help="works without matplotlib")
    options = parser.parse_args()
    everything = json.loads(options.results.read_text())
    plots = {}
    if not options.no_plots:
        from plots import draw
        plots = draw(everything, options.out)
    (options.out / "performance.md").write_text(render(everything, plots))


if __name__ == "__main__":
    main()
