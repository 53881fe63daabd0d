"""Random templates for comparing nibble with jinja2: every production of the grammar over the names of
snippets.CONTEXT, so that most of them run and some fail as they should."""

NAMES = ("name empty text multi unicode quotes html digits sentence zero one neg pi half yes no nothing numbers "
         "floats words mixed nested user users messages missing i j x ns").split()
STRINGS = ["''", "'a'", "'Hello World'", "'é世🌍'", "'a,b,c'", "' x '", "'%s'", "'{}'", "'role'", "'name'", "'12'",
           "'1.5'", "'\\n'", "\"it's\"", "'<b>&'"]
NUMBERS = ["0", "1", "2", "3", "7", "10", "1.5", "0.1", "100", "2.0"]
# Filters that give iterators are made lists: what Python prints for an iterator holds its address.
FILTERS = ["trim", "upper", "lower", "capitalize", "title", "length", "count", "string", "int", "float",
           "list", "first", "last", "reverse|list", "sort", "unique|list", "tojson", "abs", "round", "sum",
           "min", "max", "join", "default('d')", "default('d', true)", "join(', ')", "replace('a', 'b')",
           "indent", "indent(2, true)", "map('upper')|list", "map('string')|list",
           "map(attribute='name')|list", "select|list", "reject|list", "select('string')|list",
           "select('number')|list", "reject('none')|list", "selectattr('name')|list",
           "rejectattr('active')|list", "selectattr('age', 'gt', 30)|list", "map('length')|list",
           "batch(2)|list", "slice(2)|list", "wordcount", "truncate(8)", "truncate(8, true)", "items|list",
           "dictsort", "e", "safe", "round(1)", "sort(reverse=true)", "sort(attribute='age')",
           "groupby('age')", "tojson(indent=2)", "format(1)", "center(9)", "int(5)", "d(1)",
           "unique(true)|list", "sum(start=1)", "urlencode", "attr('x')"]
TESTS = ["defined", "undefined", "none", "string", "number", "mapping", "iterable", "sequence", "integer", "float",
         "boolean", "true", "false", "odd", "even", "lower", "upper", "callable", "divisibleby 2", "eq 1",
         "in [1, 'a']", "sameas none", "gt 1", "ne('a')", "escaped"]
METHODS = ["upper()", "lower()", "strip()", "split()", "split(',')", "title()", "capitalize()", "items()", "keys()",
           "values()", "get('name')", "get('x', 1)", "startswith('a')", "endswith(('a', 'd'))", "replace('a', 'b')",
           "find('o')", "count('a')", "isdigit()", "join(words)", "splitlines()", "rsplit(None, 1)", "zfill(4)",
           "center(7, '*')", "format(1, 2)", "index(1)", "copy()", "rstrip('d')", "partition('o')", "swapcase()",
           "isalpha()", "ljust(6, '.')", "removeprefix('W')", "expandtabs()", "islower()"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


class Generator:
    def __init__(self, random):
        self.random = random

    def template(self):
        return self.body(2)

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def space(self):
        return self.random.choice(["", " ", "\n", "\n  ", " \n", "\t"])

    def tag(self, content):
        begin, end = self.random.choice(["", "", "", "-", "+"]), self.random.choice(["", "", "", "-", "+"])
        return "{%" + begin + " " + content + " " + end + "%}"

    def statement(self, depth):
        pick = self.random.random()
        if depth <= 0 or pick < 0.45:
            return self.space() + "{{" + self.random.choice(["", "-"]) + " " + self.expression(self.random.choice([1, 1, 2, 3])) + " }}"
        if pick < 0.55:
            return self.random.choice(["text", " text ", "line\n", "  {# comment #}\n", "\n\n", "é🌍 "])
        expression, body = self.expression(self.random.choice([0, 1, 2])), self.space() + self.body(depth - 1) + self.space()
        if pick < 0.67:
            other = self.tag("else") + self.body(depth - 1) if self.random.random() < 0.5 else ""
            return self.tag("if " + expression) + body + other + self.tag("endif")
        if pick < 0.8:
            target = self.random.choice(["i", "i", "j", "x", "i, j"])
            condition = " if " + self.expression(1) if self.random.random() < 0.2 else ""
            extra = self.random.choice(["", "", "{{ loop.index }}{{ loop.last }}", "{% break %}", "{% continue %}",
                                        "{{ loop.previtem }}{{ loop.nextitem }}", "{{ loop.length }}"])
            other = self.tag("else") + "none" if self.random.random() < 0.2 else ""
            return self.tag(f"for {target} in {expression}{condition}") + body + extra + other + self.tag("endfor")
        if pick < 0.9:
            return self.tag(f"set {self.random.choice(['i', 'x', 'j', 'x, j'])} = {expression}")
        if pick < 0.93:
            return self.tag("set x") + body + self.tag("endset") + "{{ x }}"
        if pick < 0.96:
            arguments = self.random.choice(["", "1", "x=2", "1, 2", "1, x=3"])
            return self.tag("macro m(i, x='d')") + body + self.tag("endmacro") + "{{ m(" + arguments + ") }}"
        if pick < 0.98:
            return self.tag("filter " + self.random.choice(["upper", "trim", "indent(2)"])) + body + self.tag("endfilter")
        return self.tag("with x = " + expression) + body + self.tag("endwith")

    def expression(self, depth):
        pick = self.random.random()
        if depth <= 0 or pick < 0.2:
            return self.atom()
        left = self.expression(depth - 1)
        if pick < 0.4:
            return f"{left}|{self.random.choice(FILTERS)}"
        if pick < 0.55:
            return f"{left} {self.random.choice(BINARY)} {self.expression(depth - 1)}"
        if pick < 0.62:
            return f"({left} {self.random.choice(BINARY)} {self.expression(depth - 1)})"
        if pick < 0.7:
            return f"{left} is {self.random.choice(['', 'not '])}{self.random.choice(TESTS)}"
        if pick < 0.77:
            return f"{self.atom()}.{self.random.choice(METHODS)}"
        if pick < 0.85:
            return self.random.choice(NAMES + STRINGS) + self.random.choice(["[0]", "[-1]", "[1:]", "[::-1]", "['name']", ".name", ".0", "[:2]",
                                                     "[none]", "[1:-1:2]", "[" + left + "]"])
        if pick < 0.9:
            return f"({left} if {self.expression(depth - 1)} else {self.expression(depth - 1)})"
        if pick < 0.94:
            return self.random.choice(["not %s", "-%s", "+%s", "%s ** 2"]).replace("%s", left)
        if pick < 0.97:
            return "[" + left + ", " + self.expression(depth - 1) + "]"
        return self.random.choice(["{'k': %s}", "(%s,)", "dict(a=%s)", "range(%s)", "namespace(a=%s).a"]) % left

    def atom(self):
        return self.random.choice(self.random.choice([NAMES, NAMES, STRINGS, NUMBERS]))

    def damaged(self, source):
        """The source with one to three small changes."""
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(len(source))
            length = self.random.randint(1, 6)
            change = self.random.choice(["drop", "double", "swap", "insert"])
            piece = source[at:at + length]
            if change == "drop":
                source = source[:at] + source[at + length:]
            elif change == "double":
                source = source[:at] + piece + source[at:]
            elif change == "swap":
                source = source[:at] + piece[::-1] + source[at + length:]
            else:
                source = source[:at] + self.random.choice(["{{", "}}", "{%", "%}", "'", "-", "(", "|", ".", "\n"]) + source[at:]
        return source
