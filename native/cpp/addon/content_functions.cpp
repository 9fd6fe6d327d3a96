// What JavaScript does with one content, synchronously.
#include "arguments.h"
#include "functions.h"

namespace fuse_native {

namespace {

bool extentsOf(Arguments& arguments, size_t index, std::vector<Extent>& out) {
  size_t length = 0;
  const auto* numbers = static_cast<const double*>(arguments.bytes(index, length));
  if (!arguments.ok()) return false;
  return decodeExtents(numbers, length / sizeof(double), out);
}

napi_value extentList(napi_env env, const std::vector<Extent>& extents) {
  napi_value list;
  napi_create_array_with_length(env, extents.size() * 2, &list);
  uint32_t at = 0;
  for (const Extent& extent : extents) {
    for (const uint64_t edge : {extent.start, extent.end}) {
      napi_value number;
      napi_create_double(env, static_cast<double>(edge), &number);
      napi_set_element(env, list, at++, number);
    }
  }
  return list;
}

// openContent(table, id, path, create, modified, validAll, valid, dirty, permitted); scratch: size, mtime, generation
napi_value openContent(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  ContentSpec spec;
  spec.path = arguments.text(2);
  spec.create = arguments.flag(3);
  spec.modified = arguments.flag(4);
  spec.validAll = arguments.flag(5);
  spec.permitted = arguments.flag(8);
  if (!extentsOf(arguments, 6, spec.valid) || !extentsOf(arguments, 7, spec.dirty)) return arguments.invalid();
  Fields fields(handle->scratch, handle->scratchLength);
  spec.size = fields.integer();
  spec.mtime = fields.time();
  spec.generation = fields.integer();
  if (!fields.ok()) return arguments.invalid();
  return arguments.result(-handle->target->open(id, spec));
}

// Calls `act(table, id, arguments)` for a content that is named by the second argument.
template <typename Act>
napi_value onContent(napi_env env, napi_callback_info info, Act act) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  if (!arguments.ok()) return arguments.invalid();
  const double result = act(*handle->target, id, arguments);
  return arguments.ok() ? arguments.result(result) : arguments.invalid();
}

// As `onContent`, with the content looked up.
template <typename Act>
napi_value onBody(napi_env env, napi_callback_info info, Act act) {
  return onContent(env, info, [&](ContentTable& table, ContentId id, Arguments& arguments) -> double {
    ContentPtr content;
    if (const int error = table.find(id, content)) return -error;
    return act(*content->body, arguments);
  });
}

napi_value closeContent(napi_env env, napi_callback_info info) {
  return onContent(env, info, [](ContentTable& t, ContentId id, Arguments&) -> double { return -t.close(id); });
}

void putStatus(const ContentStatus& s, double* scratch) {
  const double numbers[] = {static_cast<double>(s.size),          static_cast<double>(s.mtime.tv_sec),
                            static_cast<double>(s.mtime.tv_nsec), s.mtimeMoved ? 1.0 : 0.0,
                            static_cast<double>(s.generation),    s.modified ? 1.0 : 0.0,
                            s.complete ? 1.0 : 0.0,               static_cast<double>(s.handles),
                            static_cast<double>(s.waiters),       s.frozen ? 1.0 : 0.0,
                            static_cast<double>(s.passing),       static_cast<double>(s.outsideWriters)};
  std::copy(std::begin(numbers), std::end(numbers), scratch);
}

// contentStatus(table, id): 0, or a negative errno; scratch: the numbers
napi_value contentStatus(napi_env env, napi_callback_info info) {
  return onBody(env, info, [](Content& content, Arguments& arguments) -> double {
    putStatus(content.status(), arguments.table()->scratch);
    return 0;
  });
}

// missingRange(table, id, offset): 1 when bytes are missing, 0 when none, or a negative errno; scratch: offset, length
napi_value missingRange(napi_env env, napi_callback_info info) {
  return onBody(env, info, [](Content& content, Arguments& arguments) -> double {
    const uint64_t offset = arguments.integer(2);
    const Extent gap = content.missing(offset);
    double* const scratch = arguments.table()->scratch;
    scratch[0] = static_cast<double>(gap.start);
    scratch[1] = static_cast<double>(gap.end - gap.start);
    return gap.start < gap.end ? 1 : 0;
  });
}

// contentState(table, id): [valid, dirty], or a negative errno; scratch: the numbers
napi_value contentState(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto* handle = arguments.table();
  const uint64_t id = arguments.integer(1);
  if (!arguments.ok()) return arguments.invalid();
  ContentPtr content;
  if (const int error = handle->target->find(id, content)) return arguments.result(-error);
  const ContentSnapshot s = content->body->snapshot();
  putStatus(s, handle->scratch);
  napi_value list;
  napi_create_array_with_length(env, 2, &list);
  napi_set_element(env, list, 0, extentList(env, s.valid));
  napi_set_element(env, list, 1, extentList(env, s.dirty));
  return list;
}

napi_value setContentTime(napi_env env, napi_callback_info info) {
  return onBody(env, info, [](Content& content, Arguments& arguments) -> double {
    const double time[] = {arguments.number(2), arguments.number(3)};
    Fields fields(time, 2);
    const timespec mtime = fields.time();
    if (!arguments.ok() || !fields.ok()) return -EINVAL;
    content.setTime(mtime);
    return 0;
  });
}

napi_value markClean(napi_env env, napi_callback_info info) {
  return onBody(env, info, [](Content& content, Arguments& arguments) -> double {
    const uint64_t generation = arguments.integer(2);
    return arguments.ok() && content.markClean(generation) ? 1 : 0;
  });
}

napi_value dropContent(napi_env env, napi_callback_info info) {
  return onContent(env, info, [](ContentTable& t, ContentId id, Arguments&) -> double { return -t.drop(id); });
}

napi_value thawContent(napi_env env, napi_callback_info info) {
  return onBody(env, info, [](Content& content, Arguments&) -> double { return -content.thaw(); });
}

napi_value failRange(napi_env env, napi_callback_info info) {
  return onContent(env, info, [](ContentTable& t, ContentId id, Arguments& arguments) -> double {
    const uint64_t offset = arguments.integer(2);
    const uint64_t length = arguments.integer(3);
    const uint64_t error = arguments.integer(4);
    return arguments.ok() ? -t.failRange(id, offset, length, static_cast<int>(error)) : 0;
  });
}

}  // namespace

void registerContentFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {
      {"openContent", openContent},         {"closeContent", closeContent},       {"contentState", contentState},
      {"setContentTime", setContentTime},   {"markClean", markClean},             {"dropContent", dropContent},
      {"contentStatus", contentStatus},     {"missingRange", missingRange},
      {"thawContent", thawContent},         {"failRange", failRange}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
