#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "formats/gguf.h"
#include "formats/testing.h"

namespace nibble {
namespace {

using ::testing::AllOf;
using testing::error_of;
using testing::fresh_directory;
using ::testing::HasSubstr;

std::vector<std::byte> random_bytes(uint64_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = std::byte(random());
  return bytes;
}

TEST(GgufWriter, RoundTripsEveryTypeWrittenInPieces) {
  const auto path = fresh_directory("gguf_round_trip") / "all.gguf";
  std::vector<GgufWriter::Tensor> tensors;
  std::vector<std::vector<std::byte>> data;
  for (const DTypeInfo& info : all_dtypes()) {
    tensors.push_back({"t." + std::string(info.name), info.dtype, {3, 512}});
    data.push_back(random_bytes(*tensor_bytes(info.dtype, 3, 512), uint32_t(info.dtype)));
  }
  GgufWriter writer(path, {}, tensors);
  for (const auto& bytes : data) {
    const std::span<const std::byte> all(bytes);
    writer.write(all.first(7));
    writer.write({});
    writer.write(all.subspan(7));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  EXPECT_EQ(writer.bytes_written(), std::filesystem::file_size(path));

  const auto file = GgufFile::open(path);
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& view = file->tensors()[i];
    EXPECT_EQ(view.name, tensors[i].name);
    EXPECT_EQ(view.dtype, tensors[i].dtype);
    EXPECT_EQ(view.shape, tensors[i].shape);
    EXPECT_TRUE(std::equal(view.data.begin(), view.data.end(), data[i].begin(), data[i].end())) << view.name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data.data()) % kGgufDefaultAlignment, 0u);
  }
}

TEST(GgufWriter, RoundTripsEveryMetadataType) {
  GgufMetadata m;
  m.set("u8", uint8_t(255));
  m.set("i8", int8_t(-128));
  m.set("u16", uint16_t(65535));
  m.set("i16", int16_t(-32768));
  m.set("u32", uint32_t(4294967295u));
  m.set("i32", int32_t(-2147483647));
  m.set("f32", 0.1f);
  m.set("bool", true);
  m.set("text", std::string("two\nlines \xe2\x82\xac"));
  m.set("u64", ~uint64_t(0));
  m.set("i64", int64_t(-1));
  m.set("f64", 0.1);
  m.set("au8", GgufArray{std::vector<uint8_t>{1, 2}});
  m.set("ai8", GgufArray{std::vector<int8_t>{-1}});
  m.set("au16", GgufArray{std::vector<uint16_t>{1}});
  m.set("ai16", GgufArray{std::vector<int16_t>{-1}});
  m.set("au32", GgufArray{std::vector<uint32_t>{1}});
  m.set("ai32", GgufArray{std::vector<int32_t>{-1, 7}});
  m.set("af32", GgufArray{std::vector<float>{0.5f}});
  m.set("abool", GgufArray{std::vector<bool>{true, false}});
  m.set("atext", GgufArray{std::vector<std::string>{"", "x"}});
  m.set("au64", GgufArray{std::vector<uint64_t>{1}});
  m.set("ai64", GgufArray{std::vector<int64_t>{-1}});
  m.set("af64", GgufArray{std::vector<double>{0.1}});
  m.set("empty", GgufArray{std::vector<std::string>{}});
  const auto path = fresh_directory("gguf_metadata") / "m.gguf";
  GgufWriter(path, m, {}).finish();

  const auto file = GgufFile::open(path);
  const auto& entries = file->metadata().entries();
  ASSERT_EQ(entries.size(), m.entries().size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [key, value] = m.entries()[i];
    EXPECT_EQ(entries[i].first, key);
    ASSERT_EQ(entries[i].second.index(), value.index()) << key;
    if (const auto* array = std::get_if<GgufArray>(&value)) {
      EXPECT_EQ(std::get<GgufArray>(entries[i].second).values, array->values) << key;
    } else {
      std::visit(
          [&, &name = key](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (!std::is_same_v<T, GgufArray>) {
              EXPECT_EQ(std::get<T>(entries[i].second), v) << name;
            }
          },
          value);
    }
  }
}

TEST(GgufWriter, HonoursAlignment) {
  GgufMetadata m;
  m.set("general.alignment", uint32_t(256));
  const auto path = fresh_directory("gguf_alignment") / "a.gguf";
  GgufWriter writer(path, m, {{"a", DType::F32, {1}}, {"b", DType::F32, {1}}});
  const float values[2] = {1.0f, 2.0f};
  writer.write(std::as_bytes(std::span(values, 1)));
  writer.write(std::as_bytes(std::span(values + 1, 1)));
  writer.finish();
  const auto file = GgufFile::open(path);
  EXPECT_EQ(file->tensors()[1].data.data() - file->tensors()[0].data.data(), 256);
  m.set("general.alignment", uint32_t(3));
  EXPECT_THAT(error_of([&] { GgufWriter(path, m, {}); }), HasSubstr("general.alignment is 3"));
}

