// From a recipe file to one tree: included files, variables files, overrides, substitution of variables.
//
//   include: [base.yaml]            merged below this file: mappings key by key, everything else replaced
//   vars: {cut: 0.5}
//   x: ${cut}                       a substitution that is the whole value keeps its type
//   y: "${env:DATA:-/data}/cifar"   environment, with a default for unset or empty
//   z: ${cut * 2 + 1}               arithmetic; $${ is a plain ${
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/tree.h"

namespace dsc {

// One value set from outside of the recipe, for the report.
struct Override {
  std::string path;   // "passes.0.prune.steps"; a JSON Pointer does as well
  std::string value;  // YAML
  std::string origin = "--set";
};

struct ComposeInput {
  std::string path;                     // the recipe
  std::vector<std::string> vars_files;  // mappings of variables, later ones win over earlier ones and the recipe
  std::vector<Override> overrides;      // in order
};

struct Composition {
  Tree tree;                        // without `include` and `vars`
  std::vector<Override> overrides;  // all that was set from outside, in order, variables files included
  std::vector<std::string> files;   // all that were read, absolute
  std::vector<std::string> notes;   // worth a look, no mistakes: variables that nothing uses
};

// Problems that leave the rest readable are added to `problems`. errors: recipe for others.
Composition compose(const ComposeInput& input, std::vector<Problem>& problems);

// "path=value". errors: usage.
Override parse_override(std::string_view text, std::string origin = "--set");

// Sets one value below `root`; missing mappings on the way are made. errors: recipe.
void apply_override(Tree& root, const Override& override, std::vector<Problem>& problems);

// Replaces ${...} in all values below `tree` by `vars` (a map) and the environment. Names of the variables that were
// used are added to `used`.
void substitute(Tree& tree, const Tree& vars, std::vector<std::string>& used, std::vector<Problem>& problems);

}  // namespace dsc
