// The functions of the addon, grouped by file. Numbers that come back are results, or negative errnos.
#pragma once

#include <node_api.h>

#include <cstddef>

namespace fuse_native {

struct Function {
  const char* name;
  napi_callback call;
};

void registerFunctions(napi_env env, napi_value exports, const Function* functions, size_t count);
void registerSessionFunctions(napi_env env, napi_value exports);
void registerReplyFunctions(napi_env env, napi_value exports);
void registerTableFunctions(napi_env env, napi_value exports);
void registerWriteFunctions(napi_env env, napi_value exports);
void registerContentFunctions(napi_env env, napi_value exports);
void registerFileFunctions(napi_env env, napi_value exports);

}  // namespace fuse_native
