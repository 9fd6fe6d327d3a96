#include <node_api.h>

#include "functions.h"
#include "shutdown_functions.h"

namespace fuse_native {

void registerFunctions(napi_env env, napi_value exports, const Function* functions, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function;
    const auto& [name, call] = functions[i];
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, name, function) != napi_ok) {
      napi_throw_error(env, nullptr, "could not register the functions of fuse-native");
      return;
    }
  }
}

}  // namespace fuse_native

NAPI_MODULE_INIT() {
  fuse_native::registerSessionFunctions(env, exports);
  fuse_native::registerShutdownFunctions(env, exports);
  fuse_native::registerReplyFunctions(env, exports);
  fuse_native::registerTableFunctions(env, exports);
  fuse_native::registerWriteFunctions(env, exports);
  fuse_native::registerContentFunctions(env, exports);
  fuse_native::registerFileFunctions(env, exports);
  return exports;
}
