#include "strand.h"

namespace fuse_native {

namespace {
// One turn in so many goes to the least urgent strand.
constexpr uint64_t kFairTurn = 8;
}  // namespace

int StrandPool::start(ThreadGroup& threads, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (const int error = threads.spawn("fuse-filler", [self = shared_from_this()] { self->run(); })) return error;
  }
  return 0;
}

bool StrandPool::post(const std::shared_ptr<Strand>& strand, std::function<void()> job, Urgency urgency) {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  strand->jobs_.push_back({std::move(job), urgency});
  strand->jobsByUrgency_[static_cast<size_t>(urgency)] += 1;
  placeLocked(strand);
  return true;
}

void StrandPool::placeLocked(const std::shared_ptr<Strand>& strand) {
  if (strand->running_ || strand->jobs_.empty()) return;
  size_t urgency = 0;
  while (strand->jobsByUrgency_[urgency] == 0) urgency++;
  if (strand->waits_) {
    auto& before = waiting_[static_cast<size_t>(strand->urgency_)];
    auto& now = waiting_[urgency];
    if (&before != &now) now.splice(now.end(), before, strand->place_);
  } else {
    strand->place_ = waiting_[urgency].insert(waiting_[urgency].end(), strand);
    strand->waits_ = true;
    waitingCount_ += 1;
    work_.notify_one();
  }
  strand->urgency_ = static_cast<Urgency>(urgency);
}

std::shared_ptr<Strand> StrandPool::nextLocked() {
  size_t urgency = 0;
  if (++turn_ % kFairTurn == 0) {
    urgency = kUrgencies - 1;
    while (waiting_[urgency].empty()) urgency--;
  } else {
    while (waiting_[urgency].empty()) urgency++;
  }
  std::shared_ptr<Strand> strand = std::move(waiting_[urgency].front());
  waiting_[urgency].pop_front();
  waitingCount_ -= 1;
  strand->waits_ = false;
  return strand;
}

void StrandPool::runNext(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<Strand> strand = nextLocked();
  strand->running_ = true;
  {
    const Strand::Job job = std::move(strand->jobs_.front());
    strand->jobs_.pop_front();
    strand->jobsByUrgency_[static_cast<size_t>(job.urgency)] -= 1;
    lock.unlock();
    job.run();
  }
  lock.lock();
  strand->running_ = false;
  placeLocked(strand);
}

bool StrandPool::runOne() {
  std::unique_lock lock(mutex_);
  if (waitingCount_ == 0) return false;
  runNext(lock);
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
    work_.wait(lock, [&] { return stopping_ || waitingCount_ > 0; });
    if (waitingCount_ == 0) return;
    runNext(lock);
  }
}

}  // namespace fuse_native
