#include "checkpoint/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace dsc::checkpoint {

ShardReader::ShardReader(const std::vector<Shard>& shards) : shards_(shards) {
  for (const auto& shard : shards) {
    files_.push_back(::open(shard.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (files_.back() >= 0) continue;
    const int error = errno;
    files_.pop_back();
    for (const int file : files_) ::close(file);
    throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(error), {.file = shard.path});
  }
}

ShardReader::~ShardReader() {
  for (const int file : files_) ::close(file);
}

void ShardReader::read(std::size_t shard, std::uint64_t offset, void* data, std::uint64_t size) const {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    const auto got = ::pread(files_[shard], bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(ErrorCode::io, std::string("cannot read the file: ") + (got < 0 ? std::strerror(errno) : "it became shorter while it was read"),
                  {.file = shards_[shard].path});
    }
    bytes += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::uint64_t>(got);
  }
}

ShardWriter::ShardWriter(const std::string& path, std::string shown, std::uint64_t size) : shown_(std::move(shown)) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) fail("cannot create the file", errno);
  // Some file systems reserve nothing; then a full disk shows when it is full.
  const bool reserved = size == 0 || ::fallocate(file_, 0, 0, static_cast<off_t>(size)) == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
  const int error = errno;
  if (!reserved) {
    ::close(std::exchange(file_, -1));
    fail("cannot reserve the file's bytes", error);
  }
}

ShardWriter::~ShardWriter() {
  if (file_ >= 0) ::close(file_);
}

void ShardWriter::write(std::uint64_t offset, const void* data, std::uint64_t size) const {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const auto done = ::pwrite(file_, bytes, size, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("cannot write the file", errno);
    bytes += done;
    offset += static_cast<std::uint64_t>(done);
    size -= static_cast<std::uint64_t>(done);
  }
}

void ShardWriter::close() {
  if (::close(std::exchange(file_, -1)) != 0) fail("cannot write the file", errno);
}

void ShardWriter::fail(const char* what, int error) const {
  const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  throw Error(is_full ? ErrorCode::resource : ErrorCode::io, std::string(what) + ": " + std::strerror(error), {.file = shown_},
              is_full ? "free space, or write somewhere else" : "");
}

}  // namespace dsc::checkpoint
