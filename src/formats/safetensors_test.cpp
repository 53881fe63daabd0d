#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "formats/testing.h"

namespace nibble {
namespace {

using testing::AlignedBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using testing::fresh_directory;
using ::testing::HasSubstr;

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

/// One entry of a header.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}";
}

std::string safetensors_error(const std::string& bytes) {
  const AlignedBytes aligned(bytes);
  return error_of([&] { SafetensorsFile::parse(aligned.span(), "bad.safetensors"); });
}

std::string header_error(const std::string& header, size_t data_bytes = 64) {
  return safetensors_error(safetensors_bytes(header, std::string(data_bytes, '\0')));
}

TEST(Safetensors, ReadsTensorsInDataOrder) {
  const float values[4] = {1, 2, 3, 4};
  // Eight bytes of hole between the two tensors.
  const std::string data =
      std::string(4, '\x11') + std::string(8, '\0') + std::string((const char*)values, 16);
  const std::string header = R"({"__metadata__":{"format":"pt"},)" + entry("w", "F32", "[2,2]", "[12,28]") +
                             "," + entry("h", "BF16", "[2]", "[0,4]") + "}  ";
  const AlignedBytes aligned(safetensors_bytes(header, data));
  const auto file = SafetensorsFile::parse(aligned.span(), "good");
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "h");
  EXPECT_EQ(file->tensors()[0].dtype, DType::BF16);
  EXPECT_EQ(file->tensors()[1].dtype, DType::F32);
  EXPECT_THAT(file->tensors()[1].shape, ElementsAre(2, 2));
  float last = 0;
  std::memcpy(&last, file->tensors()[1].data.data() + 12, 4);
  EXPECT_EQ(last, 4.0f);
}

TEST(Safetensors, AlignsWhatOldWritersLeftUnaligned) {
  for (int spaces = 0; spaces < 4; ++spaces) {
    const float value = 5;
    const std::string header =
        "{" + entry("w", "F32", "[1]", "[0,4]") + "}" + std::string(size_t(spaces), ' ');
    const AlignedBytes aligned(safetensors_bytes(header, {reinterpret_cast<const char*>(&value), 4}));
    const auto file = SafetensorsFile::parse(aligned.span(), "good");
    const std::byte* data = file->tensors()[0].data.data();
    ASSERT_EQ(reinterpret_cast<uintptr_t>(data) % 4, 0u);
    EXPECT_EQ(*reinterpret_cast<const float*>(data), 5.0f);
  }
}

TEST(Safetensors, RefusesBadHeaders) {
  EXPECT_THAT(safetensors_error("1234567"), HasSubstr("bad.safetensors"));
  EXPECT_THAT(safetensors_error(std::string(7, '\xff') + std::string(20, '\xff')),
              HasSubstr("18446744073709551615 bytes long"));
  EXPECT_THAT(safetensors_error(safetensors_bytes("{}", "").substr(0, 9)),
              HasSubstr("2 bytes long, but only 1"));
  EXPECT_THAT(header_error("not json"), HasSubstr("the header is not valid JSON"));
  EXPECT_THAT(header_error("[]"), HasSubstr("the header must be a JSON object"));
  EXPECT_THAT(header_error("{\"a\xff\":1}"), HasSubstr("the header is not UTF-8 at offset 3"));
  EXPECT_THAT(
      header_error("{" + entry("a", "F32", "[1]", "[0,4]") + "," + entry("a", "F32", "[1]", "[4,8]") + "}"),
      HasSubstr("the key a stands twice"));
  EXPECT_THAT(header_error(std::string(100000, '[')), HasSubstr("not valid JSON"));
}

