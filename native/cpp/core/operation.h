// The operations of a session by number: the numbers are part of the record format (native/src/layouts.ts has the
// same table) and index the statistics.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuse_native {

enum class Op : uint32_t {
  Lookup = 1,
  Forget,
  GetAttr,
  SetAttr,
  ReadLink,
  MkNod,
  MkDir,
  Unlink,
  RmDir,
  SymLink,
  Link,
  Rename,
  Open,
  Create,
  Read,
  Flush,
  FSync,
  Release,
  ReadDir,
  FSyncDir,
  StatFs,
  SetXattr,
  GetXattr,
  ListXattr,
  RemoveXattr,
  Access,
  FAllocate,
  Dirty,
  Fetch,
  Cancel,
  Closed,
  // Answered natively, never sent up.
  Write,
  LSeek,
  // An event of a content table.
  Space,
  /// The last handle of a withdrawn share was released.
  Drained,
  Count
};

/// Whatever the arguments are. Opens and attribute changes depend on them, what an open file does is never a start.
inline bool startsChange(Op op) {
  switch (op) {
    case Op::MkNod:
    case Op::MkDir:
    case Op::Unlink:
    case Op::RmDir:
    case Op::SymLink:
    case Op::Link:
    case Op::Rename:
    case Op::Create:
    case Op::SetXattr:
    case Op::RemoveXattr:
      return true;
    default:
      return false;
  }
}

inline const char* opName(Op op) {
  static const char* const names[] = {
      "",        "lookup",  "forget",    "getattr",   "setattr",     "readlink", "mknod",     "mkdir", "unlink",
      "rmdir",   "symlink", "link",      "rename",    "open",        "create",   "read",      "flush", "fsync",
      "release", "readdir", "fsyncdir",  "statfs",    "setxattr",    "getxattr", "listxattr", "removexattr",
      "access",  "fallocate", "dirty",   "fetch",     "cancel",      "closed",   "write",     "lseek", "space",
      "drained"};
  static_assert(sizeof(names) / sizeof(names[0]) == static_cast<size_t>(Op::Count), "one name per operation");
  return names[static_cast<uint32_t>(op)];
}

}  // namespace fuse_native
