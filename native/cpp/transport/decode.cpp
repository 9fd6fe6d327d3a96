#include "decode.h"

namespace fuse_native {

namespace {

// The kernel's FUSE_NAME_MAX. At a name it does not like it gives up the page, with all entries behind.
constexpr size_t kLongestName = 1024;

bool canBeListed(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

bool hasType(mode_t mode) {
  return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
         S_ISSOCK(mode);
}

struct stat decodeAttr(Fields& fields) {
  struct stat st {};
  st.st_ino = fields.integer();
  st.st_size = static_cast<off_t>(fields.integer());
  st.st_blocks = static_cast<blkcnt_t>(fields.integer());
  st.st_atim = fields.time();
  st.st_mtim = fields.time();
  st.st_ctim = fields.time();
  st.st_mode = fields.narrow();
  st.st_nlink = fields.narrow();
  st.st_uid = fields.narrow();
  st.st_gid = fields.narrow();
  st.st_rdev = fields.narrow();
  st.st_blksize = fields.narrow();
  return st;
}

fuse_entry_param decodeEntry(Fields& fields) {
  fuse_entry_param entry{};
  entry.ino = fields.integer();
  entry.generation = fields.integer();
  entry.attr_timeout = fields.finite();
  entry.entry_timeout = fields.finite();
  entry.attr = decodeAttr(fields);
  if (entry.ino != 0 && !hasType(entry.attr.st_mode)) fields.refuse();
  return entry;
}

OpenAnswer decodeOpen(Fields& fields) {
  OpenAnswer answer;
  answer.handle = fields.integer();
  answer.hasContent = fields.integer() != 0;
  answer.content = fields.integer();
  answer.keepCache = fields.integer() != 0;
  answer.directIo = fields.integer() != 0;
  answer.mayPass = fields.integer() != 0;
  answer.shareable = fields.integer() != 0;
  return answer;
}

struct statvfs decodeStatFs(Fields& fields) {
  struct statvfs stat {};
  stat.f_bsize = fields.integer();
  stat.f_frsize = fields.integer();
  stat.f_blocks = fields.integer();
  stat.f_bfree = fields.integer();
  stat.f_bavail = fields.integer();
  stat.f_files = fields.integer();
  stat.f_ffree = fields.integer();
  stat.f_favail = fields.integer();
  stat.f_namemax = fields.integer();
  return stat;
}

bool decodeDirectory(Fields& fields, uint64_t count, std::vector<DirectoryEntry>& out) {
  for (uint64_t i = 0; i < count && fields.ok(); i++) {
    DirectoryEntry entry{};
    entry.offset = fields.integer();
    const uint64_t ino = fields.integer();
    const mode_t type = fields.narrow();
    if (fields.integer() != 0) {
      entry.entry = decodeEntry(fields);
    } else {
      entry.entry.attr.st_ino = ino;
      entry.entry.attr.st_mode = type;
    }
    entry.name = fields.text();
    if (!canBeListed(entry.name)) fields.refuse();
    out.push_back(std::move(entry));
  }
  return fields.ok();
}

bool decodeNotifications(Fields& fields, uint64_t count, std::deque<Notification>& out) {
  for (uint64_t i = 0; i < count && fields.ok(); i++) {
    Notification n;
    const uint64_t kind = fields.integer();
    if (kind >= static_cast<uint64_t>(Notification::Kind::Barrier)) return false;
    n.kind = static_cast<Notification::Kind>(kind);
    n.node = fields.integer();
    n.child = fields.integer();
    n.offset = fields.position();
    n.length = fields.position();
    n.name = fields.text();
    out.push_back(std::move(n));
  }
  return fields.ok();
}

}  // namespace fuse_native
