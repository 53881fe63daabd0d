#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/testing.h"

namespace nibble {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

const std::vector<ChatMessage> kTurns = {
    {"system", "Be brief.\n"}, {"user", " Hi "}, {"assistant", "Hello!"}, {"user", "2 + 2?"}};

// The preset texts are written by hand from the formats' descriptions.
TEST(ChatTemplate, AlpacaPresetPutsTheSystemMessageFirst) {
  EXPECT_EQ(ChatTemplate::preset("alpaca").render(kTurns, true, "<s>", "</s>"),
            "<s>Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello!</s>\n\n"
            "### Instruction:\n2 + 2?\n\n### Response:\n");
}

TEST(ChatTemplate, AlpacaPresetOfOneQuestionIsThePapersForm) {
  EXPECT_EQ(ChatTemplate::preset("alpaca").render({{"user", "Why?"}}, true, "", ""),
            "### Instruction:\nWhy?\n\n### Response:\n");
}

TEST(ChatTemplate, ChatmlPresetKeepsContentsAsTheyAre) {
  EXPECT_EQ(
      ChatTemplate::preset("chatml").render({{"user", " a\n"}, {"assistant", "b"}}, false, "<s>", "</s>"),
      "<|im_start|>user\n a\n<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n");
}

TEST(ChatTemplate, Llama2PresetPutsTheSystemMessageIntoTheFirstTurn) {
  EXPECT_EQ(ChatTemplate::preset("llama2").render(kTurns, true, "<s>", "</s>"),
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] 2 + 2? [/INST]");
}

TEST(ChatTemplate, Llama2PresetRefusesRolesOutOfTurn) {
  const auto render = [] {
    ChatTemplate::preset("llama2").render({{"user", "a"}, {"user", "b"}}, true, "", "");
  };
  EXPECT_THAT(error_of(render), HasSubstr("found 'user' where 'assistant' is due"));
}

TEST(ChatTemplate, UnknownPresetNamesThoseThatAre) {
  EXPECT_THAT(error_of([] { ChatTemplate::preset("alpacca"); }),
              AllOf(HasSubstr("'alpacca'"), HasSubstr("alpaca, chatml, llama2")));
  EXPECT_EQ(ChatTemplate::preset_names(), (std::vector<std::string>{"alpaca", "chatml", "llama2"}));
}

TEST(ChatTemplate, SyntaxErrorNamesItsLine) {
  EXPECT_THAT(error_of([] { ChatTemplate("a\n{% if x %}\n{{ y }"); }), HasSubstr("line 3: "));
  EXPECT_THAT(error_of([] { ChatTemplate("\n\n{% nope %}"); }),
              HasSubstr("line 3: Encountered unknown tag 'nope'"));
}

TEST(ChatTemplate, RenderingErrorNamesItsLine) {
  const ChatTemplate chat_template("a\n{% for m in messages %}\n  {{ m.content.x.y }}\n{% endfor %}\n");
  EXPECT_THAT(error_of([&] {
                chat_template.render({{"user", "b"}}, true, "", "");
              }),
              HasSubstr("line 3: 'str object' has no attribute 'x'"));
}

TEST(ChatTemplate, RaisedMessageIsKeptOnOneLine) {
  const ChatTemplate chat_template("\n{{ raise_exception('No\nsuch role') }}");
  EXPECT_EQ(error_of([&] { chat_template.render(Json::object()); }), "chat template, line 2: No such role");
}

TEST(ChatTemplate, ContextMustBeAnObject) {
  EXPECT_THAT(error_of([] { ChatTemplate("x").render(Json::array()); }), HasSubstr("must be an object"));
}

TEST(ChatTemplate, DeepContextIsRefused) {
  Json deep = 1;
  for (int i = 0; i < 100000; ++i) deep = Json::array({std::move(deep)});
  EXPECT_THAT(error_of([&] {
                ChatTemplate("x").render({{"deep", std::move(deep)}});
              }),
              HasSubstr("nested deeper"));
}

TEST(ChatTemplate, BytesThatAreNotUtf8PassThrough) {
  EXPECT_EQ(ChatTemplate("\xff{{ messages[0].content[1:] ~ messages[0].content|length }}\xfe")
                .render({{"user", "a\x80\xc3"}}, true, "", ""),
            "\xff\x80\xc3"
            "3\xfe");
}

TEST(ChatTemplate, ThreadsShareATemplate) {
  const ChatTemplate chat_template = ChatTemplate::preset("llama2");
  const std::string wanted = chat_template.render(kTurns, true, "<s>", "</s>");
  std::vector<std::thread> threads;
  std::atomic<int> same = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) same += chat_template.render(kTurns, true, "<s>", "</s>") == wanted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, 200);
}

}  // namespace
}  // namespace nibble
