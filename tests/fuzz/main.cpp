// fuzz FOLDER [--first N] [--count N] [--target NAME] [--seconds N]: reads damaged files, one after the other, in one process.
//
// Input N is the same on every machine. It lies in FOLDER/input* while it is read, and its number in FOLDER/number, so that what
// ends the process can be run again. An Error is what readers are to throw; any other exception, an internal Error, more than
// 10 s or more than 1 GiB ends the process with status 90 and up, as sanitizers do with theirs.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "dscompress/error.h"
#include "fuzz/targets.h"

namespace {

using namespace dsc;

constexpr int kLongestSeconds = 10;
constexpr long kMostKilobytes = 1 << 20;
enum Status { kException = 90, kInternal = 91, kMemory = 92, kHang = 93 };

struct Options {
  std::string folder, target;
  std::uint64_t first = 0, count = 1'000'000'000;
  long seconds = 60;
};

Options parse(int argc, char** argv) {
  Options options{.folder = argc > 1 ? argv[1] : "."};
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--first") options.first = std::stoull(value);
    if (name == "--count") options.count = std::stoull(value);
    if (name == "--seconds") options.seconds = std::stol(value);
    if (name == "--target") options.target = value;
  }
  return options;
}

[[noreturn]] void end(Status status, const char* what) {
  (void)!::write(STDERR_FILENO, what, std::strlen(what));
  ::_exit(status);
}

void watch(int seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};  // of the process's own time: other programs may need the processor too
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Eight bytes of a file that outlive the process.
volatile std::uint64_t* shared_number(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || ::ftruncate(file, sizeof(std::uint64_t)) != 0) std::exit(2);
  return static_cast<volatile std::uint64_t*>(::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
}

class Driver {
 public:
  explicit Driver(const Options& options) : options_(options), number_(shared_number(options.folder + "/number")) {
    for (auto& target : fuzz::all_targets()) {
      if (options.target.empty() || options.target == target.name) targets_.push_back(std::move(target));
    }
    if (targets_.empty()) std::exit(2);
  }

  void run() {
    const auto until = std::time(nullptr) + options_.seconds;
    before_ = peak_kilobytes();
    std::uint64_t done = 0;
    for (; done < options_.count && std::time(nullptr) < until; ++done) {
      *number_ = options_.first + done;
      read_one(options_.first + done);
    }
    *number_ = options_.first + done;
    for (const auto& [name, counts] : counts_) std::printf("%s %llu inputs, %llu read\n", name.c_str(), counts.first, counts.second);
  }

 private:
  void read_one(std::uint64_t number) {
    Random random(number);
    const auto& target = targets_[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(targets_.size())))];
    const auto& seed = target.seeds[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(target.seeds.size())))];
    std::istringstream extensions(target.extension);
    std::vector<std::string> known;
    for (std::string one; extensions >> one;) known.push_back(one);
    const auto path = options_.folder + "/input" + known[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(known.size())))];
    std::ofstream(path, std::ios::binary) << target.mutate(target, seed, random);
    auto& [inputs, whole] = counts_[target.name];
    ++inputs;
    watch(kLongestSeconds);
    try {
      target.read(path);
      ++whole;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) end(kInternal, (target.name + ": " + error.what() + "\n").c_str());
    } catch (const std::exception& error) {
      end(kException, (target.name + ": " + error.what() + "\n").c_str());
    }
    watch(0);
    if (peak_kilobytes() - before_ > kMostKilobytes) end(kMemory, (target.name + ": more than 1 GiB\n").c_str());
    ::unlink(path.c_str());
  }

  Options options_;
  long before_ = 0;  // the peak when nothing was read yet
  volatile std::uint64_t* number_;
  std::vector<fuzz::Target> targets_;
  std::map<std::string, std::pair<unsigned long long, unsigned long long>> counts_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPROF, [](int) { end(kHang, "fuzz: more than 10 s\n"); });
  Driver(parse(argc, argv)).run();
  return 0;
}
