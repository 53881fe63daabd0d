#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/file.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "runtime/packed_layout.h"

/// The packed weights of a model as a file beside it, so that a start maps them instead of packing
/// (docs/formats.md). It begins with lines of text that follow from the model and from the kernels: a file is
/// taken when it begins with just what this program would write, and nothing else of it is interpreted.
namespace nibble {

/// A packed file whose weights fit the model and this machine's kernels.
struct PackedFile {
  std::unique_ptr<MappedFile> mapping;
  std::span<const std::byte> weights;  ///< as the layout places them; they begin on a huge page of the file
};

/// MODEL.gguf.packed, or model.packed in a directory.
std::filesystem::path packed_file_path(const Checkpoint& checkpoint);

/// Maps the packed file with all threads. Without one, or with one that does not fit, `mapping` is null; a
/// file that does not fit is named in a line on stderr.
PackedFile open_packed_file(const Checkpoint& checkpoint, const PackedLayout& layout, ThreadPool& pool);

/// Writes the packed file. It appears when it is complete; throws Error naming it when it can't be written.
void write_packed_file(const Checkpoint& checkpoint, const PackedLayout& layout,
                       std::span<const std::byte> weights);

}  // namespace nibble
