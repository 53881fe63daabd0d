"""Text for comparing tokenizers: every kind of character, and strings that put them side by side."""
import random
import unicodedata

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

LANGUAGES = """The quick brown fox doesn't jump over the lazy dog's back; we'll see, I'd say, they've gone.
Der Fluß fließt über Stöcke und Steine. Où est la bibliothèque? ¿Dónde está el niño? Çok güzel, İstanbul'da.
Быстрая коричневая лиса прыгает. Γρήγορη καφέ αλεπού. Արագ շագանակագույն աղվես. სწრაფი ყავისფერი მელა.
שועל חום מהיר קופץ. الثعلب البني السريع يقفز فوق الكلب. روباه قهوه‌ای سریع. تیز بھوری لومڑی۔
तेज़ भूरी लोमड़ी कूदती है। দ্রুত বাদামী শিয়াল। వేగవంతమైన గోధుమ నక్క. விரைவான பழுப்பு நரி. വേഗതയുള്ള കുറുക്കൻ.
สุนัขจิ้งจอกสีน้ำตาลกระโดด. ໝາຈອກສີນ້ຳຕານ. လျင်မြန်သောမြေခွေး။ កញ្ជ្រោងត្នោតរហ័ស។ སྨུག་པོའི་ཝ་མོ།
敏捷的棕色狐狸跳过了懒狗。敏捷的棕色狐狸跳過了懶狗。素早い茶色の狐が犬を飛び越える。빠른 갈색 여우가 개를 뛰어넘는다.
Nhanh như cáo nâu. ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ. ᐃᓄᒃᑎᑐᑦ. ⵜⴰⵎⴰⵣⵉⵖⵜ. አማርኛ ቋንቋ። ᠮᠣᠩᠭᠣᠯ. 𐌲𐌿𐍄𐌹𐍃𐌺. 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛.
1 12 123 1234 12345.678 ½ ² Ⅷ ٣٤٥ १२३ 一二三 ①② 1e-10 0xFF 3.14% $5 €6 ¥7 10:30
"""
CODE = """def fib(n: int) -> int:\n    if n < 2:\n\t\treturn n   # base\n    return fib(n-1)+fib(n - 2)\n\n\n
#include <vector>\r\nstd::vector<int> v{1,2,3};\r\nfor (auto&& x : v) { std::cout << x << "\\n"; }\r\n
SELECT * FROM t WHERE a='b''c' AND d<>'E'; -- it's\n<a href="https://x.org/?q=1&r=%20">&nbsp;</a>\n{"k": [null, 1e9]}
"""
EMOJI = ["👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷🇯🇵", "👍🏽", "🧑🏿‍🚀", "#️⃣", "😀", "☃", "\ufe0f", "\u200d", "🫠", "❤️‍🔥"]
POOL = [" ", "  ", "    ", "\t", "\n", "\r\n", "\r", "\xa0", "\u3000", "\u2028", "\x85", "\u180e", "\ufeff", "a", "B",
        "é", "e\u0301", "ß", "ſ", "'", "'s", "'S", "'ſ", "'LL", "'ve", "'Re", "1", "23", "456", "7890", "٣", "Ⅷ", "½",
        "你", "好", "こんにちは", "한국어", "\u1112\u1161\u11ab", "العربية", "हिन्दी", "ไทย", ".", "!!", "_", "-", "::", "//",
        "{", "}", "\u0300", "\u0301\u0323", "\u212b", "\u0958", "▁", "▁▁", "\0", "\x1f", "\x7f", "<s>", "</s>", "<unk>",
        "<0x41>", "the", "The", " and", "://www.", "x = y\n", "\U00011de3", "\U00016ff5", "\U0010ffff", *EMOJI]


def every_code_point(assigned_planes=False):
    """All of them, or those of the planes that have characters: the rest is three quarters of them."""
    codes = [c for c in CODE_POINTS if c < 0x40000 or c >> 16 == 14] if assigned_planes else CODE_POINTS
    return "".join("".join(map(chr, codes[i:i + 61])) + "\n" for i in range(0, len(codes), 61))


def beside_each_other():
    """The characters of the scripts between letters, apostrophes, digits and spaces."""
    scripts = [chr(c) for c in CODE_POINTS if c < 0x3200 or 0xA640 <= c < 0xAC00 or 0xFB00 <= c < 0x1100F]
    return "".join(f"a{c}b {c} '{c}1{c}\n" if i % 2 else f"{c}{c}.{c} {c}s" for i, c in enumerate(scripts))


