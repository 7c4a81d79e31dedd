#include "sweep/driver.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "core/claim.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "report/sweep_report.h"
#include "report/sweep_tensorboard.h"
#include "sweep/sampler.h"
#include "sweep/summary.h"

namespace dsc::sweep {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr auto kTablesEvery = std::chrono::seconds(2);

// Signals that a program raises against itself; others come from outside, and say nothing about the trial.
bool is_crash(int signal) { return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL || signal == SIGFPE; }

// Starts the program. It gets a group of its own, so that Ctrl-C reaches the driver alone, which passes it on, and SIGTERM when the
// driver dies.
pid_t spawn(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv;
  static char name[] = "dscompress";
  argv.push_back(name);
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const auto driver = ::getpid();
  const auto child = ::fork();
  if (child < 0) throw Error(ErrorCode::resource, std::string("cannot start a worker: ") + std::strerror(errno), {}, "use fewer workers");
  if (child > 0) return child;
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != driver) std::_Exit(130);  // it died before that
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644), in = ::open("/dev/null", O_RDONLY);
  if (out >= 0) ::dup2(out, STDERR_FILENO);
  if (out >= 0) ::dup2(out, STDOUT_FILENO);
  if (in >= 0) ::dup2(in, STDIN_FILENO);
  ::execv("/proc/self/exe", argv.data());
  std::_Exit(127);
}

std::string last_lines(const std::string& path) {
  if (!fs::exists(path)) return {};
  const auto text = read_file(path);
  const auto error = text.rfind("error: ");
  return error == std::string::npos ? text.substr(text.size() - std::min<std::size_t>(text.size(), 500)) : text.substr(error);
}

class Driver {
 public:
  Driver(const Folder& folder, const DriveOptions& options)
      : folder_(folder), options_(options), settings_(folder.read_settings()), claims_(folder.claims()), spent_before_(folder.spent_seconds()) {}
  ~Driver() {
    if (!children_.empty()) end_workers();
  }

  int run() {
    folder_.remove_stop();
    collect();
    check_limits();
    if (options_.sampler) options_.sampler->advance();
    const auto wanted = std::min<std::int64_t>(options_.workers, static_cast<std::int64_t>(left()));
    if (!folder_.stop_reason()) {
      for (std::int64_t i = 0; i < wanted; ++i) start_worker(i + 1);
    }
    // Without workers of its own the driver waits for others' results.
    while (!children_.empty() || (options_.workers == 0 && !folder_.stop_reason() && !(folder_.is_complete() && left() == 0))) {
      if (is_interrupted()) break;
      reap();
      if (collect()) {
        check_limits();
        if (options_.sampler) options_.sampler->advance();
      }
      keep_tables();
      std::this_thread::sleep_for(kPoll);
    }
    end_workers();
    collect();
    folder_.write_spent_seconds(spent());
    write_tables(folder_);
    throw_if_interrupted();
    if (!worker_error_.empty()) throw Error(worker_status_ == 6 ? ErrorCode::resource : ErrorCode::io, "a worker ended: " + worker_error_, {.file = folder_.path()}, "mend the cause; go on with the sweep: dscompress resume " + folder_.path());
    if (left() > 0 && !folder_.stop_reason()) throw Error(ErrorCode::cancelled, "all workers were stopped", {.file = folder_.path()}, "go on with the sweep: dscompress resume " + folder_.path());
    return status();
  }

 private:
  std::size_t left() const { return folder_.queued().size() - results_.size(); }
  double spent() const { return spent_before_ + std::chrono::duration<double>(Clock::now() - start_).count(); }

  void start_worker(std::int64_t number) {
    auto arguments = options_.arguments;
    arguments.insert(arguments.end(), {"sweep", "--worker", folder_.path()});
    children_[spawn(arguments, log_of(number))] = number;
  }
  std::string log_of(std::int64_t number) const { return folder_.file("workers/" + std::to_string(number) + ".log"); }

