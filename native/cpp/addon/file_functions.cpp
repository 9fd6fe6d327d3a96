// Work on files that belongs to no session: hashing, syncing and copying, on libuv's pool.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "../core/backing_file.h"
#include "../core/quick_xor_hash.h"
#include "arguments.h"
#include "functions.h"

namespace fuse_native {

namespace {

struct FileWork {
  enum class Kind { Hash, Sync, Own } kind;
  std::string path;
  int fd = -1;
  uint64_t length = 0;
  QuickXorHash hash;
  bool copied = false;
  int error = 0;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

void execute(napi_env, void* data) {
  auto& job = *static_cast<FileWork*>(data);
  if (job.kind == FileWork::Kind::Own) {
    job.error = ownFile(job.path, job.copied);
    return;
  }
  const int own = job.path.empty() ? -1 : ::open(job.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (!job.path.empty() && own < 0) {
    job.error = errno;
    return;
  }
  const int fd = own >= 0 ? own : job.fd;
  if (job.kind == FileWork::Kind::Hash) {
    job.error = quickXorHashFile(fd, job.length, job.hash);
  } else if (::fsync(fd) != 0) {
    job.error = errno;
  }
  if (own >= 0) ::close(own);
}

// Resolves with a negative errno, 0, 1 when it was copied, or [hash, length].
void complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<FileWork> job(static_cast<FileWork*>(data));
  napi_value result, value;
  if (status != napi_ok && job->error == 0) job->error = ECANCELED;
  if (job->error != 0 || job->kind != FileWork::Kind::Hash) {
    napi_create_int32(env, job->copied ? 1 : -job->error, &result);
  } else {
    const std::string hash = job->hash.finish();
    napi_create_array_with_length(env, 2, &result);
    napi_create_string_utf8(env, hash.c_str(), hash.size(), &value);
    napi_set_element(env, result, 0, value);
    napi_create_double(env, static_cast<double>(job->hash.length()), &value);
    napi_set_element(env, result, 1, value);
  }
  napi_resolve_deferred(env, job->deferred, result);
  napi_delete_async_work(env, job->work);
}

napi_value start(napi_env env, std::unique_ptr<FileWork> job) {
  napi_value promise, name;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "fuse-native file", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, nullptr, name, execute, complete, job.get(), &job->work);
  napi_queue_async_work(env, job.release()->work);
  return promise;
}

// quickXorHashFile(path or "", fd or -1, length)
napi_value hashFile(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto job = std::make_unique<FileWork>();
  job->kind = FileWork::Kind::Hash;
  job->path = arguments.text(0);
  job->fd = static_cast<int>(arguments.number(1));
  job->length = arguments.integer(2);
  return arguments.ok() ? start(env, std::move(job)) : arguments.invalid();
}

// syncFile(path)
napi_value syncFile(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto job = std::make_unique<FileWork>();
  job->kind = FileWork::Kind::Sync;
  job->path = arguments.text(0);
  return arguments.ok() && !job->path.empty() ? start(env, std::move(job)) : arguments.invalid();
}

// ownFile(path)
napi_value ownFileOf(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto job = std::make_unique<FileWork>();
  job->kind = FileWork::Kind::Own;
  job->path = arguments.text(0);
  return arguments.ok() && !job->path.empty() ? start(env, std::move(job)) : arguments.invalid();
}

}  // namespace

void registerFileFunctions(napi_env env, napi_value exports) {
  const Function functions[] = {{"quickXorHashFile", hashFile}, {"syncFile", syncFile}, {"ownFile", ownFileOf}};
  registerFunctions(env, exports, functions, sizeof functions / sizeof functions[0]);
}

}  // namespace fuse_native
