// What changes contents: at once where that takes no waiting, else in the order of the content's queue. And what that
// queue has done by its content.
#include <cerrno>

#include "content_table.h"

namespace fuse_native {

Hold OpenContent::obstacle() {
  if (!body->permitted()) return Hold::Permission;
  const auto table = table_.lock();
  return table != nullptr && table->isOverDirtyLimit() ? Hold::Dirty : Hold::None;
}

ssize_t OpenContent::write(const QueueEntry& entry) {
  std::vector<WaiterId> released;
  const ssize_t n = body->write(entry.bytes.data(), entry.bytes.size(), entry.offset, released);
  if (const auto table = table_.lock()) {
    if (n > 0) table->wrote(*this, static_cast<uint64_t>(n));
    table->serve(released);
  }
  return n;
}

int OpenContent::sync() {
  const auto table = table_.lock();
  return table == nullptr ? ENODEV : table->syncNow(*this);
}

void OpenContent::schedule(Urgency urgency) {
  const auto table = table_.lock();
  const bool posted =
      table != nullptr && table->fillers_->post(strand, [self = shared_from_this()] { self->writes.step(); }, urgency);
  if (!posted) writes.close(ENODEV);
}

void OpenContent::ask(Hold hold, uint64_t bytes) {
  const auto table = table_.lock();
  if (table == nullptr) return writes.close(ENODEV);
  if (hold == Hold::Dirty) return table->stall(shared_from_this());
  table->ask(shared_from_this(), hold, hold == Hold::Room ? body->roomFor(bytes) : bytes);
}

ssize_t ContentTable::writeNow(const ContentPtr& content, const WriteRequest& request) {
  if (request.synchronous || !content->writes.idle() || isOverDirtyLimit()) return -EAGAIN;
  std::vector<WaiterId> released;
  const ssize_t n = content->body->writeNow(request.bytes, request.length, request.offset, released);
  // A full disk: the queue waits for the keeper to make room.
  if (n == -EAGAIN || n == -ENOSPC || n == -EDQUOT) return -EAGAIN;
  total_->began();
  total_->ended(request.sinceNs, n);
  if (request.account != nullptr) {
    request.account->began();
    request.account->ended(request.sinceNs, n);
  }
  if (n > 0) wrote(*content, static_cast<uint64_t>(n));
  serve(released);
  return n;
}

void ContentTable::queueWrite(const ContentPtr& content, WaiterId waiter, const WriteRequest& request,
                              WriteDone done) {
  QueueEntry entry;
  entry.waiter = waiter;
  entry.urgency = request.synchronous ? Urgency::High : Urgency::Normal;
  entry.changes = true;
  entry.offset = request.offset;
  entry.bytes.assign(request.bytes, request.bytes + request.length);
  entry.synchronous = request.synchronous;
  entry.account = request.account;
  entry.sinceNs = request.sinceNs;
  entry.done = std::move(done);
  total_->began();
  if (request.account != nullptr) request.account->began();
  push(content, std::move(entry));
}

bool ContentTable::permitted(const ContentPtr& content, WaiterId waiter, WriteDone done) {
  if (content->body->permitted()) return true;
  // A write of nothing: it asks, waits its turn, and changes nothing.
  queueWrite(content, waiter, {nullptr, 0, 0, false, nullptr, monotonicNs()}, std::move(done));
  return false;
}

void ContentTable::barrier(const ContentPtr& content, WaiterId waiter, Done done) {
  QueueEntry entry;
  entry.waiter = waiter;
  entry.urgency = Urgency::Urgent;
  entry.act = [] { return 0; };
  entry.done = [done = std::move(done)](ssize_t result) { done(static_cast<int>(-result)); };
  push(content, std::move(entry));
}

// With a waiter: `queued_` knows where to cancel it for as long as it waits.
void ContentTable::push(const ContentPtr& content, QueueEntry entry) {
  const WaiterId waiter = entry.waiter;
  {
    std::lock_guard lock(waitingMutex_);
    queued_.emplace(waiter, content);
  }
  auto done = [self = shared_from_this(), waiter, done = std::move(entry.done)](ssize_t result) {
    {
      std::lock_guard lock(self->waitingMutex_);
      self->queued_.erase(waiter);
    }
    done(result);
  };
  entry.done = done;
  if (const int error = content->writes.push(std::move(entry))) done(-error);
}

int ContentTable::inOrder(ContentId id, Urgency urgency, bool changes, std::function<int(const ContentPtr&)> act,
                          Done done) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  QueueEntry entry;
  entry.urgency = urgency;
  entry.changes = changes;
  entry.act = [content, act = std::move(act)] { return act(content); };
  entry.done = [done = std::move(done)](ssize_t result) { done(static_cast<int>(-result)); };
  return content->writes.push(std::move(entry));
}

