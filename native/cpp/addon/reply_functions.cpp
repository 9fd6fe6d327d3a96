// One function per kind of reply. Fixed-size structures come through the scratch array (native/src/encode.ts writes
// it), directory pages as one packed list.
#include "../transport/decode.h"
#include "arguments.h"
#include "functions.h"

namespace fuse_native {

namespace {

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
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t id = arguments.integer(1);
    const uint64_t error = arguments.integer(2);
    if (!arguments.ok() || error == 0 || error > 4095) return -EINVAL;
    return -session.replyError(id, static_cast<int>(error));
  });
}

// replyOk(session, id, cookie)
napi_value replyOk(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t id = arguments.integer(1);
    const uint64_t cookie = arguments.integer(2);
    return arguments.ok() ? -session.replyOk(id, cookie) : -EINVAL;
  });
}

napi_value replyEntry(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const fuse_entry_param entry = decodeEntry(fields);
    const uint64_t cookie = fields.integer();
    return fields.ok() ? session.replyEntry(id, entry, cookie) : EINVAL;
  });
}

napi_value replyNegative(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t id = arguments.integer(1);
    const double timeout = arguments.number(2);
    return arguments.ok() && timeout >= 0 ? -session.replyNegative(id, timeout) : -EINVAL;
  });
}

napi_value replyAttr(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const double timeout = fields.finite();
    const struct stat attr = decodeAttr(fields);
    return fields.ok() && hasType(attr.st_mode) ? session.replyAttr(id, attr, timeout) : EINVAL;
  });
}

napi_value replyOpen(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const OpenAnswer answer = decodeOpen(fields);
    return fields.ok() ? session.replyOpen(id, answer) : EINVAL;
  });
}

napi_value replyCreate(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const fuse_entry_param entry = decodeEntry(fields);
    const uint64_t cookie = fields.integer();
    const OpenAnswer answer = decodeOpen(fields);
    return fields.ok() ? session.replyCreate(id, entry, answer, cookie) : EINVAL;
  });
}

napi_value replyStatFs(napi_env env, napi_callback_info info) {
  return structured(env, info, [](Session& session, RequestId id, Fields& fields) {
    const struct statvfs stat = decodeStatFs(fields);
    return fields.ok() ? session.replyStatFs(id, stat) : EINVAL;
  });
}

// replyDirectory(session, id, packed, count, last, timeout): how many entries went into the page; they are no part of a
// listing when the timeout is negative
napi_value replyDirectory(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  const uint64_t id = arguments.integer(1);
  size_t length = 0;
  const auto* packed = static_cast<const double*>(arguments.bytes(2, length));
  const uint64_t count = arguments.integer(3);
  const ListingPart part{arguments.flag(4), arguments.number(5)};
  if (!arguments.ok()) return arguments.invalid();
  Fields fields(packed, length / sizeof(double));
  std::vector<DirectoryEntry> entries;
  if (!decodeDirectory(fields, count, entries)) return arguments.invalid();
  size_t fitted = 0;
  const int error = handle->target->replyDirectory(id, entries, fitted, part.timeout >= 0 ? &part : nullptr);
  return arguments.result(error != 0 ? -error : static_cast<double>(fitted));
}

napi_value replyBytes(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t id = arguments.integer(1);
    size_t length = 0;
    const auto* bytes = static_cast<const char*>(arguments.bytes(2, length));
    return arguments.ok() ? -session.replyBytes(id, bytes, length) : -EINVAL;
  });
}

napi_value replySize(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t id = arguments.integer(1);
    const uint64_t size = arguments.integer(2);
    return arguments.ok() ? -session.replySize(id, size) : -EINVAL;
  });
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
