// A file being written piece by piece; the first failure is kept and thrown by `close`.
#pragma once

#include <cstddef>
#include <string>

namespace dsc {

class OutputFile {
 public:
  // `shown` is the path that messages name: the final one, when `path` is temporary. errors: io.
  OutputFile(const std::string& path, std::string shown);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool write(const void* data, std::size_t size) noexcept;  // false: failed, now or before
  bool failed() const { return error_ != 0; }
  void close();  // errors: io, resource (disk full)

 private:
  std::string shown_;
  int file_ = -1;
  int error_ = 0;
};

}  // namespace dsc
