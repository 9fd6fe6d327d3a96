// The device I/O of a session, with corrections of the INIT exchange, which passes through here. libfuse 3.14 never
// tells the kernel that directory operations may run in parallel (FUSE_PARALLEL_DIROPS), although it is asked to;
// without the flag one slow lookup freezes its whole directory. It does not know FUSE_HANDLE_KILLPRIV_V2. Both are
// added to the reply when the kernel offered them and the session wants them. The same goes for passthrough
// (passthrough.h).
#pragma once

#include <atomic>

#include "fuse_api.h"

namespace fuse_native {

class Passthrough;

class DeviceIo {
 public:
  explicit DeviceIo(Passthrough& passthrough) : passthrough_(passthrough) {}

  /// Call after fuse_session_mount and before the first receive. libfuse hands out its user data to the callbacks, so
  /// the session has to carry a `DeviceIo*` resolved by `of`.
  static int install(fuse_session* session, bool splice);

  /// The kernel's flags of INIT (FUSE_* of linux/fuse.h), those of `flags2` from bit 32 on; libfuse 3.14 hides some.
  uint64_t offered() const { return flags_ | uint64_t{flags2_} << 32; }
  /// INIT was answered: what was agreed on stays so.
  bool answered() const { return answered_; }
  /// Adds flags (FUSE_* below bit 32, offered ones only) to the reply to INIT.
  void agree(uint32_t flags) { agreed_ = flags; }

  ssize_t read(int fd, void* buffer, size_t length);
  ssize_t writev(int fd, struct iovec* parts, int count);

 private:
  Passthrough& passthrough_;
  uint32_t flags_ = 0;
  uint32_t flags2_ = 0;
  std::atomic<bool> initialised_{false};
  std::atomic<bool> answered_{false};
  std::atomic<uint32_t> agreed_{0};
};

/// Implemented by the session: finds the DeviceIo of a libfuse user pointer.
DeviceIo& deviceIoOf(void* userdata);

}  // namespace fuse_native
