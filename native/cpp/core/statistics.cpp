#include "statistics.h"

#include <algorithm>

namespace fuse_native {

void LatencyHistogram::record(uint64_t ns) {
  const size_t bucket = ns == 0 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(ns));
  buckets_[std::min(bucket, kBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  uint64_t seen = largest_.load(std::memory_order_relaxed);
  while (seen < ns && !largest_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

uint64_t LatencyHistogram::percentile(double fraction) const {
  std::array<uint64_t, kBuckets> counts;
  uint64_t total = 0;
  for (size_t i = 0; i < kBuckets; i++) total += counts[i] = buckets_[i].load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const double rank = fraction * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < kBuckets; i++) {
    const double here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= rank) {
      const double low = i == 0 ? 0 : static_cast<double>(uint64_t{1} << (i - 1));
      const double high = static_cast<double>(uint64_t{1} << i);
      const double value = low + (high - low) * std::clamp((rank - below) / here, 0.0, 1.0);
      return std::min(static_cast<uint64_t>(value), largest());
    }
    below += here;
  }
  return largest();
}

}  // namespace fuse_native
