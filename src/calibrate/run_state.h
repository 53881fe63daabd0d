#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "calibrate/calibration_data.h"

namespace nibble {

/// What a long run keeps beside its target, so that a later one goes on where it was interrupted:
///
///   OUT.partial        the part of the target that is written; also locked against a second run
///   OUT.partial.state  the job, the calibration's tokens, how many layers are done, and what later ones need
///
/// The state is replaced after each layer, when the part it speaks of is on the disk, by a rename: whenever
/// the process is killed, a whole one is there. It begins with "nibble run state 1", a line with the FNV-1a
/// hash of all that follows and a line with the size of the JSON after it; then come the values as float32.
class RunState {
 public:
  /// One line for each thing that the result depends on, "method: gptq, damping 0.01", in a fixed order.
  using Job = std::vector<std::string>;
  /// Values by name.
  using Arrays = std::vector<std::pair<std::string, std::span<const float>>>;

  /// Takes up the state beside `target` when it is of this job and `resume`; another one, or a damaged one,
  /// is named in a line on stderr, with the reason, and not used. Throws Error when another run is at work
  /// there.
  RunState(const std::filesystem::path& target, Job job, bool resume);
  /// Leaves the files for a later run, or nothing when no state was saved.
  ~RunState();
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;

  /// The tokens that an interrupted run was calibrated with.
  const std::optional<CalibrationData>& calibration() const { return calibration_; }
  /// `keep`: they take long to make, and are saved at once.
  void set_calibration(CalibrationData calibration, bool keep);

  /// Layers that are done; what was saved behind them.
  uint32_t layers() const { return layers_; }
  const nlohmann::json& details() const { return details_; }
  /// The saved values of this name, of `size`; they can be taken once.
  std::vector<float> take(const std::string& name, size_t size);

  /// Throws Error naming the file and the cause, such as a full disk; the state before is kept then.
  void save(uint32_t layers, nlohmann::json details, const Arrays& arrays);
  /// Keeps no more than the job and the calibration, and says why.
  void begin_anew(const std::string& why);
  /// The target is complete: nothing is needed any more.
  void remove();

  /// "Resuming at layer 17 of 30" on stderr, unless quiet.
  void announce(uint32_t layers) const;

 private:
  void read();
  void forget();
  std::filesystem::path state_path() const;

  std::filesystem::path partial_;
  Job job_;
  std::optional<FileLock> lock_;
  std::optional<CalibrationData> calibration_;
  uint32_t layers_ = 0;
  nlohmann::json details_;
  std::map<std::string, std::vector<float>> values_;
};

}  // namespace nibble
