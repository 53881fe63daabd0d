#include "runtime/kv_cache.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/stored_token_test.h"

namespace nibble {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.n_layers = 2;
  config.n_kv_heads = 3;
  config.head_dim = 20;  // values are padded to 32
  return config;
}

/// A value that names its place; integers up to 2048 are exact in float16.
float key_value(uint32_t layer, uint32_t sequence, uint32_t position, uint32_t i) {
  return float((layer * 977 + sequence * 331 + position * 60 + i) % 2039 + 1);
}

/// Writes positions [from, to) as those of the sequence `source`.
void fill(KvCache& cache, uint32_t sequence, uint32_t source, uint32_t from, uint32_t to) {
  cache.make_room(sequence, to);
  std::vector<float> key(60), value(60);
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t position = from; position < to; ++position) {
      for (uint32_t i = 0; i < 60; ++i) {
        key[i] = key_value(layer, source, position, i);
        value[i] = -key[i];
      }
      cache.append(layer, sequence, position, key.data(), value.data());
    }
  }
  cache.set_length(sequence, to);
}

/// The block holds what KvLayout writes (kv_layout_test.cpp) for these keys and values.
void expect_filled(const KvCache& cache, uint32_t sequence, uint32_t source, uint32_t from, uint32_t to) {
  const KvLayout& layout = cache.layout();
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t head = 0; head < 3; ++head) {
      for (uint32_t position = from; position < to; ++position) {
        std::vector<float> key(20), value(20);
        for (uint32_t i = 0; i < 20; ++i) {
          key[i] = key_value(layer, source, position, head * 20 + i);
          value[i] = -key[i];
        }
        if (layout.quantized()) layout.rotate(key.data(), 1.0f, key.data(), 1);
        std::vector<std::byte> expected(layout.bytes, std::byte{0});
        layout.store(expected.data(), position % 64, key.data(), value.data());
        const StoredToken want = BlockReader(layout, expected.data()).read(position % 64);
        const std::byte* block = cache.block(layer, sequence, head, position / 64);
        const StoredToken have = BlockReader(layout, block).read(position % 64);
        ASSERT_EQ(have.key, want.key) << "layer " << layer << " head " << head << " position " << position;
        ASSERT_EQ(have.value, want.value)
            << "layer " << layer << " head " << head << " position " << position;
      }
    }
  }
}

class KvCacheTest : public ::testing::TestWithParam<KvType> {
 protected:
  static constexpr uint64_t kHeadBlocks = 2 * 3;  // layers and heads
  /// Heads of 20 elements: values are padded to 32, and keys too where they are quantized.
  uint64_t block_bytes() const {
    switch (GetParam()) {
      case KvType::f32:
        return kHeadBlocks * 64 * (20 + 32) * 4;
      case KvType::f16:
        return kHeadBlocks * 64 * (20 + 32) * 2;
      case KvType::int8:
        return kHeadBlocks * 64 * (32 + 32 + 2 + 2);
      case KvType::int4:
        return kHeadBlocks * 64 * (16 + 16 + 4 + 4);
      case KvType::int8_unrotated:
      case KvType::int4_unrotated:
        break;
    }
    return 0;
  }
};
INSTANTIATE_TEST_SUITE_P(Type, KvCacheTest,
                         ::testing::Values(KvType::f32, KvType::f16, KvType::int8, KvType::int4),
                         [](const auto& param) { return std::string(kv_type_name(param.param)); });

TEST_P(KvCacheTest, KeepsEveryHead) {
  KvCache cache(small_config(), 2, 130, GetParam());
  EXPECT_EQ(cache.layout().value_stride, 32u);
  EXPECT_EQ(cache.bytes(), 2 * 3 * block_bytes());
  fill(cache, 0, 0, 0, 130);
  fill(cache, 1, 1, 0, 5);
  expect_filled(cache, 0, 0, 0, 130);
  expect_filled(cache, 1, 1, 0, 5);
}

TEST_P(KvCacheTest, FloatPaddingIsZero) {
  if (GetParam() != KvType::f32) return;
  KvCache cache(small_config(), 1, 70, GetParam());
  for (const uint32_t length : {70u, 3u}) {  // the second time in a block that was used before
    fill(cache, 0, 0, 0, length);
    const std::byte* block = cache.block(1, 0, 2, 0) + cache.layout().values;
    for (size_t p = 0; p < length && p < 64; ++p) {
      for (size_t i = 20; i < 32; ++i) EXPECT_EQ(reinterpret_cast<const float*>(block)[p * 32 + i], 0.0f);
    }
    cache.truncate(0, 0);
  }
}

