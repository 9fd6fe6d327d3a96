// What is answered on the loop thread: reads of present bytes, writes, closes of unchanged files, seeks. What has to
// wait is remembered in the pending table first and then handed to the content table.
#include <cerrno>
#include <cmath>

#include "../core/fields.h"
#include "upcall.h"

namespace fuse_native {

double Session::handleField(const fuse_file_info* info) {
  const auto handle = info == nullptr ? nullptr : handles_.find(info->fh);
  return handle == nullptr ? std::nan("") : static_cast<double>(handle->id);
}

bool Session::refuse(fuse_req_t request, Op op, uint64_t startNs) {
  if (!refusing_) return false;
  answer(request, op, startNs, ECONNABORTED);
  return true;
}

void Session::answer(fuse_req_t request, Op op, uint64_t startNs, int error) {
  fuse_reply_err(request, error);
  statistics_.completed(op, startNs, error != 0);
}

void Session::publish(Pending pending) {
  // The interrupt callback first: once the request is in the table anybody may answer and thereby free it.
  fuse_req_interrupt_func(
      pending.request,
      [](fuse_req_t request, void* id) {
        sessionOf(request).interrupter_.interrupted(reinterpret_cast<RequestId>(id), fuse_req_ctx(request)->pid);
      },
      reinterpret_cast<void*>(pending.id));
  pending_.add(std::move(pending));
  published_ = true;
}

void Session::send(Pending pending, Record record) {
  if (refuse(pending.request, pending.op, pending.startNs)) return;
  // The one place where a draining session refuses: native, so that it holds while JavaScript is busy.
  if (pending.startsChange && machine_.phase() != Phase::Running) {
    return answer(pending.request, pending.op, pending.startNs, EBUSY);
  }
  publish(std::move(pending));
  statistics_.dispatched.fetch_add(1, std::memory_order_relaxed);
  queue_.push(std::move(record));
}

void Session::read(fuse_req_t request, uint64_t node, size_t size, uint64_t offset, uint64_t number) {
  const auto handle = handles_.find(number);
  if (handle == nullptr) return answer(request, Op::Read, monotonicNs(), EBADF);
  if (handle->content == nullptr) {
    // No file is that large, so this is behind its end.
    if (!isExact(offset)) return answerRead(request, monotonicNs(), 0, nullptr, 0);
    Upcall call(request, Op::Read, node);
    call.pending.handle = handle;
    call.pending.size = size;
    call.record.integer(handle->id).integer(offset).integer(size);
    return call.send();
  }
  const uint64_t startNs = monotonicNs();
  const uint64_t run = handle->sequentialRun(offset, size);
  const ReadPlan plan = handle->content->body->plan(offset, size);
  if (plan.present) {
    return ContentTable::deliver(handle->content, plan, offset, [&](int error, const char* bytes, size_t length) {
      answerRead(request, startNs, error, bytes, length);
    });
  }
  Pending pending = parked(request, Op::Read, handle->content, startNs);
  const RequestId id = pending.id;
  const WaiterId waiter = pending.waiter;
  // A sequential read beside one that waits already is the kernel's read-ahead.
  const ReadHint hint(run, run > 0 && handle->isWaiting());
  pending.waiting = Handle::beginWaiting(handle);
  publish(std::move(pending));
  contents_->readOrWait(handle->content, waiter, offset, size, hint,
                        [self = shared_from_this(), id](int error, const char* bytes, size_t length) {
                          self->ifPending(id, [&](const Pending& p) {
                            self->answerRead(p.request, p.startNs, error, bytes, length);
                          });
                        });
  giveUpWhenRefusing(id);
}

void Session::write(fuse_req_t request, const char* bytes, size_t size, uint64_t offset, bool synchronous,
                    uint64_t number) {
  const auto handle = handles_.find(number);
  const uint64_t startNs = monotonicNs();
  if (handle == nullptr) return answer(request, Op::Write, startNs, EBADF);
  if (handle->content == nullptr) return answer(request, Op::Write, startNs, EOPNOTSUPP);
  if (const int error = handle->takeError()) return answer(request, Op::Write, startNs, error);
  const WriteRequest write{bytes, size, offset, synchronous, handle->account(*contents_), startNs};
  const ssize_t written = contents_->writeNow(handle->content, write);
  if (written != -EAGAIN) return answerWrite(request, startNs, written);
  Pending pending = parked(request, Op::Write, handle->content, startNs);
  const RequestId id = pending.id;
  const WaiterId waiter = pending.waiter;
  publish(std::move(pending));
  auto done = [self = shared_from_this(), id, handle](ssize_t result) {
    self->ifPending(id, [&](const Pending& p) {
      // The writer hears of it here. A writer that has gone does not: its handle will.
      if (result < 0) handle->takeError();
      self->answerWrite(p.request, p.startNs, result);
    });
  };
  contents_->queueWrite(handle->content, waiter, write, std::move(done));
  giveUpWhenRefusing(id);
}

Pending Session::parked(fuse_req_t request, Op op, const ContentPtr& content, uint64_t startNs) {
  Pending pending;
  pending.id = pending_.nextId();
  pending.op = op;
  pending.request = request;
  pending.thread = fuse_req_ctx(request)->pid;
  pending.startNs = startNs;
  pending.content = content;
  pending.waiter = contents_->nextWaiter();
  return pending;
}

// A forced unmount may have emptied the pending table just before this request came into it.
void Session::giveUpWhenRefusing(RequestId id) {
  if (!refusing_) return;
  ifPending(id, [&](const Pending& p) {
    contents_->cancel(p.waiter);
    answer(p.request, p.op, p.startNs, ECONNABORTED);
  });
}

void Session::answerRead(fuse_req_t request, uint64_t startNs, int error, const char* bytes, size_t length) {
  if (error != 0) return answer(request, Op::Read, startNs, error);
  fuse_reply_buf(request, bytes, length);
  statistics_.bytesRead.fetch_add(length, std::memory_order_relaxed);
  statistics_.completed(Op::Read, startNs, false);
}

void Session::answerWrite(fuse_req_t request, uint64_t startNs, ssize_t result) {
  if (result < 0) return answer(request, Op::Write, startNs, static_cast<int>(-result));
  fuse_reply_write(request, static_cast<size_t>(result));
  statistics_.bytesWritten.fetch_add(static_cast<uint64_t>(result), std::memory_order_relaxed);
  statistics_.completed(Op::Write, startNs, false);
}

void Session::flush(fuse_req_t request, uint64_t node, uint64_t number) {
  const auto handle = handles_.find(number);
  const uint64_t startNs = monotonicNs();
  if (handle == nullptr || handle->content == nullptr) return answer(request, Op::Flush, startNs, 0);
  const OpenContent& content = *handle->content;
  if (content.writes.idle() && !content.body->changedSinceFlush()) {
    // Who only reads has lost nothing and does not look at what close says.
    return answer(request, Op::Flush, startNs, handle->writable() ? handle->takeError() : 0);
  }
  Upcall call(request, Op::Flush, node);
  call.pending.handle = handle;
  call.pending.content = handle->content;
  call.record.integer(handle->id).integer(content.id);
  sendInOrder(std::move(call.pending), std::move(call.record));
}

void Session::fsync(fuse_req_t request, uint64_t node, bool dataOnly, uint64_t number) {
  const auto handle = handles_.find(number);
  if (handle == nullptr) return answer(request, Op::FSync, monotonicNs(), EBADF);
  Upcall call(request, Op::FSync, node);
  call.pending.handle = handle;
  call.pending.content = handle->content;
  call.record.integer(handle->id);
  handle->content == nullptr ? call.record.absent() : call.record.integer(handle->content->id);
  call.record.integer(dataOnly ? 1 : 0);
  if (handle->content == nullptr) return call.send();
  sendInOrder(std::move(call.pending), std::move(call.record));
}

void Session::sendInOrder(Pending pending, Record record) {
  const ContentPtr content = pending.content;
  pending.generation = content->body->generation();
  if (content->writes.idle()) return send(std::move(pending), std::move(record));
  pending.waiter = contents_->nextWaiter();
  const RequestId id = pending.id;
  const WaiterId waiter = pending.waiter;
  publish(std::move(pending));
  auto turn = [self = shared_from_this(), id, content, record = std::move(record)](int error) mutable {
    if (error != 0) {
      return self->ifPending(id, [&](const Pending& p) { self->answer(p.request, p.op, p.startNs, error); });
    }
    if (!self->pending_.unpark(id, content->body->generation())) return;
    self->statistics_.dispatched.fetch_add(1, std::memory_order_relaxed);
    self->queue_.push(std::move(record));
  };
  contents_->barrier(content, waiter, std::move(turn));
  giveUpWhenRefusing(id);
}

void Session::release(fuse_req_t request, uint64_t number) {
  const auto handle = handles_.remove(number);
  answer(request, Op::Release, monotonicNs(), 0);
  if (handle != nullptr) handleReleased(handle);
}

void Session::fallocate(fuse_req_t request, uint64_t node, int mode, uint64_t offset, uint64_t length,
                        uint64_t number) {
  const auto handle = handles_.find(number);
  if (handle == nullptr) return answer(request, Op::FAllocate, monotonicNs(), EBADF);
  if (!isExact(offset + length)) return answer(request, Op::FAllocate, monotonicNs(), EFBIG);
  Upcall call(request, Op::FAllocate, node);
  call.record.integer(handle->id);
  handle->content == nullptr ? call.record.absent() : call.record.integer(handle->content->id);
  call.record.integer(static_cast<unsigned>(mode)).integer(offset).integer(length);
  call.send();
}

// Holes are not told apart: the whole file is data and the only hole is at its end, as lseek(2) allows.
void Session::seek(fuse_req_t request, uint64_t offset, int whence, uint64_t number) {
  const uint64_t startNs = monotonicNs();
  const auto handle = handles_.find(number);
  if (handle == nullptr || handle->content == nullptr || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
    return answer(request, Op::LSeek, startNs, EINVAL);
  }
  const uint64_t size = handle->content->body->size();
  if (offset >= size) return answer(request, Op::LSeek, startNs, ENXIO);
  fuse_reply_lseek(request, static_cast<off_t>(whence == SEEK_DATA ? offset : size));
  statistics_.completed(Op::LSeek, startNs, false);
}

}  // namespace fuse_native
