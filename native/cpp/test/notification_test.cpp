#include "../core/notification_queue.h"

#include "check.h"

using namespace fuse_native;
using Kind = Notification::Kind;

namespace {

Notification named(Kind kind, uint64_t parent, const char* name, uint64_t child = 0) {
  Notification n;
  n.kind = kind;
  n.node = parent;
  n.child = child;
  n.name = name;
  return n;
}

Notification inode(uint64_t node, int64_t offset = 0, int64_t length = 0) {
  Notification n;
  n.kind = Kind::Inode;
  n.node = node;
  n.offset = offset;
  n.length = length;
  return n;
}

bool push(NotificationQueue& queue, Notification one) {
  std::deque<Notification> list;
  list.push_back(std::move(one));
  return queue.push(std::move(list));
}

}  // namespace

TEST(notifications_that_were_said_are_dropped_while_they_wait) {
  NotificationQueue queue;
  push(queue, named(Kind::Entry, 1, "a"));
  push(queue, named(Kind::Entry, 1, "a"));
  push(queue, named(Kind::Expire, 1, "a"));
  push(queue, named(Kind::Entry, 1, "b"));
  push(queue, named(Kind::Entry, 2, "a"));
  CHECK(queue.size() == 3 && queue.coalesced() == 2);
  CHECK(queue.pop()->name == "a");
  // It is on its way: what changes from now on has to be said again.
  push(queue, named(Kind::Entry, 1, "a"));
  CHECK(queue.size() == 3);
  push(queue, named(Kind::Expire, 1, "c"));
  push(queue, named(Kind::Entry, 1, "c"));
  CHECK(queue.size() == 5);
}

TEST(notifications_of_deletions_are_kept_for_their_watchers) {
  NotificationQueue queue;
  push(queue, named(Kind::Entry, 1, "a"));
  push(queue, named(Kind::Delete, 1, "a", 7));
  push(queue, named(Kind::Delete, 1, "a", 7));
  push(queue, named(Kind::Delete, 1, "a", 8));
  CHECK(queue.size() == 3);
}

TEST(notifications_of_an_inode_cover_smaller_ones) {
  NotificationQueue queue;
  push(queue, inode(5, -1));
  push(queue, inode(5, -1));
  push(queue, inode(5, 4096, 4096));
  push(queue, inode(5));
  push(queue, inode(5, -1));
  push(queue, inode(5, 0, 100));
  push(queue, inode(6, -1));
  CHECK(queue.size() == 4);
  for (int i = 0; i < 4; i++) CHECK(queue.pop().has_value());
  CHECK(!queue.pop().has_value());
}

TEST(notifications_after_a_store_are_said_after_it) {
  NotificationQueue queue;
  push(queue, inode(5));
  push(queue, named(Kind::Store, 5, "bytes"));
  push(queue, named(Kind::Store, 5, "bytes"));
  push(queue, inode(5));
  CHECK(queue.size() == 4);
  CHECK(queue.pop()->kind == Kind::Inode && queue.pop()->kind == Kind::Store);
}

TEST(notifications_are_bounded_in_number_and_bytes_all_or_none) {
  NotificationQueue queue;
  std::deque<Notification> many;
  for (uint64_t i = 0; i < NotificationQueue::kMost; i++) many.push_back(inode(i + 1));
  CHECK(queue.push(std::move(many)));
  CHECK(!push(queue, inode(1)));
  CHECK(queue.pop().has_value() && push(queue, inode(1)));

  NotificationQueue heavy;
  const std::string block(32 << 20, 'x');
  for (int i = 0; i < 2; i++) CHECK(push(heavy, named(Kind::Store, 1, block.c_str())));
  CHECK(!push(heavy, named(Kind::Store, 1, "x")));
  CHECK(heavy.pop().has_value() && push(heavy, named(Kind::Store, 1, "x")));
}
