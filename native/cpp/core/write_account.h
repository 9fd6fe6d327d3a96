// What is counted about writes: once for each open handle and once for all of them. Relaxed atomics, read without
// stopping anybody; figures that are read together may be a few writes apart.
//
// The budget bounds what waits: payload bytes and operations of all queues of a table.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "statistics.h"

namespace fuse_native {

struct WriteLimits {
  /// Waiting in all queues of a table; beyond that the loop threads stop reading the device.
  size_t operations = 4096;
  size_t bytes = 64 << 20;
  /// A handle with more than this waiting goes behind all others.
  size_t handleOperations = 256;
  size_t handleBytes = 16 << 20;
  /// Bytes written to open contents and not synced; from half of it on they are written back, beyond it writers wait.
  uint64_t dirtyBytes = 1ull << 30;
};

class WriteAccount {
 public:
  WriteAccount(uint64_t handle, uint64_t content) : handle(handle), content(content) {}

  /// Of the handle upstairs and of the content; 0 for the sum of all.
  const uint64_t handle;
  const uint64_t content;

  std::atomic<uint64_t> operations{0};
  std::atomic<uint64_t> completed{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> cancelled{0};
  std::atomic<uint64_t> bytes{0};
  /// Those that could not be absorbed at once.
  std::atomic<uint64_t> deferred{0};
  std::atomic<uint64_t> queued{0};
  std::atomic<uint64_t> queuedBytes{0};
  std::atomic<uint64_t> queuedMost{0};
  /// From the request to its result.
  LatencyHistogram latency;

  void began() { operations.fetch_add(1, std::memory_order_relaxed); }
  void ended(uint64_t sinceNs, ssize_t result) {
    latency.record(monotonicNs() - sinceNs);
    (result < 0 ? failed : completed).fetch_add(1, std::memory_order_relaxed);
    if (result > 0) bytes.fetch_add(static_cast<uint64_t>(result), std::memory_order_relaxed);
  }
  void entered(size_t length) {
    deferred.fetch_add(1, std::memory_order_relaxed);
    queuedBytes.fetch_add(length, std::memory_order_relaxed);
    const uint64_t now = queued.fetch_add(1, std::memory_order_relaxed) + 1;
    uint64_t most = queuedMost.load(std::memory_order_relaxed);
    while (most < now && !queuedMost.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
  }
  void left(size_t length) {
    queued.fetch_sub(1, std::memory_order_relaxed);
    queuedBytes.fetch_sub(length, std::memory_order_relaxed);
  }
};

class WriteBudget {
 public:
  explicit WriteBudget(const WriteLimits& limits) : limits(limits) {}

  const WriteLimits limits;

  void charge(size_t bytes) {
    std::lock_guard lock(mutex_);
    operations_ += 1;
    bytes_ += bytes;
    full_ = isFullLocked();
  }
  void release(size_t bytes) {
    std::lock_guard lock(mutex_);
    operations_ -= 1;
    bytes_ -= bytes;
    full_ = isFullLocked();
    if (!full_) room_.notify_all();
  }
  bool isFull() const { return full_.load(std::memory_order_relaxed); }
  /// Blocks while the limit is reached and `stopped` is not set. Whoever sets it calls `interruptWaiting` afterwards.
  template <typename Stopped>
  void waitForRoom(Stopped stopped) {
    if (!isFull()) return;
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return !isFullLocked() || stopped(); });
  }
  void interruptWaiting() {
    std::lock_guard lock(mutex_);
    room_.notify_all();
  }

 private:
  bool isFullLocked() const { return operations_ >= limits.operations || bytes_ >= limits.bytes; }

  std::mutex mutex_;
  std::condition_variable room_;
  size_t operations_ = 0;
  size_t bytes_ = 0;
  std::atomic<bool> full_{false};
};

}  // namespace fuse_native
