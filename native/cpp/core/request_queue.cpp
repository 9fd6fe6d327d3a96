#include "request_queue.h"

#include <sched.h>

#include <algorithm>

#include "statistics.h"

namespace fuse_native {

namespace {
constexpr uint64_t kLingerNs = 50000;
// Somebody else's turn on the processor, a millisecond or more, instead of our caller's.
constexpr uint64_t kSlowNs = 300000;
constexpr unsigned kMostIdlePenalty = 63;
constexpr unsigned kLeastSlowPenalty = 512;
constexpr unsigned kMostSlowPenalty = 65536;
}  // namespace

void RequestQueue::Ready::append(Waiting* waiting) {
  waiting->before = last;
  waiting->after = nullptr;
  (last == nullptr ? first : last->after) = waiting;
  last = waiting;
}

void RequestQueue::Ready::prepend(Waiting* waiting) {
  waiting->before = nullptr;
  waiting->after = first;
  (first == nullptr ? last : first->before) = waiting;
  first = waiting;
}

void RequestQueue::Ready::remove(Waiting* waiting) {
  (waiting->before == nullptr ? first : waiting->before->after) = waiting->after;
  (waiting->after == nullptr ? last : waiting->after->before) = waiting->before;
}

RequestQueue::~RequestQueue() {
  // What is blocked becomes ready while those before it go.
  while (Waiting* waiting = next()) {
    leaveLines(waiting);
    delete waiting;
  }
}

void RequestQueue::count(Lane lane, int change) {
  LaneDepth& depth = depth_.lanes[static_cast<size_t>(lane)];
  depth.now += static_cast<size_t>(change);
  depth.largest = std::max(depth.largest, depth.now);
}

void RequestQueue::push(Record record) {
  auto* const waiting = new Waiting(std::move(record));
  bool wake;
  {
    std::lock_guard lock(mutex_);
    wake = depth_.all.now == 0 && !attended_;
    depth_.all.now += 1;
    depth_.all.largest = std::max(depth_.all.largest, depth_.all.now);
    size_.store(depth_.all.now, std::memory_order_relaxed);
    count(waiting->lane, 1);
    enterLines(waiting);
    if (waiting->blocked == 0) ready(waiting->lane).append(waiting);
    liftBefore(waiting);
  }
  if (wake) wake_();
}

void RequestQueue::enterLines(Waiting* waiting) {
  // Reserved, because lines point at places.
  waiting->places.reserve(waiting->record.keys().size());
  for (const uint64_t key : waiting->record.keys()) {
    Line& line = lines_[key];
    // The same key twice.
    if (line.last != nullptr && line.last->owner == waiting) continue;
    Place& place = waiting->places.emplace_back(Place{waiting, key, line.last, nullptr});
    if (line.last == nullptr) {
      line.first = &place;
    } else {
      line.last->after = &place;
      waiting->blocked += 1;
    }
    line.last = &place;
  }
}

void RequestQueue::leaveLines(Waiting* waiting) {
  for (Place& place : waiting->places) {
    const auto found = lines_.find(place.key);
    Line& line = found->second;
    (place.before == nullptr ? line.first : place.before->after) = place.after;
    (place.after == nullptr ? line.last : place.after->before) = place.before;
    if (line.first == nullptr) {
      lines_.erase(found);
    } else if (place.before == nullptr) {
      Waiting* const follower = place.after->owner;
      if (--follower->blocked == 0) ready(follower->lane).append(follower);
    }
  }
}

void RequestQueue::liftBefore(Waiting* waiting) {
  std::vector<Waiting*> lifted{waiting};
  while (!lifted.empty()) {
    const Waiting* const reason = lifted.back();
    lifted.pop_back();
    for (const Place& place : reason->places) {
      Waiting* const earlier = place.before == nullptr ? nullptr : place.before->owner;
      if (earlier == nullptr || earlier->lane <= reason->lane) continue;
      count(earlier->lane, -1);
      if (earlier->blocked == 0) {
        ready(earlier->lane).remove(earlier);
        ready(reason->lane).append(earlier);
      }
      earlier->lane = reason->lane;
      count(earlier->lane, 1);
      lifted.push_back(earlier);
    }
  }
}

// The next record, taken out of its lane; null when there is none.
RequestQueue::Waiting* RequestQueue::next() {
  const auto takeFrom = [](Ready& lane) {
    Waiting* const waiting = lane.first;
    if (waiting != nullptr) lane.remove(waiting);
    return waiting;
  };
  if (Waiting* const cancel = takeFrom(ready(Lane::First))) return cancel;
  for (int round = 0; round < 2; round++) {
    for (const Lane lane : {Lane::High, Lane::Normal, Lane::Low}) {
      if (ready(lane).credit == 0) continue;
      if (Waiting* const waiting = takeFrom(ready(lane))) {
        ready(lane).credit -= 1;
        return waiting;
      }
    }
    // A new round: who has something has no credit left.
    for (size_t lane = 0; lane < kLanes; lane++) ready_[lane].credit = kLaneWeights[lane];
  }
  return takeFrom(ready(Lane::Last));
}

size_t RequestQueue::takeLocked(uint64_t* out, size_t capacity, size_t limit,
                                std::vector<std::unique_ptr<Waiting>>& taken) {
  size_t used = 0;
  const bool wasFull = depth_.all.now >= limit_;
  while (taken.size() < limit) {
    Waiting* const waiting = next();
    if (waiting == nullptr) break;
    if (used + waiting->record.words() > capacity) {
      ready(waiting->lane).prepend(waiting);
      ready(waiting->lane).credit += 1;
      break;
    }
    taken.emplace_back(waiting);
    waiting->record.copyTo(out + used);
    used += waiting->record.words();
    leaveLines(waiting);
    count(waiting->lane, -1);
    depth_.all.now -= 1;
  }
  size_.store(depth_.all.now, std::memory_order_relaxed);
  if (wasFull && depth_.all.now < limit_) room_.notify_all();
  return used;
}

RequestQueue::Waiting* RequestQueue::find(uint64_t id) const {
  for (const Ready& lane : ready_) {
    for (Waiting* waiting = lane.first; waiting != nullptr; waiting = waiting->after) {
      if (waiting->record.id() == id) return waiting;
    }
  }
  for (const auto& [key, line] : lines_) {
    for (const Place* place = line.first; place != nullptr; place = place->after) {
      if (place->owner->record.id() == id) return place->owner;
    }
  }
  return nullptr;
}

bool RequestQueue::takeBack(uint64_t id) {
  std::unique_ptr<Waiting> taken;
  std::lock_guard lock(mutex_);
  taken.reset(find(id));
  if (taken == nullptr) return false;
  if (taken->blocked == 0) ready(taken->lane).remove(taken.get());
  leaveLines(taken.get());
  count(taken->lane, -1);
  depth_.all.now -= 1;
  size_.store(depth_.all.now, std::memory_order_relaxed);
  room_.notify_all();
  return true;
}

size_t RequestQueue::take(uint64_t* out, size_t capacity, size_t limit) {
  // Freed without the lock.
  std::vector<std::unique_ptr<Waiting>> taken;
  size_t used;
  bool more;
  {
    std::lock_guard lock(mutex_);
    used = takeLocked(out, capacity, limit, taken);
    more = depth_.all.now > 0;
  }
  if (more) wake_();
  return used;
}

size_t RequestQueue::attend(uint64_t* out, size_t capacity, size_t limit) {
  std::vector<std::unique_ptr<Waiting>> taken;
  if (size() == 0) linger();
  std::lock_guard lock(mutex_);
  const size_t used = takeLocked(out, capacity, limit, taken);
  attended_ = used > 0;
  return used;
}

void RequestQueue::leave() {
  bool more;
  {
    std::lock_guard lock(mutex_);
    attended_ = false;
    more = depth_.all.now > 0;
  }
  if (more) wake_();
}

// Whether it pays off shows afterwards: callers that ask one thing after the other come back within a few microseconds,
// idle ones do not, and on a busy machine giving up the processor costs a turn of somebody else.
void RequestQueue::linger() {
  if (skips_ > 0) {
    skips_ -= 1;
    return;
  }
  {
    std::lock_guard lock(mutex_);
    attended_ = true;
  }
  const uint64_t start = monotonicNs();
  uint64_t elapsed;
  do {
    ::sched_yield();
    elapsed = monotonicNs() - start;
  } while (size() == 0 && elapsed < kLingerNs);
  if (elapsed >= kSlowNs) {
    penalty_ = std::clamp(penalty_ * 4, kLeastSlowPenalty, kMostSlowPenalty);
    skips_ = penalty_;
  } else if (size() == 0) {
    penalty_ = std::max(penalty_, std::min(penalty_ * 2 + 1, kMostIdlePenalty));
    skips_ = penalty_;
  } else {
    penalty_ -= (penalty_ + 7) / 8;
  }
}

void RequestQueue::interruptWaiting() {
  // Whoever waits has either seen the flag or is inside the wait when this gets the mutex.
  { std::lock_guard lock(mutex_); }
  room_.notify_all();
}

QueueDepth RequestQueue::depth() {
  std::lock_guard lock(mutex_);
  return depth_;
}

}  // namespace fuse_native
