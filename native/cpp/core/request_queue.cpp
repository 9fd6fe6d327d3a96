#include "request_queue.h"

namespace fuse_native {

void RequestQueue::push(Record record) {
  bool wasEmpty;
  {
    std::lock_guard lock(mutex_);
    wasEmpty = sizeLocked() == 0;
    (record.op() == Op::Cancel ? cancels_ : records_).push_back(std::move(record));
    if (sizeLocked() > largest_) largest_ = sizeLocked();
  }
  if (wasEmpty) wake_();
}

size_t RequestQueue::take(uint64_t* out, size_t capacity, size_t limit) {
  size_t used = 0;
  bool more;
  {
    std::lock_guard lock(mutex_);
    for (size_t taken = 0; taken < limit; taken++) {
      auto& lane = cancels_.empty() ? records_ : cancels_;
      if (lane.empty() || used + lane.front().words() > capacity) break;
      lane.front().copyTo(out + used);
      used += lane.front().words();
      lane.pop_front();
    }
    more = sizeLocked() > 0;
    if (sizeLocked() < limit_) room_.notify_all();
  }
  if (more) wake_();
  return used;
}

void RequestQueue::waitForRoom() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return unlimited_ || sizeLocked() < limit_; });
}

void RequestQueue::stopWaiting() {
  std::lock_guard lock(mutex_);
  unlimited_ = true;
  room_.notify_all();
}

size_t RequestQueue::size() {
  std::lock_guard lock(mutex_);
  return sizeLocked();
}

size_t RequestQueue::largest() {
  std::lock_guard lock(mutex_);
  return largest_;
}

}  // namespace fuse_native
