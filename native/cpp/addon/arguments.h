// Reading the arguments of a call. The TypeScript face validates what users pass and gives good messages; here wrong
// input only has to be refused: the first argument that does not fit makes the call end with -EINVAL.
#pragma once

#include <node_api.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "../core/fields.h"
#include "../transport/session.h"
#include "bridge.h"

namespace fuse_native {

/// What JavaScript holds of a session or a content table. `scratch` is a Float64Array that fixed-size structures are
/// passed through.
template <typename Target>
struct Handled {
  std::shared_ptr<Target> target;
  std::shared_ptr<Bridge> bridge;
  napi_ref scratchReference = nullptr;
  double* scratch = nullptr;
  size_t scratchLength = 0;
};
using SessionHandle = Handled<Session>;
using TableHandle = Handled<ContentTable>;

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env(env) {
    count_ = kMost;
    if (napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr) != napi_ok) count_ = 0;
    // Node says how many there were, and has copied no more than there is room for.
    if (count_ > kMost) count_ = kMost;
  }

  SessionHandle* session(size_t i = 0) { return external<SessionHandle>(i); }
  TableHandle* table(size_t i = 0) { return external<TableHandle>(i); }
  double number(size_t i) {
    double value = 0;
    if (i >= count_ || napi_get_value_double(env, values_[i], &value) != napi_ok || std::isnan(value)) fail();
    return value;
  }
  uint64_t integer(size_t i) {
    const double value = number(i);
    if (!(value >= 0 && value <= kLargestInteger && value == std::floor(value))) {
      fail();
      return 0;
    }
    return static_cast<uint64_t>(value);
  }
  bool flag(size_t i) {
    bool value = false;
    if (i >= count_ || napi_get_value_bool(env, values_[i], &value) != napi_ok) fail();
    return value;
  }
  std::string text(size_t i) {
    size_t length = 0;
    if (i >= count_ || napi_get_value_string_utf8(env, values_[i], nullptr, 0, &length) != napi_ok) {
      fail();
      return {};
    }
    std::string value(length, '\0');
    napi_get_value_string_utf8(env, values_[i], value.data(), length + 1, &length);
    return value;
  }
  /// Any typed array: its bytes.
  void* bytes(size_t i, size_t& length) {
    napi_typedarray_type type;
    napi_value buffer;
    void* data = nullptr;
    size_t offset = 0, elements = 0;
    length = 0;
    if (i >= count_ ||
        napi_get_typedarray_info(env, values_[i], &type, &elements, &data, &buffer, &offset) != napi_ok) {
      fail();
      return nullptr;
    }
    const size_t width = type == napi_float64_array ? sizeof(double) : type == napi_uint8_array ? 1 : 0;
    if (width == 0) fail();
    length = elements * width;
    return data;
  }
  napi_value value(size_t i) const { return values_[i]; }
  bool ok() const { return ok_; }

  napi_value result(double number) const {
    napi_value value = nullptr;
    napi_create_double(env, number, &value);
    return value;
  }
  napi_value invalid() const { return result(-EINVAL); }

  napi_env const env;

 private:
  static constexpr size_t kMost = 16;
  void fail() { ok_ = false; }

  // Which kind of external it is, is the TypeScript face's business: nobody else calls.
  template <typename Target>
  Target* external(size_t i) {
    void* data = nullptr;
    napi_valuetype type = napi_undefined;
    if (napi_typeof(env, values_[i], &type) != napi_ok || type != napi_external ||
        napi_get_value_external(env, values_[i], &data) != napi_ok) {
      fail();
    }
    return static_cast<Target*>(data);
  }

  napi_value values_[kMost] = {};
  size_t count_ = 0;
  bool ok_ = true;
};

/// `act(session, arguments)` for a session that is named by the first argument, and what it returns as a number. It
/// reads the other arguments, and looks at `ok` before it does anything with them.
template <typename Act>
napi_value onSession(napi_env env, napi_callback_info info, Act act) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  if (!arguments.ok()) return arguments.invalid();
  const double result = act(*handle->target, arguments);
  return arguments.ok() ? arguments.result(result) : arguments.invalid();
}

}  // namespace fuse_native
