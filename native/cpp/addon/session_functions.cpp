// Mounting, taking requests, notifying, statistics.
#include <array>

#include "../transport/decode.h"
#include "arguments.h"
#include "functions.h"
#include "handles.h"
#include "shutdown_functions.h"

namespace fuse_native {

namespace {

constexpr size_t kStatisticsHead = 16;
constexpr std::array<Lane, 3> kStatisticsLanes = {Lane::High, Lane::Normal, Lane::Low};
constexpr size_t kStatisticsPerOp = 5;
constexpr size_t kStatisticsNative = 12;

napi_value mountFailure(napi_env env, int error, const std::string& message) {
  napi_value result, number, text;
  napi_create_array_with_length(env, 2, &result);
  napi_create_int32(env, -error, &number);
  napi_create_string_utf8(env, message.c_str(), message.size(), &text);
  napi_set_element(env, result, 0, number);
  napi_set_element(env, result, 1, text);
  return result;
}

void collected(napi_env env, void* data, void*) { collectHandle<Session>(env, data, sessionEnvironmentEnds); }

// mount(mountpoint, fsName, subtype, allowOther, readOnly, threads, queueLimit, maxTransfer, scratch, table,
// onRequests, passthrough, maxBackground, features, recordLimit, kernelTimeouts)
napi_value mount(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  SessionOptions options;
  options.mountpoint = arguments.text(0);
  options.fsName = arguments.text(1);
  options.subtype = arguments.text(2);
  options.allowOther = arguments.flag(3);
  options.readOnly = arguments.flag(4);
  options.threads = static_cast<unsigned>(arguments.integer(5));
  options.queueLimit = arguments.integer(6);
  options.maxTransfer = arguments.integer(7);
  auto* table = arguments.table(9);
  options.passthrough = arguments.flag(11);
  options.maxBackground = static_cast<unsigned>(arguments.integer(12));
  options.features = static_cast<uint32_t>(arguments.integer(13));
  options.recordLimit = arguments.integer(14);
  options.kernelTimeouts = arguments.number(15);
  auto handle = std::make_unique<SessionHandle>();
  if (!prepareHandle(arguments, 8, 10, *handle)) return mountFailure(env, EINVAL, "");
  std::string message;
  const int error = Session::mount(
      options, table->target, [bridge = handle->bridge] { bridge->wake(); }, handle->target, message);
  if (error != 0) {
    handle->bridge->close(true);
    napi_delete_reference(env, handle->scratchReference);
    return mountFailure(env, error, message);
  }
  return exportHandle(env, handle.release(), sessionEnvironmentEnds, collected);
}

// take(session, buffer, limit, attend): words used
napi_value take(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  size_t length = 0;
  void* buffer = arguments.bytes(1, length);
  const uint64_t limit = arguments.integer(2);
  const bool attend = arguments.flag(3);
  if (!arguments.ok()) return arguments.invalid();
  RequestQueue& queue = handle->target->queue();
  auto* const out = static_cast<uint64_t*>(buffer);
  const size_t capacity = length / sizeof(uint64_t);
  const size_t used = attend ? queue.attend(out, capacity, limit) : queue.take(out, capacity, limit);
  return arguments.result(static_cast<double>(used));
}

// leave(session): ends a loop of attending takes
napi_value leave(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments&) -> double {
    session.queue().leave();
    return 0;
  });
}

// features(session): offered + active * 2^32, or -1 while the kernel has not said hello
napi_value features(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments&) -> double {
    if (!session.negotiated()) return -1;
    FeatureSet active = session.features();
    active.set(Feature::Passthrough, session.passthroughRefusal().empty());
    return static_cast<double>(active.bits()) * 4294967296.0 + session.offeredFeatures().bits();
  });
}

// libfuseVersion()
napi_value libfuseVersion(napi_env env, napi_callback_info) {
  napi_value version = nullptr;
  napi_create_string_utf8(env, fuse_pkgversion(), NAPI_AUTO_LENGTH, &version);
  return version;
}

// notify(session, packed, count)
napi_value notify(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    size_t length = 0;
    const auto* packed = static_cast<const double*>(arguments.bytes(1, length));
    const uint64_t count = arguments.integer(2);
    Fields fields(packed, length / sizeof(double));
    std::deque<Notification> notifications;
    if (!arguments.ok() || !decodeNotifications(fields, count, notifications)) return -EINVAL;
    return -session.notify(std::move(notifications));
  });
}

// bumpEpoch(session)
napi_value bumpEpoch(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments&) -> double { return -session.bumpEpoch(); });
}

// invalidateAttributes(session, nodes)
napi_value invalidateAttributes(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    size_t length = 0;
    const auto* packed = static_cast<const double*>(arguments.bytes(1, length));
    if (!arguments.ok()) return -EINVAL;
    Fields fields(packed, length / sizeof(double));
    std::vector<uint64_t> nodes(length / sizeof(double));
    for (uint64_t& node : nodes) node = fields.integer();
    return fields.ok() ? -session.invalidateAttributes(nodes.data(), nodes.size()) : -EINVAL;
  });
}