def emoji():
    """Every character of the emoji blocks: alone, with variation selectors, in each skin tone, joined; flags, keycaps."""
    base = [chr(c) for c in [*range(0x2190, 0x21FF), *range(0x2300, 0x27C0), *range(0x2B00, 0x2C00),
                             *range(0x1F000, 0x1FB00)]]
    tones = [chr(c) for c in range(0x1F3FB, 0x1F400)]
    flags = [chr(c) for c in range(0x1F1E6, 0x1F200)]
    rnd = random.Random(12)
    families = ["\u200d".join(rnd.choice(base) + rnd.choice(["", "\ufe0f", *tones]) for _ in range(rnd.randint(2, 5)))
                for _ in range(2000)]
    parts = [e + tail for e in base for tail in ("", "\ufe0f", "\ufe0e", *tones)] + [a + b for a in flags for b in flags]
    parts += [c + "\ufe0f\u20e3" for c in "#*0123456789"] + families
    parts.append("\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in "gbeng") + "\U000e007f")  # a flag by tags
    return "".join(p + rnd.choice(["", "", " ", "a", "\n"]) for p in parts)


def every_script(seed=13):
    """Made-up words of the letters, marks and digits of each stretch of 64 code points."""
    rnd = random.Random(seed)
    words = []
    for first in range(0, 0x20000, 64):
        letters = [chr(c) for c in range(first, first + 64) if unicodedata.category(chr(c))[0] in "LMN"]
        words += ["".join(rnd.choices(letters, k=rnd.randint(1, 9))) for _ in range(6 if letters else 0)]
    return "".join(word + rnd.choice([" ", " ", ", ", ".\n", "'s ", "-", "12 "]) for word in words)


def mixed(seed=7, count=40000, extra=()):
    rnd = random.Random(seed)
    pool = POOL + list(extra)
    return "".join(rnd.choice(pool) for _ in range(count))


def whitespace(seed=8, count=15000):
    rnd = random.Random(seed)
    return "".join(rnd.choice(" \t\n\r") * rnd.choice([1, 1, 2, 3, 8, 60]) + rnd.choice(["", "a", "1", ".", "\xa0"])
                   for _ in range(count))


def random_characters(seed=9, count=60000):
    rnd = random.Random(seed)
    return "".join(chr(rnd.choice(CODE_POINTS)) + chr(rnd.choice(CODE_POINTS[:0x3000])) for _ in range(count))


def random_bytes(seed=10, count=100000):
    """Bytes as text: what Latin-1 makes of them."""
    return random.Random(seed).randbytes(count).decode("latin-1")


def runs():
    return "".join(c * n for n in (7, 33, 100, 3000) for c in ["a", " ", "\n", "ab", "1", " \n", "é", "!", "😀", "▁"])


def samples(extra=()):
    return "".join([LANGUAGES, CODE, emoji(), every_script(), mixed(extra=extra), whitespace(), beside_each_other(),
                    random_characters(), random_bytes(), runs()])


def training_lines(seed=11, count=6000):
    """Lines of made-up words, frequent ones more often, in several scripts, with numbers and code."""
    rnd = random.Random(seed)
    syllables = {"latin": "ka lo mi re tu san ber ing the on er al st".split(), "cyrillic": "ка ло ми ре ту ст".split(),
                 "cjk": list("的一是不了人我在有他"), "kana": list("かきくけこさしすせそ"), "arabic": "با تو سي مر".split()}
    words = []
    for script, parts in syllables.items():
        for _ in range(400 if script == "latin" else 60):
            word = "".join(rnd.choice(parts) for _ in range(rnd.randint(1, 4)))
            words.append(word.capitalize() if rnd.random() < 0.1 else word)
    weights = [1 / (i + 1) for i in range(len(words))]
    lines = []
    for _ in range(count):
        line = rnd.choices(words, weights, k=rnd.randint(3, 14))
        if rnd.random() < 0.3:
            line.insert(rnd.randrange(len(line)), str(rnd.randint(0, 99999)))
        lines.append(rnd.choice(["", "", "    ", "\t"]) + " ".join(line) + rnd.choice([".", ",", "'s", "!", "();", " {", ""]))
    return lines + LANGUAGES.splitlines() * 3 + CODE.splitlines() * 5
