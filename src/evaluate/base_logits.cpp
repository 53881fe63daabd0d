#include "evaluate/base_logits.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace nibble {

namespace {

constexpr const char* kType = "logits";
constexpr const char* kVocab = "nibble.logits.vocab";
constexpr const char* kTokens = "nibble.logits.tokens";           // of all windows, one after the other
constexpr const char* kLengths = "nibble.logits.window_lengths";  // tokens of each window
constexpr const char* kTargets = "nibble.logits.first_targets";   // the first that is predicted in each

std::string window_name(size_t index) {
  return fmt::format("window.{}", index);
}

/// The last token of a window is predicted and predicts nothing.
size_t scored(const Window& window) {
  return window.tokens.size() - window.first_target;
}

struct WindowLists {
  std::vector<int32_t> tokens, lengths, targets;
};

WindowLists lists_of(const std::vector<Window>& windows) {
  WindowLists lists;
  for (const Window& window : windows) {
    lists.tokens.insert(lists.tokens.end(), window.tokens.begin(), window.tokens.end());
    lists.lengths.push_back(int32_t(window.tokens.size()));
    lists.targets.push_back(int32_t(window.first_target));
  }
  return lists;
}

GgufMetadata metadata_of(const Engine& base, const std::vector<Window>& windows) {
  WindowLists lists = lists_of(windows);
  GgufMetadata metadata;
  metadata.set("general.type", std::string(kType));
  metadata.set("general.name", base.model().checkpoint().path().filename().string());
  metadata.set(kVocab, base.model().config().vocab);
  metadata.set(kTokens, GgufArray{std::move(lists.tokens)});
  metadata.set(kLengths, GgufArray{std::move(lists.lengths)});
  metadata.set(kTargets, GgufArray{std::move(lists.targets)});
  return metadata;
}

std::vector<GgufWriter::Tensor> tensors_of(uint64_t vocab, const std::vector<Window>& windows) {
  std::vector<GgufWriter::Tensor> tensors;
  for (size_t i = 0; i < windows.size(); ++i) {
    tensors.push_back({window_name(i), DType::F32, {scored(windows[i]), vocab}});
  }
  return tensors;
}

/// Whether the first values of `stored` are `wanted`.
bool begins_with(const std::optional<std::vector<int64_t>>& stored, const std::vector<int32_t>& wanted) {
  return stored && stored->size() >= wanted.size() &&
         std::equal(wanted.begin(), wanted.end(), stored->begin());
}

}  // namespace

ModelLogits::ModelLogits(Engine& base, const std::filesystem::path& save, const std::vector<Window>& windows)
    : base_(base) {
  writer_.emplace(save, metadata_of(base, windows), tensors_of(base.model().config().vocab, windows));
}

void ModelLogits::check(const Engine& engine, const std::vector<Window>&) const {
  const uint32_t vocab = engine.model().config().vocab, base_vocab = base_.model().config().vocab;
  const bool differ = vocab != base_vocab ||
                      (engine.has_tokenizer() && base_.has_tokenizer() &&
                       engine.tokenizer().vocabulary().tokens != base_.tokenizer().vocabulary().tokens);
  if (differ) {
    fail("{}: its vocabulary is not that of {}; --base must be the model that this one was made from",
         base_.model().checkpoint().path().string(), engine.model().checkpoint().path().string());
  }
}

std::span<const float> ModelLogits::of(const std::vector<Window>& windows, size_t index) {
  const Window& window = windows[index];
  logits_.clear();
  base_.logits(
      std::span(window.tokens).first(window.tokens.size() - 1),
      [&](size_t, auto logits, size_t) { logits_.insert(logits_.end(), logits.begin(), logits.end()); },
      window.first_target - 1);
  if (writer_) {
    writer_->write(std::as_bytes(std::span(logits_)));
    if (index + 1 == windows.size()) writer_->finish();
  }
  return logits_;
}

std::unique_ptr<SavedLogits> SavedLogits::open(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path) || !is_gguf(path)) return nullptr;
  auto file = GgufFile::open(path);
  if (file->metadata().get_string("general.type") != kType) return nullptr;
  return std::unique_ptr<SavedLogits>(new SavedLogits(path, std::move(file)));
}

void SavedLogits::check(const Engine& engine, const std::vector<Window>& windows) const {
  const GgufMetadata& metadata = file_->metadata();
  const WindowLists wanted = lists_of(windows);
  const uint32_t vocab = engine.model().config().vocab;
  if (metadata.get_uint(kVocab) != vocab || !begins_with(metadata.get_ints(kTokens), wanted.tokens) ||
      !begins_with(metadata.get_ints(kLengths), wanted.lengths) ||
      !begins_with(metadata.get_ints(kTargets), wanted.targets)) {
    fail(
        "{}: these logits are not of this text in the vocabulary of {}, or of fewer or other windows; write "
        "them "
        "again by --base MODEL --save-base-logits FILE with the same --kld, --context, --chunks and --stride",
        path_.string(), engine.model().checkpoint().path().string());
  }
  for (size_t i = 0; i < windows.size(); ++i) {
    const bool sound = i < file_->tensors().size() && file_->tensors()[i].dtype == DType::F32 &&
                       file_->tensors()[i].shape == std::vector<uint64_t>{scored(windows[i]), vocab};
    if (!sound) fail("{}: {} is damaged; write the logits again", path_.string(), window_name(i));
  }
}

std::span<const float> SavedLogits::of(const std::vector<Window>&, size_t index) {
  if (index > 0) file_->mapping()->release(file_->tensors()[index - 1].data);
  const auto data = file_->tensors()[index].data;
  // The format's alignment of 32 bytes, in a file mapped from a page's beginning.
  return {reinterpret_cast<const float*>(data.data()), data.size() / sizeof(float)};
}

}  // namespace nibble
