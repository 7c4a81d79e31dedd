// Shards read and written at any place by several threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/source.h"

namespace dsc::checkpoint {

// All shards of a checkpoint, open.
class ShardReader {
 public:
  explicit ShardReader(const std::vector<Shard>& shards);  // errors: io
  ~ShardReader();
  ShardReader(const ShardReader&) = delete;
  ShardReader& operator=(const ShardReader&) = delete;

  // errors: io, also when the file has become shorter.
  void read(std::size_t shard, std::uint64_t offset, void* data, std::uint64_t size) const;

 private:
  const std::vector<Shard>& shards_;
  std::vector<int> files_;
};

// One shard being written; its whole size is reserved first, so that a full disk shows at once.
class ShardWriter {
 public:
  // `shown` is the path that messages name. errors: io, resource (disk full).
  ShardWriter(const std::string& path, std::string shown, std::uint64_t size);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  void write(std::uint64_t offset, const void* data, std::uint64_t size) const;  // errors: io, resource
  void close();                                                                  // errors: io, resource

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::string shown_;
  int file_ = -1;
};

}  // namespace dsc::checkpoint
