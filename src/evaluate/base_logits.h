#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "evaluate/windows.h"
#include "formats/gguf.h"

namespace nibble {

/// What a base model says over the windows of a text: asked of the model, or read from a file that an earlier
/// run wrote, so that many models are compared with a large one that runs once.
class BaseLogits {
 public:
  virtual ~BaseLogits() = default;
  /// Throws Error when `engine` and `windows` are not what these logits are for.
  virtual void check(const Engine& engine, const std::vector<Window>& windows) const = 0;
  /// The logits [scored positions, vocab] of windows[index]; they hold until the next call. Windows are asked
  /// for in order.
  virtual std::span<const float> of(const std::vector<Window>& windows, size_t index) = 0;
};

/// Those of a loaded model, one window in memory at a time.
class ModelLogits : public BaseLogits {
 public:
  explicit ModelLogits(Engine& base) : base_(base) {}
  /// Writes them also into `save`, which is complete after the last of `windows`. Throws Error when the disk
  /// has no room.
  ModelLogits(Engine& base, const std::filesystem::path& save, const std::vector<Window>& windows);

  void check(const Engine& engine, const std::vector<Window>& windows) const override;
  std::span<const float> of(const std::vector<Window>& windows, size_t index) override;

 private:
  Engine& base_;
  std::optional<GgufWriter> writer_;
  std::vector<float> logits_;
};

/// Those of a file: GGUF with general.type "logits", the windows' tokens in its metadata, and for window i
/// the tensor "window.i" [scored positions, vocab] in F32.
class SavedLogits : public BaseLogits {
 public:
  /// Nothing when the file is not GGUF of this type (a model). Throws Error when it is, but damaged.
  static std::unique_ptr<SavedLogits> open(const std::filesystem::path& path);

  void check(const Engine& engine, const std::vector<Window>& windows) const override;
  std::span<const float> of(const std::vector<Window>& windows, size_t index) override;

 private:
  SavedLogits(std::filesystem::path path, std::shared_ptr<GgufFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  std::filesystem::path path_;
  std::shared_ptr<GgufFile> file_;
};

}  // namespace nibble
