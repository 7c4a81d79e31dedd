// The calling convention of an exported program: pytree specifications as torch.utils._pytree writes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dsc::pt2 {

// Names of the leaves of an input specification "[1, {tuple of args, dict of kwargs}]", in order: "input_ids",
// "past.0.key". `forward_names` are the argument names of forward(). None when the specification is of another form.
std::optional<std::vector<std::string>> leaf_names(const std::string& in_spec, const std::vector<std::string>& forward_names);
// The same of an output specification, for what forward() returned as a mapping, a data class or a named tuple; empty texts for what a tensor
// or a plain sequence holds. named_tuples: JSON of the field names of each kind of named tuple.
std::optional<std::vector<std::string>> output_leaf_names(const std::string& out_spec, const std::string& named_tuples);
std::optional<std::size_t> leaf_count(const std::string& spec);

// The specification without the leaves marked in `removed`, and the forward names that remain. None when a container
// with fixed fields (a named tuple, a class) would lose a field.
struct TrimmedSpec {
  std::string spec;
  std::vector<std::string> forward_names;
};
std::optional<TrimmedSpec> without_leaves(const std::string& in_spec, const std::vector<std::string>& forward_names,
                                          const std::vector<bool>& removed);

std::string plain_input_spec(std::size_t arguments);  // forward(a, b, c)
std::string plain_output_spec(std::size_t outputs);   // one tensor, or a tuple

}  // namespace dsc::pt2
