#include "interrupter.h"

#include <chrono>

#include "../core/caller.h"
#include "../core/statistics.h"

namespace fuse_native {

namespace {
constexpr uint64_t kPatienceNs = 2000000000;
// An interrupt can overtake the bookkeeping of its own request by a few instructions.
constexpr uint64_t kAppearNs = 100000000;
constexpr auto kRecheck = std::chrono::milliseconds(50);
}  // namespace

void Interrupter::interrupted(RequestId id, pid_t thread) {
  std::lock_guard lock(mutex_);
  fresh_.push_back({id, thread, monotonicNs()});
  work_.notify_one();
}

void Interrupter::stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  work_.notify_one();
}

void Interrupter::run() {
  std::vector<Entry> waiting;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting.empty()) {
      work_.wait(lock, [&] { return stopping_ || !fresh_.empty(); });
    } else {
      work_.wait_for(lock, kRecheck, [&] { return stopping_ || !fresh_.empty(); });
    }
    waiting.insert(waiting.end(), fresh_.begin(), fresh_.end());
    fresh_.clear();
    lock.unlock();
    std::vector<Entry> kept;
    for (const Entry& entry : waiting) {
      const uint64_t age = monotonicNs() - entry.sinceNs;
      if (!pending_.isParked(entry.id).has_value()) {
        if (age < kAppearNs) kept.push_back(entry);
      } else if ((age < kPatienceNs && !isDying(entry.thread)) || !act_(entry.id)) {
        kept.push_back(entry);
      }
    }
    waiting.swap(kept);
    lock.lock();
  }
}

}  // namespace fuse_native