TEST(Safetensors, RefusesBadTensors) {
  const auto with = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return header_error("{" + entry("x", dtype, shape, offsets) + "}");
  };
  EXPECT_THAT(with("F8_E4M3", "[4]", "[0,4]"), AllOf(HasSubstr("tensor x is F8_E4M3"), HasSubstr("BF16")));
  EXPECT_THAT(with("I64", "[1]", "[0,8]"), HasSubstr("tensor x is I64"));
  EXPECT_THAT(with("F32", "[1]", "[0,8]"), AllOf(HasSubstr("tensor x"), HasSubstr("8 bytes at [0, 8)")));
  EXPECT_THAT(with("F32", "[1]", "[64,68]"), AllOf(HasSubstr("tensor x"), HasSubstr("which has 64 bytes")));
  EXPECT_THAT(with("F32", "[1]", "[8,4]"), HasSubstr("tensor x is said to lie at [8, 4)"));
  EXPECT_THAT(with("F32", "[1]", "[-4,0]"), HasSubstr("tensor x needs two data_offsets"));
  EXPECT_THAT(with("F32", "[1]", "[0]"), HasSubstr("tensor x needs two data_offsets"));
  EXPECT_THAT(with("F32", "[1.5]", "[0,4]"), HasSubstr("impossible shape"));
  EXPECT_THAT(with("F32", "[0]", "[0,0]"), HasSubstr("impossible shape"));
  EXPECT_THAT(with("F32", "[4294967296,4294967296]", "[0,4]"), HasSubstr("impossible shape"));
  EXPECT_THAT(with("F32", "7", "[0,4]"), HasSubstr("tensor x has no shape"));
  EXPECT_THAT(header_error(R"({"x":3})"), HasSubstr("tensor x is no object"));
  EXPECT_THAT(header_error(R"({"x":{"shape":[1],"data_offsets":[0,4]}})"),
              HasSubstr("tensor x has no dtype"));
  EXPECT_THAT(
      header_error("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[1]", "[4,8]") + "}"),
      HasSubstr("tensors a and b overlap at 4"));
}

std::string good_bytes() {
  return safetensors_bytes(
      "{" + entry("a", "F32", "[2,2]", "[0,16]") + "," + entry("b", "F16", "[4]", "[16,24]") + "}",
      std::string(24, '\x22'));
}

TEST(Safetensors, EveryPrefixIsRefused) {
  const std::string whole = good_bytes();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(safetensors_error(whole.substr(0, length)), HasSubstr("bad.safetensors"))
        << "prefix of " << length;
  }
  EXPECT_EQ(safetensors_error(whole), "no error");
}

TEST(Safetensors, SurvivesChangedBytes) {
  const std::string original = good_bytes();
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 10000; ++round) {
    std::string bytes = original;
    for (uint32_t change = 0; change <= random() % 3; ++change) {
      static constexpr char kJson[] = "0123456789[]{}\",:-e\\";
      bytes[random() % bytes.size()] = random() % 2 ? kJson[random() % (sizeof(kJson) - 1)] : char(random());
    }
    refused += safetensors_error(bytes) != "no error";
  }
  EXPECT_GT(refused, 1000);
}

class SafetensorsDirectory : public ::testing::Test {
 protected:
  SafetensorsDirectory() : directory_(fresh_directory("safetensors")) {}
  void write_shard(const std::string& file, const std::string& tensor) {
    write_file(directory_ / file,
               safetensors_bytes("{" + entry(tensor, "F32", "[1]", "[0,4]") + "}", std::string(4, '\0')));
  }
  void write_index(const std::string& index) {
    write_file(directory_ / "model.safetensors.index.json", index);
  }
  std::string open_error() {
    return error_of([&] { open_safetensors_directory(directory_); });
  }
  std::filesystem::path directory_;
};

TEST_F(SafetensorsDirectory, ReadsShards) {
  write_shard("model-1.safetensors", "a");
  write_shard("model-2.safetensors", "b");
  write_index(R"({"metadata":{},"weight_map":{"b":"model-2.safetensors","a":"model-1.safetensors"}})");
  const auto files = open_safetensors_directory(directory_);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0]->tensors()[0].name, "a");
  EXPECT_EQ(files[1]->tensors()[0].name, "b");
}

TEST_F(SafetensorsDirectory, RefusesBadIndexes) {
  EXPECT_THAT(open_error(), HasSubstr("neither model.safetensors nor model.safetensors.index.json"));
  write_file(directory_ / "pytorch_model.bin", "x");
  EXPECT_THAT(open_error(), AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("safetensors first")));
  write_shard("model-1.safetensors", "a");
  write_index("{");
  EXPECT_THAT(open_error(), HasSubstr("index.json is not valid JSON"));
  write_index("{}");
  EXPECT_THAT(open_error(), HasSubstr("no weight_map"));
  write_index(R"({"weight_map":{}})");
  EXPECT_THAT(open_error(), HasSubstr("weight_map is empty"));
  write_index(R"({"weight_map":{"a":7}})");
  EXPECT_THAT(open_error(), HasSubstr("no file for tensor a"));
  write_index(R"({"weight_map":{"a":"../model-1.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("no file of the directory"));
  write_index(R"({"weight_map":{"a":"model-9.safetensors"}})");
  EXPECT_THAT(open_error(), AllOf(HasSubstr("model-9.safetensors is missing"), HasSubstr("index.json")));
  write_index(R"({"weight_map":{"b":"model-1.safetensors"}})");
  EXPECT_THAT(open_error(), HasSubstr("lists tensor b in model-1.safetensors, which does not hold it"));
}

}  // namespace
}  // namespace nibble