TEST(GgufWriter, HoldsItsCallerToTheDeclaration) {
  const auto path = fresh_directory("gguf_declared") / "a.gguf";
  const std::vector<std::byte> bytes(8);
  {
    GgufWriter writer(path, {}, {{"a", DType::F32, {2}}});
    EXPECT_THROW(writer.write(random_bytes(9, 1)), std::logic_error);
    writer.write(std::span(bytes).first(4));
    EXPECT_THROW(writer.finish(), std::logic_error);
    writer.write(std::span(bytes).first(4));
    EXPECT_THROW(writer.write(std::span(bytes).first(1)), std::logic_error);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THAT(error_of([&] {
                GgufWriter(path, {}, {{"odd", DType::Q4_K, {2, 100}}});
              }),
              AllOf(HasSubstr("odd"), HasSubstr("Q4_K"), HasSubstr("256")));
  EXPECT_THAT(error_of([&] {
                GgufWriter(path, {}, {{"a", DType::F32, {2}}, {"a", DType::F32, {2}}});
              }),
              HasSubstr("tensor a stands twice"));
}

TEST(GgufWriter, ChangesATypeOnTheWay) {
  const auto path = fresh_directory("gguf_types") / "a.gguf";
  const auto small = random_bytes(*tensor_bytes(DType::Q4_0, 3, 64), 1);
  const auto large = random_bytes(*tensor_bytes(DType::F16, 3, 64), 2);
  GgufWriter writer(path, {},
                    {{"a", DType::Q4_0, {3, 64}}, {"b", DType::Q4_0, {3, 64}}, {"c", DType::Q4_0, {3, 64}}});
  EXPECT_THROW(writer.go_back(), std::logic_error);
  writer.write(small);
  writer.write(small);
  writer.go_back();
  writer.set_type(DType::F16);
  writer.write(std::span(large).first(5));
  EXPECT_THROW(writer.set_type(DType::F32), std::logic_error);
  EXPECT_THROW(writer.go_back(), std::logic_error);
  writer.write(std::span(large).subspan(5));
  writer.write(small);
  EXPECT_THROW(writer.set_type(DType::F32), std::logic_error);
  writer.finish();
  const auto file = GgufFile::open(path);
  for (const TensorView& view : file->tensors()) {
    EXPECT_EQ(view.dtype, view.name == "b" ? DType::F16 : DType::Q4_0);
    const auto& bytes = view.name == "b" ? large : small;
    EXPECT_TRUE(std::equal(view.data.begin(), view.data.end(), bytes.begin(), bytes.end())) << view.name;
  }
}

TEST(GgufWriter, GoesOnWithTheTensorsOfAKeptFile) {
  const auto path = fresh_directory("gguf_kept") / "a.gguf";
  GgufMetadata m;
  m.set("key", std::string("value"));
  std::vector<GgufWriter::Tensor> tensors = {
      {"a", DType::Q4_0, {3, 64}}, {"b", DType::INT8, {3, 5}}, {"c", DType::F32, {7}}};
  std::vector<std::vector<std::byte>> data;
  for (const auto& t : tensors)
    data.push_back(random_bytes(*tensor_bytes(t.dtype, t.shape[0], t.shape.back()), 1));
  data[2].resize(28);
  const auto write = [&](const std::filesystem::path& to, Incomplete incomplete, size_t first, size_t end) {
    GgufWriter writer(to, m, tensors, incomplete, first);
    for (size_t i = first; i < end; ++i) writer.write(data[i]);
    if (end < tensors.size()) return writer.write(std::span(data[end]).first(3));
    writer.finish();
  };
  write(path, Incomplete::kept, 0, 2);
  EXPECT_FALSE(std::filesystem::exists(path));
  write(path, Incomplete::kept, 1, 1);
  write(path, Incomplete::kept, 1, 3);
  const auto whole = fresh_directory("gguf_whole") / "a.gguf";
  write(whole, Incomplete::removed, 0, 3);
  EXPECT_EQ(read_file(path), read_file(whole));
}

/// Whatever a byte becomes, the file is read or refused; sanitizers see to the rest.
TEST(GgufReader, SurvivesChangedBytes) {
  GgufMetadata m;
  m.set("general.architecture", std::string("llama"));
  m.set("tokenizer.ggml.tokens", GgufArray{std::vector<std::string>{"a", "b", "\xc3\xa9"}});
  m.set("tokenizer.ggml.scores", GgufArray{std::vector<float>{0, -1, -2}});
  m.set("flags", GgufArray{std::vector<bool>{true, false}});
  const auto path = fresh_directory("gguf_fuzz") / "a.gguf";
  GgufWriter writer(path, m,
                    {{"a", DType::Q4_0, {2, 64}}, {"b", DType::NF4_DQ, {1, 64}}, {"c", DType::INT8, {4, 4}}});
  writer.write(random_bytes(*tensor_bytes(DType::Q4_0, 2, 64), 1));
  writer.write(random_bytes(*tensor_bytes(DType::NF4_DQ, 1, 64), 2));
  writer.write(random_bytes(*tensor_bytes(DType::INT8, 4, 4), 3));
  writer.finish();
  const std::string original = read_file(path);

  std::mt19937 random(20240613);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = original;
    for (uint32_t change = 0; change <= random() % 3; ++change) {
      static constexpr uint8_t kInteresting[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
      const bool interesting = random() % 2 == 0;
      bytes[random() % bytes.size()] = char(interesting ? kInteresting[random() % 5] : random());
    }
    const testing::AlignedBytes aligned(bytes);
    const std::string message = error_of([&] {
      const auto file = GgufFile::parse(aligned.span(), "f.gguf");
      for (const TensorView& t : file->tensors()) {
        EXPECT_GE(t.data.data(), aligned.span().data());
        EXPECT_LE(t.data.data() + t.data.size(), aligned.span().data() + aligned.span().size());
      }
    });
    refused += message != "no error";
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace nibble
