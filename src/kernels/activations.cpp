#include <algorithm>

#include "base/profile.h"
#include "kernels/bfloat16_parts.h"
#include "kernels/linear.h"
#include "kernels/registry.h"
#include "kernels/vector_ops.h"

namespace nibble {

namespace {

/// Enough tokens to be worth waking a thread; their scales, which stand side by side, fill a cache line that
/// no other thread writes.
constexpr size_t kTokensPerTask = 16;

/// Added to the rows of several tokens: rows of 4096 bytes would all share their sets of the first-level
/// cache, and a tile of six would push each other and the weights out.
constexpr size_t kRowGap = 64;

}  // namespace

void Activations::set(const float* x, size_t tokens, size_t cols) {
  x_ = x;
  norm_weight_ = nullptr;
  tokens_ = tokens;
  cols_ = cols;
  normed_ready_ = false;
  for (Quantized& form : quantized_) form.ready = form.widened = false;
  split_ = false;
}

void Activations::set_normalized(const float* x, const float* weight, float eps, size_t tokens, size_t cols) {
  set(x, tokens, cols);
  norm_weight_ = weight;
  norm_eps_ = eps;
}

/// A token's values [cols]; `space` has room for them.
const float* Activations::row(size_t token, float* space) const {
  const float* x = x_ + token * cols_;
  if (norm_weight_ == nullptr) return x;
  vector_ops().rms_norm(x, norm_weight_, norm_eps_, space, cols_);
  return space;
}

/// Calls take(token, values [cols]) for every token.
template <typename Take>
void Activations::for_each_row(ThreadPool& pool, Take take) const {
  pool.parallel_for(tokens_, kTokensPerTask, [&](size_t begin, size_t end) {
    thread_local std::vector<float> space;
    space.resize(cols_);
    for (size_t t = begin; t < end; ++t) take(t, row(t, space.data()));
  });
}

/// All tokens' values [tokens, cols].
const float* Activations::values(ThreadPool& pool) {
  if (norm_weight_ == nullptr) return x_;
  if (!normed_ready_) {
    normed_.resize(tokens_ * cols_);
    pool.parallel_for(tokens_, 1, [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) row(t, normed_.data() + t * cols_);
    });
    normed_ready_ = true;
  }
  return normed_.data();
}

Activations::Quantized& Activations::of_groups(ActivationGroups groups) {
  const auto form = std::find_if(quantized_.begin(), quantized_.end(),
                                 [&](const Quantized& f) { return f.groups == groups; });
  if (form != quantized_.end()) return *form;
  quantized_.emplace_back();
  quantized_.back().groups = groups;
  return quantized_.back();
}

void Activations::quantize(Quantized& form, ThreadPool& pool) {
  const size_t size = form.groups.scale;
  form.padded_cols = (cols_ + size - 1) / size * size;
  // One token is always multiplied signed; see PackedSteps in simd/packed_panel.h.
  const bool moved = tokens_ > 1;
  form.stride = form.padded_cols + (tokens_ > 1 ? kRowGap : 0);
  form.q.resize(tokens_ * form.stride);
  form.moved.resize(moved ? form.q.size() : 0);
  form.scale.resize(tokens_ * form.padded_cols / size);
  form.sums.resize(tokens_ * form.padded_cols / form.groups.sum);
  form.scaled_sums.resize(form.sums.size());
  const QuantizeActivations quantize_token = select_quantize_activations(selected_isa());
  for_each_row(pool, [&](size_t t, const float* x) {
    const size_t at = t * form.stride;
    quantize_token(x, cols_, form.groups,
                   {form.q.data() + at, moved ? form.moved.data() + at : nullptr, form.scale.data() + t,
                    form.sums.data() + t, form.scaled_sums.data() + t, tokens_});
  });
  form.ready = true;
}

void Activations::widen(Quantized& form, ThreadPool& pool) {
  form.q16.resize(form.q.size());
  pool.parallel_for(tokens_, kTokensPerTask, [&](size_t begin, size_t end) {
    for (size_t i = begin * form.stride; i < end * form.stride; i += 4) {
      const int8_t* q = form.q.data() + i;
      int16_t* wide = form.q16.data() + i;
      wide[0] = q[0];
      wide[1] = q[2];
      wide[2] = q[1];
      wide[3] = q[3];
    }
  });
  form.widened = true;
}

void Activations::split(ThreadPool& pool) {
  parts_stride_ = part_elements(cols_) + (tokens_ > 1 ? kRowGap / sizeof(uint16_t) : 0);
  parts_.resize(tokens_ * parts_stride_);
  for_each_row(pool, [&](size_t t, const float* x) {
    split_into_bfloat16(x, cols_, parts_.data() + t * parts_stride_);
  });
  split_ = true;
}

ActivationArgs Activations::form(ActivationForm wanted, ActivationGroups groups, ThreadPool& pool) {
  ActivationArgs args{};
  args.tokens = tokens_;
  args.cols = args.padded_cols = cols_;
  const OperationTimer timer(Operation::quantize);
  if (wanted == ActivationForm::f32) {
    args.x = values(pool);
    return args;
  }
  if (wanted == ActivationForm::bfloat16_parts) {
    if (!split_) split(pool);
    args.stride = parts_stride_;
    args.parts = parts_.data();
    return args;
  }
  Quantized& form = of_groups(groups);
  if (!form.ready) quantize(form, pool);
  if (wanted == ActivationForm::int16 && !form.widened) widen(form, pool);
  args.padded_cols = form.padded_cols;
  args.groups = groups;
  args.stride = form.stride;
  args.q = form.q.data();
  args.moved = tokens_ > 1 ? form.moved.data() : nullptr;
  args.q16 = wanted == ActivationForm::int16 ? form.q16.data() : nullptr;
  args.scale = form.scale.data();
  args.sums = form.sums.data();
  args.scaled_sums = form.scaled_sums.data();
  return args;
}

}  // namespace nibble
