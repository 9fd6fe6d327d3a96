// Counters and latency histograms, one per operation, updated with relaxed atomics and read without stopping anything.
//
// A histogram has eight buckets per power of two of nanoseconds. A percentile is the middle of its bucket, so it is off
// by at most 1/16 (6.25 %) of the value; counts and maxima are exact. What lasts 2^42 ns (73 minutes) or longer is
// counted in the last bucket.
#pragma once

#include <time.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "operation.h"

namespace fuse_native {

inline uint64_t monotonicNs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

class LatencyHistogram {
 public:
  void record(uint64_t ns);
  /// In nanoseconds; `fraction` within 0..1. 0 when nothing was recorded.
  uint64_t percentile(double fraction) const;
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  uint64_t largest() const { return largest_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kSubBits = 3;
  static constexpr unsigned kLargestBits = 42;
  static constexpr size_t kBuckets = (kLargestBits - kSubBits + 1) << kSubBits;
  static size_t bucketOf(uint64_t ns);
  static uint64_t middleOf(size_t bucket);

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> largest_{0};
};

struct OperationStatistics {
  LatencyHistogram latency;
  std::atomic<uint64_t> errors{0};
};

class Statistics {
 public:
  Statistics() : startedNs(monotonicNs()) {}

  void completed(Op op, uint64_t startNs, bool failed) {
    OperationStatistics& stats = operations[static_cast<size_t>(op)];
    stats.latency.record(monotonicNs() - startNs);
    if (failed) stats.errors.fetch_add(1, std::memory_order_relaxed);
  }

  const uint64_t startedNs;
  std::array<OperationStatistics, static_cast<size_t>(Op::Count)> operations;
  std::atomic<uint64_t> dispatched{0};
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> strayReplies{0};
  std::atomic<uint64_t> notifications{0};
  std::atomic<uint64_t> bytesRead{0};
  std::atomic<uint64_t> bytesWritten{0};
  std::atomic<uint64_t> nativeOpens{0};
};

}  // namespace fuse_native
