#include "engine/vocabulary_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "text/tokenizer.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Vocabulary byte_level() {
  Vocabulary v;
  v.pre = "llama-bpe";
  v.ignore_merges = true;
  v.add_space_prefix = false;
  v.tokens = {"a", "b", "ab", "Ġ", "<s>", "</s>", "<tool>", "<|eot_id|>"};
  v.types = {TokenType::normal,  TokenType::normal,  TokenType::normal,       TokenType::normal,
             TokenType::control, TokenType::control, TokenType::user_defined, TokenType::control};
  v.merges = {"a b"};
  v.bos = 4;
  v.eos = 5;
  v.end_of_turn = {6, 7};
  v.add_bos = true;
  v.chat_template = "{{ messages }}";
  return v;
}

Vocabulary sentencepiece() {
  Vocabulary v;
  v.kind = TokenizerKind::sentencepiece;
  v.tokens = {"<unk>", "▁", "a", "▁a"};
  v.types = {TokenType::unknown, TokenType::normal, TokenType::normal, TokenType::normal};
  v.scores = {0, -2, -3, -1};
  v.unknown = 0;
  return v;
}

Vocabulary through_gguf(const Vocabulary& vocabulary) {
  GgufMetadata metadata;
  write_vocabulary(vocabulary, metadata);
  return read_vocabulary(metadata, "test.gguf");
}

GgufMetadata metadata_of(const Vocabulary& vocabulary) {
  GgufMetadata metadata;
  write_vocabulary(vocabulary, metadata);
  return metadata;
}

std::string error_of(const GgufMetadata& metadata) {
  return testing::error_of([&] { read_vocabulary(metadata, "test.gguf"); });
}

TEST(VocabularyLoader, ByteLevelComesBackFromGguf) {
  const Vocabulary v = through_gguf(byte_level());
  EXPECT_EQ(v.pre, "llama-bpe");
  EXPECT_TRUE(v.ignore_merges && v.add_bos && !v.add_eos && !v.nfc);
  EXPECT_EQ(v.tokens, byte_level().tokens);
  EXPECT_EQ(v.types, byte_level().types);
  EXPECT_EQ(v.merges, byte_level().merges);
  EXPECT_TRUE(v.bos == 4 && v.eos == 5 && !v.unknown && !v.padding);
  EXPECT_THAT(v.end_of_turn, ElementsAre(6, 7));
  EXPECT_EQ(v.chat_template, byte_level().chat_template);
}

TEST(VocabularyLoader, OwnRulesComeBackFromGguf) {
  Vocabulary v = byte_level();
  v.pre = "";
  v.nfc = true;
  v.ignore_merges = false;
  v.splits = {{"b+", false}, {".", true}};
  v.added = {{.id = 6, .normalized = true, .lstrip = true},
             {.id = 4, .special = true, .rstrip = true, .single_word = true}};
  const Vocabulary back = through_gguf(v);
  EXPECT_EQ(back.splits, v.splits);
  EXPECT_TRUE(back.nfc && !back.ignore_merges);
  ASSERT_EQ(back.added.size(), 2u);
  EXPECT_TRUE(back.added[0].normalized && back.added[0].lstrip && !back.added[0].special &&
              !back.added[0].rstrip);
  EXPECT_TRUE(back.added[1].special && back.added[1].rstrip && back.added[1].single_word);
}

TEST(VocabularyLoader, SentencePieceComesBackFromGguf) {
  Vocabulary v = sentencepiece();
  v.add_space_prefix = false;
  v.remove_extra_whitespaces = v.metaspace = v.prefix_first_only = v.split_on_spaces = true;
  v.fuse_unknown = false;
  const Vocabulary back = through_gguf(v);
  EXPECT_EQ(back.kind, TokenizerKind::sentencepiece);
  EXPECT_EQ(back.scores, v.scores);
  EXPECT_TRUE(!back.add_space_prefix && back.remove_extra_whitespaces && back.metaspace &&
              back.prefix_first_only && back.split_on_spaces && !back.fuse_unknown);
}

TEST(VocabularyLoader, FilesThatSayLittleMeanWhatLlamaCppTakesThemFor) {
  GgufMetadata metadata = metadata_of(sentencepiece());
  for (const char* key : {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token",
                          "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.token_type"}) {
    metadata.erase(key);
  }
  const Vocabulary v = read_vocabulary(metadata, "test.gguf");
  EXPECT_TRUE(v.add_bos && !v.add_eos && v.add_space_prefix);
  EXPECT_EQ(v.types[0], TokenType::normal);
}

TEST(VocabularyLoader, NamesTheKeyThatIsWrong) {
  const auto with = [](const char* key, GgufValue value) {
    GgufMetadata metadata = metadata_of(byte_level());
    metadata.set(key, std::move(value));
    return error_of(metadata);
  };
  EXPECT_THAT(with("tokenizer.ggml.pre", std::string("klingon")), HasSubstr("klingon"));
  EXPECT_THAT(with("tokenizer.ggml.model", std::string("t5")), HasSubstr("tokenizer.ggml.model is 't5'"));
  EXPECT_THAT(with("tokenizer.ggml.eos_token_id", uint32_t{8}), HasSubstr("tokenizer.ggml.eos_token_id"));
  EXPECT_EQ(with("tokenizer.ggml.eos_token_id", uint32_t{0xffffffff}), "no error");
  EXPECT_THAT(with("tokenizer.ggml.token_type", GgufArray{std::vector<int32_t>{1}}),
              HasSubstr("token types"));
  EXPECT_THAT(with("nibble.tokenizer.added_tokens", GgufArray{std::vector<int32_t>{1}}),
              HasSubstr("added_tokens"));
  EXPECT_THAT(with("nibble.tokenizer.added_tokens", GgufArray{std::vector<int64_t>{int64_t{1} << 40, 0}}),
              HasSubstr("added token"));
  EXPECT_THAT(with("nibble.tokenizer.end_of_turn", GgufArray{std::vector<int32_t>{-1}}),
              HasSubstr("end_of_turn"));
  GgufMetadata metadata = metadata_of(byte_level());
  metadata.erase("tokenizer.ggml.tokens");
  EXPECT_THAT(error_of(metadata), HasSubstr("no tokenizer.ggml.tokens"));
}

}  // namespace
}  // namespace nibble
