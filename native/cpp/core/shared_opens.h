// Files that may be opened for reading without asking: a content per node, offered by an answer to an earlier open.
//
// A share ends when it is withdrawn: nobody opens it any more, and when the last handle that was opened from it is
// released, whoever withdrew it is told, so that the content can be closed. Handles opened before keep their share,
// also when the node is offered another one meanwhile.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "content_table.h"

namespace fuse_native {

class SharedOpen {
 public:
  SharedOpen(uint64_t node, ContentPtr content, bool keepCache, bool mayPass)
      : node(node), content(std::move(content)), keepCache(keepCache), mayPass(mayPass) {}

  const uint64_t node;
  const ContentPtr content;
  const bool keepCache;
  /// The kernel may serve the content from its backing file.
  const bool mayPass;

  /// False once withdrawn.
  bool enter() {
    std::lock_guard lock(mutex_);
    if (withdrawn_) return false;
    handles_ += 1;
    return true;
  }
  /// True when this was the last handle of a withdrawn share.
  bool leave() {
    std::lock_guard lock(mutex_);
    handles_ -= 1;
    return withdrawn_ && handles_ == 0;
  }
  /// Whether handles are left.
  bool withdraw() {
    std::lock_guard lock(mutex_);
    withdrawn_ = true;
    return handles_ > 0;
  }

 private:
  std::mutex mutex_;
  uint64_t handles_ = 0;
  bool withdrawn_ = false;
};

class SharedOpens {
 public:
  /// Nothing when the node has a share already.
  void offer(std::shared_ptr<SharedOpen> share) {
    std::unique_lock lock(mutex_);
    const uint64_t node = share->node;
    shares_.emplace(node, std::move(share));
  }
  /// The node's share, entered; null when there is none.
  std::shared_ptr<SharedOpen> enter(uint64_t node) {
    std::shared_lock lock(mutex_);
    const auto found = shares_.find(node);
    return found == shares_.end() || !found->second->enter() ? nullptr : found->second;
  }
  /// Whether handles are left that were opened from it.
  bool withdraw(uint64_t node) {
    std::unique_lock lock(mutex_);
    const auto found = shares_.find(node);
    if (found == shares_.end()) return false;
    const bool left = found->second->withdraw();
    shares_.erase(found);
    return left;
  }
  size_t size() {
    std::shared_lock lock(mutex_);
    return shares_.size();
  }

 private:
  std::shared_mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<SharedOpen>> shares_;
};

}  // namespace fuse_native
