#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "formats/testing.h"

namespace nibble {
namespace {

using testing::AlignedBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using testing::GgufBytes;
using ::testing::HasSubstr;

std::string gguf_error(const std::string& bytes) {
  const AlignedBytes aligned(bytes);
  return error_of([&] { GgufFile::parse(aligned.span(), "bad.gguf"); });
}

/// Two F32 tensors, "a" [2, 8] and "b" [8], and one key.
GgufBytes good_file() {
  GgufBytes file;
  file.pair("general.architecture", 8, GgufBytes::text("llama"));
  file.tensor("a", {8, 2}, 0, 0).tensor("b", {8}, 0, 64);
  for (int i = 0; i < 24; ++i) file.data += GgufBytes::raw(float(i));
  return file;
}

TEST(GgufReader, ReadsVersions2And3) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBytes bytes = good_file();
    bytes.version = version;
    const AlignedBytes aligned(bytes.build());
    const auto file = GgufFile::parse(aligned.span(), "good.gguf");
    EXPECT_EQ(file->version(), version);
    EXPECT_EQ(file->metadata().get_string("general.architecture"), "llama");
    ASSERT_EQ(file->tensors().size(), 2u);
    const TensorView& a = file->tensors()[0];
    EXPECT_EQ(a.name, "a");
    EXPECT_EQ(a.dtype, DType::F32);
    EXPECT_THAT(a.shape, ElementsAre(2, 8));
    float last = 0;
    std::memcpy(&last, a.data.data() + a.data.size() - 4, 4);
    EXPECT_EQ(last, 15.0f);
    EXPECT_THAT(file->tensors()[1].shape, ElementsAre(8));
  }
}

