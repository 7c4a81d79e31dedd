#include "core/claim.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/file.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kBeat = 5s;
constexpr auto kDeadAfter = 60s;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Field 22 of /proc/PID/stat, in clock ticks since boot; empty: there is no such process.
std::string start_of(const std::string& pid) {
  const auto stat = first_line("/proc/" + pid + "/stat");
  const auto name_end = stat.rfind(')');  // the program's name may contain anything
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return field;
}

// When the file was touched, in ns; none: it is gone.
std::optional<std::int64_t> touched_at(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
}

struct Owner {
  std::string machine, process;
};
Owner read_owner(const std::string& path) {
  std::ifstream file(path);
  Owner owner;
  std::getline(file, owner.machine);
  std::getline(file, owner.process);
  return owner;
}

bool create_exclusively(const std::string& path, const std::string& content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST) return false;
  const int failed_open = errno;
  const bool written = fd >= 0 && ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  const int failed = fd < 0 ? failed_open : errno;
  if (fd >= 0) ::close(fd);
  if (written) return true;
  if (fd >= 0) ::unlink(path.c_str());
  const bool full = failed == ENOSPC || failed == EDQUOT;
  throw Error(full ? ErrorCode::resource : ErrorCode::io, std::string("cannot write the claim: ") + std::strerror(failed), {.file = path},
              full ? "free space" : "check the folder and its permissions");
}

}  // namespace

std::string machine_id() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::error_code ignored;  // without /proc the name and the boot have to do
  const auto space = fs::read_symlink("/proc/self/ns/pid", ignored).string();
  return std::string(host.data()) + " " + first_line("/proc/sys/kernel/random/boot_id") + " " + (space.empty() ? "-" : space);
}

std::string process_id() {
  const auto pid = std::to_string(::getpid());
  return pid + " " + start_of(pid);
}

Claim::Claim(std::string path, int attempt, bool vital)
    : path_(std::move(path)), attempt_(attempt), vital_(vital), heart_([this] { beat(); }) {}

Claim::~Claim() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  heart_.join();
  ::unlink((path_ + "." + std::to_string(attempt_)).c_str());
}

void Claim::beat() {
  const auto own = path_ + "." + std::to_string(attempt_), next = path_ + "." + std::to_string(attempt_ + 1);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kBeat, [this] { return done_; })) {
    ::utimensat(AT_FDCWD, own.c_str(), nullptr, 0);
    if (!vital_ || !touched_at(next)) continue;
    std::fprintf(stderr, "error: this process had not run for a minute, and its work was taken over (%s)\n", next.c_str());
    std::_Exit(3);
  }
}

int ClaimBoard::last_attempt(const std::string& name) const {
  int last = 0;
  while (touched_at(attempt_path(name, last + 1))) ++last;
  return last;
}

bool ClaimBoard::is_alive(const std::string& path) {
  const auto owner = read_owner(path);
  const auto space = owner.process.find(' ');
  if (owner.machine == machine_id() && space != std::string::npos) return start_of(owner.process.substr(0, space)) == owner.process.substr(space + 1);
  const auto touched = touched_at(path);
  if (!touched) return false;
  const auto now = std::chrono::steady_clock::now();
  auto& sighting = seen_.try_emplace(path, Sighting{*touched, now}).first->second;
  if (sighting.touched != *touched) sighting = {*touched, now};
  return now - sighting.since < kDeadAfter;
}

bool ClaimBoard::is_taken(const std::string& name) {
  const int last = last_attempt(name);
  return last > 0 && is_alive(attempt_path(name, last));
}

std::string ClaimBoard::last_owner(const std::string& name) const {
  const auto process = read_owner(attempt_path(name, last_attempt(name))).process;
  return process.substr(0, process.find(' '));
}

std::unique_ptr<Claim> ClaimBoard::take(const std::string& name, bool vital) {
  const int last = last_attempt(name);
  if (last > 0 && is_alive(attempt_path(name, last))) return nullptr;
  if (!create_exclusively(attempt_path(name, last + 1), machine_id() + "\n" + process_id() + "\n")) return nullptr;
  return std::make_unique<Claim>(folder_ + "/" + name, last + 1, vital);
}

void ClaimBoard::clear(const std::string& name) const {
  for (int last = last_attempt(name); last > 0; --last) ::unlink(attempt_path(name, last).c_str());
}

}  // namespace dsc
