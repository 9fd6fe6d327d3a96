// Who waits for which bytes, by the first byte that each still misses. What arrives concerns only those whose first
// missing byte is in it: finding them costs O(log n), whoever else waits.
//
// Not synchronised: the content has the lock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "extent_map.h"
#include "write_queue.h"

namespace fuse_native {

class RangeWaiters {
 public:
  struct Waiter {
    WaiterId id;
    uint64_t start;
    uint64_t end;
  };

  /// `missing` is the first byte of [start, end) that is not there.
  void add(const Waiter& waiter, uint64_t missing) { waiting_.emplace(missing, waiter); }

  /// [start, end) is there, or will never be. `firstGap(from, to)` is the first part of a range that is still missed,
  /// empty when there is none; those who miss nothing any more are taken out and appended to `released`, in the order
  /// of their numbers. O(log n + those who waited for a byte of it).
  template <typename FirstGap>
  void arrived(uint64_t start, uint64_t end, FirstGap firstGap, std::vector<WaiterId>& released) {
    const auto before = static_cast<std::ptrdiff_t>(released.size());
    std::vector<Node> waiting;
    for (auto it = waiting_.lower_bound(start); it != waiting_.end() && it->first < end;) {
      Node node = waiting_.extract(it++);
      const Extent gap = firstGap(node.key(), node.mapped().end);
      if (gap.start < gap.end) {
        node.key() = gap.start;
        waiting.push_back(std::move(node));
      } else {
        released.push_back(node.mapped().id);
      }
    }
    for (Node& node : waiting) waiting_.insert(std::move(node));
    std::sort(released.begin() + before, released.end());
  }

  /// Takes out those that `concerned(waiter)` says yes to, of those who miss a byte before `end`.
  template <typename Concerned>
  std::vector<WaiterId> take(uint64_t end, Concerned concerned) {
    std::vector<WaiterId> taken;
    for (auto it = waiting_.begin(); it != waiting_.end() && it->first < end;) {
      const bool gone = concerned(it->second);
      if (gone) taken.push_back(it->second.id);
      it = gone ? waiting_.erase(it) : std::next(it);
    }
    std::sort(taken.begin(), taken.end());
    return taken;
  }

  /// Whether it was there. O(n).
  bool remove(WaiterId id) {
    const auto it = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& w) { return w.second.id == id; });
    if (it == waiting_.end()) return false;
    waiting_.erase(it);
    return true;
  }

  /// All, in the order of their numbers.
  std::vector<Waiter> all() const {
    std::vector<Waiter> list;
    for (const auto& [missing, waiter] : waiting_) list.push_back(waiter);
    std::sort(list.begin(), list.end(), [](const Waiter& a, const Waiter& b) { return a.id < b.id; });
    return list;
  }

  void clear() { waiting_.clear(); }
  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }

 private:
  using Waiting = std::multimap<uint64_t, Waiter>;
  using Node = Waiting::node_type;

  Waiting waiting_;
};

}  // namespace fuse_native
