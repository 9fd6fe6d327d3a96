// fuzz CORPUS ROUNDS SEED: a deterministic fuzzer for compilers without libFuzzer. Every file of the corpus as it is,
// then ROUNDS mutants of them; the input under test is kept in `fuzz-input` until it has passed.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Random = std::mt19937_64;

size_t below(Random& random, size_t limit) { return limit == 0 ? 0 : static_cast<size_t>(random() % limit); }

double interestingNumber(Random& random) {
  static const double numbers[] = {0,  1,  2,  -1,   0.5,  4096,     131072,  9007199254740991.0, 9007199254740992.0,
                                   8,  7,  -0.0, 1e300, -1e300, NAN, INFINITY, -INFINITY, 4294967296.0, 1e9};
  return numbers[below(random, std::size(numbers))];
}

void mutate(std::string& input, const std::vector<std::string>& corpus, Random& random) {
  const size_t at = below(random, input.size() + 1);
  switch (random() % 7) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(random, 8)));
      break;
    case 1:
      input.insert(at, 1, static_cast<char>(random()));
      break;
    case 2:
      input.erase(at, 1 + below(random, 16));
      break;
    case 3: {
      // A word where words are: behind the first byte.
      const double number = interestingNumber(random);
      const size_t words = input.size() / sizeof number;
      const size_t word = 1 + below(random, words + 1) * sizeof number;
      if (word + sizeof number > input.size()) input.resize(word + sizeof number);
      std::memcpy(&input[word], &number, sizeof number);
      break;
    }
    case 4: {
      const std::string& other = corpus[below(random, corpus.size())];
      input.insert(at, other, below(random, other.size()), below(random, 64));
      break;
    }
    case 5:
      input.resize(at);
      break;
    case 6:
      std::swap_ranges(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(std::min(at, input.size() / 2)),
                       input.begin() + static_cast<std::ptrdiff_t>(input.size() / 2));
      break;
  }
}

/// The file `fuzz-input` with the input under test. A mapping, so that it is there when a sanitizer ends the process.
class KeptInput {
 public:
  KeptInput() : fd_(::open(kName, O_RDWR | O_CREAT | O_TRUNC, 0600)) {
    void* const memory = fd_ < 0 || ::ftruncate(fd_, kSize) != 0
                             ? MAP_FAILED
                             : ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) std::abort();
    memory_ = static_cast<char*>(memory);
  }
  ~KeptInput() {
    ::munmap(memory_, kSize);
    ::close(fd_);
    std::remove(kName);
  }
  KeptInput(const KeptInput&) = delete;
  KeptInput& operator=(const KeptInput&) = delete;
  void hold(const std::string& input) {
    std::memset(memory_, 0, kSize);
    std::memcpy(memory_, input.data(), std::min(input.size(), kSize));
  }

 private:
  static constexpr const char* kName = "fuzz-input";
  static constexpr size_t kSize = 4096;
  const int fd_;
  char* memory_;
};

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  std::vector<std::string> corpus;
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(arguments[1])) files.push_back(file.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) return 2;
  const unsigned long rounds = std::stoul(arguments[2]);
  Random random(std::stoul(arguments[3]));
  KeptInput kept;
  for (const std::string& input : corpus) run(input);
  for (unsigned long round = 0; round < rounds; round++) {
    std::string input = corpus[below(random, corpus.size())];
    for (size_t steps = 1 + below(random, 6); steps > 0; steps--) mutate(input, corpus, random);
    kept.hold(input);
    run(input);
  }
  std::printf("%zu inputs, %lu mutants\n", corpus.size(), rounds);
  return 0;
}
