#include "io/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include "core/file.h"
#include "core/mapped_file.h"
#include "dscompress/error.h"
#include "io/output_file.h"
#include "io/safetensors_header.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

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

at::ScalarType type_of(std::string_view dtype) {
  for (const auto& row : kTypes) {
    if (row.name == dtype) return row.type;
  }
  throw Error(ErrorCode::internal, "no type for " + std::string(dtype));
}

// The file's tensors, sharing one map of it.
class Reader {
 public:
  explicit Reader(const std::string& path) : file_(std::make_shared<MappedFile>(path)), header_(read_safetensors_header(path)) {}

  TensorFile read() {
    TensorFile result;
    result.metadata = header_.metadata;
    for (const auto& row : header_.tensors) result.tensors.emplace_back(row.name, make(row));
    return result;
  }

 private:
  at::Tensor make(const StoredTensor& row) const {
    const auto options = at::TensorOptions().dtype(type_of(row.dtype));
    auto* data = file_->data() + header_.data_start + row.begin;
    if (row.bytes() == 0) return at::empty(row.shape, options);
    const auto width = dtype_bytes(row.dtype);
    if (reinterpret_cast<std::uintptr_t>(data) % width != 0) {  // old files are not aligned
      auto copy = at::empty(row.shape, options);
      std::memcpy(copy.mutable_data_ptr(), data, static_cast<std::size_t>(row.bytes()));
      return copy;
    }
    return at::from_blob(data, row.shape, [file = file_](void*) {}, options);
  }

  std::shared_ptr<MappedFile> file_;
  SafetensorsHeader header_;
};

// Every tensor that the index names, from the shard that it names.
TensorFile read_sharded(const std::string& index_path) {
  std::map<std::string, std::vector<std::string>> names_by_shard;
  for (const auto& [name, shard] : read_safetensors_index(index_path)) names_by_shard[shard].push_back(name);
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
  if (fs::exists(folder / kSafetensorsIndex)) return (folder / kSafetensorsIndex).string();
  if (fs::exists(folder / "model.safetensors")) return (folder / "model.safetensors").string();
  throw Error(ErrorCode::model_file, "the folder holds neither `" + std::string(kSafetensorsIndex) + "` nor `model.safetensors`", {.file = folder.string()},
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
  std::vector<StoredTensor> rows;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto begin = offset;
    offset += tensor.nbytes();
    rows.push_back({name, std::string(type_name(name, tensor.scalar_type())), tensor.sizes().vec(), begin, offset});
  }
  return safetensors_header_text(rows, metadata);
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
    out.write(header.data(), header.size());
    for (const auto& [name, tensor] : tensors) out.write(tensor.const_data_ptr(), tensor.nbytes());
    out.close();
  });
}

std::int64_t safetensors_bytes(const TensorFile& file) {
  const auto tensors = in_file_order(file);
  auto bytes = header_text(tensors, file.metadata).size();
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes();
  return static_cast<std::int64_t>(bytes);
}

}  // namespace dsc
