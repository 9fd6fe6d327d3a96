// A write queue by hand, without threads and files: a scripted target does what the queue decides, the test runs the
// steps.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <string>

#include "../core/write_queue.h"
#include "check.h"

namespace fuse_native_test {

using fuse_native::Hold;
using fuse_native::Urgency;
using fuse_native::QueueEntry;
using fuse_native::WaiterId;
using fuse_native::WriteAccount;
using fuse_native::WriteBudget;
using fuse_native::WriteLimits;
using fuse_native::WriteQueue;
using fuse_native::WriteTarget;

inline WriteLimits smallLimits() {
  WriteLimits limits;
  limits.operations = 8;
  limits.bytes = 64;
  limits.handleOperations = 2;
  limits.handleBytes = 32;
  return limits;
}

/// Remembers what it was asked for; what the next write and sync return can be set.
class ScriptedTarget final : public WriteTarget {
 public:
  Hold obstacle() override { return hold; }
  ssize_t write(const QueueEntry& entry) override {
    if (failWrites > 0) {
      failWrites -= 1;
      return -failure;
    }
    done.emplace_back(entry.bytes.begin(), entry.bytes.end());
    if (file.size() < entry.offset + entry.bytes.size()) file.resize(entry.offset + entry.bytes.size(), '\0');
    file.replace(entry.offset, entry.bytes.size(), done.back());
    return static_cast<ssize_t>(entry.bytes.size());
  }
  int sync() override {
    done.push_back("sync");
    return syncFailure;
  }
  void schedule(Urgency urgency) override { scheduled.push_back(urgency); }
  void ask(Hold what, uint64_t bytes) override { asked.push_back({what, bytes}); }
  void failed(int error) override { failures.push_back(error); }
  void changeBegins() override { changes += 1; }
  void changeEnds() override { changes -= 1; }

  Hold hold = Hold::None;
  int failWrites = 0;
  int failure = ENOSPC;
  int syncFailure = 0;
  int changes = 0;
  std::string file;
  std::vector<std::string> done;
  std::vector<Urgency> scheduled;
  std::vector<std::pair<Hold, uint64_t>> asked;
  std::vector<int> failures;
};

struct Fixture {
  ScriptedTarget target;
  std::shared_ptr<WriteBudget> budget = std::make_shared<WriteBudget>(smallLimits());
  std::shared_ptr<WriteAccount> total = std::make_shared<WriteAccount>(0, 0);
  WriteQueue queue{target, budget, total};
  std::map<WaiterId, ssize_t> results;
  std::vector<WaiterId> ended;

  int write(WaiterId waiter, const std::string& bytes, uint64_t offset = 0, Urgency urgency = Urgency::Normal,
            std::shared_ptr<WriteAccount> account = nullptr) {
    QueueEntry entry;
    entry.waiter = waiter;
    entry.urgency = urgency;
    entry.changes = true;
    entry.offset = offset;
    entry.bytes.assign(bytes.begin(), bytes.end());
    entry.synchronous = urgency == Urgency::High;
    entry.account = std::move(account);
    entry.done = [this, waiter](ssize_t result) { finish(waiter, result); };
    return queue.push(std::move(entry));
  }

  int barrier(WaiterId waiter, std::function<int()> act = [] { return 0; }, Urgency urgency = Urgency::Urgent) {
    QueueEntry entry;
    entry.waiter = waiter;
    entry.urgency = urgency;
    entry.act = std::move(act);
    entry.done = [this, waiter](ssize_t result) { finish(waiter, result); };
    return queue.push(std::move(entry));
  }

  void finish(WaiterId waiter, ssize_t result) {
    CHECK(results.emplace(waiter, result).second);
    ended.push_back(waiter);
  }

  /// Runs what was scheduled, and what that schedules.
  void run() {
    while (!target.scheduled.empty()) {
      target.scheduled.erase(target.scheduled.begin());
      queue.step();
    }
  }
};

}  // namespace fuse_native_test
