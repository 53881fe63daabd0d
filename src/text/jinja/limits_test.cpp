#include "text/jinja/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/jinja/test_support.h"

/// Templates that mean harm: each must end quickly with a clear error, without taking the memory it asks for.
namespace nibble::jinja {
namespace {

using ::testing::HasSubstr;

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

constexpr const char* kTooMuch = "too much text or too long lists";

TEST(JinjaLimits, HugeRepetitionsAreRefusedBeforeTheyAreMade) {
  for (const char* source :
       {"{{ 'a' * 10 ** 12 }}", "{{ [1] * 10 ** 12 }}", "{{ 'x'.center(10 ** 12) }}",
        "{{ '5'.zfill(10 ** 12) }}", "{{ 'a'.ljust(10 ** 12, 'b') }}", "{{ '\t'.expandtabs(10 ** 12) }}",
        "{{ 'a\nb'|indent(10 ** 12) }}", "{{ [1]|tojson(indent=10 ** 12) }}",
        "{{ [1]|batch(10 ** 12, 0)|list }}", "{{ [1]|slice(10 ** 12)|list }}",
        "{{ ('x' * 10 ** 5).join('y' * 10 ** 5) }}", "{{ ('x' * 10 ** 5).replace('x', 'y' * 10 ** 5) }}",
        "{{ ('x' * 10 ** 5).replace('', 'y' * 10 ** 5) }}", "{{ (range(10000)|list)|join('y' * 10 ** 5) }}",
        "{{ ['y' * 10 ** 6] * 10 ** 4 }}", "{{ ('x' * 10 ** 6)|indent('y' * 10 ** 9) }}"}) {
    EXPECT_THAT(render_error(source), HasSubstr(kTooMuch)) << source;
  }
}

TEST(JinjaLimits, WidthsInFormatsAreBounded) {
  for (const char* source : {"{{ '%1000000000d' % 1 }}", "{{ '%.1000000000f' % 1.5 }}",
                             "{{ '{:1000000000}'.format(1) }}", "{{ '%*d' % (10 ** 9, 1) }}",
                             "{{ '{:.{}f}'.format(1.5, 10 ** 9) }}", "{{ '%99999999999999999999d' % 1 }}"}) {
    EXPECT_THAT(render_error(source), HasSubstr("format string is above")) << source;
  }
}

TEST(JinjaLimits, ExponentialDoublingStops) {
  EXPECT_THAT(render_error("{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x + "
                           "ns.x %}{% endfor %}"),
              HasSubstr(kTooMuch));
  // Lists that hold themselves twice, again and again: small in memory, huge to walk through.
  const std::string doubling =
      "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
  for (const char* use : {"{{ ns.x }}", "{{ ns.x|tojson }}", "{{ ns.x == ns.x }}", "{{ {'a': ns.x}|string }}",
                          "{{ ns.x < ns.x }}", "{{ ns.x in [ns.x] }}", "{{ [ns.x]|map('string')|list }}"}) {
    EXPECT_THAT(render_error(doubling + use), HasSubstr(kTooMuch)) << use;
  }
  const std::string tuples =
      "{% set ns = namespace(x=(1,)) %}{% for i in range(100) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}";
  EXPECT_THAT(render_error(tuples + "{{ {ns.x: 1} }}"), HasSubstr(kTooMuch));
  EXPECT_THAT(render_error(tuples + "{{ {}[ns.x] }}"), HasSubstr(kTooMuch));
  EXPECT_THAT(render_error(tuples + "{{ [ns.x]|unique|list }}"), HasSubstr(kTooMuch));
}

TEST(JinjaLimits, LongLoopsEnd) {
  EXPECT_THAT(
      render_error("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
      HasSubstr("more than"));
  EXPECT_THAT(render_error("{{ range(100001) }}"), HasSubstr("Range too big"));
  EXPECT_THAT(render_error("{{ range(-(2 ** 62), 2 ** 62)|length }}"), HasSubstr("Range too big"));
}

TEST(JinjaLimits, OutputIsBounded) {
  EXPECT_THAT(render_error("{% set s = 'x' * 10 ** 7 %}{% for i in range(100) %}{{ s }}{% endfor %}"),
              HasSubstr(kTooMuch));
}

TEST(JinjaLimits, RecursionEnds) {
  for (const char* source :
       {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% if n %}{% for i in [1] %}{% filter upper %}{{ [f(n + 1)]|join }}{% endfilter "
        "%}{% endfor %}"
        "{% endif %}{% endmacro %}{{ f(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"}) {
    EXPECT_THAT(render_error(source), HasSubstr("too deep")) << source;
  }
}

TEST(JinjaLimits, DeepValuesAreRefused) {
  EXPECT_THAT(
      render_error(
          "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}"),
      HasSubstr("nested deeper"));
  EXPECT_THAT(render_error("{% set ns = namespace(x={}) %}{% for i in range(99999) %}{% set ns.x = {'a': "
                           "ns.x} %}{% endfor %}"),
              HasSubstr("nested deeper"));
  EXPECT_THAT(render_error("{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = "
                           "ns.x|map('abs') %}{% endfor %}"),
              HasSubstr("nested deeper"));
  EXPECT_THAT(render_error("{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = "
                           "[ns.x.count] %}{% endfor %}"),
              HasSubstr("nested deeper"));
}

TEST(JinjaLimits, DeepSyntaxIsRefused) {
  for (const char* piece : {"(", "[", "{'a':", "not ", "-", "a(", "a[", "1 if 1 else ", "'a'|join("}) {
    EXPECT_THAT(render_error("{{ " + repeated(piece, 5000)), HasSubstr("too deep")) << piece;
  }
  EXPECT_THAT(render_error(repeated("{% if x %}", 5000)), HasSubstr("too deep"));
  EXPECT_THAT(render_error(repeated("{% for x in y %}", 5000)), HasSubstr("too deep"));
  EXPECT_THAT(render_error("{% set " + repeated("(", 5000)), HasSubstr("too deep"));
  for (const char* piece :
       {".a", "[0]", "()", "|e", " + 1", " * 1", " and 1", " or 1", " is eq(1)", "[1:]"}) {
    EXPECT_THAT(render_error("{{ a" + repeated(piece, 5000) + " }}"), HasSubstr("expression is too long"))
        << piece;
  }
}

TEST(JinjaLimits, LongButFlatTemplatesWork) {
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 5000) + " }}").size(), 5001u);
  EXPECT_EQ(render("{{ [1" + repeated(", 1", 5000) + "]|length }}"), "5001");
  EXPECT_EQ(render(repeated("{% if false %}{% else %}x{% endif %}", 5000)).size(), 5000u);
  EXPECT_EQ(render("{% if false %}" + repeated("{% elif false %}", 5000) + "{% else %}x{% endif %}"), "x");
}

