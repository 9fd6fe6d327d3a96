#include "caller.h"

#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fuse_native {

bool isDying(pid_t thread) {
  if (thread <= 0) return false;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(thread));
  FILE* status = std::fopen(path, "re");
  // Signal 0 only asks whether there is somebody.
  if (status == nullptr) return ::kill(thread, 0) != 0 && errno == ESRCH;
  char line[256];
  bool fatal = false;
  while (std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "SigPnd:", 7) == 0 || std::strncmp(line, "ShdPnd:", 7) == 0) {
      fatal = fatal || (std::strtoull(line + 7, nullptr, 16) & (1ull << (SIGKILL - 1))) != 0;
    }
  }
  std::fclose(status);
  return fatal;
}

}  // namespace fuse_native
