// Recipes on a tiny network's files, loaded in this process with passes of the test's own beside the built-in ones.
#pragma once

#include <functional>
#include <string>

#include "passes/builtin.h"
#include "pipeline/recipe.h"
#include "support/tiny_run.h"

namespace dsc::test {

// A pass without options that does what the test says.
class StubPass {
 public:
  using Body = std::function<PassResult(Model&, PassContext&)>;
  StubPass(std::string id, Body body) : id_(std::move(id)), body_(std::move(body)) {}
  PassInfo info() const {
    return make_pass<None>({.id = id_, .summary = "A test's own."}, [body = body_](Model& model, const None&, PassContext& context) { return body(model, context); });
  }

 private:
  struct None {
    void fields(FieldVisitor&) {}
  };
  std::string id_;
  Body body_;
};

class TinyRecipe {
 public:
  // passes: of the recipe, as YAML below `passes:`; more: further sections.
  explicit TinyRecipe(const std::string& passes, const std::vector<StubPass>& stubs = {}, const std::string& more = "evaluate: {metrics: [top1]}\nthreads: 1\n")
      : files_(tiny_recipe_head() + more + "passes:\n" + passes) {
    add_builtin_passes(table_);
    for (const auto& stub : stubs) table_.add(stub.info());
  }
  Recipe load(const std::string& file = "recipe.yaml") const { return load_recipe({.path = files_.file(file), .vars_files = {}, .overrides = {}}, table_); }
  std::string file(const std::string& name) const { return files_.file(name); }

 private:
  TinyRun files_;
  PassTable table_;
};

}  // namespace dsc::test
