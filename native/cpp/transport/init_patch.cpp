#include "init_patch.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>

#include "passthrough.h"

namespace fuse_native {

namespace {

ssize_t readDevice(int fd, void* buffer, size_t length, void* userdata) {
  return deviceIoOf(userdata).read(fd, buffer, length);
}

ssize_t writeDevice(int fd, struct iovec* parts, int count, void* userdata) {
  return deviceIoOf(userdata).writev(fd, parts, count);
}

ssize_t spliceDevice(int in, off_t* inOffset, int out, off_t* outOffset, size_t length, unsigned flags, void*) {
  return ::splice(in, inOffset, out, outOffset, length, flags);
}

}  // namespace

int DeviceIo::install(fuse_session* session, bool splice) {
  fuse_custom_io io{};
  if (splice) io.splice_receive = spliceDevice;
  io.read = readDevice;
  io.writev = writeDevice;
  return -fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

ssize_t DeviceIo::read(int fd, void* buffer, size_t length) {
  const ssize_t got = ::read(fd, buffer, length);
  if (initialised_.load(std::memory_order_acquire) || got < static_cast<ssize_t>(sizeof(fuse_in_header))) return got;
  const auto* header = static_cast<const fuse_in_header*>(buffer);
  constexpr size_t flagsEnd = sizeof(fuse_in_header) + offsetof(fuse_init_in, flags) + sizeof(uint32_t);
  if (header->opcode == FUSE_INIT && static_cast<size_t>(got) >= flagsEnd) {
    const auto* init = reinterpret_cast<const fuse_init_in*>(header + 1);
    flags_ = init->flags;
    const bool extended = (init->flags & FUSE_INIT_EXT) != 0;
    if (extended && static_cast<size_t>(got) >= flagsEnd + sizeof(uint32_t)) flags2_ = init->flags2;
  }
  return got;
}

ssize_t DeviceIo::writev(int fd, struct iovec* parts, int count) {
  // INIT is the first request, and the kernel sends no other one before it has the reply. A notification is no reply.
  const bool notification = static_cast<const fuse_out_header*>(parts[0].iov_base)->unique == 0;
  if (notification || initialised_.exchange(true, std::memory_order_acq_rel)) return ::writev(fd, parts, count);
  if (count == 2 && parts[1].iov_len >= offsetof(fuse_init_out, flags) + sizeof(uint32_t)) {
    static_cast<fuse_init_out*>(parts[1].iov_base)->flags |= agreed_;
    passthrough_.answerInit(flags_, flags2_, parts[1].iov_base, parts[1].iov_len);
  }
  const ssize_t written = ::writev(fd, parts, count);
  if (written > 0) passthrough_.initialised(fd);
  answered_ = true;
  return written;
}

}  // namespace fuse_native
