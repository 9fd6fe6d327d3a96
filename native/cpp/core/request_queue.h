// What waits for JavaScript, in arrival order, cancels first. The queue never drops and never refuses: the bound works
// where requests come from, through `waitForRoom`, which the loop threads pass before they read the next request from
// the kernel. So it can be exceeded by at most what the running threads still produce.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "record.h"

namespace fuse_native {

class RequestQueue {
 public:
  /// `wake` is called, from any thread, when the queue turns non-empty and when a `take` left something behind.
  RequestQueue(size_t limit, std::function<void()> wake) : limit_(limit), wake_(std::move(wake)) {}

  void push(Record record);
  /// Packs up to `limit` records into `capacity` words at `out`; returns the words used. A record that does not fit
  /// stays for the next call.
  size_t take(uint64_t* out, size_t capacity, size_t limit);
  /// Blocks while the queue is full. Returns at once after `stopWaiting`.
  void waitForRoom();
  void stopWaiting();

  size_t size();
  size_t largest();

 private:
  size_t sizeLocked() const { return cancels_.size() + records_.size(); }

  const size_t limit_;
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Record> cancels_;
  std::deque<Record> records_;
  size_t largest_ = 0;
  bool unlimited_ = false;
};

}  // namespace fuse_native
