// Memory that starts on a cache line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace nmt_prune {

// Elements are not initialized; T must be trivial.
template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(std::size_t size) { grow(size); }
  Aligned(Aligned&& other) noexcept { *this = std::move(other); }
  Aligned& operator=(Aligned&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Aligned() { std::free(data_); }

  // At least this many elements; what was there before is lost when it grows.
  T* grow(std::size_t size) {
    if (size > size_ || data_ == nullptr) {
      std::free(data_);
      data_ = nullptr;
      size_ = 0;
      data_ = allocate(size);
      size_ = size;
    }
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static T* allocate(std::size_t size) {
    if (size > (SIZE_MAX - huge_page) / sizeof(T)) throw std::bad_alloc();
    const std::size_t wanted = size * sizeof(T);
    // Large weights are streamed: with huge pages they cost fewer misses of the TLB.
    const std::size_t alignment = wanted >= huge_page ? huge_page : cache_line;
    const std::size_t bytes = (wanted + cache_line) / cache_line * cache_line;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (alignment == huge_page) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  static constexpr std::size_t cache_line = 64, huge_page = std::size_t{1} << 21;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace nmt_prune
