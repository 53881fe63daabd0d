#include "text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

namespace {

constexpr int32_t kUnknownSymbol = -1;

/// The character at the beginning of text; a byte that is not UTF-8 counts as one.
size_t character_length(std::string_view text) {
  if (uint8_t(text[0]) < 0x80) return 1;
  return size_t(std::max(1, decode_utf8(text).length));
}

/// Spaces are written as U+2581 before anything is looked for, so that a piece with a plain one is never
/// found.
bool can_occur(std::string_view token) {
  return token.find(' ') == std::string_view::npos;
}

std::string with_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = text.find(kSpaceSymbol); at != std::string_view::npos; at = text.find(kSpaceSymbol)) {
    out.append(text.substr(0, at)) += ' ';
    text.remove_prefix(at + kSpaceSymbol.size());
  }
  return out.append(text);
}

/// One space where there were several, none at the beginning.
std::string without_extra_spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  return out;
}

struct ScoredPair {
  int32_t left, right;
  Merge merge;
};

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(Vocabulary vocabulary)
    : BpeTokenizer(std::move(vocabulary)),
      pieces_(piece_texts()),
      index_(pieces_),
      pairs_(mergeable_texts()) {
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (id >= size() || is_mergeable(id)) index_.add(int32_t(id));
  }
  merges_ = vocabulary_.merges.empty() ? merges_by_score() : merges_by_rank();
  byte_tokens_.fill(-1);
  for (size_t id = 0; id < size(); ++id) {
    if (vocabulary_.types[id] == TokenType::byte) byte_tokens_[uint8_t(pieces_[id][0])] = int32_t(id);
  }
  for (size_t c = 0; c < ascii_.size(); ++c) {
    const char text = char(c);
    ascii_[c] = index_.find({&text, 1});
  }
  build_user_defined();
  build_expansions();
  build_added_tokens();
}

bool SentencePieceTokenizer::is_matched_by_model(int32_t id) const {
  return vocabulary_.types[size_t(id)] == TokenType::user_defined;
}

/// Merging gives normal pieces, and unused ones on the way.
bool SentencePieceTokenizer::is_mergeable(size_t id) const {
  switch (vocabulary_.types[id]) {
    case TokenType::control:
    case TokenType::unknown:
    case TokenType::byte:
      return false;
    case TokenType::user_defined:
      return !vocabulary_.merges.empty();
    default:
      return can_occur(vocabulary_.tokens[id]);
  }
}

std::vector<std::string> SentencePieceTokenizer::piece_texts() const {
  std::vector<std::string> texts;
  texts.reserve(size());
  std::unordered_set<std::string_view> characters;
  for (size_t id = 0; id < size(); ++id) {
    const std::string& token = vocabulary_.tokens[id];
    if (vocabulary_.types[id] == TokenType::byte) {
      texts.emplace_back(1, char(std::stoi(token.substr(3, 2), nullptr, 16)));
    } else {
      texts.push_back(with_spaces(token));
    }
  }
  if (!vocabulary_.merges.empty()) return texts;
  for (size_t id = 0; id < size(); ++id) {
    if (is_mergeable(id) && character_length(texts[id]) == texts[id].size()) characters.insert(texts[id]);
  }
  std::vector<std::string> only_within;
  for (size_t id = 0; id < size(); ++id) {
    if (!is_mergeable(id)) continue;
    for (std::string_view rest = texts[id]; !rest.empty();) {
      const std::string_view character = rest.substr(0, character_length(rest));
      if (characters.insert(character).second) only_within.emplace_back(character);
      rest.remove_prefix(character.size());
    }
  }
  texts.insert(texts.end(), only_within.begin(), only_within.end());
  return texts;
}

std::vector<std::string_view> SentencePieceTokenizer::mergeable_texts() const {
  std::vector<std::string_view> texts;
  for (size_t id = 0; id < size(); ++id) {
    if (is_mergeable(id)) texts.push_back(pieces_[id]);
  }
  return texts;
}

