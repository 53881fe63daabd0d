#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "base/numa.h"

namespace nibble {

/// Uninitialized bytes that begin on a cache line. Large buffers ask for huge pages: fewer page faults when
/// they are filled and fewer misses of the address cache when they are streamed. Those of machines with
/// several memory nodes are spread over all.
class AlignedBuffer {
 public:
  static constexpr size_t kAlign = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) : size_(size) {
    if (size == 0) return;
    const size_t align = size >= kLarge ? kHugePage : kAlign;
    bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(align, (size + align - 1) / align * align)));
    if (!bytes_) throw std::bad_alloc();
    // Advice only: where it is not taken, ordinary pages serve. The last, partly used huge page is left out,
    // so that the resident size stays near what was asked for.
    if (size < kLarge) return;
    madvise(bytes_.get(), size / kHugePage * kHugePage, MADV_HUGEPAGE);
    interleave_pages(bytes_.get(), size);
  }

  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kHugePage = size_t(2) << 20, kLarge = 2 * kHugePage;

  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  size_t size_ = 0;
};

/// For vectors that are loaded a cache line at a time.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlign{AlignedBuffer::kAlign};

  LineAllocator() = default;
  template <typename U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlign)); }
  void deallocate(T* at, size_t) { ::operator delete(at, kAlign); }
  bool operator==(const LineAllocator&) const { return true; }
};

}  // namespace nibble