TEST_P(KvCacheTest, TakesBlocksAsTokensComeAndGivesThemBack) {
  KvCache cache(small_config(), 2, 200, GetParam());
  EXPECT_EQ(cache.used_bytes(), 0u);
  fill(cache, 0, 0, 0, 64);
  EXPECT_EQ(cache.used_bytes(), block_bytes());
  fill(cache, 0, 0, 64, 65);
  EXPECT_EQ(cache.used_bytes(), 2 * block_bytes());
  cache.truncate(0, 200);
  EXPECT_EQ(cache.length(0), 65u);
  cache.truncate(0, 64);
  EXPECT_EQ(cache.used_bytes(), block_bytes());
  // What is left and what comes after it; a block that is used again keeps its padding.
  fill(cache, 1, 1, 0, 70);
  fill(cache, 0, 0, 64, 66);
  expect_filled(cache, 0, 0, 0, 66);
  expect_filled(cache, 1, 1, 0, 70);
  cache.truncate(0, 0);
  cache.truncate(1, 0);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST_P(KvCacheTest, SharesWhatIsCommonAndCopiesOnWrite) {
  KvCache cache(small_config(), 3, 200, GetParam());
  fill(cache, 0, 0, 0, 150);
  cache.copy_prefix(0, 1, 140);
  cache.copy_prefix(1, 2, 64);
  EXPECT_EQ(cache.length(1), 140u);
  EXPECT_EQ(cache.length(2), 64u);
  EXPECT_EQ(cache.used_bytes(), 3 * block_bytes());
  // Sequence 1 needs a third block of its own, sequence 2 a second one; sequence 0 keeps its own.
  fill(cache, 1, 1, 140, 145);
  fill(cache, 2, 2, 64, 80);
  EXPECT_EQ(cache.used_bytes(), 5 * block_bytes());
  fill(cache, 0, 0, 150, 151);
  EXPECT_EQ(cache.used_bytes(), 5 * block_bytes());
  expect_filled(cache, 0, 0, 0, 151);
  expect_filled(cache, 1, 0, 0, 140);
  expect_filled(cache, 1, 1, 140, 145);
  expect_filled(cache, 2, 0, 0, 64);
  expect_filled(cache, 2, 2, 64, 80);
}

TEST_P(KvCacheTest, AWriterThatWentBackLeavesSharersAlone) {
  KvCache cache(small_config(), 2, 200, GetParam());
  fill(cache, 0, 0, 0, 100);
  cache.copy_prefix(0, 1, 100);
  cache.truncate(0, 10);
  fill(cache, 0, 7, 10, 90);
  expect_filled(cache, 1, 0, 0, 100);
  expect_filled(cache, 0, 0, 0, 10);
  expect_filled(cache, 0, 7, 10, 90);
  // The pool holds all sequences full though they shared once.
  fill(cache, 0, 7, 90, 200);
  fill(cache, 1, 0, 100, 200);
  expect_filled(cache, 0, 7, 90, 200);
  expect_filled(cache, 1, 0, 0, 200);
}

TEST_P(KvCacheTest, SaysWhatAPoolOfFewBlocksLacks) {
  KvCache cache(small_config(), 3, 1000, GetParam(), 4);
  EXPECT_EQ(cache.bytes(), 4 * block_bytes());
  EXPECT_EQ(cache.new_blocks(0, 130), 3u);
  fill(cache, 0, 0, 0, 100);
  EXPECT_EQ(cache.free_blocks(), 2u);
  EXPECT_EQ(cache.new_blocks(0, 100), 0u);
  EXPECT_EQ(cache.new_blocks(0, 101), 0u);
  cache.copy_prefix(0, 1, 100);
  EXPECT_EQ(cache.free_blocks(), 2u);
  EXPECT_EQ(cache.new_blocks(1, 101), 1u);  // a copy of the last one
  EXPECT_EQ(cache.new_blocks(1, 129), 2u);
  fill(cache, 1, 1, 100, 129);
  EXPECT_EQ(cache.free_blocks(), 0u);
  EXPECT_EQ(cache.new_blocks(0, 128), 0u);
  EXPECT_THROW(cache.make_room(0, 129), std::logic_error);
  expect_filled(cache, 1, 0, 0, 100);
}

TEST_P(KvCacheTest, PrefixesReplaceWhatWasThere) {
  KvCache cache(small_config(), 2, 100, GetParam());
  fill(cache, 0, 0, 0, 19);
  fill(cache, 1, 1, 0, 100);
  cache.copy_prefix(0, 1, 30);
  EXPECT_EQ(cache.length(1), 19u);
  EXPECT_EQ(cache.used_bytes(), block_bytes());
  cache.copy_prefix(1, 1, 4);
  EXPECT_EQ(cache.length(1), 4u);
  cache.truncate(0, 0);
  expect_filled(cache, 1, 0, 0, 4);
}

TEST(KvCacheSizeTest, AbsurdSizesAreToldNotTaken) {
  ModelConfig config = small_config();
  const uint32_t most = std::numeric_limits<uint32_t>::max();
  config.n_layers = config.n_kv_heads = most;
  EXPECT_EQ(KvCache::bytes_for(config, most, most, KvType::f16), std::numeric_limits<uint64_t>::max());
  try {
    const KvCache cache(config, most, most);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--context"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace nibble