MergeTable SentencePieceTokenizer::merges_by_score() const {
  std::vector<int32_t> best_first;
  for (size_t id = 0; id < size(); ++id) {
    if (is_mergeable(id)) best_first.push_back(int32_t(id));
  }
  const auto score = [&](int32_t id) { return vocabulary_.scores[size_t(id)]; };
  std::ranges::stable_sort(best_first, std::greater<>(), score);
  std::vector<ScoredPair> found;
  uint32_t rank = 0;
  for (size_t i = 0; i < best_first.size(); ++i) {
    const int32_t id = best_first[i];
    // Pieces with one score are equals: of those the leftmost merges first.
    if (i > 0 && score(id) != score(best_first[i - 1])) ++rank;
    const std::string_view piece = pieces_[size_t(id)];
    for (size_t at = character_length(piece); at < piece.size(); at += character_length(piece.substr(at))) {
      const int32_t left = index_.find(piece.substr(0, at));
      const int32_t right = left < 0 ? -1 : index_.find(piece.substr(at));
      if (right >= 0) found.push_back({left, right, {rank, id}});
    }
  }
  MergeTable merges(found.size());
  for (const ScoredPair& pair : found) merges.add(pair.left, pair.right, pair.merge);
  return merges;
}

MergeTable SentencePieceTokenizer::merges_by_rank() const {
  MergeTable merges(vocabulary_.merges.size());
  for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) {
    const std::string_view merge = vocabulary_.merges[rank];
    const size_t space = merge.find(' ', 1);
    const std::string left = with_spaces(merge.substr(0, space)),
                      right = with_spaces(merge.substr(space + 1));
    const int32_t left_id = index_.find(left), right_id = index_.find(right), id = index_.find(left + right);
    if (left_id < 0 || right_id < 0 || id < 0) {
      fail("merge {} of the tokenizer, \"{}\", is of tokens that the vocabulary does not have", rank, merge);
    }
    merges.add(left_id, right_id, {uint32_t(rank), id});
  }
  return merges;
}

void SentencePieceTokenizer::build_user_defined() {
  for (size_t id = 0; id < size(); ++id) {
    const auto is_it = [id](const AddedToken& token) { return token.id == int32_t(id); };
    if (vocabulary_.types[id] != TokenType::user_defined || std::ranges::any_of(vocabulary_.added, is_it))
      continue;
    if (can_occur(vocabulary_.tokens[id])) user_defined_.add(pieces_[id], {.id = int32_t(id)});
  }
}

/// An unused piece takes part in merging, but what is left of it is taken apart again.
void SentencePieceTokenizer::build_expansions() {
  if (!vocabulary_.merges.empty()) return;
  for (size_t id = 0; id < size(); ++id) {
    if (vocabulary_.types[id] != TokenType::unused || !is_mergeable(id)) continue;
    const std::string_view piece = pieces_[id];
    for (size_t at = character_length(piece); at < piece.size(); at += character_length(piece.substr(at))) {
      const int32_t left = index_.find(piece.substr(0, at)), right = index_.find(piece.substr(at));
      if (left < 0 || right < 0) continue;
      expansions_[int32_t(id)] = {left, right};
      break;
    }
  }
}

std::string SentencePieceTokenizer::normalize(std::string_view text, bool at_start) const {
  std::string collapsed;
  if (vocabulary_.remove_extra_whitespaces) {
    text = collapsed = without_extra_spaces(text);
    if (text.empty()) return {};
  }
  const bool prefix =
      vocabulary_.add_space_prefix && !vocabulary_.metaspace && (at_start || !vocabulary_.prefix_first_only);
  std::string normalized = prefix ? " " + with_spaces(text) : with_spaces(text);
  while (vocabulary_.remove_extra_whitespaces && normalized.ends_with(' ')) normalized.pop_back();
  return normalized;
}

void SentencePieceTokenizer::encode_normalized(std::string_view text, bool at_start, WordCache& cache,
                                               std::vector<int32_t>& ids) const {
  if (text.empty()) return;
  std::string prefixed;
  if (vocabulary_.metaspace && vocabulary_.add_space_prefix && !text.starts_with(' ') &&
      (at_start || !vocabulary_.prefix_first_only)) {
    text = prefixed = " " + std::string(text);
  }
  size_t done = 0;
  for (const auto& match : user_defined_.find(text, false)) {
    encode_stretch(text.substr(done, match.begin - done), cache, ids);
    ids.push_back(match.id);
    done = match.end;
  }
  encode_stretch(text.substr(done), cache, ids);
}

