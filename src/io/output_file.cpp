#include "io/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "dscompress/error.h"

namespace dsc {

OutputFile::OutputFile(const std::string& path, std::string shown) : shown_(std::move(shown)) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) {
    throw Error(ErrorCode::io, std::string("cannot create the file: ") + std::strerror(errno), {.file = shown_},
                "check that the folder exists and can be written to");
  }
}

OutputFile::~OutputFile() {
  if (file_ >= 0) ::close(file_);
}

bool OutputFile::write(const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0 && !error_) {
    const auto written = ::write(file_, bytes, size);
    if (written < 0) {
      if (errno != EINTR) error_ = errno;
      continue;
    }
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return error_ == 0;
}

void OutputFile::close() {
  if (::close(std::exchange(file_, -1)) != 0 && !error_) error_ = errno;
  if (!error_) return;
  const bool is_full = error_ == ENOSPC || error_ == EDQUOT;
  throw Error(is_full ? ErrorCode::resource : ErrorCode::io, std::string("cannot write the file: ") + std::strerror(error_), {.file = shown_},
              is_full ? "free space, or write somewhere else" : "");
}

}  // namespace dsc
