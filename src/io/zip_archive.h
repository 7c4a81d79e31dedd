// Reads the zip archives that PyTorch writes: zip64, every payload checked against its CRC-32.
//
// PyTorch's own reader skips the checksums and trusts the sizes it finds, so a damaged file could pass for a good one.
// A .pt2 has stored entries alone; TorchScript's code is compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dsc {

class MappedFile;

struct ZipEntry {
  std::string name;  // without the archive's root folder: "models/model.json"
  std::uint64_t header_offset = 0;
  std::uint64_t size = 0;         // uncompressed
  std::uint64_t stored_size = 0;  // in the file
  std::uint32_t crc = 0;
  std::uint16_t method = 0;  // 0: stored
};

class ZipArchive {
 public:
  // errors: io (cannot be opened), model_file (not a zip file, or its directory is damaged).
  explicit ZipArchive(std::string path);
  // An archive in memory; `shown` is what messages call it.
  ZipArchive(std::string shown, std::string bytes);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<ZipEntry>& entries() const { return entries_; }
  const ZipEntry* find(std::string_view name) const;  // null: no such entry
  const ZipEntry& get(std::string_view name) const;   // errors: model_file (absent, compressed)
  // errors, of both: model_file (damaged, truncated), io.
  void read(const ZipEntry& entry, void* to) const;  // writes entry.size bytes; precondition: from get
  std::string read_text(std::string_view name) const;
  // The entry where it lies in the file, mapped (core/mapped_file.h); null: not aligned for tensors, or the archive is in memory.
  std::shared_ptr<void> map(const ZipEntry& entry) const;
  // Of any entry, deflated or not. errors: model_file (damaged, truncated, compressed otherwise), io.
  std::string read_content(const ZipEntry& entry) const;

 private:
  void read_at(std::uint64_t offset, void* to, std::size_t size) const;
  std::uint64_t data_offset(const ZipEntry& entry) const;
  void check_crc(const ZipEntry& entry, const void* data) const;
  void read_directory();
  void read_entries(std::uint64_t offset, std::uint64_t size, std::uint64_t count);
  [[noreturn]] void fail(std::uint64_t offset, const std::string& what) const;

  std::string path_;
  int file_ = -1;
  mutable std::shared_ptr<MappedFile> mapped_;  // made when the first entry is
  std::string bytes_;  // without a file
  std::uint64_t file_size_ = 0;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace dsc
