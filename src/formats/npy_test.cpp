#include "formats/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "formats/testing.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::fresh_directory;
using ::testing::HasSubstr;

TEST(Npy, WritesWhatNumPyWrites) {
  const auto path = fresh_directory("npy") / "a.npy";
  NpyWriter writer(path, 2, 3);
  const float values[6] = {0, 1, 2, 3, 4, 5};
  writer.write(std::span(values, 2));
  writer.write(std::span(values + 2, 4));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  // numpy.save(numpy.arange(6, dtype='<f4').reshape(2, 3)), NumPy 1.26.
  std::string expected("\x93NUMPY\x01\x00v\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected += std::string(128 - expected.size() - 1, ' ') + "\n";
  expected.append(reinterpret_cast<const char*>(values), sizeof(values));
  EXPECT_EQ(read_file(path), expected);
  const NpyArray array = read_npy(path);
  EXPECT_THAT(array.shape, ElementsAre(2, 3));
  EXPECT_THAT(array.values, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Npy, HoldsItsCallerToTheDeclaration) {
  const auto path = fresh_directory("npy") / "a.npy";
  const std::vector<float> values(4);
  NpyWriter writer(path, 1, 3);
  EXPECT_THROW(writer.write(values), std::logic_error);
  EXPECT_THROW(writer.finish(), std::logic_error);
}

TEST(Npy, RefusesBadFiles) {
  const auto path = fresh_directory("npy") / "a.npy";
  const auto with = [&](const std::string& header, size_t data_bytes) {
    const auto length = uint16_t(header.size());
    write_file(path, std::string("\x93NUMPY\x01\x00", 8) +
                         std::string(reinterpret_cast<const char*>(&length), 2) + header +
                         std::string(data_bytes, '\0'));
    return error_of([&] { read_npy(path); });
  };
  EXPECT_EQ(with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8), "no error");
  EXPECT_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7),
              HasSubstr("needs 8 bytes"));
  EXPECT_THAT(with("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 16),
              HasSubstr("only little-endian"));
  EXPECT_THAT(with("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", 8), HasSubstr("C order"));
  EXPECT_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }", 8), HasSubstr("shape (x,)"));
  EXPECT_THAT(with("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 8), }", 8),
              HasSubstr("too large"));
  EXPECT_THAT(with("{}", 8), HasSubstr("can't be read"));
  write_file(path, "hello");
  EXPECT_THAT(error_of([&] { read_npy(path); }), HasSubstr("no .npy file"));
}

}  // namespace
}  // namespace nibble
