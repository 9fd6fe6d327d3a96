// storm_server MOUNTPOINT BODIES: a filesystem over core and transport without Node, for the sanitizers that Node does
// not bear. One thread decides, as JavaScript would, and makes trouble on its own: it invalidates, drops, freezes and
// truncates what the clients use. Says "mounted", serves until SIGTERM, and ends with 0 after an orderly unmount.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <map>
#include <random>

#include "../core/fields.h"
#include "../transport/session.h"

using namespace fuse_native;

namespace {

constexpr uint64_t kRoot = 1;
constexpr uint64_t kGhosts = 4;
constexpr uint64_t kGhostSize = 4 << 20;
constexpr double kTimeout = 100;

struct Inode {
  mode_t mode = S_IFREG | 0644;
  bool linked = true;
  uint64_t handles = 0;
  bool shared = false;
};

class Server {
 public:
  Server(const char* mountpoint, std::string bodies) : bodies_(std::move(bodies)) {
    inodes_[kRoot].mode = S_IFDIR | 0755;
    if (ContentTable::create([this] { wake(); }, contents_) != 0) std::abort();
    for (uint64_t i = 0; i < kGhosts; i++) makeFile("ghost" + std::to_string(i), kGhostSize, false);
    SessionOptions options;
    options.mountpoint = mountpoint;
    options.fsName = options.subtype = "storm";
    std::string message;
    if (const int error = Session::mount(options, contents_, [this] { wake(); }, session_, message)) {
      std::fprintf(stderr, "mount failed: %d %s\n", error, message.c_str());
      std::exit(1);
    }
    decider_ = std::thread([this] { decide(); });
  }

  /// 0 when everything ended as it should.
  int end() {
    std::promise<ShutdownReport> ended;
    ShutdownPlan plan;
    plan.reason = "SIGTERM";
    plan.unmount = std::chrono::seconds(5);
    session_->shutdown(plan, nullptr, [&](ShutdownReport report) { ended.set_value(report); });
    const ShutdownReport result = ended.get_future().get();
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      work_.notify_all();
    }
    decider_.join();
    const Statistics& s = session_->statistics();
    std::printf("%s, %lu requests, %lu bytes read, %lu written\n", result.reason.c_str(), s.dispatched.load(),
                s.bytesRead.load(), s.bytesWritten.load());
    const bool clean = result.outcome == ShutdownReport::Outcome::Graceful && session_->pendingCount() == 0;
    return clean && contents_->dispose(false) == 0 && s.strayReplies == 0 ? 0 : 1;
  }

 private:
  void wake() {
    std::lock_guard lock(mutex_);
    woken_ = true;
    work_.notify_all();
  }

