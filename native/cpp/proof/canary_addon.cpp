// The same as an addon: whoever loads it makes a mistake inside Node.
#include <node_api.h>

#include "canary.h"

NAPI_MODULE_INIT() {
  napi_value result;
  napi_create_int32(env, fuse_native_proof::useAfterFree(), &result);
  return result;
}
