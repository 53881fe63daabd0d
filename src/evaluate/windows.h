#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace nibble {

/// How a long text is cut into windows that a model can read.
struct WindowOptions {
  uint32_t context = 512;  ///< tokens of a window
  /// 0: disjoint windows scored over their second half, as llama.cpp's perplexity tool does: positions
  /// context / 2 .. context - 2 predict the token after them, and what is left at the end is dropped.
  /// Otherwise a window begins every `stride` tokens, and a token is scored once, by the first window that
  /// reaches it and has a token before it (Hugging Face's strided perplexity).
  uint32_t stride = 0;
  uint32_t max_windows = 0;         ///< only so many from the beginning; 0: all
  std::string source = "the text";  ///< as errors name it
};

/// Tokens [begin, begin + tokens.size()) of the text.
struct Window {
  std::vector<int32_t> tokens;  ///< the first is replaced by the begin token if the vocabulary adds one
  size_t first_target = 0;      ///< tokens [first_target, size) are predicted
};

/// Cuts a text. Throws Error when it is too short, saying how many tokens it has and how many are needed, and
/// UsageError when the stride is longer than the context.
std::vector<Window> make_windows(const std::vector<int32_t>& text, const Vocabulary& vocabulary,
                                 const WindowOptions& options);

/// The tokens of a text file, begin token included if the vocabulary adds one; one newline at the end
/// is dropped, as llama.cpp does. Throws Error naming the file.
std::vector<int32_t> tokenize_file(const std::string& path, const Tokenizer& tokenizer);

}  // namespace nibble
