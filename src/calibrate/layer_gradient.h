#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "calibrate/attention_gradient.h"
#include "calibrate/float_operand.h"
#include "runtime/layer_weights.h"
#include "runtime/rope.h"

namespace nibble {

/// The matrices of a layer, in the order of its products.
enum class LayerMatrix { q, k, v, attention_output, gate, up, down };
inline constexpr size_t kLayerMatrices = 7;

/// One layer of the Llama family in float32, over whole sequences and with the gradient by its matrices: what
/// runtime/layer.h computes, without a cache, and its backward pass. Results do not depend on the number of
/// threads.
class LayerGradient {
 public:
  /// Writes a matrix [rows, cols] as it is now. Asked for each product, so that no more than one matrix is
  /// held as float32.
  using Weights = std::function<void(LayerMatrix, float* out)>;
  /// Receives the gradient [rows, cols] by a matrix, or [tokens, rows] by a product with it, which lives
  /// until it returns.
  using Receiver = FunctionRef<void(LayerMatrix, const float* gradient)>;

  /// Takes norms and biases of `vectors`; its matrices are not looked at.
  LayerGradient(const ModelConfig& config, LayerWeights vectors, Weights weights, size_t sequences,
                size_t length, ThreadPool& pool);

  /// The layer's output [tokens, hidden] for x [tokens, hidden], sequence by sequence. x must live until the
  /// way back.
  const float* forward(const float* x);
  /// After forward(): from the gradient [tokens, hidden] by the output those by all matrices. A matrix may
  /// change as soon as its gradient is there.
  void backward(const float* output_gradient, Receiver receive);
  /// In place of backward(): the gradients by the results of all products. Returns the gradient
  /// [tokens, hidden] by x.
  const float* backward_by_products(const float* output_gradient, Receiver receive);

 private:
  enum class By { matrices, products };
  struct Shape {
    size_t rows, cols;
  };
  /// Heads of q, k or v.
  struct Heads {
    size_t count;
    const std::vector<float>*bias, *norm;
    std::vector<float> raw;       ///< [tokens, count * head_dim], the product, and its gradient
    std::vector<float> heads;     ///< [count, tokens, head_dim], as attention reads them
    std::vector<float> before;    ///< [count, tokens, head_dim], before the norm of heads, if there is one
    std::vector<float> gradient;  ///< [count, tokens, head_dim]
  };

  void set_heads(Heads& h, size_t count, const std::vector<float>& bias, const std::vector<float>& norm);
  void set_angles();
  const Shape& shape(LayerMatrix which) const { return shapes_[size_t(which)]; }
  const float* load(LayerMatrix which);
  void multiply(LayerMatrix which, const float* x, float* y);
  void multiply_back(LayerMatrix which, const float* y_gradient, float* x_gradient);
  void begin_way_back(By by, const float* output_gradient);
  void set_input(const float* x, size_t cols);
  void send_gradient(LayerMatrix which, const float* y_gradient, Receiver receive);
  void normalize(const float* x, const std::vector<float>& weight, float* y);
  void add_norm_gradient(const float* x, const std::vector<float>& weight, const float* y_gradient,
                         float* x_gradient);
  void split_heads(Heads& h, bool rotated);
  void join_gradients(Heads& h, bool rotated);
  void join_heads(const float* heads, float* rows);
  void add_residual(const float* x, const std::vector<float>& bias, float* y);
  void feed_forward();
  void feed_forward_backward(Receiver receive);
  void attention_backward(Receiver receive);
  const float* input_gradient();

  const ModelConfig& config_;
  ThreadPool& pool_;
  LayerWeights vectors_;
  size_t length_, tokens_;
  Rope rope_;
  std::vector<float> cosines_, sines_, minus_sines_;  // [length, pairs]
  AttentionGradient attention_;
  Weights weights_;
  std::array<Shape, kLayerMatrices> shapes_;
  const float* x_ = nullptr;  // [tokens, hidden], the layer's input
  By by_ = By::matrices;
  Heads q_, k_, v_;

  std::vector<float> normed_, middle_;              // [tokens, hidden]: norm(x), and x behind attention
  std::vector<float> ffn_normed_, out_;             // [tokens, hidden]: norm(middle), and the layer's output
  std::vector<float> attended_, attended_heads_;    // [tokens, q_width], and [n_heads, tokens, head_dim]
  std::vector<float> gate_, up_, sigmoid_, gated_;  // [tokens, ffn]
  std::vector<float> residual_;                     // [tokens, hidden], the gradient by the residual stream
  std::vector<float> delta_, wide_delta_;           // [tokens, hidden] and [tokens, ffn], gradients at hand
  FloatOperand operand_, input_;                    // the matrix at hand; the input of matrices, turned round
  std::vector<float> matrix_;                       // the matrix at hand
  std::vector<float> turned_, gradient_;            // a product's gradient turned round; a matrix' gradient
};

}  // namespace nibble
