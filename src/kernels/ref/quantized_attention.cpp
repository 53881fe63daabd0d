#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "kernels/quantized_attention_tables.h"

/// The plain definitions: what the vector versions are tested against, and what runs on a processor
/// without AVX2.
namespace nibble::ref {

namespace {

half half_at(const uint8_t* halves, size_t index) {
  half value;
  std::memcpy(&value, halves + 2 * index, sizeof(value));
  return value;
}

/// `code(group, i, p)` is the code of element i of a group of keys.
template <size_t GroupBytes, typename Code, typename Add>
void score(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first, size_t last,
           float* scores, size_t stride, Code code, Add add) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t p = first * kKeyPanel; p < last * kKeyPanel; ++p) {
      float score = 0.0f;
      for (size_t g = 0; g < queries.groups; ++g) {
        const size_t query = r * queries.groups + g;
        const uint8_t* group = keys + g * GroupBytes;
        int32_t sum = 0;
        for (size_t i = 0; i < kKvGroup; ++i) sum += queries.codes[query * kKvGroup + i] * code(group, i, p);
        score = add(score, query, group, p, sum);
      }
      scores[r * stride + p] = score;
    }
  }
}

void score_int8(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first, size_t last,
                float* scores, size_t stride) {
  score<kInt8KeyBytes>(
      queries, rows, keys, first, last, scores, stride,
      [](const uint8_t* group, size_t i, size_t p) {
        return group[(i / 4 * kKvPositions + p) * 4 + i % 4] - 128;
      },
      [&](float score, size_t query, const uint8_t* group, size_t p, int32_t sum) {
        const float scale = half_to_float(half_at(group + kKvGroup * kKvPositions, p));
        return std::fma(float(sum), scale * queries.scales[query], score);
      });
}

void score_int4(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first, size_t last,
                float* scores, size_t stride) {
  score<kInt4KeyBytes>(
      queries, rows, keys, first, last, scores, stride,
      [](const uint8_t* group, size_t i, size_t p) {
        const uint8_t codes = group[(i / 8 * kKvPositions + p) * 4 + i % 4];
        return i % 8 < 4 ? codes & 15 : codes >> 4;
      },
      [&](float score, size_t query, const uint8_t* group, size_t p, int32_t sum) {
        const uint8_t* scales = group + kKvGroup / 2 * kKvPositions;
        const float minimum = half_to_float(half_at(scales, kKvPositions + p)) * float(queries.sums[query]);
        const float part = std::fma(float(sum), half_to_float(half_at(scales, p)), minimum);
        return std::fma(part, queries.scales[query], score);
      });
}

float scaled_weight(const float* weights, const uint16_t* scales, size_t p) {
  return weights[p] == 0.0f ? 0.0f : weights[p] * half_to_float(scales[p]);
}

float quantize_weights(const float* weights, const uint16_t* scales, size_t groups, uint8_t* planes) {
  float largest = 0.0f;
  for (size_t g = 0; g < groups; ++g) {
    for (size_t p = 0; p < kKvPositions; ++p) {
      const float scaled = scaled_weight(weights, scales + g * kKvPositions, p);
      largest = scaled > largest ? scaled : largest;
    }
  }
  const float inverse = largest > 0.0f ? float(kKvLargestWeight) / largest : 0.0f;
  for (size_t g = 0; g < groups; ++g) {
    uint8_t *low = planes + 2 * g * kKvPositions, *high = low + kKvPositions;
    for (size_t p = 0; p < kKvPositions; ++p) {
      // No more than the largest weight, where rounding or a number that is not one would lead past it.
      const float value = scaled_weight(weights, scales + g * kKvPositions, p) * inverse;
      const int weight = value > 0.0f ? int(std::nearbyint(std::min(value, float(kKvLargestWeight)))) : 0;
      low[p] = uint8_t(weight & ((1 << kKvWeightBits) - 1));
      high[p] = uint8_t(weight >> kKvWeightBits);
    }
  }
  return largest * (1.0f / float(kKvLargestWeight));
}

float weigh_minima(const float* weights, const uint16_t* minima) {
  float sum = 0.0f;
  for (size_t p = 0; p < kKvPositions; ++p) {
    if (weights[p] != 0.0f) sum += weights[p] * half_to_float(minima[p]);
  }
  return sum;
}

template <typename Code>
void add(const ValueWeights& weights, size_t rows, size_t first, size_t last, size_t dim,
         const float* rescale, float* out, bool minima, Code code) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < dim; ++i) {
      const size_t index = r * weights.groups + (weights.groups == 1 ? 0 : i / kKvGroup);
      const uint8_t* planes = weights.planes + index * 2 * kKvPositions;
      int32_t sum = 0;
      for (size_t p = 4 * first; p < 4 * last; ++p) {
        sum += (planes[p] + (planes[kKvPositions + p] << kKvWeightBits)) * code(p, i);
      }
      float& element = out[r * dim + i];
      element *= rescale[r];
      if (minima) element += weights.offsets[index];
      element = std::fma(float(sum), weights.scales[r], element);
    }
  }
}

void add_int8(const ValueWeights& weights, size_t rows, const int8_t* values, size_t first, size_t last,
              size_t dim, const float* rescale, float* out) {
  add(weights, rows, first, last, dim, rescale, out, false,
      [&](size_t p, size_t i) { return int32_t(values[(p / 4 * dim + i) * 4 + p % 4]); });
}

void add_int4(const ValueWeights& weights, size_t rows, const uint8_t* values, size_t first, size_t last,
              size_t dim, const float* rescale, float* out) {
  add(weights, rows, first, last, dim, rescale, out, true, [&](size_t p, size_t i) {
    const uint8_t codes = values[((i / kKvGroup * kKvPositions / 4 + p / 4) * 16 + i % 16) * 4 + p % 4];
    return int32_t(i % 32 < 16 ? codes & 15 : codes >> 4);
  });
}

}  // namespace

const QuantizedAttentionOps quantized_attention = {
    .score_int8 = score_int8,
    .score_int4 = score_int4,
    .quantize_weights = quantize_weights,
    .weigh_minima = weigh_minima,
    .add_int8 = add_int8,
    .add_int4 = add_int4,
};

}  // namespace nibble::ref
