// Layout: 8 bytes little-endian header length, JSON header, tensors without gaps in the order of their offsets.
#include "io/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/file.h"
#include "dscompress/error.h"
#include "io/foreign_file.h"
#include "io/output_file.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own limit
constexpr std::size_t kAlignment = 8;
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kCopyAgain = "the file is damaged or was copied in part: copy or write it again";

struct TypeRow {
  std::string_view name;
  at::ScalarType type;
};
constexpr std::array<TypeRow, 17> kTypes = {{{"F64", at::kDouble},
                                             {"F32", at::kFloat},
                                             {"F16", at::kHalf},
                                             {"BF16", at::kBFloat16},
                                             {"I64", at::kLong},
                                             {"I32", at::kInt},
                                             {"I16", at::kShort},
                                             {"I8", at::kChar},
                                             {"U8", at::kByte},
                                             {"U16", at::kUInt16},
                                             {"U32", at::kUInt32},
                                             {"U64", at::kUInt64},
                                             {"BOOL", at::kBool},
                                             {"F8_E4M3", at::kFloat8_e4m3fn},
                                             {"F8_E5M2", at::kFloat8_e5m2},
                                             {"C64", at::kComplexFloat},
                                             {"F8_E8M0", at::kFloat8_e8m0fnu}}};

// The file in memory, read on demand. Pages that are written to (training) become private copies.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw Error(ErrorCode::io, std::string("cannot open the file: ") + std::strerror(errno), {.file = path});
    struct stat status{};
    const bool is_file = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    size_ = is_file ? static_cast<std::size_t>(status.st_size) : 0;
    if (size_ > 0) address_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
    const int error = errno;
    ::close(file);
    if (!is_file) throw Error(ErrorCode::model_file, "not a regular file", {.file = path});
    if (address_ == MAP_FAILED) throw Error(ErrorCode::resource, std::string("cannot map the file: ") + std::strerror(error), {.file = path});
  }
  ~MappedFile() {
    if (address_) ::munmap(address_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  char* data() const { return static_cast<char*>(address_); }
  std::size_t size() const { return size_; }

 private:
  void* address_ = nullptr;
  std::size_t size_ = 0;
};

struct Row {
  std::string name;
  at::ScalarType type{};
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

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

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(std::make_shared<MappedFile>(path)) {}

  TensorFile read() {
    const auto header_size = read_header_size();
    try {
      const auto header = Json::parse(file_->data() + 8, file_->data() + 8 + header_size);
      if (!header.is_object()) fail(path_, 8, "the header is no JSON object");
      TensorFile result;
      std::vector<Row> rows;
      for (const auto& [name, facts] : header.items()) {
        if (name == "__metadata__")
          result.metadata = facts.get<std::map<std::string, std::string>>();
        else
          rows.push_back(read_row(name, facts));
      }
      check_layout(rows, 8 + header_size);
      for (const auto& row : rows) result.tensors.emplace_back(row.name, make(row, 8 + header_size));
      return result;
    } catch (const nlohmann::json::exception& error) {
      fail(path_, 8, std::string("the header does not follow the safetensors format: ") + error.what());
    }
  }

 private:
  std::uint64_t read_header_size() const {
    if (file_->size() < 8)
      fail(path_, 0, "the file has " + std::to_string(file_->size()) + " bytes; a safetensors file starts with 8 bytes of header length");
    std::uint64_t size = 0;
    std::memcpy(&size, file_->data(), 8);
    if (size > kLongestHeader || size > file_->size() - 8) {
      if (const auto foreign = recognise_foreign_file({file_->data(), 8}, path_)) {
        throw Error(ErrorCode::model_file, "this is " + foreign->what + ", not a safetensors file", {.file = path_}, foreign->hint);
      }
      fail(path_, 0,
           "the header should have " + std::to_string(size) + " bytes, but the file has " + std::to_string(file_->size()) +
               ": cut short, or no safetensors file");
    }
    return size;
  }

  Row read_row(const std::string& name, const Json& facts) const {
    Row row{name, {}, {}, 0, 0};
    const auto type = facts.at("dtype").get<std::string>();
    const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& known) { return known.name == type; });
    if (found == kTypes.end())
      throw Error(ErrorCode::unsupported, "tensor `" + name + "` has the element type " + type, {.file = path_},
                  "convert the file to F32, F16, BF16 or an integer type");
    row.type = found->type;
    for (const auto& size : facts.at("shape")) {
      if (!size.is_number_integer() || size < 0) fail(path_, 8, "tensor `" + name + "` has the impossible size " + size.dump());
      row.shape.push_back(size.get<std::int64_t>());
    }
    const auto& offsets = facts.at("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
      fail(path_, 8, "tensor `" + name + "` has no pair of offsets");
    }
    row.begin = offsets[0].get<std::uint64_t>();
    row.end = offsets[1].get<std::uint64_t>();
    return row;
  }

  // Tensors follow each other without gaps or overlaps, from the header to the end of the file.
  void check_layout(std::vector<Row>& rows, std::uint64_t start) const {
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    const auto size = file_->size() - start;
    std::uint64_t position = 0;
    for (const auto& row : rows) {
      if (row.begin != position || row.end < row.begin || row.end > size) {
        fail(path_, start + std::min<std::uint64_t>(row.begin, size),
             "tensor `" + row.name + "` lies at " + std::to_string(row.begin) + " to " + std::to_string(row.end) + "; expected a start at " +
                 std::to_string(position) + " and an end within " + std::to_string(size) + " bytes of data");
      }
      const auto bytes = bytes_of(row.shape, c10::elementSize(row.type));
      if (!bytes || *bytes != row.end - row.begin) {
        fail(path_, start + row.begin,
             "tensor `" + row.name + "` has " + std::to_string(row.end - row.begin) + " bytes, its shape needs " +
                 (bytes ? std::to_string(*bytes) : std::string("more than there can be")));
      }
      position = row.end;
    }
    if (position != size) fail(path_, start + position, std::to_string(size - position) + " bytes follow the last tensor");
  }

  at::Tensor make(const Row& row, std::uint64_t start) const {
    const auto options = at::TensorOptions().dtype(row.type);
    auto* data = file_->data() + start + row.begin;
    if (row.begin == row.end) return at::empty(row.shape, options);
    const auto width = c10::elementSize(row.type);
    if (reinterpret_cast<std::uintptr_t>(data) % width != 0) {  // old files are not aligned
      auto copy = at::empty(row.shape, options);
      std::memcpy(copy.mutable_data_ptr(), data, static_cast<std::size_t>(row.end - row.begin));
      return copy;
    }
    return at::from_blob(data, row.shape, [file = file_](void*) {}, options);
  }

  std::string path_;
  std::shared_ptr<MappedFile> file_;
};

