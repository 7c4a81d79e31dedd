#include "core/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dsc {

FileLock::FileLock(const std::string& path, const Error& taken) {
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(errno), {.file = path}, "check the folder and its permissions");
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(file_);
  throw taken;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace dsc
