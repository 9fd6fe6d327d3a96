#include "../core/request_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "check.h"

using namespace fuse_native;

namespace {

Record numbered(Op op, uint64_t number) {
  Record record(op);
  record.request(number);
  return record;
}

Record numbered(Lane lane, uint64_t number) { return std::move(numbered(Op::MkDir, number).in(lane)); }

uint64_t numberAt(const uint64_t* word) {
  double value;
  std::memcpy(&value, word, sizeof value);
  return static_cast<uint64_t>(value);
}

/// The numbers of up to `limit` records, in the order they came out.
std::vector<uint64_t> takeNumbers(RequestQueue& queue, size_t limit) {
  std::vector<uint64_t> words(limit * 2), numbers;
  const size_t used = queue.take(words.data(), words.size(), limit);
  for (size_t at = 0; at < used; at += 2) numbers.push_back(numberAt(&words[at + 1]));
  return numbers;
}

using Numbers = std::vector<uint64_t>;

}  // namespace

TEST(queue_hands_out_cancels_first_the_end_last_and_wakes_once) {
  int wakes = 0;
  RequestQueue queue(10, [&] { wakes += 1; });
  queue.push(numbered(Op::Closed, 4));
  queue.push(numbered(Op::Forget, 2));
  queue.push(numbered(Op::Lookup, 1));
  queue.push(numbered(Op::Cancel, 3));
  CHECK(wakes == 1);
  CHECK((takeNumbers(queue, 2) == Numbers{3, 1}));
  CHECK(wakes == 2);
  uint64_t out[16];
  CHECK(queue.take(out, 1, 10) == 0);
  CHECK((takeNumbers(queue, 10) == Numbers{2, 4}));
  CHECK(takeNumbers(queue, 10).empty());
  CHECK(queue.depth().all.now == 0 && queue.depth().all.largest == 4);
  CHECK(queue.depth().lanes[static_cast<size_t>(Lane::High)].largest == 1);
}

TEST(queue_shares_batches_among_lanes_by_weight) {
  RequestQueue queue(1000, [] {});
  for (uint64_t i = 0; i < 100; i++) {
    queue.push(numbered(Lane::Low, 300 + i));
    queue.push(numbered(Lane::Normal, 200 + i));
    queue.push(numbered(Lane::High, 100 + i));
  }
  auto fromLane = [](const Numbers& taken, uint64_t lane) {
    return std::count_if(taken.begin(), taken.end(), [&](uint64_t number) { return number / 100 == lane; });
  };
  // Rounds go on from one batch to the next, whatever their sizes.
  Numbers taken;
  for (int i = 0; i < 13; i++) taken.push_back(takeNumbers(queue, 1).at(0));
  CHECK(fromLane(taken, 1) == 8 && fromLane(taken, 2) == 4 && fromLane(taken, 3) == 1);
  taken = takeNumbers(queue, 65);
  CHECK(fromLane(taken, 1) == 40 && fromLane(taken, 2) == 20 && fromLane(taken, 3) == 5);
  // A lane that has nothing leaves its share to the others.
  taken = takeNumbers(queue, 1000);
  CHECK(taken.size() == 300 - 13 - 65);
}

TEST(queue_does_not_starve_a_lane) {
  RequestQueue queue(1000, [] {});
  queue.push(numbered(Lane::Low, 7));
  uint64_t before = 0;
  while (true) {
    for (int i = 0; i < 4; i++) queue.push(numbered(i % 2 == 0 ? Lane::High : Lane::Normal, 1));
    const Numbers taken = takeNumbers(queue, 3);
    if (std::count(taken.begin(), taken.end(), 7u) == 1) break;
    CHECK(++before < 13);
  }
}

