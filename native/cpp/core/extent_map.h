// A set of bytes of a file, kept as disjoint half-open ranges in ascending order. Ranges that touch are merged, so the
// same set has exactly one representation. Every operation costs O(log n + ranges touched).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace fuse_native {

struct Extent {
  uint64_t start;
  uint64_t end;
  bool operator==(const Extent& other) const { return start == other.start && end == other.end; }
};

class ExtentMap {
 public:
  void add(uint64_t start, uint64_t end);
  void remove(uint64_t start, uint64_t end);
  void clear() { ranges_.clear(); }
  /// Drops everything at and beyond `size`.
  void clip(uint64_t size) { remove(size, UINT64_MAX); }

  /// True when every byte of [start, end) is in the set; an empty range always is.
  bool covers(uint64_t start, uint64_t end) const;
  bool intersects(uint64_t start, uint64_t end) const;
  /// The parts of [start, end) that are not in the set.
  std::vector<Extent> gaps(uint64_t start, uint64_t end) const;
  /// The parts of [start, end) that are in the set.
  std::vector<Extent> within(uint64_t start, uint64_t end) const;
  std::vector<Extent> all() const { return within(0, UINT64_MAX); }

  bool empty() const { return ranges_.empty(); }
  size_t count() const { return ranges_.size(); }
  /// End of the last range, 0 when empty.
  uint64_t end() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }

 private:
  using Ranges = std::map<uint64_t, uint64_t>;
  /// First range that ends after `at`.
  Ranges::const_iterator firstEndingAfter(uint64_t at) const;

  Ranges ranges_;
};

}  // namespace fuse_native
