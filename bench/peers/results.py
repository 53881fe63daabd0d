"""The file of figures: what was measured, of which engine, on which machine.

    {"machine": {...}, "cases": {"llama2-7b/q4_0/native": {
        "figures": {"prefill 512": {"nibble": [38.1, 38.3], "llama.cpp": [15.2, 15.4]}, "load": ..., ...},
        "roofs": {"prefill 512": {"nibble": [70.1, 70.3], "llama.cpp": ...}, ...}, "profile": [...]}}}

A figure is a list with one entry a round: tokens/s, or seconds for "load", or bytes for "resident". A roof is
the tokens/s that the read bandwidth or the int8 rate allowed right after that run.
"""

import json
import os
import platform
import subprocess

def rates(speed):
    """Tokens/s of each run of one measurement, whichever program reports it."""
    return speed["runs"] if "runs" in speed else speed["tokens_per_s"]


def figure_name(phase, speed):
    if phase == "prefill":
        return f"prefill {speed['tokens']}"
    if speed["batch"] > 1:
        return f"decode, batch {speed['batch']}"
    return f"decode at {speed['depth']}" if speed["depth"] else "decode"


class Case:
    """The figures of one shape and type."""

    def __init__(self, shape, type_name, isa):
        self.key = f"{shape}/{type_name}/{isa}"
        self.figures, self.roofs, self.profile, self.versions = {}, {}, [], {}
        self.machine_roofs = []
        self.scale = {}  # of each figure: nibble's tokens/s at the roof, over that roof

    def add(self, engine, answer):
        def put(name, value):
            self.figures.setdefault(name, {}).setdefault(engine, []).append(value)
        put("load", answer["load_s"])
        put("resident", answer["peak_rss_bytes"])
        for phase in ("prefill", "decode"):
            for speed in answer[phase]:
                name = figure_name(phase, speed)
                for rate in rates(speed):
                    put(name, rate)
                limit = answer["roof"]["int8_gops" if phase == "prefill" else "read_gb_s"]
                if speed.get("of_roof"):
                    self.scale[name] = speed["tokens_per_s"] / speed["of_roof"] / limit
                if name in self.scale:
                    self.roofs.setdefault(name, {}).setdefault(engine, []).append(self.scale[name] * limit)
        if "version" in answer:
            self.versions[engine] = answer["version"]
        self.machine_roofs.append({name: answer["roof"][name] for name in ("read_gb_s", "int8_gops")})
        self.profile = answer.get("profile", self.profile)


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo") as cpus:
        for line in cpus:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"processor": model, "cpus": os.cpu_count(), "memory_gb": round(pages / 1e9), "system": platform.system()}


def load(path):
    return json.loads(path.read_text()) if path.exists() else {"cases": {}}


def merge(path, case):
    """Replaces what the case measured in the file, and leaves the rest."""
    everything = load(path)
    everything["machine"] = machine()
    stored = everything["cases"].setdefault(case.key, {"figures": {}, "roofs": {}})
    for name, engines in case.figures.items():
        stored["figures"].setdefault(name, {}).update(engines)
    for name, engines in case.roofs.items():
        stored["roofs"].setdefault(name, {}).update(engines)
    if case.profile:
        stored["profile"] = case.profile
    if case.machine_roofs:
        stored["machine_roofs"] = case.machine_roofs
    everything.setdefault("versions", {}).update(case.versions)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            cwd=path.parent).stdout.strip()
    stored["nibble_commit"] = commit
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(everything, indent=1) + "\n")
    scratch.replace(path)
