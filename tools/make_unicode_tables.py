#!/usr/bin/env python3
"""Writes src/text/jinja/unicode_tables.inc: what Python's str methods know about each character.

The tables are read off the running Python's own str (Unicode 14 in Python 3.11), so that templates
behave as they do there. Run it again only to move to another Unicode version.
"""
import pathlib
import sys
import unicodedata

LAST = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)


def characters():
    return (code for code in range(LAST + 1) if code not in SURROGATES)


def property_ranges(predicate):
    """[first, last] of every run of characters for which the predicate holds."""
    ranges, previous = [], None
    for code in characters():
        if not predicate(chr(code)):
            continue
        if previous is not None and code == previous + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
        previous = code
    return ranges


def case_map(convert, base=lambda c: c):
    """Ranges (first, last, stride, delta) of one-to-one mappings, and the one-to-many mappings."""
    ranges, special = [], []
    for code in characters():
        mapped = convert(chr(code))
        if mapped == base(chr(code)):
            continue
        if len(mapped) > 1:
            special.append((code, [ord(c) for c in mapped]))
            continue
        delta = ord(mapped) - code
        if ranges and ranges[-1][3] == delta and code - ranges[-1][1] in (1, 2):
            first, last, stride, _ = ranges[-1]
            if first == last or code - last == stride:
                ranges[-1] = (first, code, code - last, delta)
                continue
        ranges.append((code, code, 1, delta))
    return ranges, special


def emit_properties(out, name, ranges):
    out.append(f"constexpr Range k{name}[] = {{")
    emit_wrapped(out, [f"{{0x{a:x}, 0x{b:x}}}" for a, b in ranges])


def emit_case(out, name, tables):
    ranges, special = tables
    out.append(f"constexpr CaseRange k{name}[] = {{")
    emit_wrapped(out, [f"{{0x{a:x}, 0x{b:x}, {s}, {d}}}" for a, b, s, d in ranges])
    if special:
        out.append(f"constexpr CaseSpecial k{name}Special[] = {{")
        emit_wrapped(out, [f"{{0x{c:x}, {{{', '.join(f'0x{m:x}' for m in ms)}}}}}" for c, ms in special])


def emit_wrapped(out, items):
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 110:
            out.append(line)
            line = "   "
        line += f" {item},"
    out.append(line)
    out.append("};")


def case_ignorable(c):
    """A capital sigma is final after cased letter and any case-ignorable characters."""
    cased = c.islower() or c.isupper() or c.istitle()
    return ("A" + c + "\u03a3").lower().endswith("\u03c2") and not cased


def main():
    out = [f"// Written by tools/make_unicode_tables.py from Unicode {unicodedata.unidata_version}."]
    emit_properties(out, "Alpha", property_ranges(str.isalpha))
    emit_properties(out, "Numeric", property_ranges(str.isnumeric))
    emit_properties(out, "Digit", property_ranges(str.isdigit))
    emit_properties(out, "Decimal", property_ranges(str.isdecimal))
    emit_properties(out, "Lower", property_ranges(str.islower))
    emit_properties(out, "Upper", property_ranges(str.isupper))
    emit_properties(out, "Title", property_ranges(lambda c: c.istitle() and not c.isupper()))
    emit_properties(out, "Unprintable", property_ranges(lambda c: not c.isprintable()))
    emit_properties(out, "CaseIgnorable", property_ranges(case_ignorable))
    emit_case(out, "ToUpper", case_map(str.upper))
    emit_case(out, "ToLower", case_map(lambda c: c.lower()))
    emit_case(out, "ToTitle", case_map(str.title, base=str.upper))
    emit_case(out, "ToFolded", case_map(str.casefold, base=str.lower))
    target = pathlib.Path(__file__).resolve().parent.parent / "src/text/jinja/unicode_tables.inc"
    target.write_text("\n".join(out) + "\n", encoding="utf-8")
    print(f"{target}: {len(out)} lines", file=sys.stderr)


if __name__ == "__main__":
    main()
