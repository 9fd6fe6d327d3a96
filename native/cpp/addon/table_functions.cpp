// The content table itself, its events, and what takes time and therefore gives promises.
#include <unistd.h>

#include <cstring>
#include <utility>

#include "functions.h"
#include "handles.h"

namespace fuse_native {

namespace {

void environmentEnds(void* data) {
  auto* handle = static_cast<TableHandle*>(data);
  handle->target->dispose(true);
  handle->bridge->close(true);
}

void collected(napi_env env, void* data, void*) { collectHandle<ContentTable>(env, data, environmentEnds); }

// limits: operations, bytes, operations and bytes of one handle, dirty bytes
bool limitsOf(Arguments& arguments, size_t index, WriteLimits& limits) {
  size_t length = 0;
  const auto* numbers = static_cast<const double*>(arguments.bytes(index, length));
  if (!arguments.ok()) return false;
  Fields fields(numbers, length / sizeof(double));
  limits.operations = fields.integer();
  limits.bytes = fields.integer();
  limits.handleOperations = fields.integer();
  limits.handleBytes = fields.integer();
  limits.dirtyBytes = fields.integer();
  return fields.ok() && limits.operations > 0 && limits.bytes > 0 && limits.dirtyBytes > 0;
}

// createTable(scratch, onEvents, queueLimit, limits): table, or a negative errno
napi_value createTable(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = std::make_unique<TableHandle>();
  const uint64_t queueLimit = arguments.integer(2);
  WriteLimits limits;
  if (!limitsOf(arguments, 3, limits) || !prepareHandle(arguments, 0, 1, *handle)) return arguments.invalid();
  auto wake = [bridge = handle->bridge] { bridge->wake(); };
  if (const int error = ContentTable::create(wake, handle->target, queueLimit, limits)) {
    handle->bridge->close(true);
    napi_delete_reference(env, handle->scratchReference);
    return arguments.result(-error);
  }
  return exportHandle(env, handle.release(), environmentEnds, collected);
}

// disposeTable(table)
napi_value disposeTable(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  if (!arguments.ok()) return arguments.invalid();
  const int error = handle->target->dispose(false);
  if (error == 0) handle->bridge->close(false);
  return arguments.result(-error);
}

// takeEvents(table, buffer, limit): words used
napi_value takeEvents(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  size_t length = 0;
  void* buffer = arguments.bytes(1, length);
  const uint64_t limit = arguments.integer(2);
  if (!arguments.ok()) return arguments.invalid();
  const size_t used = handle->target->events().take(static_cast<uint64_t*>(buffer), length / sizeof(uint64_t), limit);
  return arguments.result(static_cast<double>(used));
}

// answerEvent(table, id, errno or 0)
napi_value answerEvent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t error = arguments.integer(2);
  if (!arguments.ok() || error > 4095) return arguments.invalid();
  return arguments.result(handle->target->answer(id, static_cast<int>(error)) ? 0 : -ENOENT);
}

class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  ~OwnedDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A promise of a number; `start` gets the function that settles it and returns an errno when it never will.
template <typename Start>
napi_value numberPromise(const Arguments& arguments, Bridge& bridge, Start start) {
  std::function<void(Bridge::Value)> settle;
  napi_value promise = bridge.promise(arguments.env, settle);
  if (promise == nullptr) return arguments.result(-ENODEV);
  auto done = [settle](double result) {
    settle([result](napi_env env) {
      napi_value number;
      napi_create_double(env, result, &number);
      return number;
    });
  };
  if (const int error = start(done)) done(-error);
  return promise;
}

// fill(table, id, offset, bytes)
napi_value fill(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t offset = arguments.integer(2);
  size_t length = 0;
  const auto* bytes = static_cast<const char*>(arguments.bytes(3, length));
  if (!arguments.ok()) return arguments.invalid();
  return numberPromise(arguments, *handle->bridge, [&](auto done) {
    return handle->target->fill(id, offset, std::vector<char>(bytes, bytes + length),
                                [done](int error) { done(-error); });
  });
}

// truncateContent(table, id, size)
napi_value truncateContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t size = arguments.integer(2);
  if (!arguments.ok()) return arguments.invalid();
  return numberPromise(arguments, *handle->bridge, [&](auto done) {
    return handle->target->truncate(id, size, [done](int error) { done(-error); });
  });
}