TEST(queue_lifts_what_an_urgent_record_waits_for) {
  RequestQueue queue(1000, [] {});
  queue.push(std::move(numbered(Lane::Low, 1).after(10)));
  queue.push(std::move(numbered(Lane::Low, 2).after(20)));
  // Behind 1 and 2, and before 4.
  queue.push(std::move(numbered(Lane::Normal, 3).after(10).after(20).after(10)));
  queue.push(std::move(numbered(Lane::Low, 5).after(30)));
  CHECK(queue.depth().lanes[static_cast<size_t>(Lane::Normal)].now == 3);
  queue.push(std::move(numbered(Lane::High, 4).after(20)));
  CHECK(queue.depth().lanes[static_cast<size_t>(Lane::High)].now == 4);
  CHECK((takeNumbers(queue, 4) == Numbers{1, 2, 3, 4}));
  CHECK((takeNumbers(queue, 4) == Numbers{5}));
  RequestQueue again(1000, [] {});
  for (uint64_t i = 0; i < 20; i++) again.push(numbered(Lane::Normal, 100 + i));
  for (uint64_t i = 0; i < 5; i++) again.push(std::move(numbered(Lane::Low, i).after(1)));
  again.push(std::move(numbered(Lane::High, 5).after(1)));
  // One round serves the whole chain.
  CHECK((takeNumbers(again, 6) == Numbers{0, 1, 2, 3, 4, 5}));
}

TEST(queue_gives_back_what_nobody_has_taken) {
  int wakes = 0;
  RequestQueue queue(3, [&] { wakes += 1; });
  queue.push(std::move(numbered(Lane::Low, 1).after(10)));
  queue.push(std::move(numbered(Lane::High, 2).after(10).after(20)));
  queue.push(std::move(numbered(Lane::Normal, 3).after(20).after(30)));
  CHECK(!queue.takeBack(4));
  std::thread reader([&] { queue.waitForRoom([] { return false; }); });
  // 3 waits for 2, and 2 for 1: without the one in the middle both are ready.
  CHECK(queue.takeBack(2));
  reader.join();
  CHECK(!queue.takeBack(2));
  CHECK((takeNumbers(queue, 10) == Numbers{1, 3}));
  CHECK(!queue.takeBack(1) && queue.size() == 0);
  queue.push(std::move(numbered(Lane::Low, 5).after(10)));
  queue.push(std::move(numbered(Lane::Low, 6).after(10)));
  CHECK(queue.takeBack(6) && queue.takeBack(5));
  CHECK(queue.depth().all.now == 0 && takeNumbers(queue, 10).empty());
  CHECK(wakes == 2);
}

TEST(queue_keeps_the_order_of_each_inode_whatever_the_lanes) {
  std::mt19937 random(20240607);
  for (int run = 0; run < 200; run++) {
    RequestQueue queue(100000, [] {});
    std::deque<std::pair<uint64_t, std::vector<uint64_t>>> model;
    uint64_t number = 0;
    for (int step = 0; step < 300; step++) {
      if (random() % 5 < 3) {
        Record record = numbered(static_cast<Lane>(1 + random() % 3), ++number);
        std::vector<uint64_t> keys(random() % 4);
        for (uint64_t& key : keys) record.after(key = random() % 6);
        model.emplace_back(number, keys);
        queue.push(std::move(record));
        continue;
      }
      if (random() % 4 == 0) {
        const uint64_t chosen = 1 + random() % (number + 1);
        const auto found = std::find_if(model.begin(), model.end(), [&](auto& m) { return m.first == chosen; });
        CHECK(queue.takeBack(chosen) == (found != model.end()));
        if (found != model.end()) model.erase(found);
        continue;
      }
      for (const uint64_t taken : takeNumbers(queue, 1 + random() % 4)) {
        const auto found = std::find_if(model.begin(), model.end(), [&](auto& m) { return m.first == taken; });
        CHECK(found != model.end());
        for (auto earlier = model.begin(); earlier != found; ++earlier) {
          for (const uint64_t key : found->second) {
            CHECK(std::count(earlier->second.begin(), earlier->second.end(), key) == 0);
          }
        }
        model.erase(found);
      }
    }
    CHECK(queue.depth().all.now == model.size());
    size_t inLanes = 0;
    for (const LaneDepth& lane : queue.depth().lanes) inLanes += lane.now;
    CHECK(inLanes == model.size());
    // Every other run leaves its rest to the destructor.
    if (run % 2 == 0) CHECK(takeNumbers(queue, 1000).size() == model.size());
  }
}

