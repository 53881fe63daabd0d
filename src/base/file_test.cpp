#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace nibble {
namespace {

using ::testing::HasSubstr;

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / ("nibble_file_test_" + name);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(OutputFile, AppearsOnlyWhenCommitted) {
  const auto path = temporary("commit");
  std::filesystem::remove(path);
  {
    OutputFile file(path);
    file.write("lost");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  OutputFile file(path);
  file.write("kept text");
  file.write_at(0, std::as_bytes(std::span("K", 1)));
  EXPECT_FALSE(std::filesystem::exists(path));
  file.commit();
  EXPECT_EQ(read_file(path), "Kept text");
}

TEST(OutputFile, NamesTheTargetWhenTheFolderIsMissing) {
  EXPECT_THAT(error_of([] { OutputFile file("/no/such/folder/model.gguf"); }),
              HasSubstr("/no/such/folder/model.gguf: No such file"));
}

TEST(MappedFile, GivesTheBytes) {
  const auto path = temporary("map");
  write_file(path, "0123456789");
  const MappedFile file(path);
  ASSERT_EQ(file.bytes().size(), 10u);
  EXPECT_EQ(char(file.bytes()[9]), '9');
  file.will_need(file.bytes());
  file.release(file.bytes());
  EXPECT_EQ(char(file.bytes()[0]), '0');
}

TEST(MappedFile, RefusesWhatIsNotAFile) {
  const auto empty = temporary("empty");
  write_file(empty, "");
  EXPECT_THAT(error_of([&] { MappedFile file(empty); }), HasSubstr("is empty"));
  EXPECT_THAT(error_of([] { MappedFile file("/tmp"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of([] { MappedFile file("/no/such.gguf"); }), HasSubstr("cannot open /no/such.gguf"));
}

}  // namespace
}  // namespace nibble
