#include "io/pt2_payload.h"

#include <ATen/ops/clone.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/Storage.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include "dscompress/error.h"
#include "io/pt2_schema.h"

namespace dsc::pt2 {
namespace {

using OrderedJson = nlohmann::ordered_json;  // keeps the order of the state dictionary

struct Geometry {
  ScalarType dtype = ScalarType::f32;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t offset = 0;
  bool operator==(const Geometry&) const = default;
};

std::vector<std::int64_t> read_integers(const OrderedJson& list) {
  std::vector<std::int64_t> numbers;
  for (const auto& number : list) numbers.push_back(number.at("as_int").get<std::int64_t>());
  return numbers;
}

constexpr std::uint64_t kMappedFrom = 1 << 20;  // bytes: a page for each small tensor would cost more than reading it

class PayloadReader {
 public:
  PayloadReader(const ZipArchive& archive, std::string_view folder, std::string_view config) : archive_(archive), folder_(folder), config_(config) {}

  std::vector<Payload> read() {
    std::vector<Payload> payloads;
    const auto config = OrderedJson::parse(archive_.read_text(config_));
    for (const auto& [name, facts] : config.at("config").items()) {
      const auto path = facts.at("path_name").get<std::string>();
      if (facts.at("use_pickle").get<bool>() || facts.at("tensor_meta").is_null()) {
        const bool is_object = facts.at("tensor_meta").is_null();
        problems_.push_back({"`" + name + "` is a pickled " + (is_object ? "custom object" : "tensor subclass") + " (entry `" + folder_ + path + "`)",
                             {.file = archive_.path()},
                             "export a model whose weights are plain tensors"});
        continue;
      }
      if (auto geometry = read_geometry(name, facts.at("tensor_meta"))) payloads.push_back({name, make(name, path, *geometry)});
    }
    if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
    return payloads;
  }

 private:
  std::optional<Geometry> read_geometry(const std::string& name, const OrderedJson& meta) {
    const auto number = meta.at("dtype").get<std::int64_t>();
    const auto dtype = scalar_type(number);
    if (!dtype || meta.at("layout").get<std::int64_t>() != kStrided) {
      problems_.push_back({dtype ? "`" + name + "` is a sparse tensor" : "`" + name + "` has the unknown element type " + std::to_string(number),
                           {.file = archive_.path()},
                           "export a model whose weights are dense tensors of a usual type"});
      return std::nullopt;
    }
    return Geometry{*dtype, read_integers(meta.at("sizes")), read_integers(meta.at("strides")),
                    meta.at("storage_offset").at("as_int").get<std::int64_t>()};
  }

  at::Tensor make(const std::string& name, const std::string& path, const Geometry& geometry) {
    auto& made = made_[path];
    for (const auto& [other, tensor] : made) {
      if (other == geometry) return tensor;
    }
    const auto& entry = archive_.get(folder_ + path);
    const auto elements = elements_spanned(geometry.sizes, geometry.strides, geometry.offset);
    const auto width = static_cast<std::uint64_t>(byte_size(geometry.dtype));
    if (!elements || *elements > entry.size / width) {
      throw Error(ErrorCode::model_file,
                  "`" + name + "` does not fit its payload `" + entry.name + "` of " + std::to_string(entry.size) + " bytes" +
                      (elements ? ": it needs " + std::to_string(*elements) + " elements of " + std::to_string(width) + " bytes"
                                : ": its sizes make no sense"),
                  {.file = archive_.path()}, "the archive is damaged: export it again");
    }
    auto tensor = at::empty({0}, at::TensorOptions().dtype(to_aten(geometry.dtype)));
    tensor.set_(storage(path, entry), geometry.offset, geometry.sizes, geometry.strides);
    made.emplace_back(geometry, tensor);
    return tensor;
  }

  c10::Storage storage(const std::string& path, const ZipEntry& entry) {
    auto found = storages_.find(path);
    if (found == storages_.end()) {
      found = storages_.emplace(path, bytes_of(entry).storage()).first;
    }
    return found->second;
  }

  at::Tensor bytes_of(const ZipEntry& entry) const {
    const std::vector<std::int64_t> sizes{static_cast<std::int64_t>(entry.size)};
    if (auto mapped = entry.size >= kMappedFrom ? archive_.map(entry) : nullptr) {
      return at::from_blob(mapped.get(), sizes, [mapped](void*) {}, at::TensorOptions().dtype(at::kByte));
    }
    auto bytes = at::empty(sizes, at::TensorOptions().dtype(at::kByte));
    archive_.read(entry, bytes.mutable_data_ptr());
    return bytes;
  }

  const ZipArchive& archive_;
  std::string folder_, config_;
  std::unordered_map<std::string, c10::Storage> storages_;
  std::unordered_map<std::string, std::vector<std::pair<Geometry, at::Tensor>>> made_;
  std::vector<Problem> problems_;
};

OrderedJson integers(at::IntArrayRef numbers) {
  auto list = OrderedJson::array();
  for (const auto number : numbers) list.push_back({{"as_int", number}});
  return list;
}

// A stretch of one storage that some tensors share.
struct Stretch {
  const char* begin = nullptr;
  const char* end = nullptr;
  std::string path;
};

std::pair<const char*, const char*> range_of(const at::Tensor& tensor) {
  const auto* begin = static_cast<const char*>(tensor.const_data_ptr());
  const auto elements = elements_spanned(tensor.sizes().vec(), tensor.strides().vec(), 0).value_or(0);
  return {begin, begin + elements * tensor.element_size()};
}

class PayloadWriter {
 public:
  PayloadWriter(std::string_view folder, std::string_view prefix, const std::function<void(const std::string&, const void*, std::size_t)>& write)
      : folder_(folder), prefix_(prefix), write_(write) {}

