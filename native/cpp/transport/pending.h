// Kernel requests that are not answered yet, by number. Taking one out is what entitles to answer it, and only one
// taker can succeed: so each request gets exactly one reply, whoever is faster (JavaScript, the content table, an
// interrupt, shutdown).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "../core/handle.h"
#include "../core/operation.h"
#include "fuse_api.h"

namespace fuse_native {

using RequestId = uint64_t;

struct Pending {
  RequestId id = 0;
  Op op = Op::Lookup;
  fuse_req_t request = nullptr;
  pid_t thread = 0;
  uint64_t startNs = 0;
  uint64_t node = 0;
  std::shared_ptr<Handle> handle;
  ContentPtr content;
  /// Of a read that waits in the content table.
  std::shared_ptr<void> waiting;
  /// Not 0: waits in the content table under this number, and JavaScript does not know the request.
  WaiterId waiter = 0;
  size_t size = 0;
  bool plus = false;
  /// Begins a change that nobody has begun yet: refused once the session is on its way out.
  bool startsChange = false;
  /// Of an open or create, as in open(2); of a rename as in renameat2(2).
  int flags = 0;
  /// Of the inode table when the request was sent up.
  uint64_t asked = 0;
  /// Cookie of a directory page.
  uint64_t offset = 0;
  std::string name;
  uint64_t newParent = 0;
  std::string newName;
  /// Of the content when a flush or fsync was sent up.
  uint64_t generation = 0;
};

class PendingTable {
 public:
  RequestId nextId() { return next_.fetch_add(1, std::memory_order_relaxed); }

  void add(Pending pending) {
    std::lock_guard lock(mutex_);
    const RequestId id = pending.id;
    table_.emplace(id, std::move(pending));
  }
  /// Takes the request when `accepts` says so for its operation. `known` tells an unknown number from a refused one.
  template <typename Accepts>
  std::optional<Pending> take(RequestId id, Accepts accepts, bool& known) {
    std::lock_guard lock(mutex_);
    auto it = table_.find(id);
    known = it != table_.end();
    if (!known || !accepts(it->second)) return std::nullopt;
    std::optional<Pending> taken(std::move(it->second));
    table_.erase(it);
    return taken;
  }
  std::optional<Pending> take(RequestId id) {
    bool known;
    return take(id, [](const Pending&) { return true; }, known);
  }
  /// From here on JavaScript has the request and not the content table. False when it is answered.
  bool unpark(RequestId id, uint64_t generation) {
    std::lock_guard lock(mutex_);
    auto it = table_.find(id);
    if (it == table_.end()) return false;
    it->second.waiter = 0;
    it->second.generation = generation;
    return true;
  }
  std::vector<Pending> takeAll() {
    std::lock_guard lock(mutex_);
    std::vector<Pending> all;
    for (auto& [id, pending] : table_) all.push_back(std::move(pending));
    table_.clear();
    return all;
  }
  /// Whether the request is parked natively; nullopt when it is answered or not there yet.
  std::optional<bool> isParked(RequestId id) {
    std::lock_guard lock(mutex_);
    auto it = table_.find(id);
    if (it == table_.end()) return std::nullopt;
    return it->second.waiter != 0;
  }
  /// 0 when the request is answered or with JavaScript.
  WaiterId waiter(RequestId id) {
    std::lock_guard lock(mutex_);
    const auto it = table_.find(id);
    return it == table_.end() ? 0 : it->second.waiter;
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return table_.size();
  }

 private:
  std::atomic<RequestId> next_{1};
  std::mutex mutex_;
  std::unordered_map<RequestId, Pending> table_;
};

}  // namespace fuse_native
