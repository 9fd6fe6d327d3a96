#include <fcntl.h>
#include <linux/falloc.h>

#include <random>

#include "../core/range_waiters.h"
#include "check.h"
#include "content_fixture.h"

using namespace fuse_native_test;

namespace {

constexpr uint64_t kSize = 200;

struct Model {
  ExtentMap valid;
  RangeWaiters waiters;
  std::vector<RangeWaiters::Waiter> list;

  void add(const RangeWaiters::Waiter& waiter) {
    if (valid.covers(waiter.start, waiter.end)) return;
    waiters.add(waiter, valid.firstGap(waiter.start, waiter.end).start);
    list.push_back(waiter);
  }
  /// Those of the list that `gone` says yes to, taken out.
  template <typename Gone>
  std::vector<WaiterId> expected(Gone gone) {
    std::vector<WaiterId> ids;
    std::vector<RangeWaiters::Waiter> left;
    for (const auto& waiter : list) {
      if (gone(waiter)) {
        ids.push_back(waiter.id);
      } else {
        left.push_back(waiter);
      }
    }
    list = left;
    return ids;
  }
};

}  // namespace

TEST(range_waiters_agree_with_a_list_of_all) {
  std::mt19937 random(1);
  for (unsigned round = 0; round < 200; round++) {
    Model m;
    WaiterId next = 1;
    for (unsigned step = 0; step < 100; step++) {
      const uint64_t start = random() % kSize;
      const uint64_t end = start + 1 + random() % 30;
      std::vector<WaiterId> released;
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          m.add({next++, start, end});
          break;
        case 3:
        case 4:
        case 5:
          m.valid.add(start, end);
          m.waiters.arrived(start, end, [&](uint64_t from, uint64_t to) { return m.valid.firstGap(from, to); }, released);
          CHECK(released == m.expected([&](const auto& w) { return m.valid.covers(w.start, w.end); }));
          break;
        case 6: {
          const auto missed = [&](const RangeWaiters::Waiter& w) {
            return !m.valid.covers(std::max(w.start, start), std::min(w.end, end));
          };
          CHECK(m.waiters.take(end, missed) == m.expected(missed));
          break;
        }
        case 7: {
          const WaiterId id = 1 + random() % next;
          CHECK(m.waiters.remove(id) == !m.expected([&](const auto& w) { return w.id == id; }).empty());
          break;
        }
      }
      CHECK(m.waiters.size() == m.list.size() && m.waiters.empty() == m.list.empty());
      const auto all = m.waiters.all();
      for (size_t i = 0; i < all.size(); i++) CHECK(all[i].id == m.list[i].id);
    }
  }
}

TEST(range_waiters_look_only_at_those_that_something_arrived_for) {
  constexpr unsigned steps = 10000;
  RangeWaiters waiters;
  ExtentMap valid;
  // Idle ones, all behind what arrives, and one that wants the whole of it.
  for (WaiterId id = 1; id <= 1000; id++) waiters.add({id, steps + id, steps + id + 10}, steps + id);
  waiters.add({2000, 0, steps}, 0);
  unsigned looks = 0;
  std::vector<WaiterId> released;
  for (uint64_t at = 0; at < steps; at++) {
    valid.add(at, at + 1);
    const auto firstGap = [&](uint64_t from, uint64_t to) {
      looks += 1;
      return valid.firstGap(from, to);
    };
    waiters.arrived(at, at + 1, firstGap, released);
  }
  CHECK(looks == steps);
  CHECK(released == std::vector<WaiterId>{2000});
  CHECK(waiters.size() == 1000);
}

TEST(content_releases_those_who_miss_nothing_any_more_by_whatever_means) {
  TemporaryFile file;
  auto content = ghost(file, 10 * kPage);
  const std::string bytes(kPage, 'a');
  std::vector<WaiterId> released;
  uint64_t written = 0;
  const auto fill = [&](uint64_t page) {
    released.clear();
    CHECK(content->fill(bytes.data(), page * kPage, kPage, released, written) == 0);
    return released;
  };
  const std::vector<WaiterId> none;
  content->park(1, 0, 3 * kPage);
  content->park(2, kPage, 1);
  content->park(3, 8 * kPage, kPage);
  content->park(4, 9 * kPage, 10);
  CHECK(fill(0) == none);
  // The first page is missed again: what arrives behind it is not enough.
  std::vector<Extent> fetches;
  CHECK(content->drop(fetches) == 0);
  CHECK(fetches == (std::vector<Extent>{{0, kPage}}));
  CHECK(fill(2) == none);
  CHECK(fill(1) == std::vector<WaiterId>{2});
  CHECK(fill(0) == std::vector<WaiterId>{1});
  released.clear();
  CHECK(content->write("0123456789", 10, 9 * kPage, released) == 10);
  CHECK(released == std::vector<WaiterId>{4});
  released.clear();
  content->park(5, 5 * kPage, 100);
  CHECK(content->allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * kPage, 100, released) == 0);
  CHECK(released == std::vector<WaiterId>{5});
  released.clear();
  content->park(6, 7 * kPage, 10);
  CHECK(content->truncate(7 * kPage + 5, released) == 0);
  CHECK(released == std::vector<WaiterId>{3});
  released.clear();
  CHECK(content->truncate(7 * kPage, released) == 0);
  CHECK(released == std::vector<WaiterId>{6});
  CHECK(content->waiters() == 0);
}
