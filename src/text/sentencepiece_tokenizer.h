#pragma once

#include <array>
#include <unordered_map>

#include "text/bpe_tokenizer.h"
#include "text/character_pairs.h"
#include "text/merge_table.h"
#include "text/token_index.h"

namespace nibble {

/// SentencePiece's BPE (Kudo and Richardson 2018): text with a space in front, merged from characters by
/// the scores of the pieces, or by explicit merges as Hugging Face's tokenizer.json lists them. Where
/// the `sentencepiece` package turns a byte that is not UTF-8 into U+FFFD, here it becomes its byte
/// token, so that decoding gives the byte back.
class SentencePieceTokenizer final : public BpeTokenizer {
 public:
  explicit SentencePieceTokenizer(Vocabulary vocabulary);

 protected:
  bool is_matched_by_model(int32_t id) const override;
  std::string normalize(std::string_view text, bool at_start) const override;
  void encode_normalized(std::string_view text, bool at_start, WordCache& cache,
                         std::vector<int32_t>& ids) const override;
  std::string text_of(int32_t id) const override { return pieces_[size_t(id)]; }

 private:
  bool is_mergeable(size_t id) const;
  std::vector<std::string> piece_texts() const;
  std::vector<std::string_view> mergeable_texts() const;
  MergeTable merges_by_score() const;
  MergeTable merges_by_rank() const;
  void build_user_defined();
  void build_expansions();

  void encode_stretch(std::string_view text, WordCache& cache, std::vector<int32_t>& ids) const;
  void append_part(std::string_view part, size_t stretch_ids, WordCache& cache, std::vector<int32_t>& symbols,
                   std::vector<int32_t>& ids) const;
  void encode_part(std::string_view part, std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const;
  void append_character(std::string_view character, std::vector<int32_t>& symbols) const;
  void append_unmatched(std::string_view bytes, std::vector<int32_t>& symbols) const;
  void append_symbol(int32_t symbol, std::vector<int32_t>& ids) const;

  // Here U+2581 is a space in all texts: the two are one, as spaces are written as U+2581.
  std::vector<std::string> pieces_;  // [vocab], then characters that occur only within pieces
  TokenIndex index_;                 // of mergeable pieces and those characters
  CharacterPairs pairs_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_tokens_{};  // -1 throughout without byte fallback
  std::array<int32_t, 128> ascii_{};        // -1: no piece
  AddedTokenMatcher user_defined_;
  std::unordered_map<int32_t, std::vector<int32_t>> expansions_;  // of pieces that are unused
};

}  // namespace nibble
