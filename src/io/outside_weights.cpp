#include "io/outside_weights.h"

#include <ATen/ops/empty.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/names.h"
#include "core/printed.h"
#include "dscompress/error.h"
#include "io/safetensors.h"
#include "ir/describe.h"

namespace dsc {
namespace {

constexpr const char* kRecord = "weights_from.json";
constexpr const char* kWeight = ".weight";
constexpr const char* kScale = ".weight_scale_inv";  // of fp8: w = fp8 x scale, block by block

using Json = nlohmann::json;

// Which tensors a weight is: one; or those of each inner list joined along their first dimension, and the joined ones stacked.
struct Record {
  std::int64_t block_rows = 0, block_columns = 0;
  std::map<std::string, Json> sources;
};

Record parse_record(const Model& model) {
  try {
    const Json json = Json::parse(model.archive.extra_files.at(kRecord));
    Record record{json.at("block_rows"), json.at("block_columns"), {}};
    for (const auto& [target, source] : json.at("sources").items()) {
      if (!source.is_string()) static_cast<void>(source.get<std::vector<std::vector<std::string>>>());
      record.sources.emplace(target, source);
    }
    if (record.block_rows > 0 && record.block_columns > 0) return record;
  } catch (const Json::exception&) {  // what is wrong with a text that no one writes by hand does not help
  }
  throw Error(ErrorCode::model_file, std::string(kRecord) + " in the model file is damaged", {.file = model.source}, "export the model again");
}

class Binding {
 public:
  Binding(Model& model, const std::string& path, const std::function<at::Tensor(const at::Tensor&)>& keep)
      : model_(model), path_(path), keep_(keep), record_(parse_record(model)), file_(read_safetensors(path)) {
    for (const auto& [name, tensor] : file_.tensors) offered_.emplace(name, tensor);
  }

  void run() {
    std::vector<std::pair<std::string, at::Tensor>> made;
    for (const GraphInput& input : model_.graph.inputs()) {
      const auto source = record_.sources.find(input.target);
      if (!input.value || input.kind == InputKind::user || source == record_.sources.end()) continue;
      if (auto tensor = make(input.target, source->second)) made.emplace_back(input.target, std::move(*tensor));
    }
    if (!problems_.empty()) throw Error(ErrorCode::model_file, std::move(problems_));
    for (auto& [target, tensor] : made) model_.weights.set(target, std::move(tensor));
    model_.archive.extra_files.erase(kRecord);
  }

 private:
  // none: a problem was added.
  std::optional<at::Tensor> make(const std::string& target, const Json& source) {
    const at::Tensor hollow = model_.weights.get(target);
    if (!source.is_string()) return stacked(target, source.get<std::vector<std::vector<std::string>>>(), hollow);
    const auto name = source.get<std::string>();
    if (const auto known = single_.find(name); known != single_.end()) return known->second;  // tied weights stay one tensor
    const at::Tensor* stored = find(target, name);
    if (!stored || !fits(target, name, *stored, hollow.sizes())) return std::nullopt;
    const bool as_it_is = stored->scalar_type() == hollow.scalar_type();
    if (!as_it_is && !(stored->is_floating_point() && hollow.is_floating_point())) {
      add("`" + name + "` is " + c10::toString(stored->scalar_type()) + " and the model's `" + target + "` is " + c10::toString(hollow.scalar_type()),
          "use the checkpoint that the model was exported from");
      return std::nullopt;
    }
    const auto made = as_it_is ? std::optional(*stored) : numbers(name, *stored);
    if (!made) return std::nullopt;
    return single_[name] = as_it_is ? *made : keep_(made->to(hollow.scalar_type()));
  }

