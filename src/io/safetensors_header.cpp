// Layout: 8 bytes little-endian header length, JSON header, tensors without gaps in the order of their offsets.
#include "io/safetensors_header.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/file.h"
#include "dscompress/error.h"
#include "io/foreign_file.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr std::size_t kAlignment = 8;
constexpr const char* kCopyAgain = "the file is damaged or was copied in part: copy or write it again";

struct WidthRow {
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<WidthRow, 17> kWidths = {{{"F64", 8},
                                             {"F32", 4},
                                             {"F16", 2},
                                             {"BF16", 2},
                                             {"I64", 8},
                                             {"I32", 4},
                                             {"I16", 2},
                                             {"I8", 1},
                                             {"U8", 1},
                                             {"U16", 2},
                                             {"U32", 4},
                                             {"U64", 8},
                                             {"BOOL", 1},
                                             {"F8_E4M3", 1},
                                             {"F8_E5M2", 1},
                                             {"C64", 8},
                                             {"F8_E8M0", 1}}};

[[noreturn]] void fail(const std::string& path, std::uint64_t offset, const std::string& what) {
  throw Error(ErrorCode::model_file, what, {.file = path, .pointer = "offset " + std::to_string(offset)}, kCopyAgain);
}

// Bytes of a shape; none when negative or beyond 64 bits.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, std::size_t width) {
  std::int64_t bytes = static_cast<std::int64_t>(width);
  bool is_empty = false;
  for (const auto size : shape) {
    is_empty |= size == 0;
    if (size < 0 || __builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes)) return std::nullopt;
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(bytes);
}

// A file open for reading; closed when done.
class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(errno), {.file = path});
    struct stat status{};
    if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(file_);
      throw Error(ErrorCode::model_file, "not a regular file", {.file = path});
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~InputFile() { ::close(file_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  void read(std::uint64_t offset, char* data, std::size_t size) const {
    while (size > 0) {
      const auto got = ::pread(file_, data, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw Error(ErrorCode::io, std::string("cannot read the file: ") + (got < 0 ? std::strerror(errno) : "it became shorter"), {.file = path_});
      data += got;
      offset += static_cast<std::uint64_t>(got);
      size -= static_cast<std::size_t>(got);
    }
  }

 private:
  std::string path_;
  int file_;
  std::uint64_t size_ = 0;
};

std::uint64_t read_header_size(const std::string& path, const InputFile& file) {
  if (file.size() < 8) {
    fail(path, 0, "the file has " + std::to_string(file.size()) + " bytes; a safetensors file starts with 8 bytes of header length");
  }
  std::array<char, 8> head{};
  file.read(0, head.data(), head.size());
  std::uint64_t size = 0;
  std::memcpy(&size, head.data(), head.size());
  if (size > kLongestHeader || size > file.size() - 8) {
    if (const auto foreign = recognise_foreign_file({head.data(), head.size()}, path)) {
      throw Error(ErrorCode::model_file, "this is " + foreign->what + ", not a safetensors file", {.file = path}, foreign->hint);
    }
    fail(path, 0,
         "the header should have " + std::to_string(size) + " bytes, but the file has " + std::to_string(file.size()) + ": cut short, or no safetensors file");
  }
  return size;
}

StoredTensor read_row(const std::string& path, const std::string& name, const Json& facts) {
  StoredTensor row{.name = name};
  row.dtype = facts.at("dtype").get<std::string>();
  if (dtype_bytes(row.dtype) == 0) {
    throw Error(ErrorCode::unsupported, "tensor `" + name + "` has the element type " + row.dtype, {.file = path},
                "convert the file to F32, F16, BF16 or an integer type");
  }
  for (const auto& size : facts.at("shape")) {
    if (!size.is_number_integer() || size < 0) fail(path, 8, "tensor `" + name + "` has the impossible size " + size.dump());
    row.shape.push_back(size.get<std::int64_t>());
  }
  const auto& offsets = facts.at("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    fail(path, 8, "tensor `" + name + "` has no pair of offsets");
  }
  row.begin = offsets[0].get<std::uint64_t>();
  row.end = offsets[1].get<std::uint64_t>();
  return row;
}

// Tensors follow each other without gaps or overlaps, from the header to the end of the file.
void check_layout(const std::string& path, SafetensorsHeader& header) {
  auto& rows = header.tensors;
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  const auto start = header.data_start;
  const auto size = header.file_size - start;
  std::uint64_t position = 0;
  for (const auto& row : rows) {
    if (row.begin != position || row.end < row.begin || row.end > size) {
      fail(path, start + std::min<std::uint64_t>(row.begin, size),
           "tensor `" + row.name + "` lies at " + std::to_string(row.begin) + " to " + std::to_string(row.end) + "; expected a start at " +
               std::to_string(position) + " and an end within " + std::to_string(size) + " bytes of data");
    }
    const auto bytes = bytes_of(row.shape, dtype_bytes(row.dtype));
    if (!bytes || *bytes != row.bytes()) {
      fail(path, start + row.begin,
           "tensor `" + row.name + "` has " + std::to_string(row.bytes()) + " bytes, its shape needs " +
               (bytes ? std::to_string(*bytes) : std::string("more than there can be")));
    }
    position = row.end;
  }
  if (position != size) fail(path, start + position, std::to_string(size - position) + " bytes follow the last tensor");
}

}  // namespace

std::size_t dtype_bytes(std::string_view dtype) {
  const auto* found = std::find_if(kWidths.begin(), kWidths.end(), [&](const WidthRow& row) { return row.name == dtype; });
  return found == kWidths.end() ? 0 : found->bytes;
}

SafetensorsHeader read_safetensors_header(const std::string& path) {
  const InputFile file(path);
  const auto size = read_header_size(path, file);
  std::string text(size, '\0');
  file.read(8, text.data(), text.size());
  SafetensorsHeader header{.tensors = {}, .metadata = {}, .data_start = 8 + size, .file_size = file.size()};
  try {
    const auto rows = Json::parse(text);
    if (!rows.is_object()) fail(path, 8, "the header is no JSON object");
    for (const auto& [name, facts] : rows.items()) {
      if (name == "__metadata__")
        header.metadata = facts.get<std::map<std::string, std::string>>();
      else
        header.tensors.push_back(read_row(path, name, facts));
    }
  } catch (const Json::exception& error) {
    fail(path, 8, std::string("the header does not follow the safetensors format: ") + error.what());
  }
  check_layout(path, header);
  return header;
}

std::string safetensors_header_text(const std::vector<StoredTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  std::set<std::string_view> names;
  if (!metadata.empty()) text += "\"__metadata__\":" + Json(metadata).dump();
  for (const auto& tensor : tensors) {
    if (!names.insert(tensor.name).second) throw Error(ErrorCode::internal, "tensor `" + tensor.name + "` is given twice");
    if (text.size() > 1) text += ',';
    text += Json(tensor.name).dump() + ":{\"dtype\":" + Json(tensor.dtype).dump() + ",\"shape\":" + Json(tensor.shape).dump() + ",\"data_offsets\":[" +
            std::to_string(tensor.begin) + ',' + std::to_string(tensor.end) + "]}";
  }
  text += '}';
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text;
}

std::map<std::string, std::string> read_safetensors_index(const std::string& path) {
  try {
    return Json::parse(read_file(path)).at("weight_map").get<std::map<std::string, std::string>>();
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::model_file, std::string("not an index of safetensors shards: ") + error.what(), {.file = path},
                "expected {\"weight_map\": {tensor: file}}");
  }
}

}  // namespace dsc
