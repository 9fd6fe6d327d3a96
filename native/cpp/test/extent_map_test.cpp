// The extent map against the simplest thing that can be right: one bit per byte.
#include <array>
#include <random>

#include "../core/extent_map.h"
#include "check.h"

using fuse_native::Extent;
using fuse_native::ExtentMap;

namespace {

constexpr uint64_t kSize = 200;
using Bits = std::array<bool, kSize>;

std::vector<Extent> runs(const Bits& bits, uint64_t start, uint64_t end, bool value) {
  std::vector<Extent> out;
  for (uint64_t i = start; i < end; i++) {
    if (bits[i] != value) continue;
    if (!out.empty() && out.back().end == i) {
      out.back().end = i + 1;
    } else {
      out.push_back({i, i + 1});
    }
  }
  return out;
}

}  // namespace

TEST(extent_map_agrees_with_a_bitmap) {
  for (unsigned seed = 1; seed <= 40; seed++) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<uint64_t> edge(0, kSize);
    Bits bits{};
    ExtentMap map;
    for (int step = 0; step < 300; step++) {
      uint64_t start = edge(random), end = edge(random);
      if (start > end) std::swap(start, end);
      const unsigned action = static_cast<unsigned>(random() % 8);
      if (action < 4) {
        map.add(start, end);
        for (uint64_t i = start; i < end; i++) bits[i] = true;
      } else if (action < 7) {
        map.remove(start, end);
        for (uint64_t i = start; i < end; i++) bits[i] = false;
      } else {
        map.clip(end);
        for (uint64_t i = end; i < kSize; i++) bits[i] = false;
      }
      uint64_t from = edge(random), to = edge(random);
      if (from > to) std::swap(from, to);
      const auto present = runs(bits, from, to, true);
      const auto missing = runs(bits, from, to, false);
      CHECK(map.within(from, to) == present);
      CHECK(map.gaps(from, to) == missing);
      CHECK(map.covers(from, to) == missing.empty());
      CHECK(map.intersects(from, to) == !present.empty());
      const auto all = runs(bits, 0, kSize, true);
      CHECK(map.all() == all);
      CHECK(map.count() == all.size());
      CHECK(map.end() == (all.empty() ? 0 : all.back().end));
    }
  }
}

TEST(extent_map_merges_ranges_that_touch) {
  ExtentMap map;
  map.add(0, 10);
  map.add(20, 30);
  map.add(10, 20);
  CHECK(map.count() == 1);
  CHECK(map.covers(0, 30));
  map.add(5, 5);
  map.remove(7, 7);
  CHECK(map.count() == 1);
}
