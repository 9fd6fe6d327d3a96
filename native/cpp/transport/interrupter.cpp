#include "interrupter.h"

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../core/statistics.h"

namespace fuse_native {

namespace {
constexpr uint64_t kPatienceNs = 2000000000;
// An interrupt can overtake the bookkeeping of its own request by a few instructions.
constexpr uint64_t kAppearNs = 100000000;
constexpr auto kRecheck = std::chrono::milliseconds(50);
}  // namespace

bool fatalSignalPending(pid_t thread) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(thread));
  FILE* status = std::fopen(path, "re");
  if (status == nullptr) return true;  // the thread is gone, nobody waits any more
  char line[256];
  bool fatal = false;
  while (std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "SigPnd:", 7) == 0 || std::strncmp(line, "ShdPnd:", 7) == 0) {
      fatal = fatal || (std::strtoull(line + 7, nullptr, 16) & (1ull << (SIGKILL - 1))) != 0;
    }
  }
  std::fclose(status);
  return fatal;
}

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
      } else if ((age < kPatienceNs && !fatalSignalPending(entry.thread)) || !act_(entry.id)) {
        kept.push_back(entry);
      }
    }
    waiting.swap(kept);
    lock.lock();
  }
}

}  // namespace fuse_native
