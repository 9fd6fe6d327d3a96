// What this process sees mounted (/proc/self/mountinfo), read without touching any mount.
#pragma once

#include <cstdint>
#include <istream>
#include <mutex>
#include <optional>
#include <string>

namespace fuse_native {

struct MountedFilesystem {
  uint32_t major;
  uint32_t minor;
  std::string type;
};

/// The topmost mount at exactly `path` (absolute, no symbolic links) in the lines of a mountinfo file (proc(5)).
std::optional<MountedFilesystem> findMount(std::istream& mounts, const std::string& path);

/// The process's table, held open: whoever has to unmount can look although no descriptor is to be had any more.
class MountTable {
 public:
  MountTable() = default;
  ~MountTable() { close(); }
  MountTable(const MountTable&) = delete;
  MountTable& operator=(const MountTable&) = delete;

  /// 0 or an errno.
  int open();
  /// Finds nothing from then on.
  void close();
  /// As above. Any thread.
  std::optional<MountedFilesystem> find(const std::string& path);

 private:
  std::mutex mutex_;
  int fd_ = -1;
};

/// Lexically absolute and normalised: no `.`, `..`, double or trailing slashes; symbolic links stay.
std::string absolutePath(const std::string& path);

}  // namespace fuse_native
