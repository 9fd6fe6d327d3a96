// For scripts/leaks.mjs: what the C library has handed out and not got back. Resident memory says less, because the
// allocator keeps freed memory in one arena per thread and a mount has several threads.
#include <malloc.h>
#include <node_api.h>

#include <cstdlib>

namespace {

// heapInUse(): bytes in all arenas and mapped blocks.
napi_value heapInUse(napi_env env, napi_callback_info) {
  const struct mallinfo2 info = ::mallinfo2();
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(info.uordblks + info.hblkhd), &result);
  return result;
}

// trim(): gives the system back what is free.
napi_value trim(napi_env, napi_callback_info) {
  ::malloc_trim(0);
  return nullptr;
}

// The canary: a leak made on purpose.
napi_value leak(napi_env, napi_callback_info) {
  static void* volatile lost;
  lost = std::malloc(1024);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"heapInUse", nullptr, heapInUse, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"trim", nullptr, trim, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"leak", nullptr, leak, nullptr, nullptr, nullptr, napi_enumerable, nullptr}};
  napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions);
  return exports;
}
