#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace nibble {

/// Cuts text at the matches of any regular expression in Oniguruma's spelling, through PCRE2.
class RegexSplitter {
 public:
  /// Throws Error quoting the expression and the place where it can't be compiled.
  explicit RegexSplitter(const SplitRule& rule);
  ~RegexSplitter();

  /// The pieces of all texts in order; a run of bytes that are not UTF-8 is a piece. Safe to call from
  /// several threads.
  std::vector<std::string_view> split(const std::vector<std::string_view>& texts) const;

 private:
  struct Code;
  class Matcher;
  void split_valid(Matcher& matcher, std::string_view text, std::vector<std::string_view>& pieces) const;

  std::unique_ptr<Code> code_;
  bool keep_gaps_;
};

}  // namespace nibble
