#pragma once

#include <filesystem>
#include <string>

#include "formats/gguf.h"
#include "model/checkpoint.h"
#include "text/vocabulary.h"

/// Where a checkpoint keeps its tokenizer: GGUF's tokenizer.ggml.* keys, or the files of a Hugging Face
/// directory.
namespace nibble {

bool has_vocabulary(const Checkpoint& checkpoint);

/// Throws Error: the model takes no text, and what to do.
[[noreturn]] void fail_without_vocabulary(const std::string& where);

/// As many tokens as the model has rows: a Hugging Face tokenizer with fewer is filled up with unused
/// ones. Throws Error naming the file and the key that is missing or wrong.
Vocabulary load_vocabulary(const Checkpoint& checkpoint);

/// Adds unused tokens up to `rows`, of which the vocabulary has no more: embeddings often have more rows than
/// the tokenizer has tokens, and GGUF wants a token for each.
void fill_up(Vocabulary& vocabulary, size_t rows);

/// The vocabulary of anything that holds one: a GGUF file of any architecture, a directory, a
/// tokenizer.json or a tokenizer.model.
Vocabulary open_vocabulary(const std::filesystem::path& path);

/// The vocabulary of tokenizer.ggml.* keys; `where` is the file, for errors.
Vocabulary read_vocabulary(const GgufMetadata& metadata, const std::string& where);

/// Writes the keys that llama.cpp reads, and nibble.tokenizer.* for what they can't say.
void write_vocabulary(const Vocabulary& vocabulary, GgufMetadata& metadata);

}  // namespace nibble
