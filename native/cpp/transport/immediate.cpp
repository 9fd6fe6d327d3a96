#include "immediate.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <cerrno>

namespace fuse_native {

namespace {
// Not in the headers that libfuse 3.14 is built with; from include/uapi/linux/fuse.h of Linux 6.16.
constexpr int32_t kNotifyIncrementEpoch = 8;
}  // namespace

int incrementEpoch(int device) {
  fuse_out_header header{};
  header.len = sizeof header;
  // A message with unique 0 is a notification, and its code stands where a reply has its error.
  header.error = kNotifyIncrementEpoch;
  return ::write(device, &header, sizeof header) < 0 ? errno : 0;
}

void forgetAttributes(fuse_session* session, uint64_t node) {
  // ENOENT says that the kernel does not hold the inode: then nothing about it is out of date.
  fuse_lowlevel_notify_inval_inode(session, node, -1, 0);
}

}  // namespace fuse_native
