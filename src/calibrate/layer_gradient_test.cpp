#include "calibrate/layer_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/file.h"

namespace nibble::layer_gradient_test {
namespace {

using Matrices = std::array<std::vector<float>, kLayerMatrices>;

struct Vectors {
  std::vector<float> attention_norm, ffn_norm, q_bias, k_bias, v_bias, output_bias, q_norm, k_norm;
};

/// A case of tests/reference/make_layer_gradient_golden.py.
struct Case {
  ModelConfig config;
  size_t length = 0;
  std::vector<float> x, by_output, out, by_input;
  Vectors vectors;
  Matrices matrices, gradients;
};

class Golden {
 public:
  std::vector<Case> read() {
    std::vector<Case> cases;
    while (at_ < bytes_.size()) cases.push_back(next());
    return cases;
  }

 private:
  std::vector<float> floats(size_t count) {
    std::vector<float> values(count);
    if (at_ + 4 * count <= bytes_.size()) std::memcpy(values.data(), &bytes_[at_], 4 * count);
    at_ += 4 * count;
    return values;
  }

  Case next() {
    uint32_t header[9];
    std::memcpy(header, &bytes_[at_], sizeof(header));
    at_ += sizeof(header);
    const auto [hidden, ffn, heads, kv_heads, dim, window, length, biases, head_norms] = header;
    const size_t q_width = size_t(heads) * dim, kv_width = size_t(kv_heads) * dim;
    Case c;
    c.length = length;
    c.config.n_layers = 1;
    c.config.hidden = hidden;
    c.config.ffn = ffn;
    c.config.n_heads = heads;
    c.config.n_kv_heads = kv_heads;
    c.config.head_dim = dim;
    c.config.context_length = 64;
    c.config.sliding_window = window;
    c.config.rope.dims = dim;
    c.config.rope.layout = RopeLayout::halves;
    c.x = floats(length * hidden);
    c.by_output = floats(length * hidden);
    c.vectors.attention_norm = floats(hidden);
    c.vectors.ffn_norm = floats(hidden);
    if (biases != 0) {
      c.vectors.q_bias = floats(q_width);
      c.vectors.k_bias = floats(kv_width);
      c.vectors.v_bias = floats(kv_width);
      c.vectors.output_bias = floats(hidden);
    }
    if (head_norms != 0) {
      c.vectors.q_norm = floats(dim);
      c.vectors.k_norm = floats(dim);
    }
    const size_t sizes[kLayerMatrices] = {q_width * hidden,    kv_width * hidden,    kv_width * hidden,
                                          hidden * q_width,    size_t(ffn) * hidden, size_t(ffn) * hidden,
                                          size_t(ffn) * hidden};
    for (size_t m = 0; m < kLayerMatrices; ++m) c.matrices[m] = floats(sizes[m]);
    c.out = floats(length * hidden);
    for (size_t m = 0; m < kLayerMatrices; ++m) c.gradients[m] = floats(sizes[m]);
    c.by_input = floats(length * hidden);
    return c;
  }

