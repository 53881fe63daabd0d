"""The plots of docs/performance.md, with matplotlib."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from render import Figures, PEERS, main_isa, median, type_name  # noqa: E402

COLOURS = {"nibble": "#0072b2", "llama.cpp": "#e69f00", "neural-speed": "#009e73"}


def speed_plot(figures, name, title, path):
    """Bars of each engine by type, with the roof as a line over each group. False where nothing is recorded."""
    rows = list(figures.rows(name))
    if not rows:
        return False
    engines = ["nibble", *(peer for peer in PEERS if any(peer in r[1] for r in rows))]
    width = 0.8 / len(engines)
    figure, axes = plt.subplots(figsize=(max(5.0, 1.1 * len(rows) + 2), 3.6))
    for i, engine in enumerate(engines):
        at = [j + (i - (len(engines) - 1) / 2) * width for j, row in enumerate(rows) if engine in row[1]]
        middle = [median(row[1][engine]) for row in rows if engine in row[1]]
        low = [m - min(row[1][engine]) for m, row in zip(middle, (r for r in rows if engine in r[1]))]
        high = [max(row[1][engine]) - m for m, row in zip(middle, (r for r in rows if engine in r[1]))]
        axes.bar(at, middle, width * 0.92, yerr=[low, high], label=engine, color=COLOURS[engine],
                 error_kw={"linewidth": 0.8})
    for j, (_, _, roofs) in enumerate(rows):
        if "nibble" in roofs:
            axes.hlines(median(roofs["nibble"]), j - 0.45, j + 0.45, colors="#555555", linestyles="dashed",
                        label="roof" if j == 0 else None)
    axes.set_xticks(range(len(rows)), [type_name(row[0]) for row in rows])
    axes.set_ylabel("tokens/s")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=len(engines) + 1, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    save(figure, path)
    return True


def profile_plot(case, title, path):
    """The shares of the operations in one bar for decode and one for prefill."""
    phases = ("prefill", "decode")
    parts = [p for p in case["profile"] if p["batch"] == 1]
    order = list(dict.fromkeys(p["operation"] for p in sorted(parts, key=lambda p: -p["share"])))
    figure, axes = plt.subplots(figsize=(8, 2.6))
    start = dict.fromkeys(phases, 0.0)
    palette = plt.get_cmap("tab20")
    for i, operation in enumerate(order):
        for row, phase in enumerate(phases):
            share = sum(p["share"] for p in parts if p["operation"] == operation and p["phase"] == phase)
            axes.barh(row, 100 * share, left=start[phase], color=palette(i % 20),
                      label=operation.replace("_", " ") if row == 0 else None)
            start[phase] += 100 * share
    axes.set_yticks(range(len(phases)), phases)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the time")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=6, loc="upper center", bbox_to_anchor=(0.5, -0.3), fontsize=8)
    save(figure, path)


def save(figure, path):
    # Text stays text, and no date: the same figures give the same file.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nibble"})
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def draw(everything, out):
    """Writes the plots and returns (caption, file) of each by shape."""
    plots = {}
    for shape, label in (("llama2-7b", "Llama-2-7B shape"), ("smollm2", "SmolLM2-135M")):
        figures = Figures(everything, shape, main_isa(everything))
        shown = plots.setdefault(shape, [])
        for name in [*figures.names("prefill"), "decode"]:
            phase = name.split()[0]
            file = f"performance-{shape}-{phase}.svg"
            if speed_plot(figures, name, f"{label}: {phase}", out / file):
                shown.append((f"{phase} by type", file))
        for type_, case in figures.cases.items():
            if case.get("profile"):
                file = f"performance-{shape}-{type_}-profile.svg"
                profile_plot(case, f"{label}, {type_name(type_)}: where the time goes", out / file)
                shown.append((f"time by operation, {type_name(type_)}", file))
    return plots
