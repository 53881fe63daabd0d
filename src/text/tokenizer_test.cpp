#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <thread>

#include "base/testing.h"
#include "base/utf8.h"
#include "text/byte_level.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string byte_level_text(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) append_utf8(text, byte_level_character(uint8_t(c)));
  return text;
}

int32_t add_token(Vocabulary& v, const std::string& token, TokenType type = TokenType::normal) {
  v.tokens.push_back(token);
  v.types.push_back(type);
  if (v.kind == TokenizerKind::sentencepiece) v.scores.push_back(0);
  return int32_t(v.tokens.size() - 1);
}

/// The 256 bytes as tokens 0 to 255, a few merges, and tokens of every type.
Vocabulary byte_level_vocabulary() {
  Vocabulary v;
  v.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = char(byte);
    add_token(v, byte_level_text({&c, 1}));
  }
  for (const char* merge : {"a b", "ab c", "Ġ ab", "Ġ Ġ", "ĠĠ ĠĠ"}) {
    std::string merged = v.merges.emplace_back(merge);
    merged.erase(merged.find(' '), 1);
    add_token(v, merged);
  }
  v.bos = add_token(v, "<s>", TokenType::control);
  v.eos = add_token(v, "</s>", TokenType::control);
  add_token(v, "<tool>", TokenType::user_defined);
  add_token(v, "<tool>x", TokenType::user_defined);
  return v;
}

constexpr int32_t kAb = 256, kAbc = 257, kSpaceAb = 258, kBos = 261, kEos = 262, kTool = 263, kToolX = 264;

/// <unk>, the 256 bytes as tokens 1 to 256, and pieces by score.
Vocabulary sentencepiece_vocabulary(bool byte_fallback = true) {
  Vocabulary v;
  v.kind = TokenizerKind::sentencepiece;
  v.unknown = add_token(v, "<unk>", TokenType::unknown);
  for (int byte = 0; byte < 256 && byte_fallback; ++byte) {
    add_token(v, fmt::format("<0x{:02X}>", byte), TokenType::byte);
  }
  v.bos = add_token(v, "<s>", TokenType::control);
  float score = 0;
  for (const char* piece : {"ab", "▁ab", "▁▁", "bc", "▁", "a", "b", "c"}) {
    add_token(v, piece);
    v.scores.back() = score -= 1;
  }
  add_token(v, "<tool>", TokenType::user_defined);
  return v;
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text,
                                EncodeOptions options = {}) {
  std::vector<std::string> result;
  for (const int32_t id : tokenizer.encode(text, options))
    result.push_back(tokenizer.vocabulary().tokens[size_t(id)]);
  return result;
}

std::string random_bytes(std::mt19937& random, size_t size) {
  std::string bytes(size, '\0');
  constexpr std::string_view kAlphabet("ab c\n\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80\xff\x00<>", 18);
  for (char& c : bytes) c = kAlphabet[random() % kAlphabet.size()];
  return bytes;
}

TEST(ByteLevel, MergesByRankWithinWords) {
  const auto tokenizer = Tokenizer::create(byte_level_vocabulary());
  EXPECT_THAT(tokenizer->encode("abc ab"), ElementsAre(kAbc, kSpaceAb));
  EXPECT_THAT(tokenizer->encode("aab"), ElementsAre('a', kAb));
  EXPECT_THAT(tokenizer->encode(""), IsEmpty());
}

TEST(ByteLevel, PutsBeginAndEndAround) {
  Vocabulary v = byte_level_vocabulary();
  v.add_bos = v.add_eos = true;
  const auto tokenizer = Tokenizer::create(std::move(v));
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(kBos, kAb, kEos));
  EXPECT_THAT(tokenizer->encode("ab", {.add_special = false}), ElementsAre(kAb));
}

TEST(ByteLevel, ReadsSpecialTokensOnlyWhenAsked) {
  const auto tokenizer = Tokenizer::create(byte_level_vocabulary());
  EXPECT_THAT(tokenizer->encode("<s>ab", {.parse_special = true}), ElementsAre(kBos, kAb));
  EXPECT_THAT(tokenizer->encode("<s>ab"), ElementsAre('<', 's', '>', kAb));
  EXPECT_THAT(tokenizer->encode("<tool>xab<tool>"), ElementsAre(kToolX, kAb, kTool));
}

