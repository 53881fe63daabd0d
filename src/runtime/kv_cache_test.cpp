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

float element(const KvCache& cache, const std::byte* head, size_t index) {
  if (cache.type() == KvType::f16) {
    half value;
    std::memcpy(&value, head + index * sizeof(half), sizeof(half));
    return half_to_float(value);
  }
  float value;
  std::memcpy(&value, head + index * sizeof(float), sizeof(float));
  return value;
}

/// A value that names its place; integers up to 2048 are exact in float16.
float key_value(uint32_t layer, uint32_t sequence, uint32_t position, uint32_t i) {
  return float((layer * 977 + sequence * 331 + position * 60 + i) % 2039 + 1);
}

void fill(KvCache& cache, uint32_t sequence, uint32_t tokens) {
  std::vector<float> key(60), value(60);
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t position = 0; position < tokens; ++position) {
      for (uint32_t i = 0; i < 60; ++i) {
        key[i] = key_value(layer, sequence, position, i);
        value[i] = -key[i];
      }
      cache.append(layer, sequence, position, key.data(), value.data());
    }
  }
  cache.set_length(sequence, tokens);
}

void expect_filled(const KvCache& cache, uint32_t sequence, uint32_t source, uint32_t tokens) {
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t head = 0; head < 3; ++head) {
      const std::byte *keys = cache.keys(layer, sequence, head),
                      *values = cache.values(layer, sequence, head);
      for (uint32_t position = 0; position < tokens; ++position) {
        for (uint32_t i = 0; i < 32; ++i) {
          const float expected = i < 20 ? key_value(layer, source, position, head * 20 + i) : 0.0f;
          EXPECT_EQ(element(cache, values, position * 32 + i), -expected);
          const size_t in_panel = (position / 16 * 20 + i) * 16 + position % 16;
          if (i < 20) {
            EXPECT_EQ(element(cache, keys, in_panel), expected);
          }
        }
      }
    }
  }
}

class KvCacheTest : public testing::TestWithParam<KvType> {};
INSTANTIATE_TEST_SUITE_P(Type, KvCacheTest, testing::Values(KvType::f32, KvType::f16));

TEST_P(KvCacheTest, KeepsEveryHeadWithZeroPadding) {
  KvCache cache(small_config(), 2, 17, GetParam());
  EXPECT_EQ(cache.value_stride(), 32u);
  EXPECT_EQ(cache.bytes(), 2u * 2 * 3 * 32 * (20 + 32) * (GetParam() == KvType::f32 ? 4 : 2));
  fill(cache, 0, 17);
  fill(cache, 1, 5);
  expect_filled(cache, 0, 0, 17);
  expect_filled(cache, 1, 1, 5);
}

TEST_P(KvCacheTest, CopiesPrefixesAndTruncates) {
  KvCache cache(small_config(), 2, 20, GetParam());
  fill(cache, 0, 19);
  cache.copy_prefix(0, 1, 18);
  EXPECT_EQ(cache.length(1), 18u);
  expect_filled(cache, 1, 0, 18);
  cache.truncate(0, 20);
  EXPECT_EQ(cache.length(0), 19u);
  cache.truncate(0, 2);
  EXPECT_EQ(cache.length(0), 2u);
  cache.copy_prefix(0, 0, 1);
  EXPECT_EQ(cache.length(0), 1u);
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
