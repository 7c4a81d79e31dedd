#include "io/zip_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/mapped_file.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

static_assert(std::endian::native == std::endian::little, "zip fields and tensors are read in place");

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndSize = 22, kEnd64Size = 56, kEnd64LocatorSize = 20, kCentralSize = 46, kLocalSize = 30;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint64_t kMostExpansion = 1032;  // of deflate
constexpr std::size_t kLongestComment = 65535;
constexpr std::uintptr_t kAlignment = 64;  // of a tensor's memory, and of PyTorch's records

template <class T>
T field(const char* data, std::size_t offset) {
  T value;
  std::memcpy(&value, data + offset, sizeof(T));
  return value;
}

std::string hex(std::uint32_t number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%08x", number);
  return text.data();
}

// Takes sizes and offset from the zip64 extra field where the 32-bit ones are full.
void apply_zip64(const char* extra, std::size_t size, std::uint64_t& full_size, std::uint64_t& stored_size, std::uint64_t& offset) {
  for (std::size_t at = 0; at + 4 <= size;) {
    const auto id = field<std::uint16_t>(extra, at);
    const std::size_t length = field<std::uint16_t>(extra, at + 2);
    const auto end = std::min(at + 4 + length, size);
    if (id == 1) {
      auto next = at + 4;
      for (auto* number : {&full_size, &stored_size, &offset}) {
        if (*number != 0xFFFFFFFFu || next + 8 > end) continue;
        *number = field<std::uint64_t>(extra, next);
        next += 8;
      }
      return;
    }
    at += 4 + length;
  }
}

}  // namespace

ZipArchive::ZipArchive(std::string path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(errno), {.file = path_});
  try {
    struct stat status{};
    if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
      throw Error(ErrorCode::model_file, "not a regular file", {.file = path_}, "give the path of a .pt2 file");
    }
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    read_directory();
  } catch (...) {
    ::close(file_);
    throw;
  }
}

ZipArchive::ZipArchive(std::string shown, std::string bytes) : path_(std::move(shown)), bytes_(std::move(bytes)) {
  file_size_ = bytes_.size();
  read_directory();
}

ZipArchive::~ZipArchive() {
  if (file_ >= 0) ::close(file_);
}

void ZipArchive::fail(std::uint64_t offset, const std::string& what) const {
  throw Error(ErrorCode::model_file, what, {.file = path_, .pointer = "offset " + std::to_string(offset)},
              "the file is damaged or was copied in part: copy or export it again");
}

