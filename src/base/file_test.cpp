#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace nibble {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / ("nibble_file_test_" + name);
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

TEST(OutputFile, KeepsDevicesAndSymbolicLinks) {
  EXPECT_THAT(error_of([] { OutputFile file("/dev/null"); }),
              HasSubstr("/dev/null: it is not a regular file"));
  EXPECT_THAT(error_of([] { OutputFile file("/"); }), HasSubstr("name a file"));
  const auto directory = std::filesystem::path(::testing::TempDir()) / "nibble-output-links";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  write_file(directory / "target", "old");
  EXPECT_THAT(error_of([&] { OutputFile file(directory); }), HasSubstr("it is a directory"));
  std::filesystem::create_symlink("target", directory / "link");
  write_file(directory / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_EQ(read_file(directory / "target"), "new");
}

TEST(OutputFile, StaysAsAPartWhenItIsToBeKept) {
  const auto path = temporary("kept"), part = OutputFile::partial(path);
  std::filesystem::remove(path);
  std::filesystem::remove(part);
  EXPECT_EQ(part.string(), path.string() + ".partial");
  {
    OutputFile file(path, Incomplete::kept);
    file.write("0123456789");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(read_file(part), "0123456789");
  {
    OutputFile file(path, Incomplete::kept);
    file.truncate(4);
    file.write("ab");
    EXPECT_EQ(file.position(), 6u);
    file.commit();
  }
  EXPECT_EQ(read_file(path), "0123ab");
  EXPECT_FALSE(std::filesystem::exists(part));
}

TEST(OutputFile, TakesBackWhatWasWritten) {
  const auto path = temporary("truncate");
  OutputFile file(path);
  file.write("0123456789");
  file.truncate(3);
  file.write("x");
  file.commit();
  EXPECT_EQ(read_file(path), "012x");
}

TEST(OutputFile, SaysHowMuchRoomIsMissing) {
  const auto path = temporary("room");
  OutputFile file(path);
  EXPECT_EQ(error_of([&] { file.plan(1 << 10); }), "no error");
  EXPECT_THAT(error_of([&] { file.plan(uint64_t(1) << 60); }),
              AllOf(HasSubstr(path.string()), HasSubstr("needs 1152921504606.8 MB"), HasSubstr("make room")));
}

TEST(FileLock, KeepsOthersOut) {
  const auto path = temporary("lock");
  {
    const FileLock lock(path);
    EXPECT_THAT(error_of([&] { FileLock second(path); }),
                AllOf(HasSubstr(path.string()), HasSubstr("another run is writing the same file")));
  }
  EXPECT_EQ(error_of([&] { FileLock again(path); }), "no error");
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