// Every tensor that the index names, from the shard that it names.
TensorFile read_sharded(const std::string& index_path) {
  std::map<std::string, std::vector<std::string>> names_by_shard;
  try {
    const auto index = Json::parse(read_file(index_path));
    for (const auto& [name, shard] : index.at("weight_map").items()) names_by_shard[shard.get<std::string>()].push_back(name);
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::model_file, std::string("not an index of safetensors shards: ") + error.what(), {.file = index_path},
                "expected {\"weight_map\": {tensor: file}}");
  }
  TensorFile result;
  std::vector<Problem> problems;
  for (const auto& [shard, names] : names_by_shard) {
    const auto path = (fs::path(index_path).parent_path() / fs::path(shard).filename()).string();
    if (!fs::exists(path)) {
      problems.push_back({"shard `" + shard + "` is missing", {.file = index_path}, "put all shards beside the index"});
      continue;
    }
    auto file = Reader(path).read();
    std::set<std::string> wanted(names.begin(), names.end());
    for (auto& [name, tensor] : file.tensors) {
      if (wanted.erase(name)) result.tensors.emplace_back(name, std::move(tensor));
    }
    for (const auto& name : wanted)
      problems.push_back({"tensor `" + name + "` is not in shard `" + shard + "`", {.file = index_path}, "write index and shards again"});
    result.metadata.merge(file.metadata);
  }
  if (!problems.empty()) throw Error(ErrorCode::model_file, std::move(problems));
  return result;
}

std::string file_in_folder(const fs::path& folder) {
  if (fs::exists(folder / kIndexName)) return (folder / kIndexName).string();
  if (fs::exists(folder / "model.safetensors")) return (folder / "model.safetensors").string();
  throw Error(ErrorCode::model_file, "the folder holds neither `" + std::string(kIndexName) + "` nor `model.safetensors`", {.file = folder.string()},
              "name the file itself");
}

std::string_view type_name(const std::string& name, at::ScalarType type) {
  for (const auto& row : kTypes) {
    if (row.type == type) return row.name;
  }
  throw Error(ErrorCode::unsupported, "tensor `" + name + "` has an element type that safetensors files cannot hold: " + c10::toString(type));
}

// Wider elements first, then by name, so that every tensor is aligned without gaps.
std::vector<std::pair<std::string, at::Tensor>> in_file_order(const TensorFile& file) {
  auto tensors = file.tensors;
  for (auto& [name, tensor] : tensors) tensor = tensor.detach().cpu().contiguous();
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    const auto width = [](const at::Tensor& tensor) { return c10::elementSize(tensor.scalar_type()); };
    return std::pair(width(b.second), std::string_view(a.first)) < std::pair(width(a.second), std::string_view(b.first));
  });
  return tensors;
}

std::string header_text(const std::vector<std::pair<std::string, at::Tensor>>& tensors, const std::map<std::string, std::string>& metadata) {
  auto header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    if (header.contains(name)) throw Error(ErrorCode::internal, "tensor `" + name + "` is given twice");
    const auto end = offset + tensor.nbytes();
    header[name] = {{"dtype", type_name(name, tensor.scalar_type())}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  auto text = header.dump(-1, ' ', false);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  return text;
}

}  // namespace

TensorFile read_safetensors(const std::string& path) {
  if (fs::is_directory(path)) return read_safetensors(file_in_folder(path));
  if (path.ends_with(".json")) return read_sharded(path);
  return Reader(path).read();
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  const auto tensors = in_file_order(file);
  const auto header = header_text(tensors, file.metadata);
  write_atomically(path, [&](const std::string& temporary) {
    OutputFile out(temporary, path);
    const std::uint64_t size = header.size();
    out.write(&size, sizeof(size));
    out.write(header.data(), header.size());
    for (const auto& [name, tensor] : tensors) out.write(tensor.const_data_ptr(), tensor.nbytes());
    out.close();
  });
}

std::int64_t safetensors_bytes(const TensorFile& file) {
  const auto tensors = in_file_order(file);
  auto bytes = sizeof(std::uint64_t) + header_text(tensors, file.metadata).size();
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes();
  return static_cast<std::int64_t>(bytes);
}

}  // namespace dsc
