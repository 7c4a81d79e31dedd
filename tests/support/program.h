// Runs the built program as a user would.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace dsc::test {

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal when killed
  std::string out, err;
};

// A folder of its own for one test, removed afterwards.
class TempFolder {
 public:
  TempFolder() {
    auto name = (std::filesystem::temp_directory_path() / "dscompress-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;  // a left-over folder harms no later test
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline void spit(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

// command: one simple command of the shell.
inline ProgramResult run_shell(const std::string& command) {
  const TempFolder folder;
  const int status = std::system((command + " >" + folder.file("out") + " 2>" + folder.file("err") + " </dev/null").c_str());
  ProgramResult result;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = slurp(folder.file("out"));
  result.err = slurp(folder.file("err"));
  return result;
}

// arguments: shell text after the program's name.
inline ProgramResult run_program(const std::string& arguments, const std::string& before = {}) {
  return run_shell(before + " " DSC_BINARY_DIR "/bin/dscompress " + arguments);
}

}  // namespace dsc::test
