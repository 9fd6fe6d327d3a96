// One function per kind of reply. Fixed-size structures come through the scratch array (native/src/encode.ts writes
// it), directory pages as one packed list.
#include "arguments.h"
#include "functions.h"

namespace fuse_native {

namespace {

struct stat attrOf(Fields& fields) {
  struct stat st {};
  st.st_ino = fields.integer();
  st.st_size = static_cast<off_t>(fields.integer());
  st.st_blocks = static_cast<blkcnt_t>(fields.integer());
  st.st_atim = fields.time();
  st.st_mtim = fields.time();
  st.st_ctim = fields.time();
  st.st_mode = static_cast<mode_t>(fields.integer());
  st.st_nlink = fields.integer();
  st.st_uid = static_cast<uid_t>(fields.integer());
  st.st_gid = static_cast<gid_t>(fields.integer());
  st.st_rdev = fields.integer();
  st.st_blksize = static_cast<blksize_t>(fields.integer());
  return st;
}

fuse_entry_param entryOf(Fields& fields) {
  fuse_entry_param entry{};
  entry.ino = fields.integer();
  entry.generation = fields.integer();
  entry.attr_timeout = fields.finite();
  entry.entry_timeout = fields.finite();
  entry.attr = attrOf(fields);
  return entry;
}

OpenAnswer openOf(Fields& fields) {
  OpenAnswer answer;
  answer.handle = fields.integer();
  answer.hasContent = fields.integer() != 0;
  answer.content = fields.integer();
  answer.keepCache = fields.integer() != 0;
  answer.directIo = fields.integer() != 0;
  return answer;
}

// Calls `send(session, id, fields)` with the scratch array behind `fields`.
template <typename Send>
napi_value structured(napi_env env, napi_callback_info info, Send send) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  if (!arguments.ok()) return arguments.invalid();
  Fields fields(handle->scratch, handle->scratchLength);
  return arguments.result(-send(*handle->target, id, fields));
}

napi_value replyError(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  const uint64_t error = arguments.integer(2);
  if (!arguments.ok() || error == 0 || error > 4095) return arguments.invalid();
  return arguments.result(-handle->target->replyError(id, static_cast<int>(error)));
}

napi_value replyOk(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  if (!arguments.ok()) return arguments.invalid();
  return arguments.result(-handle->target->replyOk(id));
}

napi_value replyEntry(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const fuse_entry_param entry = entryOf(fields);
    return fields.ok() ? session.replyEntry(id, entry) : EINVAL;
  });
}

napi_value replyNegative(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  const double timeout = arguments.number(2);
  if (!arguments.ok() || !(timeout >= 0)) return arguments.invalid();
  return arguments.result(-handle->target->replyNegative(id, timeout));
}

napi_value replyAttr(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const double timeout = fields.finite();
    const struct stat attr = attrOf(fields);
    return fields.ok() ? session.replyAttr(id, attr, timeout) : EINVAL;
  });
}

napi_value replyOpen(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const OpenAnswer answer = openOf(fields);
    return fields.ok() ? session.replyOpen(id, answer) : EINVAL;
  });
}

napi_value replyCreate(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const fuse_entry_param entry = entryOf(fields);
    const OpenAnswer answer = openOf(fields);
    return fields.ok() ? session.replyCreate(id, entry, answer) : EINVAL;
  });
}

napi_value replyStatFs(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
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
    return fields.ok() ? session.replyStatFs(id, stat) : EINVAL;
  });
}

// replyDirectory(session, id, packed, count): entries packed into the page. Per entry: offset, ino, type, whether an
// entry follows, the entry, the name.
napi_value replyDirectory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  size_t length = 0;
  const auto* packed = static_cast<const double*>(arguments.bytes(2, length));
  const uint64_t count = arguments.integer(3);
  if (!arguments.ok()) return arguments.invalid();
  Fields fields(packed, length / sizeof(double));
  std::vector<DirectoryEntry> entries;
  for (uint64_t i = 0; i < count && fields.ok(); i++) {
    DirectoryEntry entry{};
    entry.offset = fields.integer();
    const uint64_t ino = fields.integer();
    const uint64_t type = fields.integer();
    if (fields.integer() != 0) {
      entry.entry = entryOf(fields);
    } else {
      entry.entry.attr.st_ino = ino;
      entry.entry.attr.st_mode = static_cast<mode_t>(type);
    }
    entry.name = fields.text();
    entries.push_back(std::move(entry));
  }
  if (!fields.ok()) return arguments.invalid();
  size_t fitted = 0;
  const int error = handle->target->replyDirectory(id, entries, fitted);
  return arguments.result(error != 0 ? -error : static_cast<double>(fitted));
}

napi_value replyBytes(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  size_t length = 0;
  const auto* bytes = static_cast<const char*>(arguments.bytes(2, length));
  if (!arguments.ok()) return arguments.invalid();
  return arguments.result(-handle->target->replyBytes(id, bytes, length));
}

napi_value replySize(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  const uint64_t size = arguments.integer(2);
  if (!arguments.ok()) return arguments.invalid();
  return arguments.result(-handle->target->replySize(id, size));
}

}  // namespace

void registerReplyFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"replyError", replyError},   {"replyOk", replyOk},
                                {"replyEntry", replyEntry},   {"replyNegative", replyNegative},
                                {"replyAttr", replyAttr},     {"replyOpen", replyOpen},
                                {"replyCreate", replyCreate}, {"replyDirectory", replyDirectory},
                                {"replyBytes", replyBytes},   {"replySize", replySize},
                                {"replyStatFs", replyStatFs}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
