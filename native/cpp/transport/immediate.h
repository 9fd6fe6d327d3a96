// The two invalidations that never wait for a request in flight, and may therefore be sent by the thread that answers
// requests, before a reply: the change is then visible to whoever heard of it by the reply. All others take locks that
// requests hold in the kernel, and belong to the notifier's thread.
#pragma once

#include <cstdint>

#include "fuse_api.h"

namespace fuse_native {

/// FUSE_NOTIFY_INC_EPOCH (Linux 6.16): names the kernel learned before are looked up again when they are next used. One
/// atomic increment in the kernel. 0 or an errno: EINVAL where the kernel does not know it, ENODEV after the end.
int incrementEpoch(int device);

/// FUSE_NOTIFY_INVAL_INODE without pages: marks the attributes of an inode as out of date.
void forgetAttributes(fuse_session* session, uint64_t node);

}  // namespace fuse_native
