// The way from any thread to the JavaScript thread: a wake to say "requests wait", and a thread-safe function to settle
// promises. It does not keep the process alive by itself; while promises are outstanding it does. After `close` (or
// when the environment has gone) everything sent is dropped.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <mutex>

#include "wake.h"

namespace fuse_native {

class Bridge {
 public:
  /// Builds the value a promise is resolved with, on the JavaScript thread.
  using Value = std::function<napi_value(napi_env)>;

  static std::shared_ptr<Bridge> create(napi_env env, napi_value onRequests);

  void wake();
  /// Calls `work` on the JavaScript thread, in the order of the calls and of settled promises.
  void run(std::function<void(napi_env)> work);
  /// A new promise and the function that settles it from any thread, to be called once. Null after `close`.
  napi_value promise(napi_env env, std::function<void(Value)>& settle);
  /// JavaScript thread only. `force` drops outstanding promises; without it the bridge stays open for them.
  void close(bool force);

 private:
  struct Completion {
    /// Null: nothing but `value` to call.
    napi_deferred deferred;
    Value value;
  };
  static void callJs(napi_env env, napi_value callback, void* context, void* data);
  void settled(napi_env env);
  void post(Completion* completion);

  std::mutex mutex_;
  /// Both or none.
  napi_threadsafe_function function_ = nullptr;
  Wake* wake_ = nullptr;
  size_t outstanding_ = 0;
  std::weak_ptr<Bridge> self_;
};

}  // namespace fuse_native