TEST(ByteLevel, AddedTokensTakeWhitespaceAsTheyAreFlagged) {
  Vocabulary v = byte_level_vocabulary();
  v.added = {{.id = kTool, .lstrip = true, .rstrip = true}, {.id = kToolX, .single_word = true}};
  const auto tokenizer = Tokenizer::create(std::move(v));
  EXPECT_THAT(tokenizer->encode("ab \n<tool>\t ab"), ElementsAre(kAb, kTool, kAb));
  EXPECT_THAT(tokenizer->encode("<tool> <tool>"), ElementsAre(kTool, kTool));
  EXPECT_THAT(tokenizer->encode("<tool>x"), ElementsAre(kToolX));
  EXPECT_THAT(tokenizer->encode("<tool>xa").size(), 8u);
}

TEST(ByteLevel, IgnoreMergesTakesWholeWords) {
  Vocabulary v = byte_level_vocabulary();
  const int32_t whole = add_token(v, "cab");
  EXPECT_THAT(Tokenizer::create(v)->encode("cab"), ElementsAre('c', kAb));
  v.ignore_merges = true;
  EXPECT_THAT(Tokenizer::create(v)->encode("cab"), ElementsAre(whole));
}

TEST(ByteLevel, EveryByteComesBack) {
  std::mt19937 random(1);
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "deepseek-r1-qwen", "tekken"}) {
    Vocabulary v = byte_level_vocabulary();
    v.pre = pre;
    const auto tokenizer = Tokenizer::create(std::move(v));
    for (int i = 0; i < 300; ++i) {
      const std::string text = random_bytes(random, random() % 60);
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, {.parse_special = true}), true), text) << pre;
    }
  }
}

TEST(ByteLevel, DropsBytesWithoutToken) {
  Vocabulary v = byte_level_vocabulary();
  v.types['c'] = TokenType::unknown;
  v.merges.erase(v.merges.begin() + 1);
  const auto tokenizer = Tokenizer::create(std::move(v));
  EXPECT_THAT(tokenizer->encode("acb"), ElementsAre(kAb));
}

TEST(ByteLevel, NormalizesToNfc) {
  Vocabulary v = byte_level_vocabulary();
  v.nfc = true;
  const auto tokenizer = Tokenizer::create(std::move(v));
  const auto decoded = [&](std::string_view text) { return tokenizer->decode(tokenizer->encode(text)); };
  EXPECT_EQ(decoded("e\u0301x"), "\u00e9x");
  EXPECT_EQ(decoded("a\u0323\u0301"), "\u1ea1\u0301");
  EXPECT_EQ(decoded("\u1112\u1161\u11ab"), "\ud55c");
  EXPECT_EQ(decoded("\u212b \xff\u0301\xcc"), "\u00c5 \xff\u0301\xcc");
}

TEST(ByteLevel, RefusesWhatItCannotUse) {
  const auto message = [](auto change) {
    Vocabulary v = byte_level_vocabulary();
    change(v);
    return testing::error_of([&] { Tokenizer::create(std::move(v)); });
  };
  EXPECT_THAT(message([](Vocabulary& v) { v.pre = "klingon"; }), HasSubstr("klingon"));
  EXPECT_THAT(message([](Vocabulary& v) { v.merges[1] = "ab Q q"; }), HasSubstr("merge 1"));
  EXPECT_THAT(message([](Vocabulary& v) { v.merges[1] = "ab "; }), HasSubstr("merge 1"));
  EXPECT_THAT(message([](Vocabulary& v) { v.merges[1] = "ab zz"; }), HasSubstr("merge 1"));
  EXPECT_THAT(message([](Vocabulary& v) { v.types.pop_back(); }), HasSubstr("264 token types"));
  EXPECT_THAT(message([](Vocabulary& v) { v.tokens[3] = "\xff"; }), HasSubstr("token 3"));
  EXPECT_THAT(message([](Vocabulary& v) { v.bos = 265; }), HasSubstr("begin (bos) token 265"));
  EXPECT_THAT(message([](Vocabulary& v) { v.pre = "", v.splits = {{"(a"}}; }), HasSubstr("\"(a\""));
  EXPECT_THAT(message([](Vocabulary& v) { v.tokens.clear(), v.types.clear(); }), HasSubstr("no tokens"));
}

