#include "mount_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <sstream>
#include <vector>

namespace fuse_native {

namespace {

bool isOctal(const std::string& field, size_t at) {
  for (size_t i = at; i < at + 3; i++) {
    if (field[i] < '0' || field[i] > '7') return false;
  }
  return true;
}

// Spaces, tabs, newlines and backslashes are written as \ooo (proc(5)).
std::string unescape(const std::string& field) {
  std::string out;
  for (size_t i = 0; i < field.size(); i++) {
    if (field[i] == '\\' && i + 3 < field.size() && isOctal(field, i + 1)) {
      out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0'));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

}  // namespace

int MountTable::open() {
  std::lock_guard lock(mutex_);
  fd_ = ::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
  return fd_ < 0 ? errno : 0;
}

void MountTable::close() {
  std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::optional<MountedFilesystem> MountTable::find(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (fd_ < 0 || ::lseek(fd_, 0, SEEK_SET) != 0) return std::nullopt;
  std::string lines;
  char part[4096];
  for (ssize_t got = 0; (got = ::read(fd_, part, sizeof part)) > 0;) lines.append(part, static_cast<size_t>(got));
  std::istringstream mounts(lines);
  return findMount(mounts, path);
}

std::optional<MountedFilesystem> findMount(std::istream& mounts, const std::string& path) {
  std::optional<MountedFilesystem> found;
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point, word;
    fields >> id >> parent >> device >> root >> point;
    if (unescape(point) != path) continue;
    while (fields >> word && word != "-") {
    }
    MountedFilesystem mount{};
    fields >> mount.type;
    if (std::sscanf(device.c_str(), "%u:%u", &mount.major, &mount.minor) == 2) found = mount;
  }
  return found;
}

std::string absolutePath(const std::string& path) {
  std::string full = path;
  if (path.empty() || path[0] != '/') {
    char cwd[PATH_MAX];
    full = std::string(::getcwd(cwd, sizeof cwd) != nullptr ? cwd : "") + "/" + path;
  }
  std::vector<std::string> parts;
  std::istringstream segments(full);
  std::string segment;
  while (std::getline(segments, segment, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.push_back(segment);
    }
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

}  // namespace fuse_native
