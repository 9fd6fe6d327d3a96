#include "statistics.h"

#include <algorithm>

namespace fuse_native {

// Below 2^kSubBits each value has its own bucket; from there on the highest bit chooses a group of buckets and the
// kSubBits below it one of them.
size_t LatencyHistogram::bucketOf(uint64_t ns) {
  if (ns < (uint64_t{1} << kSubBits)) return static_cast<size_t>(ns);
  const unsigned highest = 63 - static_cast<unsigned>(__builtin_clzll(ns));
  const size_t group = highest - kSubBits + 1;
  const size_t within = (ns >> (highest - kSubBits)) & ((size_t{1} << kSubBits) - 1);
  return std::min((group << kSubBits) + within, kBuckets - 1);
}

uint64_t LatencyHistogram::middleOf(size_t bucket) {
  const size_t group = bucket >> kSubBits;
  if (group == 0) return bucket;
  const uint64_t width = uint64_t{1} << (group - 1);
  const uint64_t low = ((uint64_t{1} << kSubBits) + (bucket & ((size_t{1} << kSubBits) - 1))) * width;
  return low + width / 2;
}

void LatencyHistogram::record(uint64_t ns) {
  buckets_[bucketOf(ns)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  uint64_t seen = largest_.load(std::memory_order_relaxed);
  while (seen < ns && !largest_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

uint64_t LatencyHistogram::percentile(double fraction) const {
  std::array<uint64_t, kBuckets> counts;
  uint64_t total = 0;
  for (size_t i = 0; i < kBuckets; i++) total += counts[i] = buckets_[i].load(std::memory_order_relaxed);
  const double rank = fraction * static_cast<double>(total);
  uint64_t below = 0;
  for (size_t i = 0; i < kBuckets; i++) {
    below += counts[i];
    if (counts[i] > 0 && static_cast<double>(below) >= rank) return std::min(middleOf(i), largest());
  }
  return 0;
}

}  // namespace fuse_native
