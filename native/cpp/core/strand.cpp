#include "strand.h"

namespace fuse_native {

int StrandPool::start(ThreadGroup& threads, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (const int error = threads.spawn("fuse-filler", [self = shared_from_this()] { self->run(); })) return error;
  }
  return 0;
}

bool StrandPool::post(const std::shared_ptr<Strand>& strand, std::function<void()> job) {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  strand->jobs_.push_back(std::move(job));
  if (strand->scheduled_) return true;
  strand->scheduled_ = true;
  ready_.push_back(strand);
  work_.notify_one();
  return true;
}

void StrandPool::stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  work_.notify_all();
}

void StrandPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return stopping_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const std::shared_ptr<Strand> strand = std::move(ready_.front());
    ready_.pop_front();
    {
      std::function<void()> job = std::move(strand->jobs_.front());
      strand->jobs_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
    if (strand->jobs_.empty()) {
      strand->scheduled_ = false;
    } else {
      ready_.push_back(strand);
      work_.notify_one();
    }
  }
}

}  // namespace fuse_native
