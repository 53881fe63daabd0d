#include <algorithm>

#include "base/profile.h"
#include "kernels/linear.h"
#include "kernels/registry.h"

namespace nibble {

namespace {

/// Enough tokens to be worth waking a thread, few enough to share out.
constexpr size_t kTokensPerTask = 4;

}  // namespace

void Activations::set(const float* x, size_t tokens, size_t cols) {
  x_ = x;
  tokens_ = tokens;
  cols_ = cols;
  padded_cols_ = (cols + kActivationGroup - 1) / kActivationGroup * kActivationGroup;
  quantized_ = widened_ = false;
}

void Activations::quantize(ThreadPool& pool) {
  const size_t elements = tokens_ * padded_cols_, groups = padded_cols_ / kActivationGroup;
  q_.resize(elements);
  scale_.resize(tokens_ * groups);
  sums32_.resize(tokens_ * groups);
  sums16_.resize(tokens_ * groups * 2);
  const QuantizeActivations quantize_row = select_quantize_activations(selected_isa());
  pool.parallel_for(tokens_, kTokensPerTask, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      quantize_row(x_ + t * cols_, cols_,
                   {q_.data() + t * padded_cols_, scale_.data() + t * groups, sums32_.data() + t * groups,
                    sums16_.data() + t * groups * 2});
    }
  });
  quantized_ = true;
}

void Activations::widen(ThreadPool& pool) {
  q16_.resize(tokens_ * padded_cols_);
  pool.parallel_for(tokens_, kTokensPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin * padded_cols_; i < end * padded_cols_; i += 4) {
      q16_[i] = q_[i];
      q16_[i + 1] = q_[i + 2];
      q16_[i + 2] = q_[i + 1];
      q16_[i + 3] = q_[i + 3];
    }
  });
  widened_ = true;
}

ActivationArgs Activations::form(ActivationForm form, ThreadPool& pool) {
  ActivationArgs args{tokens_, cols_, padded_cols_, x_, nullptr, nullptr, nullptr, nullptr, nullptr};
  if (form == ActivationForm::f32) return args;
  const OperationTimer timer(Operation::quantize);
  if (!quantized_) quantize(pool);
  if (form == ActivationForm::int16 && !widened_) widen(pool);
  args.q = q_.data();
  args.q16 = form == ActivationForm::int16 ? q16_.data() : nullptr;
  args.scale = scale_.data();
  args.sums32 = sums32_.data();
  args.sums16 = sums16_.data();
  return args;
}

}  // namespace nibble
