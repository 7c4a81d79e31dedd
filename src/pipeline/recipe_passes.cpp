// The `passes` of a recipe: an open set of alternatives, looked up in a PassTable.
#include <algorithm>

#include "core/fields_write.h"
#include "pipeline/recipe.h"

namespace dsc {
namespace {

// The names of fields, without their values.
class FieldNames final : public FieldVisitor {
 public:
  std::vector<std::string> names;
  void field(std::string_view name, const Doc&, const std::function<void(ValueVisitor&)>&) override { names.emplace_back(name); }
  void check(std::string) override {}
};

// The pass's own options, then those of every step; a pass may give its own meaning to one of these.
void visit_step(PassStep& step, FieldVisitor& visit) {
  const PassInfo& info = *step.info;
  FieldNames own;
  info.fields(step.options.get(), own);
  const auto is_free = [&](std::string_view field) { return std::find(own.names.begin(), own.names.end(), field) == own.names.end(); };
  info.fields(step.options.get(), visit);
  if (is_free("name")) visit("name", step.name, {.text = "Name of the step in report and run folder; empty: the pass."});
  if (is_free("allow_empty")) {
    visit("allow_empty", step.allow_empty, {.text = "A pass that changes nothing is no error."});
  } else {  // the pass looks at it as well, for patterns that match nothing
    const auto set = write_fields([&](FieldVisitor& fields) { info.fields(step.options.get(), fields); });
    step.allow_empty = set.find("allow_empty")->text == "true";
  }
  const bool may_train = !info.needs.empty() || info.needs_of;
  if (may_train && is_free("train_on")) visit("train_on", step.train_on, {.text = "The training data of this step, a name of `data.more`; empty: `data.train`."});
}

}  // namespace

void PassStep::fields(FieldVisitor& visit) { visit_step(*this, visit); }

void PassStep::describe(ValueVisitor& visit) {
  VariantAccess access;
  const auto& passes = table->all();
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const auto& pass = *passes[i];
    access.alternatives.push_back({pass.id, pass.summary, [&pass](FieldVisitor& inner) {
                                     PassStep step;
                                     step.info = &pass;
                                     step.options = pass.make_options();
                                     visit_step(step, inner);
                                   }});
    if (&pass == info) access.current = i;
  }
  access.choose = [&](std::size_t i) {
    info = passes[i].get();
    options = info->make_options();
    name.clear();
    allow_empty = false;
    train_on.clear();
  };
  access.fields = [this](FieldVisitor& inner) { fields(inner); };
  visit.variant(std::move(access));
}

void PassList::describe(ValueVisitor& visit) {
  visit.list({.size = steps.size(),
              .resize = [this](std::size_t size) { steps.resize(size); },
              .element =
                  [this](std::size_t i, ValueVisitor& inner) {
                    steps[i].table = table;
                    steps[i].describe(inner);
                  },
              .prototype =
                  [this](ValueVisitor& inner) {
                    PassStep step;
                    step.table = table;
                    step.describe(inner);
                  }});
}

}  // namespace dsc
