#include "core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_errno(const std::string& what, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  const std::string hint = full                ? "free space, or write somewhere else with --output-dir"
                           : error == EROFS    ? "choose another folder with --output-dir"
                           : error == EACCES   ? "check the permissions, or choose another folder with --output-dir"
                                               : "";
  throw Error(full ? ErrorCode::resource : ErrorCode::io, what + ": " + std::strerror(error), {.file = path}, hint);
}

void sync_path(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags);
  if (fd < 0) throw_errno("cannot open the file to sync it", path, errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed && failed != EINVAL) throw_errno("cannot sync the file", path, failed);  // EINVAL: no sync on this file system
}

// Removes the temporary file unless it was renamed.
struct Temporary {
  std::string path;
  bool kept = false;
  ~Temporary() {
    if (!kept) ::unlink(path.c_str());
  }
};

}  // namespace

std::string read_file(const std::string& path) {
  if (fs::is_directory(path)) throw Error(ErrorCode::io, "this is a folder, not a file", {.file = path});
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_errno("cannot open the file", path, errno ? errno : ENOENT);
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad()) throw_errno("cannot read the file", path, errno ? errno : EIO);
  return std::move(content).str();
}

void write_atomically(const std::string& path, const std::function<void(const std::string&)>& write) {
  static std::atomic<unsigned> counter{0};
  const auto folder = fs::path(path).parent_path();
  // Hidden, in the same folder (so that the rename is atomic), unique in this process and among processes.
  const auto name = "." + fs::path(path).filename().string() + "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + ".tmp";
  Temporary temporary{(folder / name).string()};
  write(temporary.path);
  sync_path(temporary.path, O_RDONLY);
  if (::rename(temporary.path.c_str(), path.c_str()) != 0) throw_errno("cannot put the file in place", path, errno);
  temporary.kept = true;
  sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const std::string& path, std::string_view content) {
  write_atomically(path, [&](const std::string& temporary) {
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) throw_errno("cannot create the file", path, errno);
    std::size_t done = 0;
    int failed = 0;
    while (done < content.size() && !failed) {
      const auto written = ::write(fd, content.data() + done, content.size() - done);
      if (written < 0 && errno != EINTR) failed = errno;
      if (written > 0) done += static_cast<std::size_t>(written);
    }
    if (::close(fd) != 0 && !failed) failed = errno;
    if (failed) throw_errno("cannot write the file", path, failed);
  });
}

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_errno("cannot create the folder", path, error.value());
}

std::string absolute_path(const std::string& path, const std::string& folder) {
  if (path.empty()) return path;
  const auto base = folder.empty() ? fs::current_path() : fs::absolute(folder);
  return (base / path).lexically_normal().string();
}

}  // namespace dsc
