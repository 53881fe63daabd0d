#include "text/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/testing.h"
#include "text/tokenizer.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

Json byte_level_json() {
  return Json::parse(R"({
    "added_tokens": [
      {"id": 5, "content": "<|end|>", "special": true},
      {"id": 6, "content": "<tool>", "special": false, "rstrip": true},
      {"id": 8, "content": "<|im_end|>", "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [5], "tokens": ["<|end|>"]}}},
    "model": {"type": "BPE", "unk_token": null, "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4},
              "merges": ["a b", ["Ġ", "ab"]]}})");
}

/// A SentencePiece model in Protocol Buffers' encoding.
class ModelBytes {
 public:
  ModelBytes& piece(const std::string& text, float score, int type) {
    std::string message = bytes(1, text) + "\x15" + std::string(reinterpret_cast<const char*>(&score), 4);
    message += "\x18" + std::string(1, char(type));
    data_ += bytes(1, message);
    return *this;
  }
  ModelBytes& message(int field, const std::string& content) {
    data_ += bytes(field, content);
    return *this;
  }
  const std::string& data() const { return data_; }

  static std::string bytes(int field, const std::string& content) {
    return std::string(1, char(field << 3 | 2)) + char(content.size()) + content;
  }

 private:
  std::string data_;
};

ModelBytes small_model() {
  return ModelBytes()
      .piece("<unk>", 0, 2)
      .piece("<s>", 0, 3)
      .piece("</s>", 0, 3)
      .piece("▁a", -1, 1)
      .piece("▁", -2, 1)
      .piece("a", -3, 1);
}

const std::string kBpe = "\x18\x02";
const std::string kIdentity = "\x0a\x08identity\x18\x01\x20";

class TokenizerDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("nibble-tokenizer-" + std::to_string(getpid()));
    fs::create_directories(path_);
  }
  void TearDown() override { fs::remove_all(path_); }
  void write(const std::string& name, const std::string& content) { write_file(path_ / name, content); }
  Vocabulary read() { return read_tokenizer_directory(path_.string()); }
  fs::path path_;
};

TEST(TokenizerJson, ReadsByteLevelBpe) {
  const Vocabulary v = read_tokenizer_json(byte_level_json().dump(), "t.json");
  EXPECT_EQ(v.kind, TokenizerKind::byte_level_bpe);
  EXPECT_EQ(v.pre, "smollm");
  EXPECT_THAT(v.merges, ElementsAre("a b", "Ġ ab"));
  EXPECT_EQ(v.tokens[7], "[PAD7]");
  EXPECT_EQ(v.types[7], TokenType::unused);
  EXPECT_EQ(v.types[5], TokenType::control);
  EXPECT_EQ(v.types[6], TokenType::user_defined);
  EXPECT_TRUE(v.added[1].rstrip && v.added[1].normalized && !v.added[0].normalized);
  EXPECT_TRUE(v.add_bos && v.bos == 5 && !v.add_eos);
  EXPECT_THAT(Tokenizer::create(v)->encode("ab ab<tool>  a"), ElementsAre(5, 2, 4, 6, 0));
}

