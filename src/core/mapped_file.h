// Files as memory: pages come when they are read and go under pressure, so that what lies in them costs addresses alone.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace dsc {

// A whole file. Pages that are written to become private copies: the file stays as it is.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // errors: io, model_file (not a regular file), resource
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return static_cast<char*>(address_); }
  std::size_t size() const { return size_; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

// A file without a name, for what is too much for memory: nothing is left of it, however the process ends.
class ScratchFile {
 public:
  explicit ScratchFile(std::string folder);  // which is made. errors: io
  // A copy in the file, mapped as a MappedFile is, aligned to a page; its place is given back with it, which may outlive the ScratchFile.
  // errors: resource (disk full), io.
  std::shared_ptr<void> store(const void* data, std::size_t size);

 private:
  struct Descriptor;
  std::shared_ptr<Descriptor> file_;
  std::string folder_;
  std::size_t end_ = 0;
};

}  // namespace dsc
