#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.inc: the character classes of pre-tokenizers' regular expressions.

The classes are asked of the `tokenizers` package, whose ids nibble's must equal: the Unicode version
of its regular expressions is not that of its "Digits" step, nor that of PCRE2 or Python. Run it again
to move to a newer version of the package.
"""
import pathlib
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
BATCH = 20000


def regex_class(regex):
    splitter = pre_tokenizers.Split(Regex(regex), "removed", invert=True)
    found = set()
    for start in range(0, len(CODES), BATCH):
        text = "".join(map(chr, CODES[start:start + BATCH]))
        found.update(ord(c) for piece, _ in splitter.pre_tokenize_str(text) for c in piece)
    return found


def digits():
    splitter = pre_tokenizers.Digits(individual_digits=True)
    found = set()
    for start in range(0, len(CODES), BATCH):
        text = "a" + "a".join(map(chr, CODES[start:start + BATCH])) + "a"
        found.update(ord(piece) for piece, _ in splitter.pre_tokenize_str(text) if len(piece) == 1 and piece != "a")
    return found


def nfc_unsafe():
    """Marks, what composes with the character before it, and what NFC replaces."""
    nfc = normalizers.NFC().normalize_str
    lowest, highest = "\u0334", "\u0345"  # marks of the classes 1 and 240: every other is sorted by one of them
    found = {code for code in CODES if nfc(chr(code)) != chr(code)
             or nfc(chr(code) + lowest)[0] == lowest or nfc(highest + chr(code))[0] != highest}
    found.update(map(ord, (lowest, highest)))
    for code in CODES:
        decomposition = unicodedata.decomposition(chr(code)).split()
        if len(decomposition) == 2 and not decomposition[0].startswith("<"):
            found.add(int(decomposition[1], 16))
    return found | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))


def emit(name, codes):
    ranges = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    lines = [f"constexpr CodeRange k{name}[] = {{"]
    row = "   "
    for first, last in ranges:
        item = f" {{0x{first:x}, 0x{last:x}}},"
        if len(row) + len(item) > 110:
            lines.append(row)
            row = "   "
        row += item
    return "\n".join([*lines, row, "};"])


def main():
    classes = {
        "Letters": regex_class(r"\p{L}"),
        "Numbers": regex_class(r"\p{N}"),
        "Whitespaces": regex_class(r"\s"),
        "Digits": digits(),
        "WordParts": regex_class(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]"),
        "NfcUnsafes": nfc_unsafe(),
    }
    target = pathlib.Path(__file__).resolve().parents[1] / "src" / "text" / "unicode_ranges.inc"
    head = "// Written by tools/make_unicode_ranges.py; do not edit."
    target.write_text("\n\n".join([head, *(emit(*item) for item in classes.items())]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