void ZipArchive::read_at(std::uint64_t offset, void* to, std::size_t size) const {
  if (offset > file_size_ || size > file_size_ - offset) {
    fail(offset, "the archive ends too early: " + std::to_string(size) + " bytes expected, the file has " + std::to_string(file_size_));
  }
  if (file_ < 0) {
    bytes_.copy(static_cast<char*>(to), size, static_cast<std::size_t>(offset));
    return;
  }
  auto* out = static_cast<char*>(to);
  while (size > 0) {
    const auto got = ::pread(file_, out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::io, std::string("cannot read: ") + std::strerror(errno), {.file = path_});
    if (got == 0) fail(offset, "the file became shorter while it was read");
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

void ZipArchive::read_directory() {
  const auto tail_size = static_cast<std::size_t>(std::min<std::uint64_t>(file_size_, kEndSize + kLongestComment));
  std::vector<char> tail(tail_size);
  read_at(file_size_ - tail_size, tail.data(), tail_size);
  const auto tail_start = file_size_ - tail_size;
  std::size_t end = tail_size;
  for (auto at = static_cast<std::int64_t>(tail_size) - static_cast<std::int64_t>(kEndSize); at >= 0 && end == tail_size; --at) {
    if (field<std::uint32_t>(tail.data(), static_cast<std::size_t>(at)) == kEnd) end = static_cast<std::size_t>(at);
  }
  if (end == tail_size) {
    std::array<char, 4> head{};
    if (file_size_ >= 4) read_at(0, head.data(), 4);
    if (field<std::uint32_t>(head.data(), 0) == kLocalHeader) fail(file_size_, "the zip directory at the end of the archive is missing");
    throw Error(ErrorCode::model_file, "not a zip archive, which every .pt2 file is", {.file = path_, .pointer = "offset 0"},
                "export the model with scripts/export_model.py or torch.export.save");
  }
  std::uint64_t count = field<std::uint16_t>(tail.data(), end + 10);
  std::uint64_t size = field<std::uint32_t>(tail.data(), end + 12);
  std::uint64_t offset = field<std::uint32_t>(tail.data(), end + 16);
  const auto end_offset = tail_start + end;
  std::array<char, kEnd64LocatorSize> locator{};
  if (end_offset >= kEnd64LocatorSize) read_at(end_offset - kEnd64LocatorSize, locator.data(), kEnd64LocatorSize);
  if (field<std::uint32_t>(locator.data(), 0) == kEnd64Locator) {
    std::array<char, kEnd64Size> end64{};
    const auto end64_offset = field<std::uint64_t>(locator.data(), 8);
    read_at(end64_offset, end64.data(), kEnd64Size);
    if (field<std::uint32_t>(end64.data(), 0) != kEnd64) fail(end64_offset, "no zip64 directory where one is announced");
    count = field<std::uint64_t>(end64.data(), 32);
    size = field<std::uint64_t>(end64.data(), 40);
    offset = field<std::uint64_t>(end64.data(), 48);
  }
  read_entries(offset, size, count);
}

void ZipArchive::read_entries(std::uint64_t offset, std::uint64_t size, std::uint64_t count) {
  if (offset > file_size_ || size > file_size_ - offset) fail(offset, "the zip directory lies outside the file");
  std::vector<char> directory(static_cast<std::size_t>(size));
  read_at(offset, directory.data(), directory.size());
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (at + kCentralSize > directory.size() || field<std::uint32_t>(directory.data(), at) != kCentralHeader) {
      fail(offset + at, "the zip directory is damaged at entry " + std::to_string(i + 1) + " of " + std::to_string(count));
    }
    const char* header = directory.data() + at;
    const std::size_t name_size = field<std::uint16_t>(header, 28), extra_size = field<std::uint16_t>(header, 30);
    const std::size_t comment_size = field<std::uint16_t>(header, 32);
    if (at + kCentralSize + name_size + extra_size + comment_size > directory.size()) {
      fail(offset + at, "the zip directory is damaged at entry " + std::to_string(i + 1) + " of " + std::to_string(count));
    }
    ZipEntry entry;
    entry.method = field<std::uint16_t>(header, 10);
    entry.crc = field<std::uint32_t>(header, 16);
    entry.stored_size = field<std::uint32_t>(header, 20);
    entry.size = field<std::uint32_t>(header, 24);
    entry.header_offset = field<std::uint32_t>(header, 42);
    apply_zip64(header + kCentralSize + name_size, extra_size, entry.size, entry.stored_size, entry.header_offset);
    entry.name.assign(header + kCentralSize, name_size);
    entry.name.erase(0, entry.name.find('/') + 1);  // npos + 1 == 0: no folder
    if (entry.method == 0 && entry.stored_size != entry.size) fail(offset + at, "entry `" + entry.name + "` has two different sizes");
    if (entry.size / kMostExpansion > entry.stored_size) fail(offset + at, "entry `" + entry.name + "` claims more than its bytes can hold");
    if (entry.stored_size > file_size_ || entry.header_offset > file_size_) fail(offset + at, "entry `" + entry.name + "` lies outside the file");
    at += kCentralSize + name_size + extra_size + comment_size;
    index_.emplace(entry.name, entries_.size());
    entries_.push_back(std::move(entry));
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &entries_[found->second];
}

const ZipEntry& ZipArchive::get(std::string_view name) const {
  const auto* entry = find(name);
  if (!entry) {
    throw Error(ErrorCode::model_file, "the archive has no entry `" + std::string(name) + "`", {.file = path_},
                "the file is damaged, or is no torch.export archive: export it again with torch.export.save");
  }
  if (entry->method != 0) {
    throw Error(ErrorCode::model_file, "entry `" + entry->name + "` is compressed; .pt2 entries are stored as they are",
                {.file = path_, .pointer = "offset " + std::to_string(entry->header_offset)},
                "export the model again, or repack the archive without compression");
  }
  return *entry;
}

std::uint64_t ZipArchive::data_offset(const ZipEntry& entry) const {
  std::array<char, kLocalSize> header{};
  read_at(entry.header_offset, header.data(), header.size());
  if (field<std::uint32_t>(header.data(), 0) != kLocalHeader)
    fail(entry.header_offset, "entry `" + entry.name + "` does not start where the directory says");
  return entry.header_offset + kLocalSize + field<std::uint16_t>(header.data(), 26) + field<std::uint16_t>(header.data(), 28);
}

void ZipArchive::check_crc(const ZipEntry& entry, const void* data) const {
  const auto found = static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(data), static_cast<z_size_t>(entry.size)));
  if (found == entry.crc) return;
  fail(data_offset(entry), "entry `" + entry.name + "` (" + std::to_string(entry.size) + " bytes) is damaged: checksum " + hex(found) + ", expected " + hex(entry.crc));
}

void ZipArchive::read(const ZipEntry& entry, void* to) const {
  read_at(data_offset(entry), to, static_cast<std::size_t>(entry.size));
  check_crc(entry, to);
}

std::shared_ptr<void> ZipArchive::map(const ZipEntry& entry) const {
  if (file_ < 0) return nullptr;
  if (!mapped_) mapped_ = std::make_shared<MappedFile>(path_);
  const std::uint64_t offset = data_offset(entry);
  if (offset > mapped_->size() || entry.size > mapped_->size() - offset) fail(offset, "the archive ends too early for entry `" + entry.name + "`");
  char* data = mapped_->data() + offset;
  if (reinterpret_cast<std::uintptr_t>(data) % kAlignment != 0) return nullptr;
  check_crc(entry, data);
  return {mapped_, data};
}

std::string ZipArchive::read_content(const ZipEntry& entry) const {
  std::string content(static_cast<std::size_t>(entry.size), '\0');
  if (entry.method == 0) {
    read(entry, content.data());
    return content;
  }
  if (entry.method != kDeflated) fail(entry.header_offset, "entry `" + entry.name + "` is compressed by method " + std::to_string(entry.method));
  std::string stored(static_cast<std::size_t>(entry.stored_size), '\0');
  read_at(data_offset(entry), stored.data(), stored.size());
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(stored.data());
  stream.avail_in = static_cast<uInt>(stored.size());
  stream.next_out = reinterpret_cast<Bytef*>(content.data());
  stream.avail_out = static_cast<uInt>(content.size());
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw Error(ErrorCode::resource, "zlib has no memory");
  const int status = ::inflate(&stream, Z_FINISH);
  ::inflateEnd(&stream);
  if (status != Z_STREAM_END || stream.avail_out != 0) fail(entry.header_offset, "entry `" + entry.name + "` is damaged: it does not unpack to what the directory says");
  check_crc(entry, content.data());
  return content;
}

std::string ZipArchive::read_text(std::string_view name) const {
  const auto& entry = get(name);
  std::string text(static_cast<std::size_t>(entry.size), '\0');
  read(entry, text.data());
  return text;
}

}  // namespace dsc
