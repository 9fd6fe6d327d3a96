#include "extent_map.h"

#include <algorithm>

namespace fuse_native {

ExtentMap::Ranges::const_iterator ExtentMap::firstEndingAfter(uint64_t at) const {
  auto it = ranges_.upper_bound(at);
  if (it != ranges_.begin()) {
    auto before = std::prev(it);
    if (before->second > at) return before;
  }
  return it;
}

void ExtentMap::add(uint64_t start, uint64_t end) {
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

void ExtentMap::remove(uint64_t start, uint64_t end) {
  if (start >= end) return;
  auto it = firstEndingAfter(start);
  while (it != ranges_.end() && it->first < end) {
    const Extent old{it->first, it->second};
    it = ranges_.erase(it);
    if (old.start < start) ranges_.emplace(old.start, start);
    if (old.end > end) {
      ranges_.emplace(end, old.end);
      return;
    }
  }
}

bool ExtentMap::covers(uint64_t start, uint64_t end) const {
  if (start >= end) return true;
  auto it = firstEndingAfter(start);
  return it != ranges_.end() && it->first <= start && it->second >= end;
}

bool ExtentMap::intersects(uint64_t start, uint64_t end) const {
  if (start >= end) return false;
  auto it = firstEndingAfter(start);
  return it != ranges_.end() && it->first < end;
}

std::vector<Extent> ExtentMap::gaps(uint64_t start, uint64_t end) const {
  std::vector<Extent> result;
  uint64_t at = start;
  for (const Extent& present : within(start, end)) {
    if (present.start > at) result.push_back({at, present.start});
    at = present.end;
  }
  if (at < end) result.push_back({at, end});
  return result;
}

std::vector<Extent> ExtentMap::within(uint64_t start, uint64_t end) const {
  std::vector<Extent> result;
  if (start >= end) return result;
  for (auto it = firstEndingAfter(start); it != ranges_.end() && it->first < end; ++it) {
    result.push_back({std::max(start, it->first), std::min(end, it->second)});
  }
  return result;
}

}  // namespace fuse_native
