#include "runtime/packed_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "model/testing.h"
#include "runtime/packed_weights.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

/// A small model whose weights are random float32, and its packed file.
class PackedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Progress::set_quiet(true);
    directory_ = testing::fresh_directory(::testing::UnitTest::GetInstance()->current_test_info()->name());
    model_ = directory_ / "small.gguf";
    write_model(1);
    if (PackedLayout(*checkpoint()).bytes == 0) GTEST_SKIP() << "the kernels of this machine pack nothing";
  }
  void TearDown() override { Progress::set_quiet(false); }

  void write_model(uint32_t seed) const {
    const ModelConfig config = testing::small_config();
    const auto tensors = testing::f32_tensors(config);
    GgufWriter writer(model_, testing::metadata_of(config), tensors);
    std::mt19937 random(seed);
    for (const GgufWriter::Tensor& tensor : tensors) {
      const TensorView view{tensor.name, tensor.dtype, tensor.shape, {}};
      std::vector<uint32_t> values(view.elements());
      for (uint32_t& value : values) value = 0x3f000000u | (uint32_t(random()) & 0xffffffu);
      writer.write(std::as_bytes(std::span(values)));
    }
    writer.finish();
  }

  std::shared_ptr<const Checkpoint> checkpoint() const { return Checkpoint::open(model_); }
  fs::path packed() const { return packed_file_path(*checkpoint()); }
  void write_packed() {
    const auto c = checkpoint();
    const PackedWeights weights = PackedWeights::pack(*c, pool_);
    write_packed_file(*c, weights.layout(), weights.packed());
  }
  bool loads_from_file() {
    const auto c = checkpoint();
    return PackedWeights::load(*c, pool_).from_file();
  }
  /// Writes `text` over the packed file at `offset`.
  void overwrite(uint64_t offset, const std::string& text) const {
    std::fstream file(packed(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(std::streamoff(offset));
    file << text;
  }

  fs::path directory_, model_;
  ThreadPool pool_{2};
};

TEST_F(PackedFileTest, HoldsWhatPackingGives) {
  EXPECT_FALSE(loads_from_file());
  write_packed();
  const auto c = checkpoint();
  const PackedWeights mapped = PackedWeights::load(*c, pool_);
  const PackedWeights fresh = PackedWeights::pack(*c, pool_);
  ASSERT_TRUE(mapped.from_file());
  EXPECT_FALSE(fresh.from_file());
  ASSERT_EQ(mapped.packed().size(), fresh.packed().size());
  EXPECT_TRUE(std::equal(mapped.packed().begin(), mapped.packed().end(), fresh.packed().begin()));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapped.packed().data()) % PackedLayout::kAlign, 0u);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), {}), 2) << "nothing else is left";
}

TEST_F(PackedFileTest, AFileOfAnotherModelIsIgnored) {
  write_packed();
  const auto written = fs::last_write_time(model_);
  write_model(2);
  EXPECT_FALSE(loads_from_file()) << "written later";
  fs::last_write_time(model_, written);
  EXPECT_FALSE(loads_from_file()) << "the same size and time, but other weights";
  write_model(1);
  fs::last_write_time(model_, written);
  EXPECT_TRUE(loads_from_file());
}

TEST_F(PackedFileTest, EveryByteOfTheHeaderCounts) {
  write_packed();
  std::string header = read_file(packed());
  header.resize(header.find('\0'));
  ASSERT_TRUE(header.ends_with(" bytes\n"));
  const auto c = checkpoint();
  const PackedLayout layout(*c);
  for (size_t i = 0; i < header.size(); ++i) {
    overwrite(i, std::string(1, char(header[i] ^ 1)));
    ASSERT_EQ(open_packed_file(*c, layout, pool_).mapping, nullptr) << "byte " << i;
    overwrite(i, std::string(1, header[i]));
  }
  EXPECT_NE(open_packed_file(*c, layout, pool_).mapping, nullptr);
}

TEST_F(PackedFileTest, AFileOfAnotherSizeIsIgnored) {
  write_packed();
  const uint64_t size = fs::file_size(packed());
  for (const uint64_t other : {size - 1, size + 1, size / 2, uint64_t(100), uint64_t(0)}) {
    fs::resize_file(packed(), other);
    EXPECT_FALSE(loads_from_file()) << other << " of " << size;
  }
  fs::remove(packed());
  fs::create_directory(packed());
  EXPECT_FALSE(loads_from_file()) << "a directory";
}

TEST_F(PackedFileTest, AnotherLayoutIsIgnored) {
  write_packed();
  const auto c = checkpoint();
  PackedLayout other(*c);
  other.matrices.back().bytes += 64;
  EXPECT_EQ(open_packed_file(*c, other, pool_).mapping, nullptr);
  PackedLayout kernel(*c);
  kernel.matrices.back().kernel = &select_kernel(DType::Q8_0, selected_isa());
  EXPECT_EQ(open_packed_file(*c, kernel, pool_).mapping, nullptr);
  EXPECT_NE(open_packed_file(*c, PackedLayout(*c), pool_).mapping, nullptr);
}

TEST_F(PackedFileTest, AFullDiskLeavesNothing) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{rlim_t(2) << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = testing::error_of([&] { write_packed(); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(error.find("small.gguf.packed"), std::string::npos) << error;
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), {}), 1);
  write_packed();
  EXPECT_TRUE(loads_from_file());
}

TEST_F(PackedFileTest, ManyMayStartAndWriteAtOnce) {
  write_packed();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto c = checkpoint();
      ThreadPool own(1);
      const PackedWeights fresh = PackedWeights::pack(*c, own);
      if (i % 4 == 0) write_packed_file(*c, fresh.layout(), fresh.packed());
      const PackedWeights loaded = PackedWeights::load(*c, own);
      if (!loaded.from_file() ||
          !std::equal(fresh.packed().begin(), fresh.packed().end(), loaded.packed().begin())) {
        ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace nibble