  void decide() {
    std::vector<uint64_t> words(64 * 1024);
    while (true) {
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [&] { return woken_ || stopping_; });
        if (!woken_) return;
        woken_ = false;
      }
      take(session_->queue(), words);
      take(contents_->events(), words);
    }
  }

  void take(RequestQueue& queue, std::vector<uint64_t>& words) {
    const size_t used = queue.take(words.data(), words.size(), 256);
    for (size_t at = 0; at < used; at += words[at] >> 32) {
      std::vector<double> numbers((words[at] >> 32) - 1);
      std::memcpy(numbers.data(), &words[at + 1], numbers.size() * sizeof(double));
      Fields fields(numbers.data(), numbers.size());
      handle(static_cast<Op>(words[at] & 0xffffffff), fields);
      if (random_() % 16 == 0) makeTrouble();
    }
  }

  void handle(Op op, Fields& fields) {
    switch (op) {
      case Op::Forget:
        for (uint64_t count = fields.integer(); count > 0; count--) {
          collect(fields.integer());
        }
        return;
      case Op::Release: {
        const uint64_t node = fields.integer();
        inodes_[node].handles -= 1;
        return collect(node);
      }
      case Op::Drained:
        return drained(fields.integer());
      case Op::Dirty:
        contents_->answer(fields.integer(), 0);
        return;
      case Op::Fetch: {
        const uint64_t id = fields.integer();
        const uint64_t offset = fields.integer();
        // The content may have been closed since it was asked.
        contents_->fill(id, offset, std::vector<char>(fields.integer(), 'g'), [](int) {});
        return;
      }
      case Op::Cancel:
        session_->replyError(fields.integer(), EINTR);
        return;
      case Op::Closed:
        return;
      default:
        break;
    }
    const RequestId id = fields.integer();
    const uint64_t node = fields.integer();
    for (int i = 0; i < 4; i++) fields.integer();
    const int error = answer(op, id, node, fields);
    if (error != 0) session_->replyError(id, error);
  }

  // 0 when it was answered.
  int answer(Op op, RequestId id, uint64_t node, Fields& fields) {
    switch (op) {
      case Op::Lookup: {
        const auto found = names_.find(fields.text());
        if (found == names_.end()) return session_->replyNegative(id, kTimeout);
        return replyEntry(id, found->second);
      }
      case Op::GetAttr:
        return session_->replyAttr(id, attrOf(node), kTimeout);
      case Op::SetAttr:
        return setattr(id, node, fields);
      case Op::Create: {
        const uint64_t made = makeFile(fields.text(), 0, true);
        inodes_[made].handles += 1;
        return session_->replyCreate(id, entryOf(made), {++lastHandle_, true, made, true, false}, made);
      }
      case Op::Open:
        inodes_[node].handles += 1;
        return session_->replyOpen(
            id, {++lastHandle_, true, node, random_() % 2 == 0, false, false, share(node, fields)});
      case Op::Unlink:
        unname(fields.text());
        return session_->replyOk(id);
      case Op::Rename: {
        const std::string from = fields.text();
        fields.integer();
        const std::string to = fields.text();
        const uint64_t moved = names_[from];
        names_.erase(from);
        unname(to);
        names_[to] = moved;
        return session_->replyOk(id, moved);
      }
      case Op::ReadDir:
        return list(id, fields.integer());
      case Op::Flush:
        return session_->replyOk(id);
      case Op::FSync: {
        auto done = [session = session_, id](int error) {
          error == 0 ? session->replyOk(id) : session->replyError(id, error);
        };
        return contents_->sync(node, true, done);
      }
      default:
        return ENOSYS;
    }
  }

  int setattr(RequestId id, uint64_t node, Fields& fields) {
    for (int i = 0; i < 4; i++) fields.number();
    const double size = fields.number();
    const struct stat before = attrOf(node);
    if (std::isnan(size)) return session_->replyAttr(id, before, kTimeout);
    return contents_->truncate(node, static_cast<uint64_t>(size), [session = session_, id, before, size](int error) {
      struct stat attr = before;
      attr.st_size = static_cast<off_t>(size);
      error == 0 ? session->replyAttr(id, attr, kTimeout) : session->replyError(id, error);
    });
  }

  int list(RequestId id, uint64_t from) {
    std::vector<DirectoryEntry> page;
    for (const auto& [name, node] : names_) {
      if (node > from) page.push_back({name, node, entryOf(node)});
    }
    std::sort(page.begin(), page.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
    size_t packed = 0;
    const ListingPart all{true, kTimeout};
    return session_->replyDirectory(id, page, packed, &all);
  }

  int replyEntry(RequestId id, uint64_t node) {
    return session_->replyEntry(id, entryOf(node));
  }

  uint64_t makeFile(const std::string& name, uint64_t size, bool complete) {
    unname(name);
    const uint64_t node = ++lastNode_;
    ContentSpec spec;
    spec.path = bodies_ + "/" + std::to_string(node);
    spec.create = true;
    spec.size = size;
    spec.validAll = complete;
    if (contents_->open(node, spec) != 0) std::abort();
    names_[name] = node;
    inodes_[node] = Inode();
    return node;
  }

  void unname(const std::string& name) {
    const auto found = names_.find(name);
    if (found == names_.end()) return;
    const uint64_t node = found->second;
    names_.erase(found);
    inodes_[node].linked = false;
    unshare(node);
    collect(node);
  }

  // The first opener for reading shares the file with all others, which counts as one handle.
  bool share(uint64_t node, Fields& fields) {
    Inode& inode = inodes_[node];
    if (inode.shared || (fields.integer() & O_ACCMODE) != O_RDONLY) return false;
    inode.shared = true;
    inode.handles += 1;
    return true;
  }

  void unshare(uint64_t node) {
    Inode& inode = inodes_[node];
    if (!inode.shared) return;
    inode.shared = false;
    if (!session_->withdraw(node)) drained(node);
  }

  void drained(uint64_t node) {
    inodes_[node].handles -= 1;
    collect(node);
  }

  void collect(uint64_t node) {
    const auto known = inodes_.find(node);
    if (known == inodes_.end() || known->second.linked || known->second.handles > 0) return;
    if (!session_->inodes().retire(node)) return;
    contents_->close(node);
    ::unlink((bodies_ + "/" + std::to_string(node)).c_str());
    inodes_.erase(node);
  }

  struct stat attrOf(uint64_t node) {
    struct stat attr {};
    attr.st_ino = node;
    attr.st_mode = inodes_[node].mode;
    attr.st_nlink = 1;
    attr.st_uid = ::getuid();
    attr.st_gid = ::getgid();
    ContentPtr content;
    if (contents_->find(node, content) == 0) attr.st_size = static_cast<off_t>(content->body->size());
    return attr;
  }

  fuse_entry_param entryOf(uint64_t node) {
    fuse_entry_param entry{};
    entry.ino = node;
    entry.attr = attrOf(node);
    entry.attr_timeout = entry.entry_timeout = kTimeout;
    return entry;
  }

  void makeTrouble() {
    auto at = names_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % names_.size()));
    const auto& [name, node] = *at;
    ContentPtr content;
    if (contents_->find(node, content) != 0) return;
    switch (random_() % 6) {
      case 0:
        notify({Notification::Kind::Inode, node, 0, 0, 0, "", nullptr});
        break;
      case 1:
        notify({Notification::Kind::Entry, kRoot, 0, 0, 0, name, nullptr});
        break;
      case 2:
        if (node <= kRoot + kGhosts) contents_->drop(node);
        break;
      case 3:
        contents_->freeze(node, [content](int error, uint64_t, int fd) {
          if (error != 0) return;
          ::close(fd);
          content->body->thaw();
        });
        break;
      case 4:
        content->body->markClean(content->body->generation());
        break;
      case 5:
        unshare(node);
        break;
    }
  }

  void notify(Notification notification) {
    std::deque<Notification> one;
    one.push_back(std::move(notification));
    session_->notify(std::move(one));
  }

  const std::string bodies_;
  std::shared_ptr<ContentTable> contents_;
  std::shared_ptr<Session> session_;
  std::thread decider_;
  std::mutex mutex_;
  std::condition_variable work_;
  bool woken_ = false;
  bool stopping_ = false;

  // The decider's own.
  std::mt19937 random_{1};
  std::map<std::string, uint64_t> names_;
  std::map<uint64_t, Inode> inodes_;
  uint64_t lastNode_ = kRoot;
  uint64_t lastHandle_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  Server server(arguments[1], arguments[2]);
  std::puts("mounted");
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&ending, &signal);
  return server.end();
}
