// Waiting in a content table: who waits is in `waiting_` before its content knows of it, so whoever releases it finds
// it.
#include <cerrno>
#include <cstdlib>

#include "content_table.h"

namespace fuse_native {

namespace {

constexpr size_t kBufferSize = 1 << 20;
constexpr size_t kBufferAlignment = 4096;

// One read buffer per thread that delivers; nothing of it outlives the callback.
char* threadBuffer() {
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  thread_local std::unique_ptr<char, Free> buffer(
      static_cast<char*>(std::aligned_alloc(kBufferAlignment, kBufferSize)));
  return buffer.get();
}

}  // namespace

void ContentTable::deliver(const ContentPtr& content, const ReadPlan& plan, uint64_t offset, const ReadDone& done) {
  std::vector<char> large(plan.length > kBufferSize ? plan.length : 0);
  char* const buffer = large.empty() ? threadBuffer() : large.data();
  const ssize_t got = buffer == nullptr ? -ENOMEM : content->body->read(plan, buffer, offset);
  if (got < 0) {
    done(static_cast<int>(-got), nullptr, 0);
  } else {
    done(0, buffer, static_cast<size_t>(got));
  }
}

void ContentTable::await(WaiterId waiter, Waiting waiting) {
  std::lock_guard lock(waitingMutex_);
  waiting_.emplace(waiter, std::move(waiting));
}

std::optional<ContentTable::Waiting> ContentTable::takeWaiting(WaiterId waiter) {
  std::lock_guard lock(waitingMutex_);
  const auto it = waiting_.find(waiter);
  if (it == waiting_.end()) return std::nullopt;
  std::optional<Waiting> taken(std::move(it->second));
  waiting_.erase(it);
  return taken;
}

void ContentTable::readOrWait(const ContentPtr& content, WaiterId waiter, uint64_t offset, size_t length, ReadHint hint,
                              ReadDone done) {
  ReadPlan plan = content->body->plan(offset, length);
  if (plan.present) return deliver(content, plan, offset, done);
  await(waiter, {content, offset, length, done});
  plan = content->body->park(waiter, offset, length);
  if (plan.present || content->body->isClosed()) {
    const auto taken = takeWaiting(waiter);
    if (!taken) return;
    if (plan.present) return deliver(content, plan, offset, done);
    content->body->unpark(waiter);
    return done(EBADF, nullptr, 0);
  }
  askFor(*content, plan.fetches, hint);
}

void ContentTable::askFor(const OpenContent& content, const std::vector<Extent>& fetches, ReadHint hint) {
  for (const Extent& range : fetches) {
    Record fetch(Op::Fetch);
    fetch.integer(content.id).integer(range.start).integer(range.end - range.start);
    fetch.integer(hint.run).integer(hint.ahead ? 1 : 0);
    fetch.after(content.id).in(hint.ahead ? Lane::Low : Lane::High);
    events_.push(std::move(fetch));
  }
}

void ContentTable::ask(const ContentPtr& content, Hold hold, uint64_t bytes) {
  const WaiterId question = nextWaiter();
  {
    std::lock_guard lock(waitingMutex_);
    questions_.emplace(question, Question{content, hold});
  }
  Record record(hold == Hold::Permission ? Op::Dirty : Op::Space);
  record.integer(question).integer(content->id).after(content->id);
  if (hold == Hold::Room) record.integer(bytes);
  events_.push(std::move(record));
}

bool ContentTable::answer(WaiterId number, int error) {
  Question question;
  {
    std::lock_guard lock(waitingMutex_);
    const auto it = questions_.find(number);
    if (it == questions_.end()) return false;
    question = std::move(it->second);
    questions_.erase(it);
  }
  if (error == 0 && question.hold == Hold::Permission) question.content->body->permit();
  question.content->writes.resume(question.hold, error);
  return true;
}

void ContentTable::serve(const std::vector<WaiterId>& released) {
  for (const WaiterId waiter : released) {
    const auto waiting = takeWaiting(waiter);
    if (!waiting) continue;
    // What it was released for may have been dropped since: then it waits again.
    readOrWait(waiting->content, waiter, waiting->offset, waiting->length, 0, waiting->read);
  }
}

void ContentTable::fail(const std::vector<WaiterId>& waiters, int error) {
  for (const WaiterId waiter : waiters) {
    const auto waiting = takeWaiting(waiter);
    if (!waiting) continue;
    waiting->read(error, nullptr, 0);
  }
}

bool ContentTable::cancel(WaiterId waiter) {
  if (const auto waiting = takeWaiting(waiter)) {
    waiting->content->body->unpark(waiter);
    return true;
  }
  ContentPtr content;
  {
    std::lock_guard lock(waitingMutex_);
    const auto it = queued_.find(waiter);
    if (it == queued_.end()) return false;
    content = it->second;
  }
  if (!content->writes.cancel(waiter)) return false;
  std::lock_guard lock(waitingMutex_);
  queued_.erase(waiter);
  return true;
}

size_t ContentTable::waiters() {
  std::lock_guard lock(waitingMutex_);
  return waiting_.size() + queued_.size();
}

}  // namespace fuse_native
