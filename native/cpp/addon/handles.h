// Giving a native object to JavaScript and taking it back when it is collected or the environment ends.
#pragma once

#include "arguments.h"

namespace fuse_native {

/// Sets up the scratch array and the bridge from the arguments with these indexes.
template <typename Target>
bool prepareHandle(Arguments& arguments, size_t scratch, size_t callback, Handled<Target>& handle) {
  size_t bytes = 0;
  handle.scratch = static_cast<double*>(arguments.bytes(scratch, bytes));
  handle.scratchLength = bytes / sizeof(double);
  if (!arguments.ok()) return false;
  handle.bridge = Bridge::create(arguments.env, arguments.value(callback));
  if (handle.bridge == nullptr) return false;
  napi_create_reference(arguments.env, arguments.value(scratch), 1, &handle.scratchReference);
  return true;
}

template <typename Target>
napi_value exportHandle(napi_env env, Handled<Target>* handle, napi_cleanup_hook ends, napi_finalize collected) {
  napi_value external = nullptr;
  napi_create_external(env, handle, collected, nullptr, &external);
  napi_add_env_cleanup_hook(env, ends, handle);
  return external;
}

/// Body of a finalizer: `ends` runs unless the environment has done so already.
template <typename Target>
void collectHandle(napi_env env, void* data, napi_cleanup_hook ends) {
  auto* handle = static_cast<Handled<Target>*>(data);
  napi_remove_env_cleanup_hook(env, ends, handle);
  ends(handle);
  napi_delete_reference(env, handle->scratchReference);
  delete handle;
}

}  // namespace fuse_native