TEST(ByteLevel, TellsWhatEndsAnAnswer) {
  Vocabulary v = byte_level_vocabulary();
  v.end_of_turn = {kTool};
  const auto tokenizer = Tokenizer::create(std::move(v));
  EXPECT_TRUE(tokenizer->ends_answer(kEos));
  EXPECT_TRUE(tokenizer->ends_answer(kTool));
  EXPECT_FALSE(tokenizer->ends_answer(kBos));
  EXPECT_THROW(tokenizer->piece(265), Error);
  EXPECT_THROW(tokenizer->piece(-1), Error);
}

TEST(SentencePiece, MergesByScore) {
  const auto tokenizer = Tokenizer::create(sentencepiece_vocabulary());
  EXPECT_THAT(pieces(*tokenizer, "ab"), ElementsAre("▁ab"));
  EXPECT_THAT(pieces(*tokenizer, "abc"), ElementsAre("▁ab", "c"));
  EXPECT_THAT(pieces(*tokenizer, "c  bc"), ElementsAre("▁", "c", "▁▁", "bc"));
  EXPECT_THAT(pieces(*tokenizer, ""), IsEmpty());
}

TEST(SentencePiece, FallsBackToBytes) {
  const auto tokenizer = Tokenizer::create(sentencepiece_vocabulary());
  EXPECT_THAT(pieces(*tokenizer, "aé"), ElementsAre("▁", "a", "<0xC3>", "<0xA9>"));
  EXPECT_THAT(pieces(*tokenizer, "a\xff"), ElementsAre("▁", "a", "<0xFF>"));
}

TEST(SentencePiece, JoinsUnknownCharacters) {
  Vocabulary v = sentencepiece_vocabulary(false);
  EXPECT_THAT(pieces(*Tokenizer::create(v), "axyé☃a\xff"), ElementsAre("▁", "a", "<unk>", "a", "<unk>"));
  v.fuse_unknown = false;
  EXPECT_THAT(pieces(*Tokenizer::create(v), "axy"), ElementsAre("▁", "a", "<unk>", "<unk>"));
  v.fuse_unknown = true;
  EXPECT_EQ(Tokenizer::create(v)->decode(Tokenizer::create(v)->encode("axy")), "a ⁇ ");
}

TEST(SentencePiece, SpecialTokensStartTextAnewAndUserDefinedDoNot) {
  const auto tokenizer = Tokenizer::create(sentencepiece_vocabulary());
  EXPECT_THAT(pieces(*tokenizer, "ab<s>ab", {.parse_special = true}), ElementsAre("▁ab", "<s>", "▁ab"));
  EXPECT_THAT(pieces(*tokenizer, "ab<tool>ab"), ElementsAre("▁ab", "<tool>", "ab"));
  EXPECT_THAT(pieces(*tokenizer, "<s>").size(), 4u);
}

TEST(SentencePiece, TidiesSpacesWhereTheModelDoes) {
  Vocabulary v = sentencepiece_vocabulary();
  v.remove_extra_whitespaces = true;
  const auto tokenizer = Tokenizer::create(std::move(v));
  EXPECT_THAT(pieces(*tokenizer, "  ab   c "), ElementsAre("▁ab", "▁", "c"));
  EXPECT_THAT(pieces(*tokenizer, "   "), IsEmpty());
}

TEST(SentencePiece, EveryByteComesBack) {
  const auto tokenizer = Tokenizer::create(sentencepiece_vocabulary());
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    std::string text = random_bytes(random, random() % 60);
    const std::string decoded = tokenizer->decode(tokenizer->encode(text));
    // U+2581 is how a space is written: the two are one.
    for (std::string* side : {&text}) {
      for (size_t at = side->find("▁"); at != std::string::npos; at = side->find("▁"))
        side->replace(at, 3, " ");
    }
    EXPECT_EQ(decoded, text);
  }
}

TEST(SentencePiece, RefusesWhatItCannotUse) {
  const auto message = [](auto change) {
    Vocabulary v = sentencepiece_vocabulary();
    change(v);
    return testing::error_of([&] { Tokenizer::create(std::move(v)); });
  };
  EXPECT_THAT(message([](Vocabulary& v) { v.scores.pop_back(); }), HasSubstr("scores"));
  EXPECT_THAT(message([](Vocabulary& v) { v.scores.back() = NAN; }), HasSubstr("not a finite number"));
  EXPECT_THAT(message([](Vocabulary& v) { v.tokens[1] = "<0xZZ>"; }), HasSubstr("token 1 is a byte"));
  EXPECT_THAT(message([](Vocabulary& v) { v.merges = {"a zz"}; }), HasSubstr("merge 0"));
}

