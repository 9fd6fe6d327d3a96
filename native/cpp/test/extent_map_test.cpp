// The extent map against the simplest thing that can be right: one bit per byte.
#include <array>
#include <random>

#include "../core/extent_map.h"
#include "check.h"

using fuse_native::Extent;
using fuse_native::ExtentMap;

namespace {

constexpr uint64_t kSize = 200;

struct CountingLess {
  static uint64_t compared;
  bool operator()(uint64_t a, uint64_t b) const {
    compared += 1;
    return a < b;
  }
};
uint64_t CountingLess::compared = 0;

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
      CHECK(map.firstGap(from, to) == (missing.empty() ? Extent{to, to} : missing.front()));
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

TEST(extent_map_costs_logarithmic_steps_with_100000_extents) {
  constexpr uint64_t kExtents = 100000;
  fuse_native::BasicExtentMap<CountingLess> map;
  for (uint64_t i = 0; i < kExtents; i++) map.add(i * 10, i * 10 + 5);
  CHECK(map.count() == kExtents);
  // A red-black tree of n nodes is at most 2 log2(n + 1) high, 34 here; an operation descends once or twice.
  constexpr uint64_t kMost = 2 * 34;
  std::mt19937 random(1);
  auto steps = [](auto operation) {
    const uint64_t before = CountingLess::compared;
    operation();
    return CountingLess::compared - before;
  };
  for (int round = 0; round < 2000; round++) {
    const uint64_t at = random() % kExtents * 10;
    CHECK(steps([&] { map.covers(at, at + 5); }) <= kMost);
    CHECK(steps([&] { map.intersects(at + 6, at + 9); }) <= kMost);
    CHECK(steps([&] { map.firstGap(at, kExtents * 10); }) <= kMost);
    CHECK(steps([&] { map.within(at, at + 100); }) <= kMost);
    CHECK(steps([&] { map.gaps(at, at + 100); }) <= kMost);
    // One range in two, one gone, and back.
    CHECK(steps([&] { map.remove(at + 2, at + 3); }) <= kMost);
    CHECK(steps([&] { map.add(at + 2, at + 3); }) <= kMost);
    CHECK(steps([&] { map.remove(at, at + 5); }) <= kMost);
    CHECK(steps([&] { map.add(at, at + 5); }) <= kMost);
  }
  CHECK(map.count() == kExtents);
}
