#include "runtime/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/half.h"

namespace nibble {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.n_layers = 2;
  config.n_kv_heads = 3;
  config.head_dim = 20;  // values are padded to 32
  return config;
}

/// The element at an index of the floats or halves that begin at an address.
float element(const KvCache& cache, const std::byte* begin, size_t index) {
  if (cache.type() == KvType::f16) {
    half value;
    std::memcpy(&value, begin + index * sizeof(half), sizeof(half));
    return half_to_float(value);
  }
  float value;
  std::memcpy(&value, begin + index * sizeof(float), sizeof(float));
  return value;
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

void expect_filled(const KvCache& cache, uint32_t sequence, uint32_t source, uint32_t from, uint32_t to) {
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t head = 0; head < 3; ++head) {
      for (uint32_t position = from; position < to; ++position) {
        const std::byte* block = cache.block(layer, sequence, head, position / 64);
        for (uint32_t i = 0; i < 32; ++i) {
          const float expected = i < 20 ? key_value(layer, source, position, head * 20 + i) : 0.0f;
          ASSERT_EQ(element(cache, block + cache.layout().values, position % 64 * 32 + i), -expected);
          const size_t in_panel = (position % 64 / 16 * 20 + i) * 16 + position % 16;
          if (i < 20) {
            ASSERT_EQ(element(cache, block, in_panel), expected);
          }
        }
      }
    }
  }
}

class KvCacheTest : public testing::TestWithParam<KvType> {
 protected:
  static constexpr uint64_t kHeadBlocks = 2 * 3;  // layers and heads
  uint64_t block_bytes() const {
    return kHeadBlocks * 64 * (20 + 32) * (GetParam() == KvType::f32 ? 4 : 2);
  }
};
INSTANTIATE_TEST_SUITE_P(Type, KvCacheTest, testing::Values(KvType::f32, KvType::f16));

TEST_P(KvCacheTest, KeepsEveryHeadWithZeroPadding) {
  KvCache cache(small_config(), 2, 130, GetParam());
  EXPECT_EQ(cache.layout().value_stride, 32u);
  EXPECT_EQ(cache.bytes(), 2 * 3 * block_bytes());
  fill(cache, 0, 0, 0, 130);
  fill(cache, 1, 1, 0, 5);
  expect_filled(cache, 0, 0, 0, 130);
  expect_filled(cache, 1, 1, 0, 5);
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
    KvCache(config, most, most);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--context"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace nibble
