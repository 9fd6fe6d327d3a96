// The mountpoints that this process serves. Walking into one of them from the JavaScript thread would wait for itself,
// so paths are compared by name before anything touches them.
#pragma once

#include <mutex>
#include <set>
#include <string>

namespace fuse_native {

class LiveMounts {
 public:
  /// False when the path is a live mountpoint or lies below one.
  bool add(const std::string& path) {
    std::lock_guard lock(mutex_);
    if (coversLocked(path)) return false;
    paths_.insert(path);
    return true;
  }
  bool covers(const std::string& path) {
    std::lock_guard lock(mutex_);
    return coversLocked(path);
  }
  void remove(const std::string& path) {
    std::lock_guard lock(mutex_);
    paths_.erase(path);
  }

  /// One per process, shared by all environments, never destroyed: threads may outlive static destruction.
  static LiveMounts& instance() {
    static LiveMounts* const mounts = new LiveMounts;
    return *mounts;
  }

 private:
  bool coversLocked(const std::string& path) const {
    for (const std::string& mount : paths_) {
      if (path == mount || path.compare(0, mount.size() + 1, mount + "/") == 0) return true;
    }
    return false;
  }

  std::mutex mutex_;
  std::set<std::string> paths_;
};

}  // namespace fuse_native
