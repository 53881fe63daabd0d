#pragma once

#include <array>

#include "text/bpe_tokenizer.h"
#include "text/merge_table.h"
#include "text/pre_tokenizer.h"
#include "text/token_index.h"

namespace nibble {

/// Byte-level BPE (Radford et al. 2019): words cut by a pre-tokenizer, merged from bytes by rank.
class ByteLevelTokenizer final : public BpeTokenizer {
 public:
  explicit ByteLevelTokenizer(Vocabulary vocabulary);

 protected:
  bool is_matched_by_model(int32_t) const override { return false; }
  std::string normalize(std::string_view text, bool at_start) const override;
  void encode_normalized(std::string_view text, bool at_start, WordCache& cache,
                         std::vector<int32_t>& ids) const override;
  std::string text_of(int32_t id) const override { return pieces_[size_t(id)]; }

 private:
  std::vector<std::string> decode_tokens() const;
  void build_merges();
  void encode_word(std::string_view word, std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const;

  PreTokenizer pre_tokenizer_;
  std::vector<std::string> pieces_;         // [vocab] bytes
  TokenIndex index_;                        // of the tokens that merging can give
  std::array<int32_t, 256> byte_tokens_{};  // -1: the vocabulary has no token for this byte
  MergeTable merges_;
};

}  // namespace nibble
