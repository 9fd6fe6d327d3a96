#include "operations.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "../core/fields.h"
#include "../core/utf8.h"
#include "upcall.h"

namespace fuse_native {

namespace {

// A name that is not UTF-8 cannot exist here: looking for it finds nothing, making it is refused.
bool refusedName(fuse_req_t request, const char* name, int error = EILSEQ) {
  if (isUtf8(name)) return false;
  fuse_reply_err(request, error);
  return true;
}

// Before a write the kernel wants to know whether the file has capabilities to be dropped: before each one, or, with
// Feature::KillPrivileges, once after its attributes came. Files here have none, and asking JavaScript would cost more
// than the write.
bool isCapability(const char* name) { return std::strcmp(name, "security.capability") == 0; }

void init(void* userdata, fuse_conn_info* connection) { static_cast<Session*>(userdata)->initialise(connection); }

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (refusedName(request, name, ENOENT) || sessionOf(request).answerLookup(request, parent, name)) return;
  Upcall(request, Op::Lookup, parent).name(name).send();
}

void forget(fuse_req_t request, fuse_ino_t node, uint64_t count) {
  Session& session = sessionOf(request);
  fuse_reply_none(request);
  session.forget({{node, count}});
}

void forgetMulti(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  Session& session = sessionOf(request);
  std::vector<std::pair<uint64_t, uint64_t>> nodes;
  nodes.reserve(count);
  for (size_t i = 0; i < count; i++) nodes.emplace_back(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(request);
  session.forget(nodes);
}

void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  if (sessionOf(request).answerAttributes(request, node)) return;
  Upcall call(request, Op::GetAttr, node);
  call.record.number(sessionOf(request).handleField(info));
  call.send();
}

void timeFields(Record& record, bool set, bool now, const timespec& time) {
  record.integer(now ? 2 : set ? 1 : 0);
  record.number(static_cast<double>(time.tv_sec)).number(static_cast<double>(time.tv_nsec));
}

void setattr(fuse_req_t request, fuse_ino_t node, struct stat* attr, int valid, fuse_file_info* info) {
  if ((valid & FUSE_SET_ATTR_SIZE) != 0 && !isExact(static_cast<uint64_t>(attr->st_size))) {
    fuse_reply_err(request, EFBIG);
    return;
  }
  Upcall call(request, Op::SetAttr, node);
  call.pending.startsChange = info == nullptr;
  Record& record = call.record;
  record.number(sessionOf(request).handleField(info));
  valid& FUSE_SET_ATTR_MODE ? record.integer(attr->st_mode) : record.absent();
  valid& FUSE_SET_ATTR_UID ? record.integer(attr->st_uid) : record.absent();
  valid& FUSE_SET_ATTR_GID ? record.integer(attr->st_gid) : record.absent();
  valid& FUSE_SET_ATTR_SIZE ? record.integer(static_cast<uint64_t>(attr->st_size)) : record.absent();
  timeFields(record, valid & FUSE_SET_ATTR_ATIME, valid & FUSE_SET_ATTR_ATIME_NOW, attr->st_atim);
  timeFields(record, valid & FUSE_SET_ATTR_MTIME, valid & FUSE_SET_ATTR_MTIME_NOW, attr->st_mtim);
  call.send();
}

void readlink(fuse_req_t request, fuse_ino_t node) { Upcall(request, Op::ReadLink, node).send(); }

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  if (refusedName(request, name)) return;
  Upcall call(request, Op::MkNod, parent);
  call.name(name).record.integer(mode).integer(rdev);
  call.send();
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  if (refusedName(request, name)) return;
  Upcall call(request, Op::MkDir, parent);
  call.name(name).record.integer(mode);
  call.send();
}

void named(fuse_req_t request, Op op, fuse_ino_t parent, const char* name) {
  if (refusedName(request, name, ENOENT)) return;
  Upcall(request, op, parent).name(name).send();
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) { named(request, Op::Unlink, parent, name); }
void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) { named(request, Op::RmDir, parent, name); }

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  if (refusedName(request, name) || refusedName(request, target)) return;
  Upcall call(request, Op::SymLink, parent);
  call.name(name).record.text(target);
  call.send();
}

void link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
  if (refusedName(request, name)) return;
  Upcall call(request, Op::Link, parent);
  call.name(name).record.integer(node).after(node);
  call.send();
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t newParent, const char* newName,
            unsigned flags) {
  if (refusedName(request, name, ENOENT) || refusedName(request, newName)) return;
  Upcall call(request, Op::Rename, parent);
  call.pending.newParent = newParent;
  call.pending.newName = newName;
  call.pending.flags = static_cast<int>(flags);
  call.name(name).record.integer(newParent).text(newName).integer(flags).after(newParent);
  call.send();
}

