// An open file description of the kernel: who it is upstairs, which content serves it, whether it reads in sequence,
// what it has written, and which errors of its content it has heard of.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "content_table.h"
#include "shared_opens.h"

namespace fuse_native {

class Handle {
 public:
  Handle(uint64_t id, uint64_t node, ContentPtr content)
      : id(id), node(node), content(std::move(content)) {
    if (this->content != nullptr) heard_ = this->content->errors.sample();
  }

  const uint64_t id;
  const uint64_t node;
  /// Null when reads go up.
  const ContentPtr content;
  /// What the opener may do, and how the kernel serves it; both as the handle was attached to the content.
  Access access = Access::Read;
  IoMode mode = IoMode::Cached;
  /// Opened without asking from this share.
  std::shared_ptr<SharedOpen> share;

  bool writable() const { return access != Access::Read; }

  /// The last error of the content that this handle has not heard of, 0 when there is none. Counts as heard then.
  int takeError() { return content == nullptr ? 0 : content->errors.take(heard_); }

  /// Made with the first write.
  std::shared_ptr<WriteAccount> account(ContentTable& table) {
    std::lock_guard lock(mutex_);
    if (account_ == nullptr) account_ = table.openAccount(id, content->id);
    return account_;
  }

  /// Length in bytes of the sequential run this read belongs to, itself included; 0 when it starts somewhere else.
  /// Read-ahead arrives on several threads at once, so a little disorder still counts as a sequence.
  uint64_t sequentialRun(uint64_t offset, uint64_t length) {
    constexpr uint64_t slack = 512 * 1024;
    std::lock_guard lock(mutex_);
    const bool follows = offset <= expected_ + slack && expected_ <= offset + slack;
    run_ = follows ? run_ + length : 0;
    expected_ = follows ? std::max(expected_, offset + length) : offset + length;
    return run_;
  }

  /// Counts one waiting read of this handle for as long as it is kept.
  static std::shared_ptr<void> beginWaiting(const std::shared_ptr<Handle>& handle) {
    handle->waiting_.fetch_add(1, std::memory_order_relaxed);
    return {nullptr, [handle](void*) { handle->waiting_.fetch_sub(1, std::memory_order_relaxed); }};
  }
  bool isWaiting() const { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  std::mutex mutex_;
  std::atomic<unsigned> waiting_{0};
  uint64_t expected_ = 0;
  uint64_t run_ = 0;
  std::shared_ptr<WriteAccount> account_;
  std::atomic<uint64_t> heard_{0};
};

}  // namespace fuse_native
