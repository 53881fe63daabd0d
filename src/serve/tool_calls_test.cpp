#include "serve/tool_calls.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

struct Result {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;
  bool operator==(const Result&) const = default;
};

void PrintTo(const Result& result, std::ostream* out) {
  *out << '"' << result.content << '"';
  for (const auto& [name, arguments] : result.calls) *out << ' ' << name << arguments;
}

void take(const ToolCallParser::Found& found, Result& result) {
  result.content += found.content;
  for (const ToolCall& call : found.calls) result.calls.emplace_back(call.name, call.arguments);
}

/// The text in pieces of `size` bytes.
Result parse(ToolCallForm form, const std::string& text, size_t size) {
  ToolCallParser parser(form);
  Result result;
  for (size_t i = 0; i < text.size(); i += size) take(parser.add(text.substr(i, size)), result);
  take(parser.finish(), result);
  return result;
}

/// However the text is cut.
void expect(ToolCallForm form, const std::string& text, const Result& expected) {
  for (size_t size = 1; size <= text.size(); ++size)
    ASSERT_EQ(parse(form, text, size), expected) << size << ": " << text;
}

TEST(ToolCalls, TakesTaggedCallsOutOfTheText) {
  expect(ToolCallForm::tagged,
         "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1, \"}\"]}}\n</tool_call>\n"
         "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>",
         {"I look.", {{"f", R"({"x":[1,"}"]})"}, {"g", "{}"}}});
}

TEST(ToolCalls, TakesAListOfCalls) {
  expect(
      ToolCallForm::tagged,
      R"(<tool_call>[{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {"a": 2}}]</tool_call>)",
      {"", {{"f", R"({"a":1})"}, {"f", R"({"a":2})"}}});
}

TEST(ToolCalls, TakesACallThatTheAnswersEndLeftOpen) {
  expect(ToolCallForm::tagged, R"(<tool_call>{"name": "f", "arguments": {}})", {"", {{"f", "{}"}}});
}

TEST(ToolCalls, LeavesTextThatIsNoCall) {
  expect(ToolCallForm::tagged, "a <tool> b <tool_call>not json</tool_call> c ",
         {"a <tool> b<tool_call>not json</tool_call> c ", {}});
  expect(ToolCallForm::tagged, "plain text, 1 < 2 \n", {"plain text, 1 < 2 \n", {}});
  expect(ToolCallForm::bare_json, "plain {\"name\": 1}", {"plain {\"name\": 1}", {}});
  expect(ToolCallForm::bare_json, "{\"answer\": 1}", {"{\"answer\": 1}", {}});
  expect(ToolCallForm::bare_json,
         "{\"name\": \"f\", \"parameters\": ", {"{\"name\": \"f\", \"parameters\": ", {}});
}

TEST(ToolCalls, TakesBareCalls) {
  expect(ToolCallForm::bare_json, " {\"name\": \"f\", \"parameters\": {\"s\": \"a\\\"b\"}}",
         {"", {{"f", R"({"s":"a\"b"})"}}});
  expect(ToolCallForm::bare_json,
         R"([TOOL_CALLS] [{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}])",
         {"", {{"f", "{}"}, {"g", "{}"}}});
  expect(ToolCallForm::bare_json, R"({"name": "f", "parameters": {}}; {"name": "g", "parameters": {}})",
         {"", {{"f", "{}"}, {"g", "{}"}}});
}

TEST(ToolCalls, TheTemplateSaysTheForm) {
  EXPECT_EQ(tool_call_form("{% if tools %}<tool_call>{% endif %}"), ToolCallForm::tagged);
  EXPECT_EQ(tool_call_form("{% if tools %}Respond with JSON{% endif %}"), ToolCallForm::bare_json);
  EXPECT_EQ(tool_call_form("{{ messages }}"), ToolCallForm::tagged);
}

}  // namespace
}  // namespace nibble