TEST(Tokenizer, LongWordsTakeNoQuadraticTime) {
  const auto byte_level = Tokenizer::create(byte_level_vocabulary());
  const auto sentencepiece = Tokenizer::create(sentencepiece_vocabulary());
  for (const auto* tokenizer : {byte_level.get(), sentencepiece.get()}) {
    for (const char c : {'a', ' '}) {
      const std::string text(1000000, c);
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    }
  }
  EXPECT_EQ(byte_level->encode(std::string(1000000, ' ')).size(), 250000u);
}

TEST(Tokenizer, LongAndShortWordsMergeAlike) {
  const auto tokenizer = Tokenizer::create(byte_level_vocabulary());
  std::mt19937 random(3);
  for (int i = 0; i < 100; ++i) {
    // "x" is in no merge, so that the parts of the long word merge as they do by themselves.
    std::string whole;
    std::vector<int32_t> parts;
    for (int part = 0; part < 20; ++part) {
      std::string text(random() % 12, '\0');
      for (char& c : text) c = "abc"[random() % 3];
      text += 'x';
      whole += text;
      for (const int32_t id : tokenizer->encode(text)) parts.push_back(id);
    }
    EXPECT_EQ(tokenizer->encode(whole), parts);
  }
}

TEST(Tokenizer, ThreadsShareOne) {
  const auto tokenizer = Tokenizer::create(byte_level_vocabulary());
  std::mt19937 random(4);
  const std::string text = random_bytes(random, 20000);
  const auto expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::array<bool, 4> same{};
  for (size_t i = 0; i < same.size(); ++i) {
    threads.emplace_back([&, i] { same[i] = tokenizer->encode(text) == expected; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(same, ::testing::Each(true));
}

TEST(StreamDecoder, HoldsUnfinishedCharactersBack) {
  const auto tokenizer = Tokenizer::create(byte_level_vocabulary());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.add(0xf0), "");
  EXPECT_EQ(decoder.add(0x9f), "");
  EXPECT_EQ(decoder.add(0x98), "");
  EXPECT_EQ(decoder.add(0x80), "😀");
  EXPECT_EQ(decoder.add(0xe2), "");
  EXPECT_EQ(decoder.add('a'), "\ufffda");
  EXPECT_EQ(decoder.add(kBos), "");
  EXPECT_EQ(decoder.add(0xc3), "");
  EXPECT_EQ(decoder.finish(), "\ufffd");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, DropsTheFirstSpaceOfANewText) {
  const auto tokenizer = Tokenizer::create(sentencepiece_vocabulary());
  const int32_t space_ab = tokenizer->encode("ab")[0];
  StreamDecoder fresh(*tokenizer), continued(*tokenizer, false, true);
  EXPECT_EQ(fresh.add(*tokenizer->vocabulary().bos), "");
  EXPECT_EQ(fresh.add(space_ab), "ab");
  EXPECT_EQ(fresh.add(space_ab), " ab");
  EXPECT_EQ(continued.add(space_ab), " ab");
}

TEST(StreamDecoder, GivesWhatDecodeGivesInWholeCharacters) {
  std::mt19937 random(5);
  for (const auto& tokenizer :
       {Tokenizer::create(byte_level_vocabulary()), Tokenizer::create(sentencepiece_vocabulary())}) {
    for (int i = 0; i < 300; ++i) {
      std::vector<int32_t> ids(random() % 40);
      for (int32_t& id : ids) id = int32_t(random() % (random() % 2 ? tokenizer->size() : 256));
      const bool special = random() % 2 != 0;
      StreamDecoder decoder(*tokenizer, special);
      std::string streamed;
      for (const int32_t id : ids) {
        const std::string text = decoder.add(id);
        EXPECT_EQ(find_invalid_utf8(text), text.size());
        streamed += text;
      }
      streamed += decoder.finish();
      EXPECT_EQ(streamed, replace_invalid_utf8(tokenizer->decode(ids, special)));
    }
  }
}

}  // namespace
}  // namespace nibble