int ContentTable::change(ContentId id, std::function<int(Content&, std::vector<WaiterId>&)> act, Done done) {
  auto changing = [self = shared_from_this(), act = std::move(act)](const ContentPtr& content) {
    std::vector<WaiterId> released;
    const int error = act(*content->body, released);
    self->serve(released);
    return error;
  };
  return inOrder(id, Urgency::Normal, true, std::move(changing), std::move(done));
}

int ContentTable::truncate(ContentId id, uint64_t size, Done done) {
  auto act = [size](Content& body, std::vector<WaiterId>& released) { return body.truncate(size, released); };
  return change(id, std::move(act), std::move(done));
}

int ContentTable::allocate(ContentId id, int mode, uint64_t offset, uint64_t length, Done done) {
  auto act = [mode, offset, length](Content& body, std::vector<WaiterId>& released) {
    return body.allocate(mode, offset, length, released);
  };
  return change(id, std::move(act), std::move(done));
}

int ContentTable::freeze(ContentId id, FreezeDone done) {
  struct Frozen {
    uint64_t generation = 0;
    int fd = -1;
  };
  auto frozen = std::make_shared<Frozen>();
  auto act = [frozen](const ContentPtr& content) {
    std::shared_ptr<BackingFile> file;
    int error = content->body->freeze(frozen->generation, file);
    if (error != 0) return error;
    frozen->fd = file->openAgain(error);
    if (frozen->fd < 0) content->body->thaw();
    return error;
  };
  return inOrder(id, Urgency::Normal, false, act,
                 [frozen, done = std::move(done)](int error) { done(error, frozen->generation, frozen->fd); });
}

int ContentTable::sync(ContentId id, bool urgent, Done done) {
  auto act = [self = shared_from_this()](const ContentPtr& content) { return self->syncNow(*content); };
  return inOrder(id, urgent ? Urgency::Urgent : Urgency::Low, false, act, std::move(done));
}

int ContentTable::write(ContentId id, uint64_t offset, std::vector<char> bytes, WriteDone done) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  queueWrite(content, nextWaiter(), {bytes.data(), bytes.size(), offset, false, nullptr, monotonicNs()},
             std::move(done));
  return 0;
}

std::shared_ptr<WriteAccount> ContentTable::openAccount(uint64_t handle, ContentId content) {
  const std::weak_ptr<ContentTable> table = weak_from_this();
  std::shared_ptr<WriteAccount> account(new WriteAccount(handle, content), [table](WriteAccount* ended) {
    if (const auto self = table.lock()) {
      std::lock_guard lock(self->accountsMutex_);
      self->accounts_.erase(ended);
    }
    delete ended;
  });
  std::lock_guard lock(accountsMutex_);
  accounts_.emplace(account.get(), account);
  return account;
}

std::vector<std::shared_ptr<WriteAccount>> ContentTable::accounts() {
  std::vector<std::shared_ptr<WriteAccount>> all;
  std::lock_guard lock(accountsMutex_);
  for (const auto& [key, weak] : accounts_) {
    if (auto account = weak.lock()) all.push_back(std::move(account));
  }
  return all;
}

}  // namespace fuse_native
