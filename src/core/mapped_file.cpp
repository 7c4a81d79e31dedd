#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "core/file.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr int kPrivate = MAP_PRIVATE | MAP_NORESERVE;

[[noreturn]] void fail(const std::string& what, int error, const std::string& path) {
  const bool is_full = error == ENOSPC || error == EDQUOT || error == ENOMEM;
  throw Error(is_full ? ErrorCode::resource : ErrorCode::io, what + ": " + std::strerror(error), {.file = path},
              error == ENOSPC || error == EDQUOT ? "free space there" : "");
}

// errors: disk full is one, where a write through a map would end the process.
void write_at(int file, const char* data, std::size_t size, std::size_t offset, const std::string& path) {
  while (size > 0) {
    const ssize_t written = ::pwrite(file, data, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("cannot write a scratch file", written < 0 ? errno : EIO, path);
    data += written;
    offset += static_cast<std::size_t>(written);
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(errno), {.file = path});
  struct stat status{};
  const bool is_file = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  size_ = is_file ? static_cast<std::size_t>(status.st_size) : 0;
  if (size_ > 0) address_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, kPrivate, file, 0);
  const int error = errno;
  ::close(file);
  if (!is_file) throw Error(ErrorCode::model_file, "not a regular file", {.file = path});
  if (address_ == MAP_FAILED) throw Error(ErrorCode::resource, std::string("cannot map the file: ") + std::strerror(error), {.file = path});
}

MappedFile::~MappedFile() {
  if (address_) ::munmap(address_, size_);
}

struct ScratchFile::Descriptor {
  explicit Descriptor(int opened) : number(opened) {}
  ~Descriptor() { ::close(number); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

ScratchFile::ScratchFile(std::string folder) : folder_(std::move(folder)) {
  make_folders(folder_);
  std::string path = folder_ + "/scratch-XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) fail("cannot make a scratch file", errno, folder_);
  ::unlink(path.c_str());
  file_ = std::make_shared<Descriptor>(file);
}

std::shared_ptr<void> ScratchFile::store(const void* data, std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t offset = end_, length = std::max(page, (size + page - 1) / page * page);
  write_at(file_->number, static_cast<const char*>(data), size, offset, folder_);
  end_ += length;
  if (::ftruncate(file_->number, static_cast<off_t>(end_)) != 0) fail("cannot lengthen a scratch file", errno, folder_);
  void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, kPrivate, file_->number, static_cast<off_t>(offset));
  if (address == MAP_FAILED) fail("cannot map a scratch file", errno, folder_);
  return {address, [file = file_, offset, length](void* mapped) {
            ::munmap(mapped, length);
            // File systems that cannot give back a part give back the whole in the end.
            ::fallocate(file->number, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length));
          }};
}

}  // namespace dsc
