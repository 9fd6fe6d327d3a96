#include "bridge.h"

namespace fuse_native {

std::shared_ptr<Bridge> Bridge::create(napi_env env, napi_value onRequests) {
  auto bridge = std::make_shared<Bridge>();
  bridge->self_ = bridge;
  bridge->wake_ = Wake::create(env, onRequests);
  if (bridge->wake_ == nullptr) return nullptr;
  napi_value name;
  napi_create_string_utf8(env, "fuse-native", NAPI_AUTO_LENGTH, &name);
  // The context owns a reference, so a call that is still queued never finds the bridge gone.
  auto* context = new std::shared_ptr<Bridge>(bridge);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, context,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Bridge>*>(data); }, context, callJs,
      &bridge->function_);
  if (status != napi_ok) {
    delete context;
    bridge->wake_->close();
    return nullptr;
  }
  napi_unref_threadsafe_function(env, bridge->function_);
  return bridge;
}

void Bridge::wake() {
  std::lock_guard lock(mutex_);
  if (wake_ != nullptr) wake_->send();
}

void Bridge::post(Completion* completion) {
  std::lock_guard lock(mutex_);
  if (function_ == nullptr ||
      napi_call_threadsafe_function(function_, completion, napi_tsfn_nonblocking) != napi_ok) {
    delete completion;
  }
}

napi_value Bridge::promise(napi_env env, std::function<void(Value)>& settle) {
  napi_deferred deferred;
  napi_value promise;
  {
    std::lock_guard lock(mutex_);
    if (function_ == nullptr || napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
    if (outstanding_++ == 0) napi_ref_threadsafe_function(env, function_);
  }
  settle = [bridge = self_.lock(), deferred](Value value) {
    bridge->post(new Completion{deferred, std::move(value)});
  };
  return promise;
}

void Bridge::run(std::function<void(napi_env)> work) {
  post(new Completion{nullptr, [work = std::move(work)](napi_env env) -> napi_value {
                        work(env);
                        return nullptr;
                      }});
}

void Bridge::settled(napi_env env) {
  std::lock_guard lock(mutex_);
  if (--outstanding_ == 0 && function_ != nullptr) napi_unref_threadsafe_function(env, function_);
}

void Bridge::close(bool force) {
  std::lock_guard lock(mutex_);
  if (function_ == nullptr || (outstanding_ > 0 && !force)) return;
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
  wake_->close();
  wake_ = nullptr;
}

void Bridge::callJs(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  // The environment is going away: nobody is left to hear.
  if (env == nullptr) return;
  if (completion->deferred == nullptr) {
    completion->value(env);
    return;
  }
  (*static_cast<std::shared_ptr<Bridge>*>(context))->settled(env);
  napi_resolve_deferred(env, completion->deferred, completion->value(env));
}

}  // namespace fuse_native
