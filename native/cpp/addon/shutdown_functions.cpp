#include "shutdown_functions.h"

#include "arguments.h"
#include "functions.h"

namespace fuse_native {

namespace {

constexpr auto kAbandonLimit = Milliseconds(1000);

/// The JavaScript function that hears of the phases; made, called and deleted on the JavaScript thread.
class PhaseListener {
 public:
  PhaseListener(napi_env env, napi_value function) {
    napi_valuetype type = napi_undefined;
    if (napi_typeof(env, function, &type) == napi_ok && type == napi_function) {
      napi_create_reference(env, function, 1, &reference_);
    }
  }
  void call(napi_env env, Phase entered, Milliseconds before) {
    napi_value function, receiver, result, arguments[2];
    if (reference_ == nullptr || napi_get_reference_value(env, reference_, &function) != napi_ok) return;
    napi_create_uint32(env, static_cast<uint32_t>(entered), &arguments[0]);
    napi_create_double(env, static_cast<double>(before.count()), &arguments[1]);
    napi_get_undefined(env, &receiver);
    if (napi_call_function(env, receiver, function, 2, arguments, &result) == napi_pending_exception) {
      napi_value exception;
      napi_get_and_clear_last_exception(env, &exception);
      napi_fatal_exception(env, exception);
    }
    if (entered == Phase::Closed) {
      napi_delete_reference(env, reference_);
      reference_ = nullptr;
    }
  }

 private:
  napi_ref reference_ = nullptr;
};

napi_value reportValue(napi_env env, const ShutdownReport& report) {
  napi_value list, value;
  napi_create_array_with_length(env, 8, &list);
  const double numbers[] = {static_cast<double>(report.outcome),
                            static_cast<double>(report.draining.count()),
                            static_cast<double>(report.unmounting.count()),
                            static_cast<double>(report.closing.count()),
                            report.drained ? 1.0 : 0.0,
                            static_cast<double>(report.abandoned)};
  uint32_t at = 0;
  for (const double number : numbers) {
    napi_create_double(env, number, &value);
    napi_set_element(env, list, at++, value);
  }
  for (const std::string* text : {&report.asked, &report.reason}) {
    napi_create_string_utf8(env, text->c_str(), text->size(), &value);
    napi_set_element(env, list, at++, value);
  }
  return list;
}

// shutdown(session, reason, drainMs, unmountMs, force, onPhase(phase, beforeMs)): promise of [outcome, draining,
// unmounting, closing, drained, abandoned, asked, reason]; -EALREADY when the end had begun before
napi_value shutdown(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  ShutdownPlan plan;
  plan.reason = arguments.text(1);
  plan.drain = Milliseconds(arguments.integer(2));
  plan.unmount = Milliseconds(arguments.integer(3));
  plan.force = arguments.flag(4);
  if (!arguments.ok()) return arguments.invalid();
  if (handle->target->machine().phase() != Phase::Running) return arguments.result(-EALREADY);
  std::function<void(Bridge::Value)> settle;
  napi_value promise = handle->bridge->promise(env, settle);
  if (promise == nullptr) return arguments.result(-ENODEV);
  auto listener = std::make_shared<PhaseListener>(env, arguments.value(5));
  auto entered = [bridge = handle->bridge, listener](Phase phase, Milliseconds before) {
    bridge->run([listener, phase, before](napi_env env) { listener->call(env, phase, before); });
  };
  handle->target->shutdown(std::move(plan), std::move(entered), [settle](ShutdownReport report) {
    settle([report](napi_env env) { return reportValue(env, report); });
  });
  return promise;
}

// proceed(session, unmountMs): ends the drain
napi_value proceed(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t unmount = arguments.integer(1);
    if (arguments.ok()) session.machine().proceed(Milliseconds(unmount));
    return 0;
  });
}

// force(session, reason): no phase waits any longer
napi_value force(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const std::string reason = arguments.text(1);
    if (arguments.ok()) session.machine().force(reason);
    return 0;
  });
}

// phase(session): 0 running, 1 draining, 2 unmounting, 3 closed
napi_value phase(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments&) { return static_cast<double>(session.machine().phase()); });
}

// close(session): ends the way to JavaScript when no promise is outstanding
napi_value close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  if (!arguments.ok()) return arguments.invalid();
  handle->bridge->close(false);
  return arguments.result(0);
}

// abandon(session): detaches at once, for the exit of the process
napi_value abandon(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments&) -> double {
    session.abandon("the process exits", kAbandonLimit);
    return 0;
  });
}

}  // namespace

void sessionEnvironmentEnds(void* data) {
  auto* handle = static_cast<SessionHandle*>(data);
  handle->target->abandon("the environment ended", kAbandonLimit);
  handle->bridge->close(true);
}

void registerShutdownFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"shutdown", shutdown}, {"proceed", proceed}, {"force", force},
                                {"phase", phase},       {"close", close},     {"abandon", abandon}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
