// What this process sees mounted (/proc/self/mountinfo), read without touching any mount.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

namespace fuse_native {

struct MountedFilesystem {
  uint32_t major;
  uint32_t minor;
  std::string type;
};

/// The topmost mount at exactly `path` (absolute, no symbolic links).
std::optional<MountedFilesystem> findMount(const std::string& path);

/// The same in the lines of a mountinfo file (proc(5)).
std::optional<MountedFilesystem> findMount(std::istream& mounts, const std::string& path);

/// Lexically absolute and normalised: no `.`, `..`, double or trailing slashes; symbolic links stay.
std::string absolutePath(const std::string& path);

}  // namespace fuse_native
