// Calls a JavaScript function from any thread; many calls before the event loop comes round are one. This is libuv's
// own handle and not a thread-safe function: that one holds a lock while it wakes the loop, and a loop that is woken on
// the same processor runs into it, which costs every request two more context switches.
#pragma once

#include <node_api.h>

namespace fuse_native {

class Wake {
 public:
  /// JavaScript thread. Null when the environment cannot have one any more. Does not keep the process alive.
  static Wake* create(napi_env env, napi_value function);
  /// Any thread, until `close`.
  void send();
  /// JavaScript thread. The object goes when the loop has let go of it.
  void close();

 private:
  explicit Wake(napi_env env) : env_(env) {}
  void call();

  napi_env const env_;
  void* async_ = nullptr;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
};

}  // namespace fuse_native