TEST(TokenizerJson, KeepsAPreTokenizerWithoutName) {
  Json json = byte_level_json();
  json["pre_tokenizer"]["pretokenizers"][0] = {
      {"type", "Split"}, {"pattern", {{"String", "b+"}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Vocabulary v = read_tokenizer_json(json.dump(), "t.json");
  EXPECT_EQ(v.pre, "");
  ASSERT_EQ(v.splits.size(), 2u);
  EXPECT_EQ(v.splits[0].regex, "b\\+");
}

TEST(TokenizerJson, ReadsSentencePieceStyle) {
  Json json = byte_level_json();
  json["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  json["model"] = {{"type", "BPE"},
                   {"unk_token", "<unk>"},
                   {"vocab", {{"<unk>", 0}, {"▁", 1}, {"a", 2}, {"▁a", 3}, {"aa", 4}}},
                   {"merges", {"▁ a", "a a"}}};
  const Vocabulary v = read_tokenizer_json(json.dump(), "t.json");
  EXPECT_EQ(v.kind, TokenizerKind::sentencepiece);
  EXPECT_TRUE(v.metaspace && v.prefix_first_only && v.add_space_prefix);
  EXPECT_GT(v.scores[3], v.scores[4]);
  EXPECT_THAT(Tokenizer::create(v)->encode("aa<tool>aa", {.add_special = false}), ElementsAre(3, 2, 6, 4));
}

TEST(TokenizerJson, NamesWhatItDoesNotRead) {
  const auto message = [](const char* pointer, Json value) {
    Json json = byte_level_json();
    json[Json::json_pointer(pointer)] = std::move(value);
    return error_of([&] { read_tokenizer_json(json.dump(), "t.json"); });
  };
  EXPECT_THAT(message("/model/type", "WordPiece"), HasSubstr("WordPiece"));
  EXPECT_THAT(message("/model/end_of_word_suffix", "</w>"), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(message("/normalizer", {{"type", "NFKC"}}), HasSubstr("NFKC"));
  EXPECT_THAT(message("/pre_tokenizer/pretokenizers/0", {{"type", "Whitespace"}}), HasSubstr("Whitespace"));
  EXPECT_THAT(message("/pre_tokenizer/pretokenizers/1/add_prefix_space", true),
              HasSubstr("add_prefix_space"));
  EXPECT_THAT(message("/post_processor/type", "BertProcessing"), HasSubstr("BertProcessing"));
  EXPECT_THAT(message("/added_tokens/0/id", 1 << 30), HasSubstr("impossible id"));
  EXPECT_THAT(message("/added_tokens/0/id", -1), HasSubstr("impossible id"));
  EXPECT_THAT(message("/model/merges", {"a"}), HasSubstr("merge 0"));
  EXPECT_THAT(message("/model/merges", 3), HasSubstr("not a tokenizer.json"));
  EXPECT_THAT(error_of([] { read_tokenizer_json("{\"model\":", "t.json"); }), HasSubstr("t.json"));
  EXPECT_THAT(error_of([] { read_tokenizer_json("[]", "t.json"); }), HasSubstr("t.json"));
}

TEST(SentencePieceModel, ReadsPiecesAndSettings) {
  const auto model = small_model().message(2, kBpe).message(3, kIdentity + std::string(1, '\0'));
  const Vocabulary v = read_sentencepiece_model(model.data(), "m");
  EXPECT_EQ(v.tokens[3], "▁a");
  EXPECT_FLOAT_EQ(v.scores[3], -1);
  EXPECT_EQ(v.types[0], TokenType::unknown);
  EXPECT_TRUE(v.add_space_prefix && !v.remove_extra_whitespaces);
  EXPECT_TRUE(v.unknown == 0 && v.bos == 1 && v.eos == 2 && !v.padding);
}

TEST(SentencePieceModel, NamesWhatItDoesNotRead) {
  const auto message = [](const ModelBytes& model) {
    return error_of([&] { read_sentencepiece_model(model.data(), "m"); });
  };
  EXPECT_THAT(message(small_model().message(2, "\x18\x01")), HasSubstr("unigram"));
  EXPECT_THAT(message(small_model().message(2, "")), HasSubstr("unigram"));
  EXPECT_THAT(message(small_model()), HasSubstr("how it was trained"));
  EXPECT_THAT(message(small_model().message(2, kBpe).message(
                  3, ModelBytes::bytes(1, "nfkc") + ModelBytes::bytes(2, "x"))),
              HasSubstr("nfkc"));
}

TEST(SentencePieceModel, SurvivesCutsAndFlips) {
  const std::string pieces = small_model().data();
  const std::string good = small_model().message(2, kBpe).message(3, kIdentity + std::string(1, '\0')).data();
  for (size_t size = 0; size < good.size(); ++size) {
    error_of([&] { Tokenizer::create(read_sentencepiece_model(good.substr(0, size), "m"))->encode("a a"); });
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = char(bad[at] ^ (1 << bit));
      error_of([&] { Tokenizer::create(read_sentencepiece_model(bad, "m"))->encode("a a"); });
    }
  }
}

TEST_F(TokenizerDirectory, TakesTokensAndTemplateFromTheConfigs) {
  write("tokenizer.json", byte_level_json().dump());
  write("tokenizer_config.json",
        R"({"eos_token": {"content": "<|im_end|>"}, "add_bos_token": false, "pad_token": "<|end|>",
      "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  write("generation_config.json", R"({"eos_token_id": [8, 6]})");
  const Vocabulary v = read();
  EXPECT_TRUE(v.eos == 8 && v.padding == 5 && v.bos == 5 && !v.add_bos);
  EXPECT_THAT(v.end_of_turn, ElementsAre(6, 5));
  EXPECT_EQ(v.chat_template, "D");
  write("chat_template.jinja", "J");
  EXPECT_EQ(read().chat_template, "J");
}

TEST_F(TokenizerDirectory, KnowsNamesThatEndAnAnswer) {
  write("tokenizer.json", byte_level_json().dump());
  write("special_tokens_map.json", R"({"eos_token": "<|end|>"})");
  const Vocabulary v = read();
  EXPECT_EQ(v.eos, 5);
  EXPECT_THAT(v.end_of_turn, ElementsAre(8));
}

TEST_F(TokenizerDirectory, AddsTokensToASentencePieceModel) {
  write("tokenizer.model",
        small_model().message(2, kBpe).message(3, kIdentity + std::string(1, '\0')).data());
  write("tokenizer_config.json",
        R"({"added_tokens_decoder": {"6": {"content": "<x>", "special": true}}, "eos_token": "<x>"})");
  const Vocabulary v = read();
  EXPECT_TRUE(v.eos == 6 && v.add_bos);
  EXPECT_THAT(Tokenizer::create(v)->encode("a<x>a", {.parse_special = true}), ElementsAre(1, 3, 6, 3));
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"9": {"content": "<x>"}}})");
  EXPECT_THAT(error_of([&] { read(); }), HasSubstr("leaves a gap"));
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"nine": {"content": "<x>"}}})");
  EXPECT_THAT(error_of([&] { read(); }), HasSubstr("leaves a gap"));
}

TEST_F(TokenizerDirectory, SaysWhatIsMissingOrBroken) {
  EXPECT_THAT(error_of([&] { read(); }), HasSubstr("no tokenizer.json or tokenizer.model"));
  write("tokenizer.json", byte_level_json().dump());
  write("generation_config.json", R"({"eos_token_id": 99})");
  EXPECT_THAT(error_of([&] { read(); }), HasSubstr("end (eos) token 99"));
  write("generation_config.json", "[]");
  EXPECT_THAT(error_of([&] { read(); }), HasSubstr("not a JSON object"));
}

}  // namespace
}  // namespace nibble
