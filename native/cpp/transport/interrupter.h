// Decides which interrupts count. The kernel sends FUSE_INTERRUPT for every signal, handled ones included, and programs
// whose runtime signals itself all the time would see EINTR where no local filesystem gives it. So: a signal that ends
// the process acts at once (SIGKILL is then pending in /proc/<tid>/status), any other one after the request has waited
// for two more seconds.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "pending.h"

namespace fuse_native {

class Interrupter {
 public:
  /// `act` is called on the interrupter's thread with requests to be ended; it may find them answered. False when the
  /// request cannot be ended now: then it is called again.
  Interrupter(PendingTable& pending, std::function<bool(RequestId)> act) : pending_(pending), act_(std::move(act)) {}

  void interrupted(RequestId id, pid_t thread);
  void run();
  void stop();

 private:
  struct Entry {
    RequestId id;
    pid_t thread;
    uint64_t sinceNs;
  };

  PendingTable& pending_;
  const std::function<bool(RequestId)> act_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Entry> fresh_;
  bool stopping_ = false;
};

}  // namespace fuse_native
