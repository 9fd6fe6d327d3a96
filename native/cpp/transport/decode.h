// Structures that JavaScript packed (native/src/encode.ts has the same order of fields). Check `fields.ok()`
// afterwards: what was not there or no number is zero.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <deque>
#include <vector>

#include "../core/fields.h"
#include "session.h"

namespace fuse_native {

/// Whether a mode says what kind of file it is. The kernel takes no other attributes, and no lookup with them.
bool hasType(mode_t mode);
struct stat decodeAttr(Fields& fields);
/// Refused as well: a node whose mode has no type.
fuse_entry_param decodeEntry(Fields& fields);
OpenAnswer decodeOpen(Fields& fields);
struct statvfs decodeStatFs(Fields& fields);
/// Per entry: offset, ino, type, whether an entry follows, the entry, the name. False when something was unusable, a name
/// that no directory can have included.
bool decodeDirectory(Fields& fields, uint64_t count, std::vector<DirectoryEntry>& out);
/// Per notification: kind (0 entry, 1 delete, 2 inode, 3 expire, 4 store), node, child, offset, length, name.
bool decodeNotifications(Fields& fields, uint64_t count, std::deque<Notification>& out);

}  // namespace fuse_native
