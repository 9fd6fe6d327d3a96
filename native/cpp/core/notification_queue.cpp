#include "notification_queue.h"

namespace fuse_native {

namespace {

using Kind = Notification::Kind;

template <typename Number>
void put(std::string& key, Number number) {
  key.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::string keyOf(Kind kind, const Notification& n) {
  std::string key(1, static_cast<char>(kind));
  put(key, n.node);
  if (kind == Kind::Delete) put(key, n.child);
  if (kind == Kind::Inode) {
    put(key, n.offset);
    put(key, n.length);
  } else {
    key += n.name;
  }
  return key;
}

std::string wholeInode(uint64_t node) {
  Notification whole;
  whole.node = node;
  return keyOf(Kind::Inode, whole);
}

}  // namespace

bool NotificationQueue::push(std::deque<Notification> notifications) {
  size_t bytes = bytes_;
  for (const Notification& n : notifications) bytes += n.name.size();
  if (queue_.size() + notifications.size() > kMost || bytes > kMostBytes) return false;
  for (Notification& n : notifications) {
    const bool plain = n.kind != Kind::Store && n.kind != Kind::Barrier;
    std::string key = plain ? keyOf(n.kind, n) : std::string();
    if (plain && covered(n, key)) {
      coalesced_ += 1;
      continue;
    }
    // What is said about an inode after a store has to be said after it, whatever is waiting before it.
    if (n.kind == Kind::Store) keys_.clear();
    if (plain) keys_.insert(key);
    bytes_ += n.name.size();
    queue_.push_back({std::move(n), std::move(key)});
  }
  return true;
}

std::optional<Notification> NotificationQueue::pop() {
  if (queue_.empty()) return std::nullopt;
  Waiting first = std::move(queue_.front());
  queue_.pop_front();
  if (!first.key.empty()) keys_.erase(first.key);
  bytes_ -= first.notification.name.size();
  return std::move(first.notification);
}

bool NotificationQueue::covered(const Notification& n, const std::string& key) const {
  if (keys_.count(key) != 0) return true;
  if (n.kind == Kind::Expire) return keys_.count(keyOf(Kind::Entry, n)) != 0;
  return n.kind == Kind::Inode && keys_.count(wholeInode(n.node)) != 0;
}

}  // namespace fuse_native
