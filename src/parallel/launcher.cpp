#include "parallel/launcher.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "core/file.h"
#include "core/interrupt.h"
#include "core/temporary_folder.h"
#include "dscompress/error.h"

extern char** environ;

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr auto kGrace = std::chrono::seconds(6);  // after the first failure; all are gone within 10 s
constexpr int kRunTimeError = 3, kInterrupted = 130, kCannotStart = 127;

std::vector<std::string> environment_of(std::int64_t rank, std::int64_t processes, const std::string& store) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry; ++entry) variables.emplace_back(*entry);
  const auto set = [&](const std::string& name, const std::string& value) {
    std::erase_if(variables, [&](const std::string& entry) { return entry.starts_with(name + "="); });
    variables.push_back(name + "=" + value);
  };
  set("RANK", std::to_string(rank));
  set("LOCAL_RANK", std::to_string(rank));
  set("WORLD_SIZE", std::to_string(processes));
  set("LOCAL_WORLD_SIZE", std::to_string(processes));
  set("DSCOMPRESS_STORE", store);
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Child {
  pid_t pid = -1;
  std::optional<int> status;  // as waitpid gives it, once it ended
  bool killed_by_us = false;

  bool runs() const { return pid > 0 && !status; }
  bool failed() const { return status && (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0); }
};

// A process group of its own: a terminal's Ctrl-C reaches this process alone, which hands it on once.
Child start(std::vector<std::string> arguments, std::vector<std::string> variables, const LaunchOptions& options) {
  const auto argv = pointers_to(arguments), environment = pointers_to(variables);
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid < 0) throw Error(ErrorCode::io, std::string("cannot start a process: ") + std::strerror(errno));
  if (pid > 0) return {pid, std::nullopt};
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, options.end_with_us);
  if (const int nowhere = options.silent ? ::open("/dev/null", O_WRONLY) : -1; nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
  if (::getppid() == parent) ::execve("/proc/self/exe", argv.data(), environment.data());
  ::_exit(kCannotStart);
}

void send(std::vector<Child>& children, int signal) {
  for (auto& child : children) {
    if (!child.runs()) continue;
    ::kill(child.pid, signal);
    child.killed_by_us = signal == SIGKILL;
  }
}

// The first child to have failed, in the order in which they were seen to end.
void collect(std::vector<Child>& children, std::optional<std::size_t>& first_failed) {
  for (std::size_t i = 0; i < children.size(); ++i) {
    int status = 0;
    if (!children[i].runs() || ::waitpid(children[i].pid, &status, WNOHANG) != children[i].pid) continue;
    children[i].status = status;
    if (children[i].failed() && !first_failed) first_failed = i;
  }
}

bool any_runs(const std::vector<Child>& children) {
  for (const auto& child : children) {
    if (child.runs()) return true;
  }
  return false;
}

// returns: the first child that failed.
std::optional<std::size_t> wait_for_all(std::vector<Child>& children) {
  std::optional<std::size_t> first_failed;
  std::optional<Clock::time_point> deadline;
  bool told = false;
  for (;;) {
    collect(children, first_failed);
    if (!any_runs(children)) return first_failed;
    if (is_interrupted() && !told) send(children, SIGTERM);
    told = told || is_interrupted();
    if (first_failed && !deadline) deadline = Clock::now() + kGrace;
    if (deadline && Clock::now() > *deadline) send(children, SIGKILL);
    std::this_thread::sleep_for(kPoll);
  }
}

std::string error_file(const std::string& store, std::size_t rank) { return store + ".error-" + std::to_string(rank); }

LaunchResult result_of(const std::vector<Child>& children, std::optional<std::size_t> first_failed, const std::string& store) {
  LaunchResult result;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const int status = *children[i].status;
    if (!WIFSIGNALED(status) || children[i].killed_by_us) continue;
    result.notes.push_back("rank " + std::to_string(i) + " (process " + std::to_string(children[i].pid) + ") was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
                           ::strsignal(WTERMSIG(status)) + ")");
  }
  if (!first_failed) return result;
  const int first_rank = *children.front().status;
  const std::size_t deciding_rank = WIFEXITED(first_rank) && WEXITSTATUS(first_rank) != 0 ? 0 : *first_failed;
  const int deciding = *children[deciding_rank].status;
  result.status = is_interrupted() ? kInterrupted : WIFEXITED(deciding) ? WEXITSTATUS(deciding) : kRunTimeError;
  if (result.status == kCannotStart) throw Error(ErrorCode::io, "cannot start this program again", {.file = "/proc/self/exe"});
  if (const auto file = error_file(store, deciding_rank); std::filesystem::exists(file)) result.error = parse_rank_error(read_file(file)).error;
  return result;
}

}  // namespace

void tell_launcher(const Membership& member, const Error& error) {
  if (!member.store_file.empty())
    write_file_atomically(error_file(member.store_file, static_cast<std::size_t>(member.rank)), to_json(RankError{member.rank, error}));
}

LaunchResult launch_ranks(const std::vector<std::string>& arguments, std::int64_t processes, const LaunchOptions& options) {
  const TemporaryFolder folder("ranks");  // where they meet
  const auto store = folder.file("store");
  std::vector<std::string> command{"dscompress"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<Child> children;
  try {
    for (std::int64_t rank = 0; rank < processes; ++rank) children.push_back(start(command, environment_of(rank, processes, store), options));
  } catch (const Error&) {
    send(children, SIGKILL);
    wait_for_all(children);
    throw;
  }
  const auto first_failed = wait_for_all(children);
  return result_of(children, first_failed, store);
}

}  // namespace dsc
