// What waits for JavaScript.
//
// Model: a record takes its place in the line of each of its keys (inodes) when it is pushed, and is ready when it is
// the first in all of them. Ready records wait in their lane, in the order in which they became ready; `take` serves
// the lanes in rounds by weight. So a record never overtakes an earlier one of the same inode. An urgent record that
// would have to wait behind less urgent ones of its inode lifts these, and what they wait for, into its own lane.
// Along every line the lanes are therefore in order, the most urgent at the head, which ends each lift early: a record
// is lifted at most once per lane.
//
// The queue never drops and never refuses: the bound works where requests come from, through `waitForRoom`, which the
// loop threads pass before they read the next request from the kernel. So it can be exceeded by at most what the
// running threads still produce.
//
// Locks: one mutex for everything; `wake` is called without it.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "record.h"

namespace fuse_native {

struct LaneDepth {
  size_t now = 0;
  size_t largest = 0;
};

struct QueueDepth {
  LaneDepth all;
  std::array<LaneDepth, kLanes> lanes;
};

class RequestQueue {
 public:
  /// `wake` is called, from any thread, when the queue turns non-empty and when a `take` left something behind.
  RequestQueue(size_t limit, std::function<void()> wake) : limit_(limit), wake_(std::move(wake)) {}
  ~RequestQueue();
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  void push(Record record);
  /// Takes a request out that waits still, so that nobody hears of it; whether it was there. O(what waits).
  bool takeBack(uint64_t id);
  /// Packs up to `limit` records into `capacity` words at `out`; returns the words used. A record that does not fit
  /// stays for the next call.
  size_t take(uint64_t* out, size_t capacity, size_t limit);
  /// `take` for a loop that goes on until nothing comes: meanwhile nobody is woken. When nothing waits, lets others run
  /// for up to 50 us to see whether more comes at once, which is cheaper than two wake-ups; as long as that pays off.
  /// Whoever ends the loop before it got 0 calls `leave`. One thread only.
  size_t attend(uint64_t* out, size_t capacity, size_t limit);
  /// From now on pushes wake again, and at once when something waits.
  void leave();
  /// Blocks while the queue is full and `stopped` is not set. Whoever sets it calls `interruptWaiting` afterwards.
  template <typename Stopped>
  void waitForRoom(Stopped stopped) {
    // Nearly always there is room, and a loop thread comes here for every request.
    if (size_.load(std::memory_order_relaxed) < limit_) return;
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return size_.load(std::memory_order_relaxed) < limit_ || stopped(); });
  }
  void interruptWaiting();

  size_t size() const { return size_.load(std::memory_order_relaxed); }
  QueueDepth depth();

 private:
  struct Waiting;
  /// A record's place in the line of one key.
  struct Place {
    Waiting* owner = nullptr;
    uint64_t key = 0;
    Place* before = nullptr;
    Place* after = nullptr;
  };
  struct Waiting {
    explicit Waiting(Record taken) : record(std::move(taken)), lane(record.lane()) {}
    Record record;
    Lane lane;
    std::vector<Place> places;
    /// Places that are not the first of their line.
    size_t blocked = 0;
    Waiting* before = nullptr;
    Waiting* after = nullptr;
  };
  struct Line {
    Place* first = nullptr;
    Place* last = nullptr;
  };
  /// Ready records of one lane, an intrusive list.
  struct Ready {
    Waiting* first = nullptr;
    Waiting* last = nullptr;
    unsigned credit = 0;
    void append(Waiting* waiting);
    void prepend(Waiting* waiting);
    void remove(Waiting* waiting);
  };

  Ready& ready(Lane lane) { return ready_[static_cast<size_t>(lane)]; }
  void enterLines(Waiting* waiting);
  void leaveLines(Waiting* waiting);
  Waiting* find(uint64_t id) const;
  void liftBefore(Waiting* waiting);
  void count(Lane lane, int change);
  Waiting* next();
  size_t takeLocked(uint64_t* out, size_t capacity, size_t limit, std::vector<std::unique_ptr<Waiting>>& taken);
  void linger();

  const size_t limit_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::atomic<size_t> size_{0};
  std::array<Ready, kLanes> ready_;
  std::unordered_map<uint64_t, Line> lines_;
  QueueDepth depth_;
  /// Somebody takes until nothing comes.
  bool attended_ = false;

  // Of the thread that attends.
  /// How often lingering is let be after it did not pay off, and how often still.
  unsigned penalty_ = 0;
  unsigned skips_ = 0;
};

}  // namespace fuse_native
