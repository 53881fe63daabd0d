#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "evaluate/arc.h"
#include "evaluate/kld.h"
#include "optimize/loss.h"

namespace nibble {

/// What a model is measured with. Nothing of it may have been seen in calibration.
struct HeldOut {
  std::string text;             ///< what the windows are from, for people
  std::vector<Window> windows;  ///< for KL divergence and perplexity
  std::string arc_source;
  std::vector<ArcQuestion> questions;  ///< none: ARC is not asked
};

/// What a quantized model is like, beside the original.
struct Measured {
  uint64_t file_bytes = 0, memory_bytes = 0;
  double bits_per_weight = 0;
  KldResult kld;
  std::optional<ArcScore> arc, base_arc;
  std::optional<PairedDifference> arc_difference;  ///< from the original's answers
  double tokens_per_s = 0;                         ///< decode

  MeasuredLoss loss(LossMetric metric) const;
};

struct MeasureOptions {
  int threads = 0;
  Affinity affinity = Affinity::none;
  uint32_t context = 0;
  KvType kv_type = KvType::f16;
};

/// Measures models against one original, which stays loaded.
class Measurer {
 public:
  Measurer(const std::filesystem::path& original, HeldOut held_out, const MeasureOptions& options);

  /// `with_arc`: asks the questions too.
  Measured measure(const std::filesystem::path& model, bool with_arc);
  /// Asks the questions that measure() left out.
  void add_arc(const std::filesystem::path& model, Measured& measured);
  const HeldOut& held_out() const { return held_out_; }

 private:
  std::unique_ptr<Engine> load(const std::filesystem::path& model, KvType kv_type) const;
  void measure_arc(Engine& engine, Measured& result);

  HeldOut held_out_;
  MeasureOptions options_;
  std::unique_ptr<Engine> original_;
  std::optional<ArcResult> original_arc_;
};

}  // namespace nibble
