// Open handles by the number the kernel carries. The numbers are the table's own and never reused, whatever ids
// JavaScript gives its handles.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "../core/handle.h"

namespace fuse_native {

class HandleTable {
 public:
  uint64_t add(std::shared_ptr<Handle> handle) {
    std::unique_lock lock(mutex_);
    table_.emplace(++last_, std::move(handle));
    return last_;
  }
  std::shared_ptr<Handle> find(uint64_t number) {
    std::shared_lock lock(mutex_);
    auto it = table_.find(number);
    return it == table_.end() ? nullptr : it->second;
  }
  std::shared_ptr<Handle> remove(uint64_t number) {
    std::unique_lock lock(mutex_);
    auto it = table_.find(number);
    if (it == table_.end()) return nullptr;
    auto handle = std::move(it->second);
    table_.erase(it);
    return handle;
  }
  std::vector<std::shared_ptr<Handle>> removeAll() {
    std::unique_lock lock(mutex_);
    std::vector<std::shared_ptr<Handle>> all;
    for (auto& [number, handle] : table_) all.push_back(std::move(handle));
    table_.clear();
    return all;
  }
  size_t size() {
    std::shared_lock lock(mutex_);
    return table_.size();
  }

 private:
  std::shared_mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<Handle>> table_;
  uint64_t last_ = 0;
};

}  // namespace fuse_native
