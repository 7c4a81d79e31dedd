#include "io/sample_inputs.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>

#include <map>
#include <string>

#include "dscompress/error.h"
#include "io/pickle.h"
#include "io/pt2_graph_write.h"
#include "io/pt2_schema.h"
#include "io/zip_archive.h"

namespace dsc {
namespace {

using pickle::Dictionary;
using pickle::Item;
using pickle::Sequence;

constexpr int kDeepest = 100;  // of containers in each other; a list may hold itself
constexpr std::size_t kMostVisits = 100'000;

// Depth first, as PyTorch numbers the leaves of arguments.
struct Leaves {
  std::vector<const Item*> items;
  std::size_t visits = 0;

  void collect(const Item& item, int depth) {
    if (depth > kDeepest || ++visits > kMostVisits) throw pickle::Unreadable("containers in each other without end");
    if (const auto* sequence = std::get_if<Sequence>(&item.value)) {
      for (const Item* part : sequence->items) collect(*part, depth + 1);
    } else if (const auto* dictionary = std::get_if<Dictionary>(&item.value)) {
      for (const auto& [key, part] : dictionary->entries) collect(*part, depth + 1);
    } else {
      items.push_back(&item);
    }
  }
};

at::Tensor number_of(const Item& item) {
  if (const auto* whole = std::get_if<std::int64_t>(&item.value)) return at::scalar_tensor(*whole, at::kLong);
  if (const auto* real = std::get_if<double>(&item.value)) return at::scalar_tensor(*real, at::kDouble);
  if (const auto* flag = std::get_if<bool>(&item.value)) return at::scalar_tensor(*flag, at::kBool);
  return {};
}

bool fits(const at::Tensor& tensor, const Value& input) {
  if (!tensor.defined()) return false;
  if (!input.is_tensor()) return tensor.numel() == 1;
  const TensorType& type = input.tensor();
  if (tensor.scalar_type() != pt2::to_aten(type.dtype) || tensor.dim() != type.rank()) return false;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    const Dim& dim = type.sizes[static_cast<std::size_t>(i)];
    if (dim.is_fixed() && dim.size != tensor.size(i)) return false;
  }
  return true;
}

// Each leaf to its input; literal inputs have one as well.
std::optional<std::vector<at::Tensor>> match(const Graph& graph, const std::vector<const Item*>& leaves) {
  std::vector<at::Tensor> inputs;
  std::size_t next = 0;
  for (const GraphInput& input : graph.inputs()) {
    if (input.is_weight()) continue;
    if (next == leaves.size()) return std::nullopt;
    const Item& leaf = *leaves[next++];
    if (input.kind == InputKind::literal || !input.value) continue;
    const auto* tensor = std::get_if<at::Tensor>(&leaf.value);
    inputs.push_back(tensor ? *tensor : number_of(leaf));
    if (!fits(inputs.back(), *input.value)) return std::nullopt;
  }
  return next == leaves.size() ? std::optional(std::move(inputs)) : std::nullopt;
}

}  // namespace

std::optional<std::vector<at::Tensor>> read_sample_inputs(const Model& model) {
  const auto described = model.archive.json.find("user_inputs");
  const bool as_exported = described != model.archive.json.end() && described->second == pt2::describe_user_inputs(model.graph);
  if (model.archive.sample_inputs.empty() || !as_exported) return std::nullopt;
  try {
    const ZipArchive archive(model.source, model.archive.sample_inputs);
    std::map<std::string, at::Tensor> records;
    const pickle::Pickle arguments(archive.read_text("data.pkl"), [&](const std::string& key) {
      auto& bytes = records[key];
      if (!bytes.defined()) {
        const auto& entry = archive.get("data/" + key);
        bytes = at::empty({static_cast<std::int64_t>(entry.size)}, at::TensorOptions().dtype(at::kByte));
        archive.read(entry, bytes.mutable_data_ptr());
      }
      return bytes;
    });
    Leaves leaves;
    leaves.collect(arguments.root(), 0);
    return match(model.graph, leaves.items);
  } catch (const pickle::Unreadable&) {
    return std::nullopt;  // the exporter's own classes; made-up examples do as well
  } catch (const Error&) {
    return std::nullopt;  // damaged; the program itself is whole
  }
}

}  // namespace dsc