TEST(GgufReader, ReadsEveryMetadataType) {
  GgufBytes bytes;
  bytes.pair("u8", 0, GgufBytes::raw(uint8_t(200))).pair("i8", 1, GgufBytes::raw(int8_t(-5)));
  bytes.pair("u16", 2, GgufBytes::raw(uint16_t(60000))).pair("i16", 3, GgufBytes::raw(int16_t(-300)));
  bytes.pair("u32", 4, GgufBytes::raw(4000000000u)).pair("i32", 5, GgufBytes::raw(-70000));
  bytes.pair("f32", 6, GgufBytes::raw(0.5f)).pair("bool", 7, std::string(1, '\1'));
  bytes.pair("text", 8, GgufBytes::text("gr\xc3\xbc\xc3\x9f"))
      .pair("u64", 10, GgufBytes::raw(uint64_t(1) << 63));
  bytes.pair("i64", 11, GgufBytes::raw(int64_t(-1) << 40)).pair("f64", 12, GgufBytes::raw(0.1));
  bytes.array("texts", 8, 2, GgufBytes::text("x") + GgufBytes::text(""));
  bytes.array("bools", 7, 3, std::string("\1\0\1", 3));
  bytes.array("floats", 6, 2, GgufBytes::raw(1.5f) + GgufBytes::raw(-2.5f));
  bytes.array("ints", 5, 0, "");
  const AlignedBytes aligned(bytes.build());
  const auto file = GgufFile::parse(aligned.span(), "good.gguf");
  const GgufMetadata& m = file->metadata();
  EXPECT_EQ(m.get_uint("u8"), 200u);
  EXPECT_EQ(m.get_int("i8"), -5);
  EXPECT_EQ(m.get_uint("u16"), 60000u);
  EXPECT_EQ(m.get_int("i16"), -300);
  EXPECT_EQ(m.get_uint("u32"), 4000000000u);
  EXPECT_EQ(m.get_int("i32"), -70000);
  EXPECT_EQ(m.get_float("f32"), 0.5);
  EXPECT_EQ(m.get_bool("bool"), true);
  EXPECT_EQ(m.get_string("text"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(m.get_uint("u64"), uint64_t(1) << 63);
  EXPECT_EQ(m.get_int("i64"), int64_t(-1) << 40);
  EXPECT_EQ(m.get_float("f64"), 0.1);
  EXPECT_THAT(*m.get_strings("texts"), ElementsAre("x", ""));
  EXPECT_THAT(*m.get_floats("floats"), ElementsAre(1.5f, -2.5f));
  EXPECT_TRUE(m.get_ints("ints")->empty());
  EXPECT_EQ(std::get<std::vector<bool>>(std::get<GgufArray>(*m.find("bools")).values),
            (std::vector<bool>{true, false, true}));
  EXPECT_FALSE(m.get_uint("absent").has_value());
}

TEST(GgufMetadata, LookupsRefuseWhatDoesNotFit) {
  GgufMetadata m("m.gguf");
  m.set("negative", int32_t(-1));
  m.set("large", uint64_t(1) << 63);
  m.set("text", std::string("x"));
  m.set("numbers", GgufArray{std::vector<float>{0.5f}});
  EXPECT_THAT(
      error_of([&] { m.get_uint("negative"); }),
      AllOf(HasSubstr("m.gguf"), HasSubstr("negative"), HasSubstr("int32"), HasSubstr("not negative")));
  EXPECT_THAT(error_of([&] { m.get_int("large"); }), HasSubstr("large"));
  EXPECT_THAT(error_of([&] { m.get_float("text"); }),
              HasSubstr("a value of type string, but a number is needed"));
  EXPECT_THAT(error_of([&] { m.get_bool("large"); }), HasSubstr("a bool"));
  EXPECT_THAT(error_of([&] { m.get_string("large"); }), HasSubstr("a string"));
  EXPECT_THAT(error_of([&] { m.get_strings("numbers"); }), HasSubstr("an array of 1 float32"));
  EXPECT_THAT(error_of([&] { m.get_ints("numbers"); }), HasSubstr("an array of integers"));
  EXPECT_THAT(error_of([&] { m.get_floats("text"); }), HasSubstr("an array of numbers"));
}

TEST(GgufMetadata, SetReplacesAndEraseKeepsTheOthers) {
  GgufMetadata m;
  m.set("a", uint32_t(1));
  m.set("b", uint32_t(2));
  m.set("c", uint32_t(3));
  m.set("b", std::string("two"));
  m.erase("a");
  m.erase("absent");
  ASSERT_EQ(m.entries().size(), 2u);
  EXPECT_EQ(m.get_string("b"), "two");
  EXPECT_EQ(m.get_uint("c"), 3u);
  EXPECT_EQ(m.entries()[0].first, "b");
}

TEST(GgufReader, RefusesWhatIsNoGgufOfAKnownKind) {
  EXPECT_THAT(gguf_error("GG"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(gguf_error("tjgg and more"), HasSubstr("not a GGUF file"));
  GgufBytes file = good_file();
  file.version = 1;
  EXPECT_THAT(gguf_error(file.build()), AllOf(HasSubstr("version 1"), HasSubstr("convert")));
  file.version = 4;
  EXPECT_THAT(gguf_error(file.build()), HasSubstr("version 4"));
  file.version = 0x03000000;
  EXPECT_THAT(gguf_error(file.build()), HasSubstr("big-endian"));
}

TEST(GgufReader, RefusesLyingCounts) {
  GgufBytes file = good_file();
  file.n_tensors = uint64_t(1) << 60;
  EXPECT_THAT(gguf_error(file.build()),
              AllOf(HasSubstr("offset 8"), HasSubstr("1152921504606846976 tensors")));
  file = good_file();
  file.n_pairs = ~uint64_t(0);
  EXPECT_THAT(gguf_error(file.build()), AllOf(HasSubstr("offset 16"), HasSubstr("metadata keys")));
  file = good_file();
  file.n_tensors = 3;
  EXPECT_THAT(gguf_error(file.build()), HasSubstr("tensor 2 at offset"));
  file = good_file();
  file.array("list", 4, uint64_t(1) << 62, GgufBytes::raw(1u));
  EXPECT_THAT(gguf_error(file.build()),
              AllOf(HasSubstr("list"), HasSubstr("4611686018427387904 array elements")));
  file = good_file();
  file.array("words", 8, 1000, GgufBytes::text("x"));
  EXPECT_THAT(gguf_error(file.build()), AllOf(HasSubstr("words"), HasSubstr("1000 array elements")));
  file = good_file();
  file.pair("word", 8, GgufBytes::raw(uint64_t(1) << 63));
  EXPECT_THAT(gguf_error(file.build()),
              AllOf(HasSubstr("word"), HasSubstr("9223372036854775808 bytes long")));
}

TEST(GgufReader, RefusesBadMetadata) {
  EXPECT_THAT(gguf_error(good_file().pair("general.architecture", 4, GgufBytes::raw(1u)).build()),
              AllOf(HasSubstr("general.architecture stands twice"), HasSubstr("offset 69")));
  EXPECT_THAT(gguf_error(good_file().pair("", 4, GgufBytes::raw(1u)).build()), HasSubstr("has no name"));
  EXPECT_THAT(gguf_error(good_file().pair("k\xff", 4, GgufBytes::raw(1u)).build()),
              AllOf(HasSubstr("the name of metadata key 1 is not UTF-8"), HasSubstr("offset 78")));
  EXPECT_THAT(gguf_error(good_file().pair("note", 8, GgufBytes::text("ab\xc0\x80")).build()),
              HasSubstr("the value of metadata key note is not UTF-8 at offset"));
  EXPECT_THAT(
      gguf_error(
          good_file().array("words", 8, 2, GgufBytes::text("ok") + GgufBytes::text("\xed\xa0\x80")).build()),
      HasSubstr("element 1 of metadata key words is not UTF-8"));
  EXPECT_THAT(gguf_error(good_file().pair("odd", 13, "").build()),
              HasSubstr("odd at offset 80 has the unknown type"));
  EXPECT_THAT(gguf_error(good_file().pair("flag", 7, "\2").build()),
              AllOf(HasSubstr("flag"), HasSubstr("bool of 2")));
  EXPECT_THAT(gguf_error(good_file().array("nested", 9, 1, GgufBytes::raw(4u)).build()),
              AllOf(HasSubstr("nested"), HasSubstr("array of arrays")));
  EXPECT_THAT(gguf_error(good_file().array("odd", 77, 1, "").build()),
              HasSubstr("array of the unknown type 77"));
  for (const uint32_t alignment : {0u, 4u, 24u, 33u}) {
    EXPECT_THAT(gguf_error(good_file().pair("general.alignment", 4, GgufBytes::raw(alignment)).build()),
                HasSubstr("general.alignment is " + std::to_string(alignment)));
  }
}

TEST(GgufReader, RefusesBadShapes) {
  const auto with = [](const std::vector<uint64_t>& extents) {
    return gguf_error(good_file().tensor("c", extents, 0, 96).build());
  };
  EXPECT_THAT(with({}), AllOf(HasSubstr("tensor c"), HasSubstr("0 dimensions")));
  EXPECT_THAT(with({1, 1, 1, 1, 1}), AllOf(HasSubstr("tensor c"), HasSubstr("5 dimensions")));
  EXPECT_THAT(with({8, 0}), HasSubstr("dimension 1 of tensor c"));
  EXPECT_THAT(with({~uint64_t(0)}), AllOf(HasSubstr("tensor c"), HasSubstr("larger than the whole file")));
  EXPECT_THAT(with({uint64_t(1) << 32, uint64_t(1) << 32}), HasSubstr("larger than the whole file"));
  EXPECT_THAT(with({200}), AllOf(HasSubstr("tensor c"), HasSubstr("larger than the whole file")));
  EXPECT_THAT(gguf_error(good_file().tensor("c", {33}, 2, 96).build()),
              AllOf(HasSubstr("tensor c"), HasSubstr("rows of 33"), HasSubstr("Q4_0's block of 32")));
}

TEST(GgufReader, RefusesBadTensorNames) {
  EXPECT_THAT(gguf_error(good_file().tensor("a", {8}, 0, 96).build()), HasSubstr("tensor a stands twice"));
  EXPECT_THAT(gguf_error(good_file().tensor("", {8}, 0, 96).build()), HasSubstr("tensor 2 at offset"));
  EXPECT_THAT(gguf_error(good_file().tensor(std::string(70000, 'x'), {8}, 0, 96).build()),
              HasSubstr("has 70000 bytes"));
  EXPECT_THAT(gguf_error(good_file().pair(std::string(70000, 'x'), 4, GgufBytes::raw(1u)).build()),
              HasSubstr("has 70000 bytes"));
  EXPECT_THAT(gguf_error(good_file().tensor("t\xf5", {8}, 0, 96).build()),
              HasSubstr("the name of tensor 2 is not UTF-8"));
}

TEST(GgufReader, RefusesTypesItDoesNotReadByName) {
  const auto with = [](uint32_t type) {
    return gguf_error(good_file().tensor("blk.0.x", {256}, type, 96).build());
  };
  EXPECT_THAT(with(16),
              AllOf(HasSubstr("tensor blk.0.x at offset"), HasSubstr("IQ2_XXS"), HasSubstr("convert")));
  EXPECT_THAT(with(34), HasSubstr("TQ1_0"));
  EXPECT_THAT(with(4), HasSubstr("Q4_2"));
  EXPECT_THAT(with(28), HasSubstr("F64"));
  EXPECT_THAT(with(777), HasSubstr("type number 777"));
}

TEST(GgufReader, RefusesDataThatLiesWrong) {
  EXPECT_THAT(gguf_error(good_file().tensor("c", {8}, 0, 48).build()),
              AllOf(HasSubstr("tensor c"), HasSubstr("48"), HasSubstr("alignment 32")));
  EXPECT_THAT(gguf_error(good_file().tensor("c", {8}, 0, 96).build()),
              AllOf(HasSubstr("tensor c"), HasSubstr("past the end of the file")));
  EXPECT_THAT(gguf_error(good_file().tensor("c", {8}, 0, ~uint64_t(31)).build()),
              AllOf(HasSubstr("tensor c"), HasSubstr("past the end of the file")));
  EXPECT_THAT(gguf_error(good_file().tensor("c", {8}, 0, 32).build()), HasSubstr("tensors a and c overlap"));
  EXPECT_THAT(gguf_error(good_file().tensor("c", {8}, 0, 64).build()), HasSubstr("overlap at file offset"));
}

TEST(GgufReader, HonoursTheFilesAlignment) {
  GgufBytes bytes;
  bytes.alignment = 64;
  bytes.pair("general.alignment", 4, GgufBytes::raw(64u));
  bytes.tensor("a", {2}, 0, 0).tensor("b", {2}, 0, 64);
  bytes.data = GgufBytes::raw(1.0f) + GgufBytes::raw(2.0f) + std::string(56, '\0') + GgufBytes::raw(3.0f) +
               GgufBytes::raw(4.0f);
  const AlignedBytes aligned(bytes.build());
  const auto file = GgufFile::parse(aligned.span(), "good.gguf");
  float b0 = 0;
  std::memcpy(&b0, file->tensors()[1].data.data(), 4);
  EXPECT_EQ(b0, 3.0f);
}

TEST(GgufReader, EveryPrefixIsRefused) {
  const std::string whole =
      good_file().array("words", 8, 2, GgufBytes::text("ab") + GgufBytes::text("c")).build();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(gguf_error(whole.substr(0, length)), HasSubstr("bad.gguf")) << "prefix of " << length;
  }
  EXPECT_EQ(gguf_error(whole), "no error");
}

TEST(GgufReader, OpenNamesTheFile) {
  const auto path = testing::fresh_directory("gguf_open") / "empty.gguf";
  EXPECT_THAT(error_of([&] { GgufFile::open(path); }), HasSubstr("empty.gguf"));
  write_file(path, "");
  EXPECT_THAT(error_of([&] { GgufFile::open(path); }), HasSubstr("empty.gguf"));
}

}  // namespace
}  // namespace nibble
