#include "runtime/memory_reserve.h"

#include <sys/mman.h>

#include <limits>
#include <utility>

namespace nibble {

namespace {

constexpr size_t kHugePage = size_t(2) << 20;
/// Below this, the memory that huge pages round up to would be a good part of the whole.
constexpr size_t kLarge = 32 * kHugePage;

}  // namespace

MemoryReserve::~MemoryReserve() {
  if (mapping_) munmap(mapping_, mapped_);
}

MemoryReserve::MemoryReserve(MemoryReserve&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      data_(other.data_),
      mapped_(other.mapped_),
      size_(other.size_) {}

bool MemoryReserve::take(uint64_t size) {
  if (size > uint64_t(std::numeric_limits<ptrdiff_t>::max()) - kHugePage) return false;
  const size_t mapped = size + kHugePage;
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return false;
  mapping_ = mapping;
  mapped_ = mapped;
  size_ = size;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(mapping);
  data_ = static_cast<std::byte*>(mapping) + (kHugePage - begin % kHugePage) % kHugePage;
  // Advice only: where it is not taken, ordinary pages serve.
  if (size >= kLarge) madvise(data_, size, MADV_HUGEPAGE);
  return true;
}

}  // namespace nibble
