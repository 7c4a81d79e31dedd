// A pass with options written as in a recipe, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields_parse.h"
#include "dscompress/pass.h"
#include "ir/fingerprint.h"
#include "ir/verify.h"

namespace dsc::test {

// Checks of every run outside a rehearsal: the graph is consistent, and the pass says that it changed something exactly when graph,
// tensors or the records beside them differ.
//
// test::ConfiguredPass finetune(make_finetune_supervised(), "{epochs: 2, optimizer: {sgd: {lr: 0.1}}}");
// finetune.run(model, context);
class ConfiguredPass {
 public:
  // errors: recipe, as for a recipe file.
  ConfiguredPass(PassInfo info, std::string_view yaml) : info_(std::move(info)), options_(info_.make_options()) {
    std::vector<Problem> problems;
    const auto tree = read_yaml(yaml, std::make_shared<TreeSource>(TreeSource{"test.yaml", {}}), problems);
    parse_fields(tree, [&](FieldVisitor& visit) { info_.fields(options_.get(), visit); }, problems);
    throw_problems(std::move(problems));
  }
  const PassInfo& info() const { return info_; }
  std::vector<Problem> check(const Model& model) const {
    return info_.check ? info_.check(model, options_.get()) : std::vector<Problem>{};
  }
  PassResult run(Model& model, PassContext& context) const {
    const std::string before = fingerprint_of(model);
    const auto records = model.archive.extra_files;
    PassResult result = info_.run(model, options_.get(), context);
    if (context.dry_run()) return result;
    EXPECT_EQ(result.changed, fingerprint_of(model) != before || model.archive.extra_files != records)
        << "what the pass `" << info_.id << "` says of itself";
    for (const Problem& problem : verify(model)) ADD_FAILURE() << problem.message;
    return result;
  }

 private:
  PassInfo info_;
  std::shared_ptr<void> options_;
};

}  // namespace dsc::test
