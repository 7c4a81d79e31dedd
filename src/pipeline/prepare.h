// What a run needs before its first pass: model and data opened and checked against each other.
#pragma once

#include "dscompress/model.h"
#include "pipeline/recipe.h"
#include "pipeline/step_context.h"

namespace dsc {

struct PreparedRun {
  Model model;
  RunResources resources;
};

// A section of the recipe's `data`.
struct DataSection {
  std::string name;            // "train", "more.wiki"
  std::string pointer;         // "/data/train"
  std::optional<Split> split;  // none: further training data
  SplitConfig config;
};

// The recipe's data sections, with the tokenizer beside the model where they name none.
std::vector<DataSection> data_sections(const Recipe& recipe);
// The tokenizer of the recipe's text, its .xml; empty: there is no text.
std::string tokenizer_of(const Recipe& recipe);

// Opens the model and every data set that the recipe names; checks shapes, dtypes and labels against each other.
// The recipe must outlive the result. errors: all problems of one kind at once, before anything is trained.
PreparedRun prepare_run(const Recipe& recipe);
// The same for a file that is deployed (is_deployed_file), in the place of the recipe's model: the result's has its inputs, no more.
PreparedRun prepare_deployed_file(const Recipe& recipe, const std::string& file);

// Checks a step against the model that it finds, as earlier steps have left it. errors: recipe, all problems at once.
void check_step(const Recipe& recipe, std::size_t index, const Model& model);

// The seed of a step's pass.
std::uint64_t step_seed(const Recipe& recipe, std::size_t index);

// Index of the step after which everything is compared with, 0: the model as it is.
std::int64_t baseline_index(const Recipe& recipe);

// Content of everything the run depends on.
Fingerprints fingerprints_of(const Recipe& recipe, const std::vector<std::string>& plugins);

}  // namespace dsc
