#include "../core/reading_crew.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "check.h"

using namespace fuse_native;

namespace {

/// A thread that enters and says so.
class Reader {
 public:
  Reader(ReadingCrew& crew, bool afterLong)
      : thread_([this, &crew, afterLong] {
          crew.enter(afterLong);
          entered_ = true;
        }) {}
  ~Reader() { thread_.join(); }

  bool entersWithin(std::chrono::milliseconds limit) const {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!entered_ && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return entered_;
  }

 private:
  std::atomic<bool> entered_{false};
  std::thread thread_;
};

constexpr std::chrono::milliseconds kSoon{5000};
constexpr std::chrono::milliseconds kMoment{20};

}  // namespace

TEST(threads_beyond_the_steady_ones_wait_aside_until_nobody_reads_and_something_may_last) {
  ReadingCrew crew;
  crew.enter(false);
  crew.enter(false);
  Reader third(crew, false);
  CHECK(!third.entersWithin(kMoment));
  crew.began(true);
  CHECK(!third.entersWithin(kMoment));
  crew.began(true);
  CHECK(third.entersWithin(kSoon));
}

TEST(short_requests_call_nobody) {
  ReadingCrew crew;
  crew.enter(false);
  crew.enter(false);
  Reader third(crew, false);
  CHECK(!third.entersWithin(kMoment));
  crew.began(false);
  crew.began(false);
  CHECK(!third.entersWithin(kMoment));
  crew.enter(false);
  crew.began(true);
  CHECK(third.entersWithin(kSoon));
}

TEST(who_served_a_lasting_request_reads_on) {
  ReadingCrew crew;
  crew.enter(false);
  crew.enter(false);
  Reader third(crew, true);
  CHECK(third.entersWithin(kSoon));
}

TEST(a_stream_of_lasting_requests_calls_the_others_and_single_ones_do_not) {
  ReadingCrew crew;
  crew.enter(false);
  crew.enter(false);
  Reader third(crew, false);
  CHECK(!third.entersWithin(kMoment));
  for (unsigned i = 0; i < 3 * ReadingCrew::kStream; i++) {
    crew.ended(i % ReadingCrew::kStream != 0);
    CHECK(i % ReadingCrew::kStream != 0 || !third.entersWithin(kMoment / 10));
  }
  CHECK(!third.entersWithin(kMoment));
  crew.ended(true);
  CHECK(third.entersWithin(kSoon));
}

TEST(nobody_waits_aside_after_the_end) {
  ReadingCrew crew;
  crew.enter(false);
  crew.enter(false);
  Reader third(crew, false);
  CHECK(!third.entersWithin(kMoment));
  crew.stop();
  CHECK(third.entersWithin(kSoon));
  crew.enter(false);
}

// Four threads read a device; three requests take until all short ones were answered. If nobody read meanwhile, this
// would not end.
TEST(somebody_reads_while_all_others_are_busy_for_long) {
  constexpr int kThreads = 4, kShort = 12;
  for (int round = 0; round < 500; round++) {
    ReadingCrew crew;
    std::mutex mutex;
    std::condition_variable changed;
    int longOnes = kThreads - 1, shortOnes = kShort, answered = 0;
    auto over = [&] { return answered == kShort; };
    auto loop = [&] {
      for (bool takesLong = false;;) {
        crew.enter(takesLong);
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return longOnes > 0 || shortOnes > 0 || over(); });
        if (over()) return crew.stop();
        takesLong = longOnes > 0;
        (takesLong ? longOnes : shortOnes) -= 1;
        lock.unlock();
        crew.began(takesLong);
        lock.lock();
        if (takesLong) changed.wait(lock, over);
        else if (++answered == kShort) changed.notify_all();
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++) threads.emplace_back(loop);
    for (std::thread& thread : threads) thread.join();
  }
}
