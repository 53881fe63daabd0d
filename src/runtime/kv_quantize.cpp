#include "runtime/kv_quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace nibble {

namespace {

half& value_entry(std::byte* begin, uint32_t position, size_t group) {
  return reinterpret_cast<half*>(begin)[group * kKvBlock + position];
}

/// The bytes of 4 elements of a position in a line of a group of keys.
uint8_t* key_word(uint8_t* group, size_t line, uint32_t position) {
  return group + (line * kKvBlock + position) * 4;
}

/// The scales or minima of a group of keys.
half* halves(uint8_t* bytes) {
  return reinterpret_cast<half*>(bytes);
}

/// The largest magnitude by its bits, where infinity and NaN win over every finite value.
float largest_magnitude(const float* x, size_t n) {
  uint32_t bits = 0;
  for (size_t i = 0; i < n; ++i) bits = std::max(bits, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  return std::bit_cast<float>(bits);
}

/// x * inverse to the nearest integer in [low, high], ties to even; `low` for what is no number. Adding
/// 1.5 * 2^23 leaves no bits for a fraction: the compiler makes vectors of this, but not of std::nearbyint.
int code(float x, float inverse, float low, float high) {
  constexpr float kRound = 12582912.0f;
  float value = x * inverse;
  value = value > low ? value : low;
  value = value < high ? value : high;
  return int((value + kRound) - kRound);
}

float inverse_of(float scale) {
  return scale > 0.0f ? 1.0f / scale : 0.0f;
}

/// Signed codes of n elements; the scale is the one that is stored.
half quantize_int8(const float* x, size_t n, int8_t* codes) {
  const half scale = float_to_half(largest_magnitude(x, n) / 127.0f);
  const float inverse = inverse_of(half_to_float(scale));
  for (size_t i = 0; i < n; ++i) codes[i] = int8_t(code(x[i], inverse, -127.0f, 127.0f));
  return scale;
}

struct Int4Group {
  half scale, minimum;
  uint8_t codes[kKvGroup] = {};
};

/// x ~ scale * code + minimum, codes in [0, 15].
Int4Group quantize_int4(const float* x, size_t n) {
  float low = x[0], high = x[0];
  for (size_t i = 1; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  Int4Group group{};
  // Comparisons pass over what is no number: it must not be lost.
  const float largest = largest_magnitude(x, n);
  group.minimum = float_to_half(std::isfinite(largest) ? low : largest);
  const float minimum = half_to_float(group.minimum);
  group.scale = float_to_half((high - minimum) / 15.0f);
  const float inverse = inverse_of(half_to_float(group.scale));
  for (size_t i = 0; i < n; ++i) group.codes[i] = uint8_t(code(x[i] - minimum, inverse, 0.0f, 15.0f));
  return group;
}

}  // namespace

void store_int8(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value) {
  for (size_t g = 0; g < layout.groups(); ++g) {
    const size_t begin = g * kKvGroup, count = std::min<size_t>(kKvGroup, layout.head_dim - begin);
    int8_t codes[kKvGroup] = {};
    uint8_t* group = reinterpret_cast<uint8_t*>(block) + g * kInt8KeyBytes;
    halves(group + kKvGroup * kKvBlock)[position] = quantize_int8(key + begin, count, codes);
    for (size_t i = 0; i < kKvGroup; ++i) codes[i] = int8_t(codes[i] ^ -128);  // code + 128
    for (size_t line = 0; line < kKvGroup / 4; ++line) {
      std::memcpy(key_word(group, line, position), codes + 4 * line, 4);
    }
  }
  const half scale = float_to_half(largest_magnitude(value, layout.head_dim) / 127.0f);
  value_entry(block + layout.value_scales, position, 0) = scale;
  const float inverse = inverse_of(half_to_float(scale));
  auto* values = reinterpret_cast<int8_t*>(block + layout.values);
  int8_t* out = values + (position / 4 * layout.value_stride) * 4 + position % 4;
  for (size_t begin = 0; begin < layout.head_dim; begin += kKvGroup) {
    const size_t count = std::min<size_t>(kKvGroup, layout.head_dim - begin);
    int8_t codes[kKvGroup];
    for (size_t i = 0; i < count; ++i) codes[i] = int8_t(code(value[begin + i], inverse, -127.0f, 127.0f));
    for (size_t i = 0; i < count; ++i) out[4 * (begin + i)] = codes[i];
  }
}

void store_int4(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value) {
  auto* values = reinterpret_cast<uint8_t*>(block + layout.values);
  for (size_t g = 0; g < layout.groups(); ++g) {
    const size_t begin = g * kKvGroup, count = std::min<size_t>(kKvGroup, layout.head_dim - begin);
    const Int4Group k = quantize_int4(key + begin, count);
    uint8_t* group = reinterpret_cast<uint8_t*>(block) + g * kInt4KeyBytes;
    halves(group + kKvGroup / 2 * kKvBlock)[position] = k.scale;
    halves(group + kKvGroup / 2 * kKvBlock)[kKvBlock + position] = k.minimum;
    for (size_t line = 0; line < kKvGroup / 8; ++line) {
      uint8_t* word = key_word(group, line, position);
      const uint8_t* codes = k.codes + 8 * line;
      for (size_t i = 0; i < 4; ++i) word[i] = uint8_t(codes[i] | codes[4 + i] << 4);
    }
    const Int4Group v = quantize_int4(value + begin, count);
    value_entry(block + layout.value_scales, position, g) = v.scale;
    value_entry(block + layout.value_minima, position, g) = v.minimum;
    uint8_t* line = values + (g * kKvBlock / 4 + position / 4) * 16 * 4 + position % 4;
    for (size_t i = 0; i < 16; ++i) line[4 * i] = uint8_t(v.codes[i] | v.codes[16 + i] << 4);
  }
}

}  // namespace nibble
