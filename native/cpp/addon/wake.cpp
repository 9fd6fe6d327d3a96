#include "wake.h"

#include <cstdlib>

// Node gives its addons libuv and promises version 1's binary interface; without its headers, handles are opaque.
extern "C" {
int uv_async_init(uv_loop_s* loop, void* async, void (*callback)(void*));
int uv_async_send(void* async);
void uv_close(void* handle, void (*callback)(void*));
void uv_unref(void* handle);
size_t uv_handle_size(int type);
void* uv_handle_get_data(const void* handle);
void uv_handle_set_data(void* handle, void* data);
}

namespace fuse_native {

namespace {
constexpr int kAsyncHandle = 1;  // UV_ASYNC
}

Wake* Wake::create(napi_env env, napi_value function) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* wake = new Wake(env);
  wake->async_ = std::calloc(1, uv_handle_size(kAsyncHandle));
  auto called = [](void* async) { static_cast<Wake*>(uv_handle_get_data(async))->call(); };
  if (wake->async_ == nullptr || uv_async_init(loop, wake->async_, called) != 0) {
    std::free(wake->async_);
    delete wake;
    return nullptr;
  }
  uv_handle_set_data(wake->async_, wake);
  uv_unref(wake->async_);
  napi_value name;
  napi_create_reference(env, function, 1, &wake->function_);
  napi_create_string_utf8(env, "fuse-native", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &wake->context_);
  // The end of the environment waits until the loop has let go.
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Wake*>(data)->close(); }, wake, &wake->hook_);
  return wake;
}

void Wake::send() { uv_async_send(async_); }

void Wake::close() {
  if (closing_) return;
  closing_ = true;
  napi_delete_reference(env_, function_);
  napi_async_destroy(env_, context_);
  uv_close(async_, [](void* async) {
    auto* wake = static_cast<Wake*>(uv_handle_get_data(async));
    napi_remove_async_cleanup_hook(wake->hook_);
    std::free(async);
    delete wake;
  });
}

void Wake::call() {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value function, receiver, result;
  napi_get_reference_value(env_, function_, &function);
  napi_get_global(env_, &receiver);
  if (napi_make_callback(env_, context_, receiver, function, 0, nullptr, &result) == napi_pending_exception) {
    napi_value exception;
    napi_get_and_clear_last_exception(env_, &exception);
    napi_fatal_exception(env_, exception);
  }
  napi_close_handle_scope(env_, scope);
}

}  // namespace fuse_native
