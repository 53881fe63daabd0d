#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex_splitter.h"

#include <pcre2.h>

#include <new>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

struct RegexSplitter::Code {
  pcre2_code* compiled = nullptr;
  ~Code() { pcre2_code_free(compiled); }
};

namespace {

constexpr size_t kJitStackStart = size_t{32} << 10, kJitStackLimit = size_t{8} << 20;

/// PCRE2's \s holds U+180E, which has not been whitespace since Unicode 6.3: spells \s and \S out.
std::string spell_whitespace_out(std::string_view regex) {
  constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    if (regex[i] != '\\' || i + 1 == regex.size()) {
      if (regex[i] == '[') in_class = true;
      if (regex[i] == ']') in_class = false;
      out += regex[i];
      continue;
    }
    ++i;
    if (regex[i] == 's') {
      out += in_class ? std::string(kSpace) : "[" + std::string(kSpace) + "]";
    } else if (regex[i] == 'S' && !in_class) {
      out += "[^" + std::string(kSpace) + "]";
    } else {
      out.append({'\\', regex[i]});
    }
  }
  return out;
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

RegexSplitter::RegexSplitter(const SplitRule& rule)
    : code_(std::make_unique<Code>()), keep_gaps_(rule.keep_gaps) {
  const std::string regex = spell_whitespace_out(rule.regex);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                                  PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
  if (code_->compiled == nullptr) {
    fail("the pre-tokenizer's regular expression \"{}\" can't be used: {} at offset {}", rule.regex,
         pcre2_message(error), offset);
  }
  // Where the machine has no JIT compiler, PCRE2 interprets.
  pcre2_jit_compile(code_->compiled, PCRE2_JIT_COMPLETE);
}

RegexSplitter::~RegexSplitter() = default;

/// What one thread needs for matching.
class RegexSplitter::Matcher {
 public:
  explicit Matcher(const pcre2_code* code)
      : code_(code),
        data_(pcre2_match_data_create_from_pattern(code, nullptr)),
        context_(pcre2_match_context_create(nullptr)),
        stack_(pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr)) {
    if (data_ == nullptr || context_ == nullptr || stack_ == nullptr) throw std::bad_alloc();
    pcre2_jit_stack_assign(context_, nullptr, stack_);
  }
  ~Matcher() {
    pcre2_jit_stack_free(stack_);
    pcre2_match_context_free(context_);
    pcre2_match_data_free(data_);
  }
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  /// The next match in valid UTF-8 from `at` on, as {begin, end}; {size, size} when there is none.
  std::pair<size_t, size_t> find(std::string_view text, size_t at) {
    const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                  PCRE2_NO_UTF_CHECK, data_, context_);
    if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
    if (found < 0) fail("the pre-tokenizer's regular expression can't be matched: {}", pcre2_message(found));
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data_);
    return {span[0], span[1]};
  }

 private:
  const pcre2_code* code_;
  pcre2_match_data* data_;
  pcre2_match_context* context_;
  pcre2_jit_stack* stack_;
};

void RegexSplitter::split_valid(Matcher& matcher, std::string_view text,
                                std::vector<std::string_view>& pieces) const {
  size_t done = 0;  // text before it is in pieces or was dropped
  for (size_t at = 0; at < text.size();) {
    const auto [begin, end] = matcher.find(text, at);
    if (begin == text.size()) break;
    if (end <= begin) {
      at = begin + size_t(decode_utf8(text.substr(begin)).length);
      continue;
    }
    if (keep_gaps_ && begin > done) pieces.push_back(text.substr(done, begin - done));
    pieces.push_back(text.substr(begin, end - begin));
    done = at = end;
  }
  if (keep_gaps_ && done < text.size()) pieces.push_back(text.substr(done));
}

std::vector<std::string_view> RegexSplitter::split(const std::vector<std::string_view>& texts) const {
  Matcher matcher(code_->compiled);
  std::vector<std::string_view> pieces;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const size_t valid = find_invalid_utf8(text);
      split_valid(matcher, text.substr(0, valid), pieces);
      size_t invalid_end = valid;
      while (invalid_end < text.size() && decode_utf8(text.substr(invalid_end)).length == 0) ++invalid_end;
      if (invalid_end > valid) pieces.push_back(text.substr(valid, invalid_end - valid));
      text.remove_prefix(invalid_end);
    }
  }
  return pieces;
}

}  // namespace nibble
