#include "evaluate/windows.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/encode.h"

namespace nibble {

namespace {

std::vector<Window> half_scored_windows(const std::vector<int32_t>& text, const WindowOptions& options) {
  const size_t context = options.context;
  if (text.size() < 2 * context) {
    fail(
        "{} has {} tokens, and a context of {} needs at least {}; give a longer text or a shorter "
        "--context",
        options.source, text.size(), context, 2 * context);
  }
  std::vector<Window> windows;
  for (size_t begin = 0; begin + context <= text.size(); begin += context) {
    const auto at = text.begin() + int64_t(begin);
    windows.push_back({{at, at + int64_t(context)}, context / 2 + 1});
  }
  return windows;
}

std::vector<Window> strided_windows(const std::vector<int32_t>& text, const WindowOptions& options) {
  if (options.stride > options.context) {
    throw_usage("--stride {} is more than the --context of {}: tokens between windows would be left out",
                options.stride, options.context);
  }
  if (text.size() < 2) {
    fail("{} has {} tokens, and at least 2 are needed; give a longer text", options.source, text.size());
  }
  std::vector<Window> windows;
  size_t scored_to = 0;
  for (size_t begin = 0; scored_to < text.size(); begin += options.stride) {
    const size_t end = std::min(begin + options.context, text.size());
    const size_t first = std::max(scored_to, begin + 1);
    if (first < end) {
      windows.push_back({{text.begin() + int64_t(begin), text.begin() + int64_t(end)}, first - begin});
    }
    scored_to = end;
  }
  return windows;
}

}  // namespace

std::vector<Window> make_windows(const std::vector<int32_t>& text, const Vocabulary& vocabulary,
                                 const WindowOptions& options) {
  if (options.context < 2) fail("--context {}: a window needs at least 2 tokens", options.context);
  std::vector<Window> windows =
      options.stride == 0 ? half_scored_windows(text, options) : strided_windows(text, options);
  if (options.max_windows > 0 && windows.size() > options.max_windows) windows.resize(options.max_windows);
  if (vocabulary.add_bos && vocabulary.bos) {
    for (Window& window : windows) window.tokens.front() = *vocabulary.bos;
  }
  return windows;
}

std::vector<int32_t> tokenize_file(const std::string& path, const Tokenizer& tokenizer) {
  std::string text = read_text_file(path);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return encode_beginning(tokenizer, text);
}

}  // namespace nibble