// allocateContent(table, id, mode, offset, length)
napi_value allocateContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const auto mode = static_cast<int>(arguments.integer(2));
  const uint64_t offset = arguments.integer(3);
  const uint64_t length = arguments.integer(4);
  if (!arguments.ok()) return arguments.invalid();
  return numberPromise(arguments, *handle->bridge, [&](auto done) {
    return handle->target->allocate(id, mode, offset, length, [done](int error) { done(-error); });
  });
}

// freezeContent(table, id): [generation, fd], or a negative errno
napi_value freezeContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  if (!arguments.ok()) return arguments.invalid();
  std::function<void(Bridge::Value)> settle;
  napi_value promise = handle->bridge->promise(env, settle);
  if (promise == nullptr) return arguments.result(-ENODEV);
  auto done = [settle](int error, uint64_t generation, int fd) {
    // Whoever drops the value, because nobody is left to hear, closes the descriptor with it.
    auto file = std::make_shared<OwnedDescriptor>(fd);
    settle([error, generation, file](napi_env env) {
      napi_value result, number;
      if (error != 0) {
        napi_create_double(env, -error, &result);
        return result;
      }
      napi_create_array_with_length(env, 2, &result);
      napi_create_double(env, static_cast<double>(generation), &number);
      napi_set_element(env, result, 0, number);
      napi_create_int32(env, file->release(), &number);
      napi_set_element(env, result, 1, number);
      return result;
    });
  };
  if (const int error = handle->target->freeze(id, done)) done(error, 0, -1);
  return promise;
}

// syncContent(table, id, urgent)
napi_value syncContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const bool urgent = arguments.flag(2);
  if (!arguments.ok()) return arguments.invalid();
  return numberPromise(arguments, *handle->bridge, [&](auto done) {
    return handle->target->sync(id, urgent, [done](int error) { done(-error); });
  });
}

// writeContent(table, id, offset, bytes): bytes written
napi_value writeContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t offset = arguments.integer(2);
  size_t length = 0;
  const auto* bytes = static_cast<const char*>(arguments.bytes(3, length));
  if (!arguments.ok()) return arguments.invalid();
  return numberPromise(arguments, *handle->bridge, [&](auto done) {
    return handle->target->write(id, offset, std::vector<char>(bytes, bytes + length),
                                 [done](ssize_t result) { done(static_cast<double>(result)); });
  });
}

// readContent(table, id, offset, length): Uint8Array, or a negative errno
napi_value readContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t offset = arguments.integer(2);
  const uint64_t length = arguments.integer(3);
  if (!arguments.ok()) return arguments.invalid();
  std::function<void(Bridge::Value)> settle;
  napi_value promise = handle->bridge->promise(env, settle);
  if (promise == nullptr) return arguments.result(-ENODEV);
  auto done = [settle](int error, const char* bytes, size_t count) {
    auto copy = std::make_shared<std::vector<char>>(bytes, bytes + count);
    settle([error, copy](napi_env env) {
      napi_value result, memory;
      if (error != 0) {
        napi_create_double(env, -error, &result);
        return result;
      }
      void* data = nullptr;
      if (napi_create_arraybuffer(env, copy->size(), &data, &memory) != napi_ok) {
        napi_create_double(env, -ENOMEM, &result);
        return result;
      }
      if (!copy->empty()) std::memcpy(data, copy->data(), copy->size());
      napi_create_typedarray(env, napi_uint8_array, copy->size(), memory, 0, &result);
      return result;
    });
  };
  if (const int error = handle->target->read(id, offset, length, done)) done(error, nullptr, 0);
  return promise;
}

}  // namespace

void registerTableFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"createTable", createTable}, {"disposeTable", disposeTable},
                                {"takeEvents", takeEvents},   {"answerEvent", answerEvent},
                                {"fill", fill},               {"syncContent", syncContent},
                                {"readContent", readContent}, {"writeContent", writeContent},
                                {"truncateContent", truncateContent}, {"allocateContent", allocateContent},
                                {"freezeContent", freezeContent}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
