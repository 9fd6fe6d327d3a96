#include "write_queue.h"

#include <algorithm>
#include <cerrno>

namespace fuse_native {

namespace {

bool isOver(const WriteAccount& account, const WriteLimits& limits) {
  return account.queued.load(std::memory_order_relaxed) > limits.handleOperations ||
         account.queuedBytes.load(std::memory_order_relaxed) > limits.handleBytes;
}

}  // namespace

int WriteQueue::push(QueueEntry entry) {
  Next next;
  {
    std::lock_guard lock(mutex_);
    if (closed_ != 0) return closed_;
    budget_->charge(entry.bytes.size());
    if (entry.isWrite()) {
      total_->entered(entry.bytes.size());
      if (entry.account != nullptr) {
        entry.account->entered(entry.bytes.size());
        if (entry.urgency == Urgency::Normal && isOver(*entry.account, budget_->limits)) entry.urgency = Urgency::Low;
      }
    }
    if (entry.changes) target_.changeBegins();
    count_.fetch_add(1, std::memory_order_release);
    entriesByUrgency_[static_cast<size_t>(entry.urgency)] += 1;
    entries_.push_back(std::move(entry));
    next = advanceLocked();
  }
  perform(next);
  return 0;
}

Urgency WriteQueue::urgencyLocked() const {
  size_t urgency = 0;
  while (urgency < kUrgencies - 1 && entriesByUrgency_[urgency] == 0) urgency++;
  return static_cast<Urgency>(urgency);
}

WriteQueue::Next WriteQueue::advanceLocked() {
  if (entries_.empty() || state_ == State::Running || state_ == State::Held) return {};
  const Urgency urgency = urgencyLocked();
  if (state_ == State::Scheduled) {
    // Somebody more urgent waits behind those that were scheduled: they hurry all of them.
    if (urgency >= scheduledUrgency_) return {};
    scheduledUrgency_ = urgency;
    return {Next::Do::Schedule, urgency, Hold::None, 0};
  }
  const Next held = holdLocked();
  if (held.action != Next::Do::Nothing) return held;
  state_ = State::Scheduled;
  scheduledUrgency_ = urgency;
  return {Next::Do::Schedule, urgency, Hold::None, 0};
}

// Holds the queue when its head cannot be carried out now.
WriteQueue::Next WriteQueue::holdLocked() {
  const QueueEntry& head = entries_.front();
  hold_ = head.isWrite() ? target_.obstacle() : Hold::None;
  if (hold_ == Hold::None) return {};
  state_ = State::Held;
  return {Next::Do::Ask, Urgency::Normal, hold_, head.bytes.size()};
}

void WriteQueue::perform(const Next& next) {
  if (next.action == Next::Do::Schedule) target_.schedule(next.urgency);
  if (next.action == Next::Do::Ask) target_.ask(next.hold, next.bytes);
}

void WriteQueue::step() {
  QueueEntry entry;
  Next next;
  {
    std::lock_guard lock(mutex_);
    if (state_ != State::Scheduled) return;
    state_ = State::Resting;
    if (entries_.empty()) return;
    // Another one may have come to the head since it was looked at.
    next = holdLocked();
    if (next.action == Next::Do::Nothing) {
      state_ = State::Running;
      entry = std::move(entries_.front());
      entries_.pop_front();
    }
  }
  if (next.action != Next::Do::Nothing) return perform(next);
  const bool ended = carryOut(entry);
  int closed = 0;
  {
    std::lock_guard lock(mutex_);
    closed = closed_;
    if (ended || closed != 0) {
      entriesByUrgency_[static_cast<size_t>(entry.urgency)] -= 1;
      state_ = State::Resting;
      next = advanceLocked();
    } else {
      state_ = State::Held;
      hold_ = Hold::Room;
      next = {Next::Do::Ask, entry.urgency, hold_, entry.bytes.size()};
      entries_.push_front(std::move(entry));
    }
  }
  if (!ended && closed != 0) end(entry, -closed);
  perform(next);
}

// False when the disk is full and it is worth to ask for room.
bool WriteQueue::carryOut(QueueEntry& entry) {
  if (!entry.isWrite()) {
    end(entry, -entry.act());
    return true;
  }
  ssize_t result = target_.write(entry);
  if ((result == -ENOSPC || result == -EDQUOT) && ++entry.attempts <= kRoomAttempts) return false;
  if (result >= 0 && entry.synchronous) {
    if (const int error = target_.sync()) result = -error;
  }
  if (result < 0) target_.failed(static_cast<int>(-result));
  end(entry, result);
  return true;
}

void WriteQueue::leave(const QueueEntry& entry) {
  budget_->release(entry.bytes.size());
  if (entry.isWrite()) {
    total_->left(entry.bytes.size());
    if (entry.account != nullptr) entry.account->left(entry.bytes.size());
  }
  if (entry.changes) target_.changeEnds();
  count_.fetch_sub(1, std::memory_order_release);
}

void WriteQueue::end(QueueEntry& entry, ssize_t result) {
  leave(entry);
  if (entry.isWrite()) {
    total_->ended(entry.sinceNs, result);
    if (entry.account != nullptr) entry.account->ended(entry.sinceNs, result);
  }
  entry.done(result);
}

void WriteQueue::resume(Hold hold, int error) {
  std::vector<QueueEntry> failed;
  Next next;
  {
    std::lock_guard lock(mutex_);
    if (state_ != State::Held || hold_ != hold) return;
    state_ = State::Resting;
    // Without permission none of the writes at the head may be made; without room the one that was tried.
    auto concerned = [&] {
      const bool asked = hold != Hold::Room || (!entries_.empty() && entries_.front().attempts > 0);
      return error != 0 && asked && !entries_.empty() && entries_.front().isWrite();
    };
    while (concerned()) {
      entriesByUrgency_[static_cast<size_t>(entries_.front().urgency)] -= 1;
      failed.push_back(std::move(entries_.front()));
      entries_.pop_front();
    }
    next = advanceLocked();
  }
  for (QueueEntry& entry : failed) {
    if (hold == Hold::Room) target_.failed(error);
    end(entry, -error);
  }
  perform(next);
}

bool WriteQueue::cancel(WaiterId waiter) {
  QueueEntry entry;
  {
    std::lock_guard lock(mutex_);
    auto isIt = [&](const QueueEntry& candidate) { return candidate.waiter == waiter; };
    const auto it = waiter == 0 ? entries_.end() : std::find_if(entries_.begin(), entries_.end(), isIt);
    if (it == entries_.end()) return false;
    entriesByUrgency_[static_cast<size_t>(it->urgency)] -= 1;
    entry = std::move(*it);
    entries_.erase(it);
  }
  leave(entry);
  if (entry.isWrite()) {
    total_->cancelled.fetch_add(1, std::memory_order_relaxed);
    if (entry.account != nullptr) entry.account->cancelled.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

void WriteQueue::close(int error) {
  std::deque<QueueEntry> entries;
  {
    std::lock_guard lock(mutex_);
    if (closed_ != 0) return;
    closed_ = error;
    entries.swap(entries_);
    // The entry that is being carried out is counted off when it ends.
    for (const QueueEntry& entry : entries) entriesByUrgency_[static_cast<size_t>(entry.urgency)] -= 1;
    if (state_ != State::Running) state_ = State::Resting;
  }
  for (QueueEntry& entry : entries) end(entry, -error);
}

uint64_t WriteQueue::bytes() {
  std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const QueueEntry& entry : entries_) sum += entry.bytes.size();
  return sum;
}

}  // namespace fuse_native
