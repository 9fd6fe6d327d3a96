// Work that may block, off the threads that must not: a few threads serve many strands, and the jobs of one strand run
// one after the other in the order they were posted. Each content has a strand, so changes and fills of one file keep
// their order and never contend for its inode.
//
// Urgency orders strands, never the jobs within one: a strand is as urgent as its most urgent job. Every few turns the
// least urgent one is served, so that nobody starves.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "thread_group.h"

namespace fuse_native {

/// Urgent: somebody waits in flush or fsync. High: a write that has to be on the disk before its reply.
enum class Urgency : uint8_t { Urgent, High, Normal, Low };
constexpr size_t kUrgencies = 4;

class StrandPool;

class Strand {
 private:
  friend class StrandPool;
  struct Job {
    std::function<void()> run;
    Urgency urgency;
  };
  using Waiting = std::list<std::shared_ptr<Strand>>;

  std::deque<Job> jobs_;
  std::array<size_t, kUrgencies> jobsByUrgency_{};
  bool running_ = false;
  bool waits_ = false;
  Urgency urgency_ = Urgency::Normal;
  Waiting::iterator place_;
};

class StrandPool : public std::enable_shared_from_this<StrandPool> {
 public:
  int start(ThreadGroup& threads, size_t count);
  /// False after `stop`: the job will not run.
  bool post(const std::shared_ptr<Strand>& strand, std::function<void()> job, Urgency urgency = Urgency::Normal);
  /// Runs one job on the calling thread; false when none waits. What the threads do, for tests without threads.
  bool runOne();
  /// Threads end when every posted job has run.
  void stop();

 private:
  void run();
  /// Puts the strand where its most urgent job belongs.
  void placeLocked(const std::shared_ptr<Strand>& strand);
  std::shared_ptr<Strand> nextLocked();
  void runNext(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable work_;
  std::array<Strand::Waiting, kUrgencies> waiting_;
  size_t waitingCount_ = 0;
  uint64_t turn_ = 0;
  bool stopping_ = false;
};

}  // namespace fuse_native
