// The end of a session, asked for by JavaScript or by the end of its environment.
#pragma once

#include <node_api.h>

namespace fuse_native {

/// Cleanup hook of a SessionHandle: the environment (process or worker) ends, so nobody will answer any more.
void sessionEnvironmentEnds(void* handle);

void registerShutdownFunctions(napi_env env, napi_value exports);

}  // namespace fuse_native