  void reap() {
    int status = 0;
    for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      const auto found = children_.find(child);
      if (found == children_.end()) continue;
      const auto number = found->second;
      children_.erase(found);
      if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        log_warning("worker " + std::to_string(number) + " was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + "); another one takes its place");
        if (is_crash(signal)) fail_trial_of(child, signal);
        start_worker(number);
      } else if (WEXITSTATUS(status) == exit_status(ErrorCode::cancelled)) {
        log_warning("worker " + std::to_string(number) + " was stopped");
      } else if (WEXITSTATUS(status) != 0 && worker_error_.empty()) {
        worker_status_ = WEXITSTATUS(status);
        worker_error_ = last_lines(log_of(number));
        folder_.write_stop("a worker ended with an error");
      }
    }
  }

  // A crash is the fault of the trial at which it happens.
  void fail_trial_of(pid_t child, int signal) {
    for (const auto number : folder_.queued()) {
      const auto name = Folder::trial_name(number);
      if (folder_.has_result(number) || claims_.last_owner(name) != std::to_string(child)) continue;
      const auto claim = claims_.take(name, false);
      if (!claim) continue;
      folder_.write_result({.number = number, .failed = true, .reason = std::string("its worker was ended by signal ") + std::to_string(signal) + " (" + ::strsignal(signal) + ")", .attempts = claim->attempt() - 1});
      claims_.clear(name);
    }
  }

  // Takes note of what has ended since. returns: whether anything has.
  bool collect() {
    bool any = false;
    for (const auto& entry : fs::directory_iterator(folder_.file("results"))) {
      const auto name = entry.path().filename().string();
      if (name.starts_with('.') || !seen_.insert(name).second) continue;
      const auto result = folder_.read_result(std::stoll(name));
      results_.emplace(result.number, result);
      any = true;
      if (started_) tell(result);
    }
    started_ = true;
    return any;
  }

  void tell(const Result& result) const {
    std::string text = printed("trial %lld (%zu of %zu): ", static_cast<long long>(result.number), results_.size(), folder_.queued().size());
    for (const auto& [path, value] : folder_.read_trial(result.number).parameters) text += path + "=" + value + " ";
    if (result.failed) return log_warning(text + "failed: " + result.reason);
    if (result.stopped) return log_info(text + result.reason);
    for (const auto& [name, unused] : settings_.objectives) {
      if (const auto found = result.figures.find(name); found != result.figures.end()) text += name + " " + format_figure(name, found->second) + ", ";
    }
    for (const auto& violation : result.violations) text += violation + ", ";
    log_info(text + format_duration(result.seconds));
  }

  std::int64_t failures() const {
    return std::ranges::count_if(results_, [](const auto& entry) { return entry.second.failed; });
  }

  void check_limits() {
    const auto most = settings_.limits.failures;
    if (folder_.stop_reason()) return;
    if (most > 0 && failures() >= most && left() > 0) stop(printed("%lld trials have failed (limits.failures); mend the cause, then: dscompress resume %s --retry-failed", static_cast<long long>(failures()), folder_.path().c_str()));
  }

  void stop(const std::string& reason) {
    log_warning("the sweep stops: " + reason);
    folder_.write_stop(reason);
  }

  void keep_tables() {
    const auto now = Clock::now();
    const double hours = settings_.limits.hours;
    if (hours > 0 && spent() > 3600 * hours && !folder_.stop_reason()) stop(printed("%g hours have passed (limits.hours); trials in progress end", hours));
    if (now - tables_at_ < kTablesEvery) return;
    tables_at_ = now;
    folder_.write_spent_seconds(spent());
    if (tables_of_ == results_.size()) return;
    tables_of_ = results_.size();
    write_tables(folder_);
  }

  // SIGTERM: each worker stops at its trial's next checkpoint.
  void end_workers() {
    for (const auto& [child, unused] : children_) ::kill(child, SIGTERM);
    for (const auto& [child, unused] : children_) ::waitpid(child, nullptr, 0);
    children_.clear();
  }

  int status() const {
    if (const auto most = settings_.limits.failures; most > 0 && failures() >= most) return 3;
    const bool nothing_but_failures = !results_.empty() && failures() == static_cast<std::int64_t>(results_.size());
    return nothing_but_failures ? 3 : 0;
  }

  const Folder& folder_;
  const DriveOptions& options_;
  Settings settings_;
  ClaimBoard claims_;
  double spent_before_;
  Clock::time_point start_ = Clock::now(), tables_at_ = Clock::now();
  std::map<pid_t, std::int64_t> children_;  // and which worker each is
  std::set<std::string> seen_;
  std::map<std::int64_t, Result> results_;
  bool started_ = false;
  std::size_t tables_of_ = 0;
  std::string worker_error_;
  int worker_status_ = 0;
};

}  // namespace

DriverLock::DriverLock(const Folder& folder)
    : FileLock(folder.file("driver.lock"), Error(ErrorCode::usage, "another driver is at work on this sweep", {.file = folder.path()},
                                                 "let it end, or add a worker to it: dscompress sweep --worker " + folder.path())) {}

int drive(const Folder& folder, const DriveOptions& options) { return Driver(folder, options).run(); }

namespace {

// Those of trials that ended stay as they are.
void write_events(const Folder& folder, const SweepReport& report) {
  for (const auto& [name, events] : sweep_events(report)) {
    const auto path = folder.file(name);
    if (fs::exists(path) && read_file(path) == events) continue;
    make_folders(fs::path(path).parent_path().string());
    write_file_atomically(path, events);
  }
}

void write_tables(const Folder& folder, const SweepReport& report) {
  write_file_atomically(folder.file("trials.csv"), sweep_csv(report));
  write_file_atomically(folder.file("front.csv"), sweep_front_csv(report));
  write_file_atomically(folder.file("sweep.html"), sweep_html(report));
  if (folder.read_settings().tensorboard) write_events(folder, report);
}

}  // namespace

void write_tables(const Folder& folder) { write_tables(folder, collect_report(folder)); }

void write_last_tables(const Folder& folder) {
  const auto report = collect_report(folder);
  write_tables(folder, report);
  write_file_atomically(folder.file("optuna.journal"), sweep_journal(report));
}

}  // namespace dsc::sweep