  std::string write(std::vector<PayloadFacts> tensors) {
    for (auto& facts : tensors) facts.tensor = prepared(facts.tensor);
    make_stretches(tensors);
    auto config = OrderedJson::object();
    for (const auto& facts : tensors) config[facts.name] = entry_for(facts);
    return OrderedJson{{"config", std::move(config)}}.dump(-1, ' ', true);
  }

 private:
  // On the CPU, without gaps: a view that skips elements of its storage becomes a tensor of its own.
  static at::Tensor prepared(const at::Tensor& tensor) {
    auto plain = tensor.detach().cpu();
    return plain.is_non_overlapping_and_dense() ? plain : plain.contiguous();
  }

  // Overlapping tensors of one type (tied weights, views of each other) become one record, others a record each.
  void make_stretches(std::vector<PayloadFacts>& tensors) {
    std::vector<PayloadFacts*> ordered;
    for (auto& facts : tensors) {
      if (facts.tensor.numel() > 0) ordered.push_back(&facts);
    }
    std::stable_sort(ordered.begin(), ordered.end(), [](auto* a, auto* b) { return range_of(a->tensor) < range_of(b->tensor); });
    std::vector<Stretch> copies;
    at::ScalarType type{};
    for (auto* facts : ordered) {
      const auto [begin, end] = range_of(facts->tensor);
      if (stretches_.empty() || begin >= stretches_.back().end) {
        stretches_.push_back({begin, end, {}});
        type = facts->tensor.scalar_type();
      } else if (facts->tensor.scalar_type() == type) {
        stretches_.back().end = std::max(stretches_.back().end, end);
      } else {
        facts->tensor = facts->tensor.clone();  // the loader reads a record as one type
        const auto range = range_of(facts->tensor);
        copies.push_back({range.first, range.second, {}});
      }
    }
    stretches_.insert(stretches_.end(), copies.begin(), copies.end());
    std::sort(stretches_.begin(), stretches_.end(), [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
  }

  OrderedJson entry_for(const PayloadFacts& facts) {
    const auto& tensor = facts.tensor;
    std::int64_t offset = 0;
    std::string path;
    if (tensor.numel() == 0) {
      path = record(nullptr, 0);
    } else {
      const auto* begin = static_cast<const char*>(tensor.const_data_ptr());
      auto stretch = std::upper_bound(stretches_.begin(), stretches_.end(), begin, [](const char* at, const Stretch& s) { return at < s.begin; });
      --stretch;
      if (stretch->path.empty()) stretch->path = record(stretch->begin, static_cast<std::size_t>(stretch->end - stretch->begin));
      path = stretch->path;
      offset = (begin - stretch->begin) / static_cast<std::int64_t>(tensor.element_size());
    }
    const auto dtype = from_aten(tensor.scalar_type());
    if (!dtype)
      throw Error(ErrorCode::unsupported,
                  "`" + facts.name + "` has an element type that .pt2 files cannot hold: " + c10::toString(tensor.scalar_type()));
    OrderedJson meta{{"dtype", number_of(*dtype)},
              {"sizes", integers(tensor.sizes())},
              {"requires_grad", facts.requires_grad},
              {"device", {{"type", facts.device}, {"index", nullptr}}},
              {"strides", integers(tensor.strides())},
              {"storage_offset", {{"as_int", offset}}},
              {"layout", kStrided}};
    return {{"path_name", path}, {"is_param", facts.is_parameter}, {"use_pickle", false}, {"tensor_meta", std::move(meta)}};
  }

  std::string record(const void* data, std::size_t size) {
    auto path = prefix_ + std::to_string(count_++);
    write_(folder_ + path, data, size);
    return path;
  }

  std::string folder_, prefix_;
  const std::function<void(const std::string&, const void*, std::size_t)>& write_;
  std::vector<Stretch> stretches_;
  std::size_t count_ = 0;
};

}  // namespace

std::optional<std::uint64_t> elements_spanned(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides, std::int64_t offset) {
  if (sizes.size() != strides.size() || offset < 0) return std::nullopt;
  constexpr auto kLimit = static_cast<unsigned __int128>(std::numeric_limits<std::int64_t>::max());
  auto last = static_cast<unsigned __int128>(offset);
  unsigned __int128 elements = 1;
  bool is_empty = false;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto size = sizes[i];
    if (size < 0 || strides[i] < 0) return std::nullopt;
    is_empty |= size == 0;
    if (size > 0) {
      elements *= static_cast<unsigned __int128>(size);
      last += static_cast<unsigned __int128>(size - 1) * static_cast<unsigned __int128>(strides[i]);
    }
    if (last > kLimit || elements > kLimit) return std::nullopt;
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(last) + 1;
}

std::vector<Payload> read_payloads(const ZipArchive& archive, std::string_view folder, std::string_view config_entry) {
  try {
    return PayloadReader(archive, folder, config_entry).read();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::model_file, "entry `" + std::string(config_entry) + "` does not follow the export schema: " + error.what(),
                {.file = archive.path()}, "export the model again with torch 2.11 to 2.13");
  }
}

std::string write_payloads(const std::vector<PayloadFacts>& tensors, std::string_view folder, std::string_view prefix,
                           const std::function<void(const std::string& name, const void* data, std::size_t size)>& write) {
  return PayloadWriter(folder, prefix, write).write(tensors);
}

}  // namespace dsc::pt2
