// Work that may block, off the threads that must not: a few threads serve many strands, and the jobs of one strand run
// one after the other in the order they were posted. Each content has a strand, so fills of one file keep their order
// and never contend for its inode.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "thread_group.h"

namespace fuse_native {

class StrandPool;

class Strand {
 private:
  friend class StrandPool;
  std::deque<std::function<void()>> jobs_;
  bool scheduled_ = false;
};

class StrandPool : public std::enable_shared_from_this<StrandPool> {
 public:
  int start(ThreadGroup& threads, size_t count);
  /// False after `stop`: the job will not run.
  bool post(const std::shared_ptr<Strand>& strand, std::function<void()> job);
  /// Threads end when every posted job has run.
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::shared_ptr<Strand>> ready_;
  bool stopping_ = false;
};

}  // namespace fuse_native
