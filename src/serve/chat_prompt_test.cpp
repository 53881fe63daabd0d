#include "serve/chat_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/tiny_model_test.h"
#include "serve/api_error.h"

namespace nibble {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr const char* kTools =
    R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";

class ChatPromptTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Engine> engine(const std::string& chat_template) {
    const TinyModel model({.context = 4096, .chat_template = chat_template});
    EngineOptions options;
    options.threads = 1;
    return Engine::load(model.path(), options);
  }

  static ChatPrompt make(const Engine& engine, const std::string& body) {
    const Json json = Json::parse(body);
    return make_chat_prompt(JsonFields(json), engine);
  }

  static std::string wrong(const Engine& engine, const std::string& body) {
    try {
      make(engine, body);
      return "ok";
    } catch (const ApiError& error) {
      return error.what();
    }
  }
};

TEST_F(ChatPromptTest, PutsMessagesAsTheEngineDoes) {
  const auto plain = engine("");
  const ChatPrompt prompt = make(*plain, R"({"messages": [{"role": "developer", "content": "be brief"},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})");
  EXPECT_EQ(
      prompt.text,
      "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt.tokens, plain->encode_chat({{"system", "be brief"}, {"user", "ab"}}));
  EXPECT_THAT(prompt.stops, ::testing::Contains("<|im_end|>"));
  EXPECT_FALSE(prompt.tools);
}

TEST_F(ChatPromptTest, TakesTheFormatThatIsNamed) {
  const auto plain = engine("");
  const ChatPrompt prompt =
      make(*plain, R"({"messages": [{"role": "user", "content": "x"}], "prompt_format": "alpaca"})");
  EXPECT_THAT(prompt.text, HasSubstr("### Instruction:\nx"));
  EXPECT_THAT(wrong(*plain, R"({"messages": [{"role": "user", "content": "x"}], "prompt_format": "x"})"),
              HasSubstr("llama2"));
}

TEST_F(ChatPromptTest, GivesToolsToATemplateThatKnowsThem) {
  const auto knows = engine(
      "{% if tools %}TOOLS {{ tools | tojson }} <tool_call>{% endif %}{% for m in messages %}[{{ m.role "
      "}}]{{ m.content "
      "}}{% for c in m.tool_calls or [] %}{{ c.function.name }}={{ c.function.arguments.x }}{% endfor %}{% "
      "endfor %}");
  const std::string body = std::string(R"({"messages": [{"role": "user", "content": "q"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
        "function": {"name": "f", "arguments": "{\"x\": 5}"}}]},
      {"role": "tool", "tool_call_id": "1", "content": "r"}], "tools": )") +
                           kTools + "}";
  const ChatPrompt prompt = make(*knows, body);
  EXPECT_THAT(prompt.text, HasSubstr("TOOLS [{"));
  EXPECT_THAT(prompt.text, HasSubstr("[assistant]f=5[tool]r"));
  EXPECT_EQ(prompt.tools, ToolCallForm::tagged);
}

TEST_F(ChatPromptTest, DescribesToolsToAnyOtherModel) {
  const auto plain = engine("");
  const std::string with_tools =
      std::string(R"({"messages": [{"role": "user", "content": "q"}], "tools": )") + kTools;
  EXPECT_THAT(make(*plain, with_tools + "}").text, HasSubstr("\"name\":\"f\""));
  const ChatPrompt none = make(*plain, with_tools + R"(, "tool_choice": "none"})");
  EXPECT_FALSE(none.tools);
  EXPECT_THAT(none.text, ::testing::Not(HasSubstr("\"name\":\"f\"")));
  EXPECT_TRUE(make(*plain, with_tools + R"(, "tool_choice": "required"})").must_call);
  EXPECT_THAT(
      wrong(*plain, with_tools + R"(, "tool_choice": {"type": "function", "function": {"name": "g"}}})"),
      HasSubstr("'g'"));
}

TEST_F(ChatPromptTest, ACallNeedsTools) {
  const auto plain = engine("");
  const std::string question = R"({"messages": [{"role": "user", "content": "q"}], "tool_choice": )";
  EXPECT_THAT(wrong(*plain, question + R"("required"})"), HasSubstr("no tools"));
  EXPECT_THAT(wrong(*plain, question + R"({"type": "function", "function": {"name": "g"}}})"),
              HasSubstr("no tools"));
  EXPECT_FALSE(make(*plain, question + R"("auto"})").must_call);
}

TEST_F(ChatPromptTest, LeavesOutTheAnswersTurn) {
  const auto plain = engine("");
  const std::string question = R"({"messages": [{"role": "user", "content": "q"}])";
  const std::string whole = make(*plain, question + "}").text;
  const std::string part = make(*plain, question + R"(, "add_generation_prompt": false})").text;
  EXPECT_LT(part.size(), whole.size());
  EXPECT_THAT(whole, ::testing::StartsWith(part));
}

TEST_F(ChatPromptTest, SaysWhatTheTemplateDoesNotTake) {
  const auto strict = engine("{{ raise_exception('no such role') }}");
  EXPECT_THAT(wrong(*strict, R"({"messages": [{"role": "user", "content": "x"}]})"),
              HasSubstr("no such role"));
  EXPECT_THAT(wrong(*strict, R"({"messages": []})"), HasSubstr("at least one"));
  EXPECT_THAT(wrong(*strict, R"({"messages": [{"role": "robot", "content": "x"}]})"), HasSubstr("robot"));
  EXPECT_THAT(wrong(*strict, R"({"messages": [{"role": "user", "content": 3}]})"),
              HasSubstr("messages[0].content"));
}

}  // namespace
}  // namespace nibble
