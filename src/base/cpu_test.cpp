#include "base/cpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace nibble {
namespace {

TEST(Cpu, KnowsItsCores) {
  EXPECT_GE(cpu_info().logical_cores, cpu_info().physical_cores);
  EXPECT_GE(cpu_info().physical_cores, 1);
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), cpu_info().physical_cores);
  EXPECT_LE(default_threads(), concurrent_threads());
  EXPECT_LE(concurrent_threads(), cpu_info().logical_cores);
  EXPECT_TRUE(cpu_supports(Isa::scalar));
  EXPECT_FALSE(cpu_info().model.empty());
}

TEST(Cpu, NibbleIsaForcesOneAndFailsLoudly) {
  ::setenv("NIBBLE_ISA", "scalar", 1);
  EXPECT_EQ(selected_isa(), Isa::scalar);
  ::setenv("NIBBLE_ISA", "sse9", 1);
  try {
    selected_isa();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("sse9 is not an instruction set"));
  }
  if (!cpu_supports(Isa::amx)) {
    ::setenv("NIBBLE_ISA", "amx", 1);
    EXPECT_THROW(selected_isa(), Error);
  }
  ::unsetenv("NIBBLE_ISA");
  EXPECT_EQ(selected_isa(), cpu_info().isas.back());
}

}  // namespace
}  // namespace nibble
