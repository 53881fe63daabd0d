#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/jinja/test_support.h"

/// What templates mean. The expected texts were made by jinja2 3.1 with transformers' settings;
/// tests/test_templates.py compares far more of them with jinja2 itself.
namespace nibble::jinja {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

struct Case {
  const char* source;
  const char* output;
};

class Semantics : public ::testing::TestWithParam<Case> {};

TEST_P(Semantics, RendersAsJinja2) {
  const Json context = {
      {"name", "World"},
      {"unicode", "Grüße, 世界 🌍"},
      {"numbers", {3, 1, 2}},
      {"user", {{"name", "Ann"}, {"age", 33}, {"items", "a key"}}},
      {"messages", {{{"role", "system"}, {"content", "S"}}, {{"role", "user"}, {"content", "U"}}}}};
  EXPECT_EQ(render(GetParam().source, context), GetParam().output) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    Values, Semantics,
    ::testing::Values(
        Case{"{{ [1.0, 1e16, 1e-5, 0.1, 'it\\'s', none, true] }}",
             "[1.0, 1e+16, 1e-05, 0.1, \"it's\", None, True]"},
        Case{"{{ {'a': (1,), 2: ()} }}", "{'a': (1,), 2: ()}"}, Case{"{{ missing }}{{ user.x }}", ""},
        Case{"{{ 7 // -2 }} {{ -7 % 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7 / 2 }}", "-4 2 64 4 3.5"},
        Case{"{{ 1 ~ 2 + 3 if false else 'x' ~ 1.0 ~ none }}", "x1.0None"},
        Case{"{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == true }} {{ 'a' in 'abc' }} {{ 2 not in [1] }}",
             "True False True True True"},
        Case{"{{ 0 or 'd' }} {{ 1 and 'e' }} {{ not 0 }} {{ [] or {} }}", "d e True {}"},
        Case{"{{ unicode[7] }} {{ unicode[-1] }} {{ unicode|length }} {{ unicode[::-1] }}",
             "世 🌍 11 🌍 界世 ,eßürG"},
        Case{"{{ numbers[-2:] }} {{ numbers[::-1] }} {{ numbers[5] }}", "[1, 2] [2, 1, 3] "},
        Case{"{{ user.items() }} {{ user['items'] }} {{ user.name }}",
             "dict_items([('name', 'Ann'), ('age', 33), ('items', 'a key')]) a key Ann"},
        Case{"{{ '\\x41\\u00e9\\n'|tojson }} {{ user|tojson(indent=1) }}",
             "\"Aé\\n\" {\n \"name\": \"Ann\",\n \"age\": 33,\n \"items\": \"a key\"\n}"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Semantics,
    ::testing::Values(
        Case{"{% for n in numbers %}{{ loop.index }}{{ n }}{{ ',' if not loop.last }}{% endfor %}",
             "13,21,32"},
        Case{"{% for n in numbers if n > 1 %}{{ n }}/{{ loop.length }} {% endfor %}", "3/2 2/2 "},
        Case{"{% for n in [] %}{% else %}none{% endfor %}", "none"},
        Case{"{% for n in numbers %}{% if n == 1 %}{% continue %}{% endif %}{{ n }}{% endfor %}", "32"},
        Case{"{% for n in numbers %}{{ n }}{% break %}{% endfor %}", "3"},
        Case{"{% for k, v in {'a': [1]}.items() recursive %}{{ k }}{{ v }}{% endfor %}", "a[1]"},
        Case{"{% set x = 1 %}{% for n in numbers %}{% set x = x + n %}{% endfor %}{{ x }}", "1"},
        Case{"{% set ns = namespace(x=1) %}{% for n in numbers %}{% set ns.x = ns.x + n %}{% endfor %}{{ "
             "ns.x }}",
             "7"},
        Case{"{% set a, b = 1, 2 %}{% set s %}{{ a }}{{ b }}{% endset %}{{ s }}", "12"},
        Case{"{% macro m(a, b='x') %}{{ a }}{{ b }}{{ kwargs }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3, k=4) "
             "}}{{ m() }}",
             "12{'k': 4}(3,)x{}()"},
        Case{
            "{% macro m() %}[{{ caller('c') }}]{% endmacro %}{% call(x) m() %}{{ x }}{{ name }}{% endcall %}",
            "[cWorld]"},
        Case{"{% filter upper %}{{ name }}{% endfilter %}{% with a = 1 %}{{ a }}{% endwith %}{{ a }}",
             "WORLD1"},
        Case{"{% generation %}{{ name }}{% endgeneration %}{# c #}{% raw %}{{ x }}{% endraw %}",
             "World{{ x }}"},
        Case{"  {% if true %}\n  x\n  {% endif %}\ny\n", "  x\ny"},
        Case{"a  {%- if true -%}  b  {%- endif +%}\nc", "ab\nc"},
        Case{"x\n  {{- name -}}\n  y\n  {%+ if true %}\nz{% endif %}", "xWorldy\n  z"}));

INSTANTIATE_TEST_SUITE_P(
    Filters, Semantics,
    ::testing::Values(
        Case{"{{ messages|selectattr('role', 'eq', 'user')|map(attribute='content')|join }}", "U"},
        Case{"{{ numbers|sort|join(',') }} {{ numbers|sum }} {{ numbers|max }} {{ numbers|first }}",
             "1,2,3 6 3 3"},
        Case{"{{ ' a b '|trim|title|replace('A', 'x') }} {{ 'abc'.upper().find('C') }}", "x B 2"},
        Case{"{{ 'a,b'.split(',') }} {{ 'STRASSE ΑΣ'|lower }} {{ 'straße'|upper }}",
             "['a', 'b'] strasse ας STRASSE"},
        Case{"{{ '%05.1f|%-4s|%x' % (3.14159, 'a', 255) }} {{ '{:>4}{!r}'.format('a', 'b') }}",
             "003.1|a   |ff    a'b'"},
        Case{"{{ 2.5|round }} {{ 42.55|round(1) }} {{ '3.7'|int }} {{ 'x'|float(1) }}", "2.0 42.5 3 1"},
        Case{"{{ 'a\nb\n\nc'|indent(2) }}", "a\n  b\n\n  c"},
        Case{"{{ '<'|e ~ '<' }} {{ '<' + ('x'|safe) }}", "&lt;< &lt;x"},
        Case{"{{ [1, 2, 3]|batch(2)|list }} {{ {'b': 1, 'a': 2}|dictsort }}",
             "[[1, 2], [3]] [('a', 2), ('b', 1)]"}));

TEST(Interpreter, ErrorsSayWhatAndWhere) {
  const Case cases[] = {
      {"\n{{ missing.x }}", "line 2: 'missing' is undefined"},
      {"{{ 'a' + 1 }}", "can only concatenate str (not \"int\") to str"},
      {"{{ 1 / 0 }}", "division by zero"},
      {"{{ [].append(1) }}", "access to attribute 'append' of 'list' object is unsafe"},
      {"{{ x.__class__.y }}", "'x' is undefined"},
      {"{{ ''.__class__.y }}", "access to attribute '__class__' of 'str' object is unsafe"},
      {"{{ 1 < 'a' }}", "'<' not supported between instances of 'int' and 'str'"},
      {"{{ 1|nope }}", "No filter named 'nope'."},
      {"{{ 1 is nope }}", "No test named 'nope'."},
      {"{{ 'a'.upper(1) }}", "upper() takes 1 argument(s) but 2 were given"},
      {"{{ 'a'|replace('b') }}", "replace() missing argument: 'new'"},
      {"{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "macro 'm' takes no keyword argument 'b'"},
      {"{% set a, b = [1] %}", "not enough values to unpack (expected 2, got 1)"},
      {"{% for x in 5 %}{% endfor %}", "'int' object is not iterable"},
      {"{% set x = {} %}{% set x.a = 1 %}", "cannot assign attribute on non-namespace object"},
      {"{{ range(3)|tojson }}", "Object of type range is not JSON serializable"},
  };
  for (const Case& c : cases) EXPECT_THAT(render_error(c.source), HasSubstr(c.output)) << c.source;
}

TEST(Interpreter, FilterOfALoopSeesWhatItsBodyChanged) {
  EXPECT_EQ(render("{% set ns = namespace(stop=false) %}{% for n in [1, 2, 3] if not ns.stop %}{{ n }}"
                   "{% if n == 2 %}{% set ns.stop = true %}{% endif %}{% endfor %}"),
            "12");
}

TEST(Interpreter, LargeUnsignedNumbersKeepTheirDigits) {
  EXPECT_EQ(render("{{ n }} {{ n|tojson }} {{ n + 1 }}", {{"n", UINT64_MAX}}),
            "18446744073709551615 18446744073709551615 18446744073709551616");
}

TEST(Interpreter, ARenderingLeavesNothingBehindForTheNext) {
  const ChatTemplate chat_template(
      "{{ x is defined }}{% set x = 1 %}{% set c = cycler(1, 2) %}{{ c.next() }}");
  EXPECT_EQ(chat_template.render(Json::object()), "False1");
  EXPECT_EQ(chat_template.render(Json::object()), "False1");
}

}  // namespace
}  // namespace nibble::jinja
