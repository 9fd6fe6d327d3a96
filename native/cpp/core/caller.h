// What the system knows of a thread that waits for an answer.
#pragma once

#include <sys/types.h>

namespace fuse_native {

/// Whether a thread is about to be killed or is gone already, so that nobody waits any more. False for one that cannot be
/// told: 0 stands for a caller in a process namespace that we do not see, and /proc may hide those of other users.
bool isDying(pid_t thread);

}  // namespace fuse_native