  std::optional<at::Tensor> stacked(const std::string& target, const std::vector<std::vector<std::string>>& pieces, const at::Tensor& hollow) {
    if (hollow.dim() < 2 || hollow.size(0) != static_cast<std::int64_t>(pieces.size())) {
      add(printed("`%s` has %lld parts in the model and %zu in its record", target.c_str(), static_cast<long long>(hollow.dim() ? hollow.size(0) : 0), pieces.size()),
          "export the model again");
      return std::nullopt;
    }
    const at::Tensor whole = at::empty(hollow.sizes(), hollow.options());
    bool all = true;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const at::Tensor piece = whole[static_cast<std::int64_t>(i)];
      std::int64_t row = 0;
      for (const std::string& name : pieces[i]) {
        const at::Tensor* stored = find(target, name);
        const std::int64_t rows = piece.size(0) / static_cast<std::int64_t>(pieces[i].size());
        std::vector<std::int64_t> sizes = piece.sizes().vec();
        sizes[0] = rows;
        const auto part = stored && fits(target, name, *stored, sizes) ? numbers(name, *stored) : std::nullopt;
        if (part) piece.narrow(0, row, rows).copy_(*part);
        all = all && part;
        row += rows;
      }
    }
    return all ? std::optional(keep_(whole)) : std::nullopt;
  }

  // What is stored as fp8 times its scales, f32; others as they are.
  std::optional<at::Tensor> numbers(const std::string& name, const at::Tensor& stored) {
    if (stored.scalar_type() != at::kFloat8_e4m3fn) return stored;
    const std::string scale_name = name.ends_with(kWeight) ? name.substr(0, name.size() - std::string_view(kWeight).size()) + kScale : name + "_scale_inv";
    const auto found = offered_.find(scale_name);
    const auto blocks = [](std::int64_t size, std::int64_t block) { return (size + block - 1) / block; };
    const bool fits = found != offered_.end() && stored.dim() == 2 && found->second.dim() == 2 && found->second.is_floating_point() &&
                      found->second.size(0) == blocks(stored.size(0), record_.block_rows) &&
                      found->second.size(1) == blocks(stored.size(1), record_.block_columns);
    if (!fits) {
      add("`" + name + "` is fp8, and `" + scale_name + "`, a scale for each block of " + std::to_string(record_.block_rows) + " x " +
              std::to_string(record_.block_columns) + (found == offered_.end() ? ", is not in the checkpoint" : ", has another shape"),
          "give the whole checkpoint");
      return std::nullopt;
    }
    const at::Tensor scales = found->second.to(at::kFloat)
                                  .repeat_interleave(record_.block_rows, 0)
                                  .narrow(0, 0, stored.size(0))
                                  .repeat_interleave(record_.block_columns, 1)
                                  .narrow(1, 0, stored.size(1));
    return stored.to(at::kFloat) * scales;
  }

  const at::Tensor* find(const std::string& target, const std::string& name) {
    const auto found = offered_.find(name);
    if (found != offered_.end()) return &found->second;
    std::vector<std::string> names;
    for (const auto& [offered, tensor] : offered_) names.push_back(offered);
    std::string hint;
    for (const auto& near : nearest_names(name, names, 2)) hint += (hint.empty() ? "did you mean `" : " or `") + near + "`";
    add("the model's `" + target + "` is made of `" + name + "`, which the checkpoint does not have", hint.empty() ? "" : hint + "?");
    return nullptr;
  }

  bool fits(const std::string& target, const std::string& name, const at::Tensor& stored, at::IntArrayRef sizes) {
    if (stored.sizes() == sizes) return true;
    add("`" + name + "` has the shape " + describe_sizes(stored) + ", and its place in the model's `" + target + "` " + c10::str(sizes),
        "use the checkpoint that the model was exported from");
    return false;
  }

  void add(std::string message, std::string hint) { problems_.push_back({std::move(message), {.file = path_}, std::move(hint)}); }

  Model& model_;
  std::string path_;
  const std::function<at::Tensor(const at::Tensor&)>& keep_;
  Record record_;
  TensorFile file_;
  std::map<std::string, at::Tensor> offered_, single_;
  std::vector<Problem> problems_;
};

}  // namespace

bool has_outside_weights(const Model& model) { return model.archive.extra_files.contains(kRecord); }

void bind_outside_weights(Model& model, const std::string& path, const std::function<at::Tensor(const at::Tensor&)>& keep) {
  Binding(model, path, keep).run();
}

}  // namespace dsc