// lookups(session, node)
napi_value lookups(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) {
    const uint64_t node = arguments.integer(1);
    return arguments.ok() ? static_cast<double>(session.inodes().lookups(node)) : -EINVAL;
  });
}

// retire(session, node): 1 when it is gone
napi_value retire(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t node = arguments.integer(1);
    return arguments.ok() && session.inodes().retire(node) ? 1 : 0;
  });
}

// withdraw(session, node): 1 when handles are left
napi_value withdraw(napi_env env, napi_callback_info info) {
  return onSession(env, info, [](Session& session, Arguments& arguments) -> double {
    const uint64_t node = arguments.integer(1);
    return arguments.ok() && session.withdraw(node) ? 1 : 0;
  });
}

// notified(session): promise of 0, or a negative errno at once
napi_value notified(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  if (!arguments.ok()) return arguments.invalid();
  std::function<void(Bridge::Value)> settle;
  napi_value promise = handle->bridge->promise(env, settle);
  // After the end there is nothing left to deliver.
  if (promise == nullptr) return arguments.result(0);
  auto reached = [settle] {
    settle([](napi_env env) {
      napi_value zero;
      napi_create_int32(env, 0, &zero);
      return zero;
    });
  };
  std::deque<Notification> barrier(1);
  barrier[0].reached = reached;
  if (handle->target->notify(std::move(barrier)) != 0) reached();
  return promise;
}

// passthroughRefusal(session): why the kernel does not serve files itself, empty when it does
napi_value passthroughRefusal(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  if (!arguments.ok()) return arguments.invalid();
  const std::string reason = handle->target->passthroughRefusal();
  napi_value text;
  napi_create_string_utf8(env, reason.c_str(), reason.size(), &text);
  return text;
}

double microseconds(uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

// statistics(session, out): 16 numbers, now and largest of each lane, then count, errors, p50, p99, max (us) of each
// operation number, then 12 numbers about native answers
napi_value statistics(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.session();
  size_t length = 0;
  auto* out = static_cast<double*>(arguments.bytes(1, length));
  constexpr size_t ops = static_cast<size_t>(Op::Count);
  constexpr size_t numbers =
      kStatisticsHead + kStatisticsLanes.size() * 2 + ops * kStatisticsPerOp + kStatisticsNative;
  if (!arguments.ok() || length < numbers * sizeof(double)) return arguments.invalid();
  Session& session = *handle->target;
  const Statistics& s = session.statistics();
  const QueueDepth queue = session.queue().depth();
  const uint64_t head[kStatisticsHead] = {(monotonicNs() - s.startedNs) / 1000000,
                                          queue.all.now,
                                          queue.all.largest,
                                          session.pendingCount(),
                                          s.dispatched,
                                          s.answered,
                                          s.strayReplies,
                                          session.contents().count(),
                                          session.handleCount(),
                                          session.contents().waiters(),
                                          s.notifications,
                                          s.bytesRead,
                                          s.bytesWritten,
                                          session.contents().bytesFilled(),
                                          session.capabilities(),
                                          0};
  for (const uint64_t value : head) *out++ = static_cast<double>(value);
  for (const Lane lane : kStatisticsLanes) {
    *out++ = static_cast<double>(queue.lanes[static_cast<size_t>(lane)].now);
    *out++ = static_cast<double>(queue.lanes[static_cast<size_t>(lane)].largest);
  }
  for (const OperationStatistics& op : s.operations) {
    *out++ = static_cast<double>(op.latency.count());
    *out++ = static_cast<double>(op.errors.load());
    *out++ = microseconds(op.latency.percentile(0.5));
    *out++ = microseconds(op.latency.percentile(0.99));
    *out++ = microseconds(op.latency.largest());
  }
  const InodeStatistics& n = session.inodes().statistics;
  const uint64_t native[kStatisticsNative] = {n.lookupHits,       n.lookupMisses,       n.attributeHits,
                                              n.attributeMisses,  n.listingHits,        n.listingMisses,
                                              n.refusedFills,     n.evicted,            session.inodes().records(),
                                              s.nativeOpens,      session.shareCount(), n.held};
  for (const uint64_t value : native) *out++ = static_cast<double>(value);
  return arguments.result(0);
}

}  // namespace

void registerSessionFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"mount", mount},
                                {"take", take},
                                {"leave", leave},
                                {"notify", notify},
                                {"notified", notified},
                                {"bumpEpoch", bumpEpoch},
                                {"invalidateAttributes", invalidateAttributes},
                                {"features", features},
                                {"libfuseVersion", libfuseVersion},
                                {"lookups", lookups},
                                {"retire", retire},
                                {"withdraw", withdraw},
                                {"statistics", statistics},
                                {"passthroughRefusal", passthroughRefusal}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