void SentencePieceTokenizer::encode_stretch(std::string_view text, WordCache& cache,
                                            std::vector<int32_t>& ids) const {
  std::vector<int32_t> symbols;
  const size_t stretch_ids = ids.size();
  constexpr char32_t kInvalid = 0xfffffffe;  // in no pair
  char32_t previous = kInvalid;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    char32_t code = uint8_t(text[at]);
    size_t length = 1;
    if (code >= 0x80) {
      const CodePoint point = decode_utf8(text.substr(at));
      code = point.length == 0 ? kInvalid : point.value;
      length = size_t(std::max(1, point.length));
    }
    const bool cuts = !pairs_.contains(previous, code) || (vocabulary_.split_on_spaces && code == ' ');
    if (at > begin && cuts) {
      append_part(text.substr(begin, at - begin), stretch_ids, cache, symbols, ids);
      begin = at;
    }
    previous = code;
    at += length;
  }
  if (begin < text.size()) append_part(text.substr(begin), stretch_ids, cache, symbols, ids);
}

void SentencePieceTokenizer::append_part(std::string_view part, size_t stretch_ids, WordCache& cache,
                                         std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  cache.append(part, ids, [&](std::vector<int32_t>& out) { encode_part(part, symbols, out); });
  const bool fuses = vocabulary_.fuse_unknown && vocabulary_.unknown && before > stretch_ids &&
                     before < ids.size() && ids[before] == *vocabulary_.unknown &&
                     ids[before - 1] == ids[before];
  if (fuses) ids.erase(ids.begin() + ptrdiff_t(before));
}

void SentencePieceTokenizer::encode_part(std::string_view part, std::vector<int32_t>& symbols,
                                         std::vector<int32_t>& ids) const {
  symbols.clear();
  while (!part.empty()) {
    const size_t length = character_length(part);
    append_character(part.substr(0, length), symbols);
    part.remove_prefix(length);
  }
  merges_.apply(symbols);
  const size_t before = ids.size();
  for (const int32_t symbol : symbols) append_symbol(symbol, ids);
  if (!vocabulary_.fuse_unknown || !vocabulary_.unknown) return;
  const auto both_unknown = [&](int32_t a, int32_t b) { return a == *vocabulary_.unknown && a == b; };
  ids.erase(std::unique(ids.begin() + ptrdiff_t(before), ids.end(), both_unknown), ids.end());
}

void SentencePieceTokenizer::append_character(std::string_view character,
                                              std::vector<int32_t>& symbols) const {
  const auto first = uint8_t(character[0]);
  const int32_t symbol = first < 0x80 ? ascii_[first] : index_.find(character);
  if (symbol >= 0) {
    symbols.push_back(symbol);
  } else {
    append_unmatched(character, symbols);
  }
}

/// Byte tokens where the vocabulary has them, else the unknown token.
void SentencePieceTokenizer::append_unmatched(std::string_view bytes, std::vector<int32_t>& symbols) const {
  // A space is written as U+2581 also where its bytes are.
  if (bytes == " ") bytes = kSpaceSymbol;
  const auto has_token = [&](char c) { return byte_tokens_[uint8_t(c)] >= 0; };
  if (!std::ranges::all_of(bytes, has_token)) return symbols.push_back(kUnknownSymbol);
  for (const char c : bytes) symbols.push_back(byte_tokens_[uint8_t(c)]);
}

void SentencePieceTokenizer::append_symbol(int32_t symbol, std::vector<int32_t>& ids) const {
  if (symbol == kUnknownSymbol) {
    if (vocabulary_.unknown) ids.push_back(*vocabulary_.unknown);
  } else if (symbol >= int32_t(size())) {
    std::vector<int32_t> unmatched;
    append_unmatched(pieces_[size_t(symbol)], unmatched);
    for (const int32_t part : unmatched) append_symbol(part, ids);
  } else if (const auto parts = expansions_.find(symbol); parts != expansions_.end()) {
    for (const int32_t part : parts->second) append_symbol(part, ids);
  } else {
    ids.push_back(symbol);
  }
}

}  // namespace nibble
