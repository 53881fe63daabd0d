#include "text/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/unicode_classes.h"

namespace nibble {

namespace {

/// The beginning of the character that ends at `end`.
size_t character_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && (uint8_t(text[at]) & 0xc0) == 0x80) --at;
  return at;
}

bool is_class(std::string_view character, CharacterClass wanted) {
  const CodePoint point = decode_utf8(character);
  return point.length > 0 && (UnicodeClasses::get()[point.value] & wanted) != 0;
}

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_class(text.substr(character_before(text, begin)), kWordPart)) ||
         (end < text.size() && is_class(text.substr(end), kWordPart));
}

size_t skip_space_before(std::string_view text, size_t begin) {
  while (begin > 0) {
    const size_t at = character_before(text, begin);
    if (!is_class(text.substr(at), kWhitespace)) break;
    begin = at;
  }
  return begin;
}

size_t skip_space_after(std::string_view text, size_t end) {
  while (end < text.size() && is_class(text.substr(end), kWhitespace)) {
    end += size_t(decode_utf8(text.substr(end)).length);
  }
  return end;
}

}  // namespace

uint32_t AddedTokenMatcher::child_of(uint32_t node, uint8_t byte) const {
  for (const auto& [edge, child] : nodes_[node].children) {
    if (edge == byte) return child;
  }
  return 0;
}

void AddedTokenMatcher::add(std::string_view text, const AddedToken& token) {
  if (text.empty()) return;
  uint32_t node = 0;
  for (const char c : text) {
    uint32_t child = child_of(node, uint8_t(c));
    if (child == 0) {
      child = uint32_t(nodes_.size());
      nodes_[node].children.emplace_back(uint8_t(c), child);
      nodes_.emplace_back();
    }
    node = child;
  }
  nodes_[node].token = int32_t(tokens_.size());
  tokens_.push_back(token);
  first_byte_[uint8_t(text[0])] = true;
}

std::pair<int32_t, size_t> AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  std::pair<int32_t, size_t> longest{-1, at};
  uint32_t node = 0;
  while (at < text.size() && (node = child_of(node, uint8_t(text[at]))) != 0) {
    ++at;
    if (nodes_[node].token >= 0) longest = {nodes_[node].token, at};
  }
  return longest;
}

std::vector<AddedTokenMatcher::Match> AddedTokenMatcher::find(std::string_view text,
                                                              bool parse_special) const {
  std::vector<Match> matches;
  if (empty()) return matches;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    if (!first_byte_[uint8_t(text[at])]) {
      ++at;
      continue;
    }
    const auto [index, stop] = longest_at(text, at);
    if (index < 0) {
      ++at;
      continue;
    }
    size_t begin = at, end = stop;
    at = stop;
    const AddedToken& token = tokens_[size_t(index)];
    if (token.special && !parse_special) continue;
    if (token.single_word && touches_word(text, begin, end)) continue;
    // Whitespace that an earlier token took is gone.
    if (token.lstrip) begin = std::max(skip_space_before(text, begin), done);
    if (token.rstrip) end = skip_space_after(text, end);
    begin = std::max(begin, done);
    matches.push_back({begin, std::max(begin, end), token.id});
    done = matches.back().end;
  }
  return matches;
}

}  // namespace nibble
