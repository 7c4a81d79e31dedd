// One process at a time, as long as it lives: flock on a file of its own.
#pragma once

#include <string>

#include "dscompress/error.h"

namespace dsc {

class FileLock {
 public:
  // errors: `taken`, when another process has it; io.
  FileLock(const std::string& path, const Error& taken);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  FileLock(const FileLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace dsc
