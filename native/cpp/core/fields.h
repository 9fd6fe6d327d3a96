// Reading packed words: what JavaScript wrote into a Float64Array, or a record. Nothing of it is trusted.
#pragma once

#include <time.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "extent_map.h"

namespace fuse_native {

constexpr double kLargestInteger = 9007199254740992.0;

/// Whether a size or an offset can go to JavaScript as a number without losing anything.
inline bool isExact(uint64_t value) { return value < uint64_t{1} << 53; }

/// Reads numbers one after the other, from the scratch array or a packed list; remembers when one was unusable.
class Fields {
 public:
  Fields(const double* data, size_t count) : at_(data), end_(data + count) {}

  double number() {
    if (at_ >= end_) {
      ok_ = false;
      return 0;
    }
    return *at_++;
  }
  double finite() {
    const double value = number();
    if (!std::isfinite(value)) {
      ok_ = false;
      return 0;
    }
    return value;
  }
  uint64_t integer() {
    const int64_t value = position();
    if (value < 0) ok_ = false;
    return value < 0 ? 0 : static_cast<uint64_t>(value);
  }
  /// As `integer`, for what the kernel has 32 bits for.
  uint32_t narrow() {
    const uint64_t value = integer();
    if (value > UINT32_MAX) ok_ = false;
    return static_cast<uint32_t>(value);
  }
  /// A whole number of either sign.
  int64_t position() {
    const double value = number();
    // False for NaN.
    if (!(std::fabs(value) <= kLargestInteger)) {
      ok_ = false;
      return 0;
    }
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) != value) ok_ = false;
    return whole;
  }
  /// What was read makes no sense together.
  void refuse() { ok_ = false; }
  timespec time() {
    const int64_t seconds = position();
    const uint64_t nanoseconds = integer();
    if (nanoseconds > 999999999) {
      ok_ = false;
      return {};
    }
    return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  }
  /// A byte string as packed by native/src/encode.ts: its length, then its bytes padded to whole words.
  std::string text() {
    const uint64_t length = integer();
    const uint64_t words = (length + 7) / 8;
    if (!ok_ || words > static_cast<uint64_t>(end_ - at_)) {
      ok_ = false;
      return {};
    }
    std::string value(reinterpret_cast<const char*>(at_), length);
    at_ += words;
    return value;
  }
  bool ok() const { return ok_; }

 private:
  const double* at_;
  const double* end_;
  bool ok_ = true;
};

/// Pairs of start and end. False when they are no whole numbers or one is without its other.
inline bool decodeExtents(const double* numbers, size_t count, std::vector<Extent>& out) {
  Fields fields(numbers, count);
  for (size_t i = 0; i + 1 < count; i += 2) {
    const uint64_t start = fields.integer();
    out.push_back({start, fields.integer()});
  }
  return fields.ok() && count % 2 == 0;
}

}  // namespace fuse_native