  std::string bytes_ = read_file(std::string(NIBBLE_SOURCE_DIR) + "/tests/golden/layer_gradient.bin");
  size_t at_ = 0;
};

LayerWeights vectors_of(const Vectors& from) {
  LayerWeights w;
  w.attention_norm = from.attention_norm;
  w.ffn_norm = from.ffn_norm;
  w.q_bias = from.q_bias;
  w.k_bias = from.k_bias;
  w.v_bias = from.v_bias;
  w.output_bias = from.output_bias;
  w.q_norm = from.q_norm;
  w.k_norm = from.k_norm;
  return w;
}

struct Result {
  std::vector<float> out;
  Matrices gradients;
};

/// The case with its input `sequences` times, one behind the other.
Result run(const Case& c, size_t sequences, int threads) {
  ThreadPool pool(threads);
  const auto weights = [&](LayerMatrix which, float* out) {
    std::copy(c.matrices[size_t(which)].begin(), c.matrices[size_t(which)].end(), out);
  };
  LayerGradient layer(c.config, vectors_of(c.vectors), weights, sequences, c.length, pool);
  std::vector<float> x, by_output;
  for (size_t s = 0; s < sequences; ++s) {
    x.insert(x.end(), c.x.begin(), c.x.end());
    by_output.insert(by_output.end(), c.by_output.begin(), c.by_output.end());
  }
  Result result;
  const float* out = layer.forward(x.data());
  result.out.assign(out, out + x.size());
  layer.backward(by_output.data(), [&](LayerMatrix which, const float* gradient) {
    const size_t m = size_t(which);
    result.gradients[m].assign(gradient, gradient + c.matrices[m].size());
  });
  return result;
}

double largest(const std::vector<float>& x) {
  double most = 0;
  for (const float v : x) most = std::max(most, std::abs(double(v)));
  return most;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double factor) {
  ASSERT_EQ(a.size(), b.size());
  // Sums of some dozens of products of float32.
  const double tolerance = 2e-5 * largest(b);
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(double(a[i]) / factor, b[i], tolerance) << i;
}

TEST(LayerGradient, EqualsDifferencesOfTheNumPyReference) {
  const std::vector<Case> cases = Golden().read();
  ASSERT_EQ(cases.size(), 4u);
  for (size_t i = 0; i < cases.size(); ++i) {
    const Result result = run(cases[i], 1, 2);
    SCOPED_TRACE(::testing::Message() << "case " << i);
    expect_near(result.out, cases[i].out, 1);
    for (size_t m = 0; m < kLayerMatrices; ++m) {
      SCOPED_TRACE(::testing::Message() << "matrix " << m);
      expect_near(result.gradients[m], cases[i].gradients[m], 1);
    }
  }
}

TEST(LayerGradient, GradientByTheInputEqualsDifferencesOfTheNumPyReference) {
  for (const Case& c : Golden().read()) {
    ThreadPool pool(2);
    const auto weights = [&](LayerMatrix which, float* out) {
      std::copy(c.matrices[size_t(which)].begin(), c.matrices[size_t(which)].end(), out);
    };
    LayerGradient layer(c.config, vectors_of(c.vectors), weights, 1, c.length, pool);
    layer.forward(c.x.data());
    std::vector<float> by_down;
    size_t products = 0;
    const float* by_input = layer.backward_by_products(c.by_output.data(), [&](LayerMatrix which, auto* g) {
      ++products;
      if (which == LayerMatrix::down) by_down.assign(g, g + c.by_output.size());
    });
    EXPECT_EQ(products, kLayerMatrices);
    EXPECT_EQ(by_down, c.by_output);
    expect_near({by_input, by_input + c.x.size()}, c.by_input, 1);
  }
}

/// The gradient by a matrix is that by its product times its input: of query, key and value the norm of x.
TEST(LayerGradient, GradientsByProductsMakeThoseByMatrices) {
  const Case c = Golden().read()[1];
  const size_t hidden = c.config.hidden;
  std::vector<float> normed(c.x);
  for (size_t t = 0; t < c.length; ++t) {
    double squares = 0;
    for (size_t j = 0; j < hidden; ++j) squares += double(c.x[t * hidden + j]) * c.x[t * hidden + j];
    const double r = 1 / std::sqrt(squares / double(hidden) + c.config.norm_eps);
    for (size_t j = 0; j < hidden; ++j) normed[t * hidden + j] *= float(r * c.vectors.attention_norm[j]);
  }
  ThreadPool pool(1);
  const auto weights = [&](LayerMatrix which, float* out) {
    std::copy(c.matrices[size_t(which)].begin(), c.matrices[size_t(which)].end(), out);
  };
  LayerGradient layer(c.config, vectors_of(c.vectors), weights, 1, c.length, pool);
  layer.forward(c.x.data());
  layer.backward_by_products(c.by_output.data(), [&](LayerMatrix which, const float* g) {
    if (which > LayerMatrix::v) return;
    const std::vector<float>& expected = c.gradients[size_t(which)];
    const size_t rows = expected.size() / hidden;
    std::vector<float> by_matrix(expected.size());
    for (size_t t = 0; t < c.length; ++t) {
      for (size_t i = 0; i < expected.size(); ++i) {
        by_matrix[i] += g[t * rows + i / hidden] * normed[t * hidden + i % hidden];
      }
    }
    expect_near(by_matrix, expected, 1);
  });
}

TEST(LayerGradient, SequencesOfABatchAddUp) {
  for (const Case& c : Golden().read()) {
    const Result result = run(c, 3, 2);
    for (size_t s = 0; s < 3; ++s) {
      const auto begin = result.out.begin() + int64_t(s * c.out.size());
      expect_near({begin, begin + int64_t(c.out.size())}, c.out, 1);
    }
    for (size_t m = 0; m < kLayerMatrices; ++m) expect_near(result.gradients[m], c.gradients[m], 3);
  }
}

TEST(LayerGradient, IsTheSlopeOfItsOwnForwardPass) {
  const Case c = Golden().read().front();
  const Result base = run(c, 1, 1);
  for (size_t m = 0; m < kLayerMatrices; ++m) {
    // Along the gradient the loss rises by its squared length.
    double squares = 0;
    for (const float g : base.gradients[m]) squares += double(g) * g;
    const double step = 2e-3 / std::sqrt(squares);
    double ends[2];
    for (const int side : {0, 1}) {
      Case moved = c;
      for (size_t i = 0; i < moved.matrices[m].size(); ++i) {
        moved.matrices[m][i] += float((side == 0 ? -step : step) * base.gradients[m][i]);
      }
      const std::vector<float> out = run(moved, 1, 1).out;
      ends[side] = 0;
      for (size_t i = 0; i < out.size(); ++i) ends[side] += double(out[i]) * c.by_output[i];
    }
    EXPECT_NEAR((ends[1] - ends[0]) / (2 * step) / squares, 1.0, 5e-3) << m;
  }
}

TEST(LayerGradient, ThreadsDoNotChangeTheResult) {
  const Case c = Golden().read()[2];
  const Result one = run(c, 2, 1), three = run(c, 2, 3);
  EXPECT_EQ(one.out, three.out);
  EXPECT_EQ(one.gradients, three.gradients);
}

}  // namespace
}  // namespace nibble::layer_gradient_test
