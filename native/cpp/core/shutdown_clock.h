// The clock of a shutdown that is not a test.
#pragma once

#include <condition_variable>

#include "shutdown_machine.h"

namespace fuse_native {

class SteadyShutdownClock : public ShutdownClock {
 public:
  Time now() override { return std::chrono::steady_clock::now(); }
  void wait(std::unique_lock<std::mutex>& lock, Time until) override { changed_.wait_until(lock, until); }
  void wake() override { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace fuse_native
