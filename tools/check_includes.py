#!/usr/bin/env python3
"""Checks that src/ includes only along the arrows of the design.

Each folder of src/ may include itself and whatever its arrows reach; anything else fails with the
file, the line and the arrow that is missing. Also checks that kernel files of one instruction set
include no standard header with inline code that the linker could share with other files.
"""
import pathlib
import re
import sys

ARROWS = {
    "base": [],
    "tensor": ["base"],
    "formats": ["tensor"],
    "text": ["base"],
    "model": ["formats"],
    "kernels": ["tensor"],
    "quantize": ["tensor", "kernels"],
    "runtime": ["model", "kernels"],
    "sampling": ["base"],
    "calibrate": ["runtime", "quantize", "sampling", "text"],
    "engine": ["runtime", "sampling", "text"],
    "evaluate": ["engine"],
    "optimize": ["calibrate", "evaluate"],
    "serve": ["engine"],
    "cli": ["optimize", "calibrate", "evaluate", "serve", "engine"],
}
ISA_FOLDERS = {"avx2", "avx_vnni", "avx512", "vnni", "amx"}
# Headers without function templates or inline functions that end up in the symbol table.
ISA_ALLOWED_STD = {"immintrin.h", "cstdint", "cstddef", "stdint.h", "stddef.h", "string.h", "math.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def reachable(folder):
    seen, todo = set(), [folder]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo.extend(ARROWS[here])
    return seen


def check_file(path, src, problems):
    parts = path.relative_to(src).parts
    folder = parts[0]
    allowed = reachable(folder)
    in_isa = folder == "kernels" and len(parts) > 2 and parts[1] in ISA_FOLDERS
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        where = f"{path.relative_to(src.parent)}:{number}"
        if kind == '"':
            target = name.split("/")[0]
            if "/" not in name or target not in ARROWS:
                problems.append(f'{where}: include "{name}" by its path from src/')
            elif target not in allowed:
                problems.append(f"{where}: {folder}/ may not include {target}/ (allowed: {', '.join(sorted(allowed))})")
        elif in_isa and not path.name.endswith("_test.cpp") and name not in ISA_ALLOWED_STD:
            problems.append(f"{where}: kernel files of one instruction set may not include <{name}>")


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    problems = []
    for folder in sorted(p.name for p in src.iterdir() if p.is_dir()):
        if folder not in ARROWS:
            problems.append(f"src/{folder}: not a folder of the design; add it to ARROWS in {__file__} and CONTRIBUTING.md")
    files = [p for p in src.rglob("*") if p.suffix in {".h", ".cpp", ".inc"}]
    for path in sorted(files):
        if path.relative_to(src).parts[0] in ARROWS:
            check_file(path, src, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"checked {len(files)} files: {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
