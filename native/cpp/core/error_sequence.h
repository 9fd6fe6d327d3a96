// Errors that have to be heard by every open handle of a content, once each: fsync(2)'s promise since Linux 4.13. The
// content counts its errors; each handle remembers up to which one it has heard. A handle that is opened while nobody
// has heard the last error hears it, too.
#pragma once

#include <atomic>
#include <cstdint>

namespace fuse_native {

class ErrorSequence {
 public:
  void record(int error) {
    uint64_t before = value_.load();
    while (!value_.compare_exchange_weak(before, pack(sequenceOf(before) + 1, false, error))) {
    }
  }
  /// Where a new handle begins.
  uint64_t sample() const {
    const uint64_t value = value_.load();
    return sequenceOf(value) > 0 && !isHeard(value) ? sequenceOf(value) - 1 : sequenceOf(value);
  }
  /// The last error unless the handle has heard it: then, and when there is none, 0.
  int take(std::atomic<uint64_t>& cursor) {
    const uint64_t value = value_.load();
    if (cursor.exchange(sequenceOf(value)) == sequenceOf(value)) return 0;
    uint64_t unheard = value;
    value_.compare_exchange_strong(unheard, value | kHeard);
    return static_cast<int>(value & kErrno);
  }

 private:
  static constexpr uint64_t kErrno = 0x7fff;
  static constexpr uint64_t kHeard = 0x8000;
  static uint64_t pack(uint64_t sequence, bool heard, int error) {
    return sequence << 16 | (heard ? kHeard : 0) | (static_cast<uint64_t>(error) & kErrno);
  }
  static uint64_t sequenceOf(uint64_t value) { return value >> 16; }
  static bool isHeard(uint64_t value) { return (value & kHeard) != 0; }

  std::atomic<uint64_t> value_{0};
};

}  // namespace fuse_native
