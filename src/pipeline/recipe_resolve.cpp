// `bf16: auto`, wherever a pass has it among its options.
#include <algorithm>

#include "exec/native_bf16.h"
#include "pipeline/option_walker.h"
#include "pipeline/recipe.h"
#include "train/train.h"

namespace dsc {
namespace {

// Sets every field called `bf16` that is still `auto`, in options of any pass.
class Bf16Resolver final : public OptionWalker {
 public:
  explicit Bf16Resolver(Bf16 meaning) : meaning_(meaning) {}
  bool found = false;

  void field(std::string_view name, const Doc&, const std::function<void(ValueVisitor&)>& value) override {
    const bool outer = is_bf16_;
    is_bf16_ = name == "bf16";
    value(*this);
    is_bf16_ = outer;
  }

  void choice(std::span<const std::string_view> names, std::size_t& index) override {
    const bool is_ours = is_bf16_ && std::ranges::equal(names, enum_names(Bf16{}));
    if (!is_ours || static_cast<Bf16>(index) != Bf16::automatic) return;
    index = static_cast<std::size_t>(meaning_);
    found = true;
  }

 private:
  Bf16 meaning_;
  bool is_bf16_ = false;
};

}  // namespace

void resolve_bf16(Recipe& recipe) {
  const bool native = has_native_bf16(recipe.device);
  Bf16Resolver resolver(native ? Bf16::on : Bf16::off);
  bool trains = false;
  for (auto& step : recipe.passes.steps) {
    resolver.found = false;
    step.info->fields(step.options.get(), resolver);
    trains = trains || (resolver.found && needs_of(step).contains(Need::train_data));
  }
  if (!trains) return;
  recipe.notes.push_back(native ? "training computes in bf16: bf16 is auto, and " + recipe.device + " has instructions for it"
                                : "training computes in f32: bf16 is auto, and " + recipe.device + " has no instructions for it");
}

}  // namespace dsc