void open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  if (sessionOf(request).answerOpen(request, node, info->flags)) return;
  Upcall call(request, Op::Open, node);
  call.pending.startsChange = (info->flags & O_ACCMODE) != O_RDONLY;
  call.pending.flags = info->flags;
  call.record.integer(static_cast<unsigned>(info->flags));
  call.send();
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  if (refusedName(request, name)) return;
  Upcall call(request, Op::Create, parent);
  call.pending.flags = info->flags;
  call.name(name).record.integer(mode).integer(static_cast<unsigned>(info->flags));
  call.send();
}

void read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* info) {
  sessionOf(request).read(request, node, size, static_cast<uint64_t>(offset), info->fh);
}

void write(fuse_req_t request, fuse_ino_t, const char* bytes, size_t size, off_t offset, fuse_file_info* info) {
  // O_SYNC contains O_DSYNC.
  const bool synchronous = (info->flags & O_DSYNC) != 0;
  sessionOf(request).write(request, bytes, size, static_cast<uint64_t>(offset), synchronous, info->fh);
}

void flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  sessionOf(request).flush(request, node, info->fh);
}

void fsync(fuse_req_t request, fuse_ino_t node, int dataOnly, fuse_file_info* info) {
  sessionOf(request).fsync(request, node, dataOnly != 0, info->fh);
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) { sessionOf(request).release(request, info->fh); }

// Directories need no handle: cookies carry the position. ENOSYS tells the kernel not to ask again.
void opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  if (sessionOf(request).features().has(Feature::NoOpendir)) {
    fuse_reply_err(request, ENOSYS);
  } else {
    fuse_reply_open(request, info);
  }
}

void readDirectory(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, bool plus) {
  if (sessionOf(request).answerDirectory(request, node, size, static_cast<uint64_t>(offset), plus)) return;
  Upcall call(request, Op::ReadDir, node);
  call.pending.size = size;
  call.pending.offset = static_cast<uint64_t>(offset);
  call.pending.plus = plus;
  call.record.integer(static_cast<uint64_t>(offset)).integer(size).integer(plus ? 1 : 0);
  call.send();
}

void readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info*) {
  readDirectory(request, node, size, offset, false);
}

void readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, fuse_file_info*) {
  readDirectory(request, node, size, offset, true);
}

void fsyncdir(fuse_req_t request, fuse_ino_t node, int, fuse_file_info*) { Upcall(request, Op::FSyncDir, node).send(); }

void statfs(fuse_req_t request, fuse_ino_t node) { Upcall(request, Op::StatFs, node).send(); }

void setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, size_t size, int flags) {
  if (refusedName(request, name)) return;
  if (isCapability(name)) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  Upcall call(request, Op::SetXattr, node);
  call.record.text(name).bytes(value, size).integer(static_cast<unsigned>(flags));
  call.send();
}

void getxattr(fuse_req_t request, fuse_ino_t node, const char* name, size_t size) {
  if (refusedName(request, name, ENODATA)) return;
  if (isCapability(name)) {
    sessionOf(request).answer(request, Op::GetXattr, monotonicNs(), ENODATA);
    return;
  }
  Upcall call(request, Op::GetXattr, node);
  call.pending.size = size;
  call.record.text(name).integer(size);
  call.send();
}

void listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  Upcall call(request, Op::ListXattr, node);
  call.pending.size = size;
  call.record.integer(size);
  call.send();
}

void removexattr(fuse_req_t request, fuse_ino_t node, const char* name) {
  if (refusedName(request, name, ENODATA)) return;
  Upcall call(request, Op::RemoveXattr, node);
  call.record.text(name);
  call.send();
}

void access(fuse_req_t request, fuse_ino_t node, int mask) {
  Upcall call(request, Op::Access, node);
  call.record.integer(static_cast<unsigned>(mask));
  call.send();
}

void fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length, fuse_file_info* info) {
  sessionOf(request).fallocate(request, node, mode, static_cast<uint64_t>(offset), static_cast<uint64_t>(length),
                               info->fh);
}

void lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  sessionOf(request).seek(request, static_cast<uint64_t>(offset), whence, info->fh);
}

}  // namespace

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.lookup = lookup;
    ops.forget = forget;
    ops.forget_multi = forgetMulti;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.readlink = readlink;
    ops.mknod = mknod;
    ops.mkdir = mkdir;
    ops.unlink = unlink;
    ops.rmdir = rmdir;
    ops.symlink = symlink;
    ops.link = link;
    ops.rename = rename;
    ops.open = open;
    ops.create = create;
    ops.read = read;
    ops.write = write;
    ops.flush = flush;
    ops.fsync = fsync;
    ops.release = release;
    ops.opendir = opendir;
    ops.readdir = readdir;
    ops.readdirplus = readdirplus;
    ops.fsyncdir = fsyncdir;
    ops.statfs = statfs;
    ops.setxattr = setxattr;
    ops.getxattr = getxattr;
    ops.listxattr = listxattr;
    ops.removexattr = removexattr;
    ops.access = access;
    ops.fallocate = fallocate;
    ops.lseek = lseek;
    return ops;
  }();
  return table;
}

}  // namespace fuse_native
