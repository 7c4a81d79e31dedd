#include "sweep/child.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "dscompress/error.h"

extern char** environ;

namespace dsc::sweep {

LineChild::LineChild(const std::vector<std::string>& argv) {
  std::array<int, 2> in{}, out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) throw Error(ErrorCode::io, std::string("cannot make a pipe: ") + std::strerror(errno));
  if (::pipe2(out.data(), O_CLOEXEC) != 0) throw Error(ErrorCode::io, std::string("cannot make a pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int failed = ::posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (failed == 0) return;
  ::close(to_);
  ::close(from_);
  throw Error(ErrorCode::io, "cannot start " + argv[0] + ": " + std::strerror(failed), {}, "install it, or name an interpreter in DSCOMPRESS_PYTHON");
}

// It ends when its input does.
LineChild::~LineChild() {
  ::close(to_);
  ::close(from_);
  ::waitpid(pid_, nullptr, 0);
}

std::string LineChild::ask(const std::string& line) {
  const std::string text = line + "\n";
  std::signal(SIGPIPE, SIG_IGN);  // its end is seen by the read below
  for (std::size_t done = 0; done < text.size();) {
    const auto written = ::write(to_, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) break;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  std::array<char, 4096> buffer{};
  while (rest_.find('\n') == std::string::npos) {
    const auto count = ::read(from_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Error(ErrorCode::io, "the sampler's process ended without an answer", {}, "see its message above");
    rest_.append(buffer.data(), static_cast<std::size_t>(count));
  }
  const auto end = rest_.find('\n');
  auto answer = rest_.substr(0, end);
  rest_.erase(0, end + 1);
  return answer;
}

}  // namespace dsc::sweep