// Chains that hold each other over references that only end with the rendering: freed without recursion
// and without a leak (the address sanitizer looks).
TEST(JinjaLimits, CyclesAndChainsAreFreed) {
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.me = [ns] %}{% macro m() %}{{ ns }}{% endmacro %}{% "
                   "set ns.m = m %}x"),
            "x");
  EXPECT_EQ(
      render(
          "{% set ns = namespace(l=0) %}{% for i in range(20000) %}{% for x in [ns.l] %}{% set ns.l = loop %}"
          "{% endfor %}{% endfor %}x"),
      "x");
  EXPECT_EQ(render("{% set a = namespace(x=0) %}{% for i in range(20000) %}{% set b = namespace(x=a.x) %}{% "
                   "set a.x = b %}"
                   "{% endfor %}x"),
            "x");
  EXPECT_THAT(
      render_error(
          "{% set ns = namespace(g=none) %}{% macro start() %}{% macro h() %}{{ ns.g() if false }}"
          "{% macro k() %}x{% endmacro %}{% set ns.g = k %}{% endmacro %}{% set ns.g = h %}{% endmacro %}"
          "{{ start() }}{% for i in range(2000) %}{{ ns.g() }}{% endfor %}"),
      ::testing::StartsWith("["));
}

TEST(JinjaLimits, SelfReferencePrintsOrFailsButEnds) {
  EXPECT_THAT(render_error("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}"), HasSubstr("too deep"));
}

TEST(JinjaLimits, IntegersOverflowWithAnError) {
  for (const char* source :
       {"{{ 2 ** 127 }}", "{{ 10 ** 30 * 10 ** 30 }}", "{{ 2 ** 126 + 2 ** 126 }}",
        "{{ -(2 ** 126) - 2 ** 126 - 1 }}", "{{ 9999999999999999999999999999999999999999 }}",
        "{{ 3 ** 200 }}", "{{ ('9' * 50)|int }}", "{{ 1e300|int }}"}) {
    EXPECT_THAT(render_error(source), HasSubstr("too large")) << source;
  }
  EXPECT_THAT(render_error("{{ 'abc'[2 ** 100] }}"), "[]");
  EXPECT_THAT(render_error("{{ 'abc'[:2 ** 100] }}{{ 'abc'[-(2 ** 100)::2 ** 100] }}"), "[abca]");
}

}  // namespace
}  // namespace nibble::jinja