TEST(queue_keeps_orders_between_threads) {
  constexpr uint64_t threads = 4, each = 2000, keys = 3;
  std::atomic<int> wakes{0};
  RequestQueue queue(64, [&] { wakes += 1; });
  std::vector<std::thread> producers;
  for (uint64_t thread = 0; thread < threads; thread++) {
    producers.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(thread));
      for (uint64_t i = 0; i < each; i++) {
        queue.waitForRoom([] { return false; });
        Record record = numbered(static_cast<Lane>(1 + random() % 3), thread * each + i);
        queue.push(std::move(record.after(thread * keys + i % keys)));
      }
    });
  }
  std::array<uint64_t, threads * keys> next{};
  for (size_t taken = 0; taken < threads * each;) {
    for (const uint64_t number : takeNumbers(queue, 16)) {
      const uint64_t thread = number / each, i = number % each;
      uint64_t& expected = next[thread * keys + i % keys];
      CHECK(i / keys == expected);
      expected += 1;
      taken += 1;
    }
    std::this_thread::yield();
  }
  for (auto& producer : producers) producer.join();
  CHECK(wakes > 0);
  CHECK(queue.depth().all.largest <= 64 + threads);
}

TEST(queue_holds_back_when_full) {
  RequestQueue queue(2, [] {});
  queue.push(numbered(Op::Lookup, 1));
  queue.push(numbered(Op::Lookup, 2));
  std::atomic<bool> passed{false};
  std::atomic<bool> stopped{false};
  const auto isStopped = [&] { return stopped.load(); };
  std::thread reader([&] {
    queue.waitForRoom(isStopped);
    passed = true;
  });
  std::this_thread::yield();
  CHECK(!passed);
  takeNumbers(queue, 1);
  reader.join();
  queue.push(numbered(Op::Lookup, 3));
  std::thread last([&] { queue.waitForRoom(isStopped); });
  stopped = true;
  queue.interruptWaiting();
  last.join();
}

TEST(queue_wakes_nobody_who_attends) {
  int wakes = 0;
  RequestQueue queue(10, [&] { wakes += 1; });
  uint64_t out[16];
  queue.push(numbered(Op::Lookup, 1));
  CHECK(wakes == 1);
  CHECK(queue.attend(out, 16, 10) == 2);
  queue.push(numbered(Op::Lookup, 2));
  CHECK(wakes == 1);
  // Left behind: whoever attended has to be woken for it.
  queue.leave();
  CHECK(wakes == 2);
  CHECK(queue.attend(out, 16, 10) == 2);
  CHECK(queue.attend(out, 16, 10) == 0);
  queue.push(numbered(Op::Lookup, 3));
  CHECK(wakes == 3);
  CHECK(takeNumbers(queue, 10).size() == 1);
  queue.leave();
  CHECK(wakes == 3);
}

TEST(queue_loses_no_wake_up_between_attending_and_waiting) {
  constexpr uint64_t threads = 2, each = 3000;
  std::mutex mutex;
  std::condition_variable turned;
  bool woken = false;
  RequestQueue queue(1000, [&] {
    std::lock_guard lock(mutex);
    woken = true;
    turned.notify_one();
  });
  std::vector<std::thread> producers;
  for (uint64_t thread = 0; thread < threads; thread++) {
    producers.emplace_back([&] {
      for (uint64_t i = 0; i < each; i++) {
        queue.push(numbered(Op::Lookup, i));
        if (i % 7 == 0) std::this_thread::yield();
      }
    });
  }
  std::mt19937 random(7);
  for (uint64_t taken = 0; taken < threads * each;) {
    std::unique_lock lock(mutex);
    // A lost wake-up hangs here.
    CHECK(turned.wait_for(lock, std::chrono::seconds(30), [&] { return woken; }));
    woken = false;
    lock.unlock();
    uint64_t out[32];
    size_t used = 0;
    do {
      used = queue.attend(out, 32, 16);
      taken += used / 2;
    } while (used > 0 && random() % 8 != 0);
    queue.leave();
  }
  for (auto& producer : producers) producer.join();
  CHECK(queue.size() == 0);
}
