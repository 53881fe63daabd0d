#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "kernels/vector_ops_tables.h"

/// The plain definitions: what the vector versions are tested against, and what runs on a processor
/// without AVX2.
namespace nibble {

namespace {

void half_to_float_n(const uint16_t* x, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = half_to_float(x[i]);
}

void float_to_half_n(const float* x, uint16_t* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = float_to_half(x[i]);
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i];
}

void add_scaled(float* x, const float* y, float factor, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i] * factor;
}

void scale(const float* x, float factor, float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

void rms_norm(const float* x, const float* weight, float eps, float* y, size_t n) {
  double squares = 0.0;
  for (size_t i = 0; i < n; ++i) squares += double(x[i]) * double(x[i]);
  const float factor = float(1.0 / std::sqrt(squares / double(n) + double(eps)));
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * factor * weight[i];
}

void silu_multiply(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void rotate_halves(float* x, const float* cosines, const float* sines, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[i + pairs];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + pairs] = b * cosines[i] + a * sines[i];
  }
}

void rotate_interleaved(float* x, const float* cosines, const float* sines, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

void hadamard(const float* x, float factor, float* y, size_t n, size_t block) {
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * factor;
  for (size_t distance = 1; distance < block; distance *= 2) {
    for (size_t i = 0; i < n; ++i) {
      if ((i & distance) != 0) continue;
      const float a = y[i], b = y[i + distance];
      y[i] = a + b;
      y[i + distance] = a - b;
    }
  }
}

float to_float(float x) {
  return x;
}

float to_float(uint16_t x) {
  return half_to_float(x);
}

template <typename T>
void attention_scores(const float* q, size_t rows, const T* k, size_t panels, size_t dim, float* scores,
                      size_t score_stride) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t p = 0; p < panels * kKeyPanel; ++p) {
      float sum = 0.0f;
      for (size_t i = 0; i < dim; ++i) sum += q[r * dim + i] * to_float(k[i * kKeyStride + p]);
      scores[r * score_stride + p] = sum;
    }
  }
}

float softmax_step(float* scores, size_t n, float* max, float* sum) {
  float largest = *max;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, scores[i]);
  const float rescale = largest == *max ? 1.0f : std::exp(*max - largest);
  float added = 0.0f;
  for (size_t i = 0; i < n; ++i) {
    scores[i] = std::exp(scores[i] - largest);
    added += scores[i];
  }
  *max = largest;
  *sum = *sum * rescale + added;
  return rescale;
}

template <typename T>
void attention_values(const float* weights, size_t weight_stride, size_t rows, const T* v, size_t positions,
                      size_t dim, const float* rescale, float* out) {
  for (size_t r = 0; r < rows; ++r) {
    float* row = out + r * dim;
    for (size_t i = 0; i < dim; ++i) row[i] *= rescale[r];
    for (size_t p = 0; p < positions; ++p) {
      const float weight = weights[r * weight_stride + p];
      for (size_t i = 0; i < dim; ++i) row[i] += weight * to_float(v[p * dim + i]);
    }
  }
}

}  // namespace

const VectorOps kVectorOpsScalar = {
    .half_to_float = half_to_float_n,
    .float_to_half = float_to_half_n,
    .add = add,
    .add_scaled = add_scaled,
    .scale = scale,
    .rms_norm = rms_norm,
    .silu_multiply = silu_multiply,
    .rotate_halves = rotate_halves,
    .rotate_interleaved = rotate_interleaved,
    .hadamard = hadamard,
    .attention_scores = attention_scores<float>,
    .attention_scores_half = attention_scores<uint16_t>,
    .softmax_step = softmax_step,
    .attention_values = attention_values<float>,
    .attention_values_half = attention_values<uint16_t>,
};

}  // namespace nibble
