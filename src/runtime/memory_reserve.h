#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// Bytes that are zero until they are written, and cost memory only from then on. They begin on a huge
/// page, and large reserves ask for huge pages: fewer page faults, and fewer misses of the address cache
/// when they are streamed.
class MemoryReserve {
 public:
  MemoryReserve() = default;
  ~MemoryReserve();
  MemoryReserve(MemoryReserve&& other) noexcept;
  MemoryReserve& operator=(MemoryReserve&&) = delete;

  /// Once; false when the system refuses that much.
  bool take(uint64_t size);
  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  void* mapping_ = nullptr;
  std::byte* data_ = nullptr;
  size_t mapped_ = 0, size_ = 0;
};

}  // namespace nibble
