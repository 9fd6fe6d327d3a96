// What waits in the write queues: having it ended, and its figures.
#include "functions.h"
#include "handles.h"

namespace fuse_native {

namespace {

napi_value numberList(napi_env env, const std::vector<double>& numbers) {
  napi_value list, number;
  napi_create_array_with_length(env, numbers.size(), &list);
  for (size_t i = 0; i < numbers.size(); i++) {
    napi_create_double(env, numbers[i], &number);
    napi_set_element(env, list, static_cast<uint32_t>(i), number);
  }
  return list;
}

// flushContents(table, id or 0 for all, deadline in milliseconds): [content, operations, bytes, ...] that were left, or
// a negative errno
napi_value flushContents(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  const uint64_t deadline = arguments.integer(2);
  if (!arguments.ok()) return arguments.invalid();
  std::function<void(Bridge::Value)> settle;
  napi_value promise = handle->bridge->promise(env, settle);
  if (promise == nullptr) return arguments.result(-ENODEV);
  auto done = [settle](const std::vector<FlushLeft>& left) {
    std::vector<double> numbers;
    for (const FlushLeft& content : left) {
      numbers.push_back(static_cast<double>(content.content));
      numbers.push_back(static_cast<double>(content.operations));
      numbers.push_back(static_cast<double>(content.bytes));
    }
    settle([numbers](napi_env env) { return numberList(env, numbers); });
  };
  if (const int error = handle->target->flush(id, std::chrono::milliseconds(deadline), done)) {
    settle([error](napi_env env) {
      napi_value number;
      napi_create_double(env, -error, &number);
      return number;
    });
  }
  return promise;
}

void append(std::vector<double>& row, const WriteAccount& account) {
  const auto& latency = account.latency;
  for (const uint64_t value :
       {account.handle, account.content, account.operations.load(), account.completed.load(), account.failed.load(),
        account.cancelled.load(), account.bytes.load(), account.deferred.load(), account.queued.load(),
        account.queuedBytes.load(), account.queuedMost.load(), latency.percentile(0.5), latency.percentile(0.99),
        latency.largest()}) {
    row.push_back(static_cast<double>(value));
  }
}

// writeStatistics(table): dirty bytes, then a row for all and one for each handle that has written (src/writes.ts)
napi_value writeStatistics(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  if (!arguments.ok()) return arguments.invalid();
  std::vector<double> numbers{static_cast<double>(handle->target->unsyncedBytes())};
  append(numbers, handle->target->totals());
  for (const auto& account : handle->target->accounts()) append(numbers, *account);
  return numberList(env, numbers);
}

}  // namespace

void registerWriteFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"flushContents", flushContents}, {"writeStatistics", writeStatistics}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
