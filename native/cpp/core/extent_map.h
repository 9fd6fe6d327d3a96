// A set of bytes of a file, kept as disjoint half-open ranges in ascending order. Ranges that touch are merged, so the
// same set has exactly one representation. Every operation costs O(log n + ranges touched); `all` touches all.
//
// A template over the comparison only for the test that counts comparisons.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace fuse_native {

struct Extent {
  uint64_t start;
  uint64_t end;
  bool operator==(const Extent& other) const { return start == other.start && end == other.end; }
};

template <typename Less>
class BasicExtentMap {
 public:
  void add(uint64_t start, uint64_t end) {
    if (start >= end) return;
    auto it = ranges_.upper_bound(start);
    if (it != ranges_.begin() && std::prev(it)->second >= start) --it;
    while (it != ranges_.end() && it->first <= end) {
      start = std::min(start, it->first);
      end = std::max(end, it->second);
      it = ranges_.erase(it);
    }
    ranges_.emplace_hint(it, start, end);
  }

  void remove(uint64_t start, uint64_t end) {
    if (start >= end) return;
    auto it = firstEndingAfter(start);
    while (it != ranges_.end() && it->first < end) {
      const Extent old{it->first, it->second};
      it = ranges_.erase(it);
      if (old.start < start) ranges_.emplace_hint(it, old.start, start);
      if (old.end > end) {
        ranges_.emplace_hint(it, end, old.end);
        return;
      }
    }
  }

  void clear() { ranges_.clear(); }
  /// Drops everything at and beyond `size`.
  void clip(uint64_t size) { remove(size, UINT64_MAX); }

  /// True when every byte of [start, end) is in the set; an empty range always is.
  bool covers(uint64_t start, uint64_t end) const {
    if (start >= end) return true;
    const auto it = firstEndingAfter(start);
    return it != ranges_.end() && it->first <= start && it->second >= end;
  }

  bool intersects(uint64_t start, uint64_t end) const {
    if (start >= end) return false;
    const auto it = firstEndingAfter(start);
    return it != ranges_.end() && it->first < end;
  }

  /// The first part of [start, end) that is not in the set; empty, at `end`, when there is none.
  Extent firstGap(uint64_t start, uint64_t end) const {
    if (start >= end) return {end, end};
    auto it = firstEndingAfter(start);
    if (it != ranges_.end() && it->first <= start) {
      start = it->second;
      ++it;
    }
    const uint64_t limit = it == ranges_.end() ? end : std::min(end, it->first);
    return start < limit ? Extent{start, limit} : Extent{end, end};
  }

  /// The parts of [start, end) that are not in the set.
  std::vector<Extent> gaps(uint64_t start, uint64_t end) const {
    std::vector<Extent> result;
    uint64_t at = start;
    for (const Extent& present : within(start, end)) {
      if (present.start > at) result.push_back({at, present.start});
      at = present.end;
    }
    if (at < end) result.push_back({at, end});
    return result;
  }

  /// The parts of [start, end) that are in the set.
  std::vector<Extent> within(uint64_t start, uint64_t end) const {
    std::vector<Extent> result;
    if (start >= end) return result;
    for (auto it = firstEndingAfter(start); it != ranges_.end() && it->first < end; ++it) {
      result.push_back({std::max(start, it->first), std::min(end, it->second)});
    }
    return result;
  }

  std::vector<Extent> all() const { return within(0, UINT64_MAX); }

  bool empty() const { return ranges_.empty(); }
  size_t count() const { return ranges_.size(); }
  /// End of the last range, 0 when empty.
  uint64_t end() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }

 private:
  using Ranges = std::map<uint64_t, uint64_t, Less>;

  typename Ranges::const_iterator firstEndingAfter(uint64_t at) const {
    auto it = ranges_.upper_bound(at);
    if (it != ranges_.begin()) {
      auto before = std::prev(it);
      if (before->second > at) return before;
    }
    return it;
  }

  Ranges ranges_;
};

using ExtentMap = BasicExtentMap<std::less<uint64_t>>;

}  // namespace fuse_native
