#include "checkpoint/source.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "core/file.h"
#include "core/names.h"
#include "io/safetensors_header.h"

namespace dsc::checkpoint {
namespace {

namespace fs = std::filesystem;
using HeaderJson = nlohmann::json;

constexpr std::string_view kWeight = ".weight";
constexpr const char* kScale = ".weight_scale_inv";
constexpr std::size_t kShown = 8;  // names in one message

// "a, b and 17 more"
std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", `" : "`") + names[i] + "`";
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more" : text;
}

std::vector<std::string> shard_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (entry.path().extension() == ".safetensors" && !name.starts_with('.') && entry.is_regular_file()) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Opener {
 public:
  Opener(Source& source, std::vector<Finding>& findings) : source_(source), findings_(findings) {}

  void open(const fs::path& path) {
    if (fs::is_regular_file(path) && path.extension() == ".safetensors") {
      source_.folder = path.parent_path().string();
      add_shard(path);
    } else if (fs::is_directory(path)) {
      source_.folder = path.string();
      open_folder(path);
    } else {
      throw Error(ErrorCode::io, fs::exists(path) ? "neither a folder nor a .safetensors file" : "no such folder", {.file = path.string()},
                  "name the folder that holds config.json and the shards");
    }
    read_config();
    pair_scales();
  }

 private:
  void add(ErrorCode code, std::string message, Place place, std::string hint) {
    findings_.push_back({code, {std::move(message), std::move(place), std::move(hint)}});
  }

  void open_folder(const fs::path& folder) {
    const auto index = folder / kSafetensorsIndex;
    const auto present = shard_names(folder);
    if (!fs::exists(index)) {
      if (present.empty()) {
        throw Error(ErrorCode::model_file, "the folder holds no .safetensors file", {.file = folder.string()},
                    "checkpoints in other formats (.bin, .pth, .gguf) must be converted first");
      }
      for (const auto& name : present) add_shard(folder / name);
      return check_unique();
    }
    const auto shard_of = read_safetensors_index(index.string());
    std::set<std::string> wanted;
    for (const auto& [tensor, shard] : shard_of) wanted.insert(fs::path(shard).filename().string());
    std::vector<std::string> missing;
    for (const auto& name : wanted) {
      if (!fs::exists(folder / name))
        missing.push_back(name);
      else
        add_shard(folder / name);
    }
    is_incomplete_ |= !missing.empty();
    if (!missing.empty()) add(ErrorCode::model_file, "the index names shards that are missing: " + some_of(missing), {.file = index.string()}, "copy them into the folder");
    check_index(index.string(), shard_of, {missing.begin(), missing.end()});
  }

  void add_shard(const fs::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) throw Error(ErrorCode::io, "cannot read the file", {.file = path.string()});
    const auto number = source_.shards.size();
    source_.shards.push_back({.path = path.string(),
                              .name = path.filename().string(),
                              .bytes = static_cast<std::uint64_t>(status.st_size),
                              .modified_ns = status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec});
    try {
      const auto header = read_safetensors_header(path.string());
      for (const auto& row : header.tensors) {
        source_.tensors.push_back(
            {.name = row.name, .dtype = row.dtype, .shape = row.shape, .shard = number, .offset = header.data_start + row.begin, .bytes = row.bytes()});
      }
    } catch (const Error& error) {
      unreadable_.insert(path.filename().string());
      is_incomplete_ = true;
      for (const auto& problem : error.problems()) findings_.push_back({error.code(), problem});
    }
  }

  void check_unique() {
    std::set<std::string_view> names;
    std::vector<std::string> twice;
    for (const auto& tensor : source_.tensors) {
      if (!names.insert(tensor.name).second) twice.push_back(tensor.name);
    }
    if (!twice.empty()) add(ErrorCode::model_file, "tensors are in two shards: " + some_of(twice), {.file = source_.folder}, "remove the older shard, or write an index");
  }

  // The index and the shards must name the same tensors in the same places.
  void check_index(const std::string& path, const std::map<std::string, std::string>& shard_of, const std::set<std::string>& missing) {
    std::unordered_map<std::string_view, std::size_t> place;
    std::vector<std::string> unknown, moved, absent;
    for (const auto& tensor : source_.tensors) place.emplace(tensor.name, tensor.shard);
    for (const auto& tensor : source_.tensors) {
      const auto entry = shard_of.find(tensor.name);
      if (entry == shard_of.end()) unknown.push_back(tensor.name);
    }
    for (const auto& [name, file] : shard_of) {
      const auto shard = fs::path(file).filename().string();
      if (missing.contains(shard) || unreadable_.contains(shard)) continue;
      const auto found = place.find(name);
      if (found == place.end())
        absent.push_back(name);
      else if (source_.shards[found->second].name != shard)
        moved.push_back(name);
    }
    const auto hint = "the index is stale: write it again, or remove it, and all shards in the folder are read";
    if (!absent.empty()) add(ErrorCode::model_file, "the index names tensors that their shards do not hold: " + some_of(absent), {.file = path}, hint);
    if (!moved.empty()) add(ErrorCode::model_file, "tensors are in other shards than the index says: " + some_of(moved), {.file = path}, hint);
    if (!unknown.empty()) add(ErrorCode::model_file, "shards hold tensors that the index does not name: " + some_of(unknown), {.file = path}, hint);
    check_unique();
  }

  void read_config() {
    const auto path = (fs::path(source_.folder) / "config.json").string();
    if (!fs::exists(path)) return;
    source_.config = read_file(path);
    try {
      const auto config = HeaderJson::parse(source_.config);
      source_.model_type = config.value("model_type", "");
      if (config.contains("architectures") && !config["architectures"].empty()) source_.architecture = config["architectures"][0].get<std::string>();
      const auto quantization = config.find("quantization_config");
      if (quantization == config.end() || !quantization->is_object()) return;
      source_.quant_method = quantization->value("quant_method", "");
      if (quantization->contains("weight_block_size")) {
        source_.block_rows = quantization->at("weight_block_size").at(0).get<std::int64_t>();
        source_.block_columns = quantization->at("weight_block_size").at(1).get<std::int64_t>();
      }
      if (source_.block_rows < 1 || source_.block_columns < 1) throw Error(ErrorCode::model_file, "weight_block_size is not positive", {.file = path});
    } catch (const HeaderJson::exception& error) {
      add(ErrorCode::model_file, std::string("not a model's configuration: ") + error.what(), {.file = path}, "copy it again");
      source_.config.clear();
    }
  }

  // An fp8 weight is w / scale; without its scale it means nothing.
  void pair_scales() {
    std::unordered_map<std::string_view, std::size_t> place;
    for (std::size_t i = 0; i < source_.tensors.size(); ++i) place.emplace(source_.tensors[i].name, i);
    std::vector<std::string> without;
    for (auto& tensor : source_.tensors) {
      if (tensor.dtype != "F8_E4M3") continue;
      const auto found = place.find(tensor.module() + kScale);
      if (found == place.end() || !tensor.name.ends_with(kWeight)) {
        without.push_back(tensor.name);
        continue;
      }
      tensor.scale = found->second;
      auto& scale = source_.tensors[found->second];
      scale.is_scale = true;
      check_scale(tensor, scale);
    }
    if (!without.empty() && !is_incomplete_) {  // else they may be where nothing can be read
      add(ErrorCode::model_file, "fp8 tensors have no scale (NAME.weight_scale_inv) in any shard: " + some_of(without), {.file = source_.folder},
          "copy the shard that holds the scales, and write the index again");
    }
  }

  void check_scale(const Tensor& tensor, const Tensor& scale) {
    const auto blocks = [](std::int64_t size, std::int64_t block) { return (size + block - 1) / block; };
    const std::vector<std::int64_t> expected = {blocks(tensor.rows(), source_.block_rows), blocks(tensor.columns(), source_.block_columns)};
    const bool fits = tensor.shape.size() == 2 && scale.shape == expected && element_of(scale.dtype) && scale.dtype != "F8_E4M3";
    if (fits) return;
    add(ErrorCode::model_file,
        "`" + scale.name + "` is " + scale.dtype + " " + HeaderJson(scale.shape).dump() + "; blocks of " + std::to_string(source_.block_rows) + " x " +
            std::to_string(source_.block_columns) + " of `" + tensor.name + "` " + HeaderJson(tensor.shape).dump() + " need F32 " + HeaderJson(expected).dump(),
        {.file = source_.shards[scale.shard].path}, "the block size is quantization_config.weight_block_size in config.json");
  }

  Source& source_;
  std::vector<Finding>& findings_;
  std::set<std::string> unreadable_;
  bool is_incomplete_ = false;
};

}  // namespace

std::int64_t Tensor::columns() const {
  if (shape.size() == 2) return shape[1];
  std::int64_t product = 1;
  for (const auto size : shape) product *= size;
  return product;
}

std::string Tensor::module() const { return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name; }

std::uint64_t Source::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& tensor : tensors) sum += tensor.bytes;
  return sum;
}

void throw_findings(std::vector<Finding> findings) {
  if (findings.empty()) return;
  // What no option can mend comes first and decides.
  const auto rank = [](const Finding& finding) { return finding.code == ErrorCode::recipe ? 2 : finding.code == ErrorCode::unsupported ? 1 : 0; };
  std::stable_sort(findings.begin(), findings.end(), [&](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
  std::vector<Problem> problems;
  for (auto& finding : findings) problems.push_back(std::move(finding.problem));
  throw Error(findings.front().code, std::move(problems));
}

Source open_source(const std::string& path, std::vector<Finding>& findings) {
  Source source;
  Opener(source, findings).open(path);
  return source;
}

}  // namespace dsc::checkpoint
