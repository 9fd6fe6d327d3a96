// Bytes on their way to the disk: how many are not there yet, who waits for that, and waiting for queues with a limit.
#include <algorithm>
#include <cerrno>
#include <map>

#include "content_table.h"

namespace fuse_native {

void ContentTable::wrote(OpenContent& content, uint64_t bytes) {
  // The sum first: a sync that takes these bytes from the content takes them from the sum as well.
  unsynced_ += bytes;
  content.unsynced += bytes;
  if (content.body->isClosed()) forgetUnsynced(content);
  if (unsynced_ >= budget_->limits.dirtyBytes / 2) writeBack();
}

int ContentTable::syncNow(OpenContent& content, bool isWriteBack) {
  const uint64_t before = content.unsynced.exchange(0);
  const int error = content.body->sync();
  // After a failure the system has given the bytes up; the handles hear of it.
  if (error != 0) content.errors.record(error);
  if (isWriteBack) writingBack_ = false;
  fewerUnsynced(before);
  return error;
}

void ContentTable::forgetUnsynced(OpenContent& content) { fewerUnsynced(content.unsynced.exchange(0)); }

void ContentTable::fewerUnsynced(uint64_t bytes) {
  unsynced_ -= bytes;
  if (unsynced_ >= budget_->limits.dirtyBytes / 2) writeBack();
  if (isOverDirtyLimit()) return;
  std::vector<ContentPtr> stalled;
  {
    std::lock_guard lock(stalledMutex_);
    stalled.swap(stalled_);
  }
  for (const ContentPtr& content : stalled) content->writes.resume(Hold::Dirty, 0);
}

// One at a time, the content with the most bytes first.
void ContentTable::writeBack() {
  if (writingBack_.exchange(true)) return;
  ContentPtr most;
  for (const ContentPtr& content : contents()) {
    if (most == nullptr || content->unsynced > most->unsynced) most = content;
  }
  auto job = [self = shared_from_this(), most] { self->syncNow(*most, true); };
  const Urgency urgency = isOverDirtyLimit() ? Urgency::High : Urgency::Low;
  if (most == nullptr || most->unsynced == 0 || !fillers_->post(most->strand, job, urgency)) writingBack_ = false;
}

void ContentTable::stall(const ContentPtr& content) {
  {
    std::lock_guard lock(stalledMutex_);
    stalled_.push_back(content);
  }
  writeBack();
  // The limit may have been left since the queue looked.
  if (!isOverDirtyLimit()) content->writes.resume(Hold::Dirty, 0);
}

int ContentTable::flush(ContentId id, std::chrono::milliseconds limit, FlushDone done) {
  struct Progress {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<WaiterId, ContentPtr> waiting;
  };
  std::vector<ContentPtr> all;
  if (id == 0) {
    all = contents();
  } else {
    ContentPtr content;
    if (const int error = find(id, content)) return error;
    all.push_back(std::move(content));
  }
  auto progress = std::make_shared<Progress>();
  for (const ContentPtr& content : all) {
    if (!content->writes.idle()) progress->waiting.emplace(nextWaiter(), content);
  }
  const auto waiting = progress->waiting;
  for (const auto& [waiter, content] : waiting) {
    barrier(content, waiter, [progress, id = waiter](int) {
      std::lock_guard lock(progress->mutex);
      progress->waiting.erase(id);
      progress->changed.notify_all();
    });
  }
  if (waiting.empty()) {
    done({});
    return 0;
  }
  return threads_.spawn("fuse-flush", [self = shared_from_this(), progress, limit, done = std::move(done)] {
    std::unique_lock lock(progress->mutex);
    progress->changed.wait_for(lock, limit, [&] { return progress->waiting.empty(); });
    const auto late = progress->waiting;
    lock.unlock();
    std::vector<FlushLeft> left;
    for (const auto& [waiter, content] : late) {
      // A barrier that cannot be taken back has its turn at this moment.
      if (self->cancel(waiter)) left.push_back({content->id, content->writes.size(), content->writes.bytes()});
    }
    done(left);
  });
}

}  // namespace fuse_native
