#include "kernels/roof_probe.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/isa_roof_probe.h"

namespace nibble {

namespace emulated_amx {
uint64_t probe_multiply(uint64_t rounds);
}  // namespace emulated_amx

namespace {

TEST(RoofProbe, EveryByteIsReadByEveryInstructionSet) {
  constexpr size_t kBytes = 4 * RoofProbe::kReadBlock;
  AlignedBuffer buffer(kBytes);
  for (const Isa isa : cpu_info().isas) {
    const RoofProbe& probe = roof_probe(isa);
    EXPECT_LE(probe.isa, isa);
    std::fill_n(buffer.data(), kBytes, std::byte{0});
    const uint64_t zeros = probe.read(buffer.data(), kBytes);
    for (size_t i = 0; i < kBytes; ++i) {
      buffer.data()[i] = std::byte{1};
      EXPECT_NE(probe.read(buffer.data(), kBytes), zeros) << isa_name(isa) << ", byte " << i;
      buffer.data()[i] = std::byte{0};
    }
    std::printf("[ %s: %s ]\n", std::string(isa_name(isa)).c_str(), std::string(probe.instructions).c_str());
  }
}

TEST(RoofProbe, MultipliesAsOftenAsItSays) {
  // All products are 15; a register's low 64 bits hold two sums of int32, reduced ones one.
  for (const Isa isa : cpu_info().isas) {
    const RoofProbe& probe = roof_probe(isa);
    const uint64_t once = probe.multiply(1);
    EXPECT_GT(once, 0u);
    EXPECT_EQ(probe.multiply(7), 7 * once) << isa_name(isa);
    const bool reduced = isa >= Isa::avx512;
    const uint64_t lanes = isa == Isa::scalar ? 4 : 8;
    const uint64_t sum = uint32_t(once);
    EXPECT_EQ(sum * (reduced ? 1 : lanes), 15 * probe.products_per_round) << isa_name(isa);
  }
}

#ifdef NIBBLE_EMULATION
TEST(RoofProbe, EmulatedTilesMultiplyAsOftenAsTheySay) {
  if (!cpu_supports(Isa::avx2)) GTEST_SKIP() << "the emulation is compiled for AVX2";
  EXPECT_EQ(emulated_amx::probe_multiply(3), 3 * 15 * amx::kProductsPerRound);
}
#endif

TEST(RoofProbe, MultipliesFloatsAsOftenAsItSays) {
  for (const Isa isa : cpu_info().isas) {
    const RoofProbe& probe = roof_probe(isa);
    EXPECT_EQ(probe.multiply_float(1), float(probe.float_products_per_round)) << isa_name(isa);
    EXPECT_EQ(probe.multiply_float(9), float(9 * probe.float_products_per_round)) << isa_name(isa);
  }
}

}  // namespace
}  // namespace nibble
