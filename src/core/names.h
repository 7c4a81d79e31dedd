// Matching and suggesting names: module globs, and the nearest spelling of a wrong word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dsc {

// Anchored glob over dotted paths: `*` matches within one component, `**` across components, `?` one character,
// `[ab]`, `[0-2]`, `[!ab]` one of a set, a range, the others. "layer1.*" does not match "layer10.0" nor "layer1.0.conv1".
bool matches_glob(std::string_view glob, std::string_view name);
// The nearest of `names` by edit distance, at most `most`, nearest first; none when all are too far.
std::vector<std::string> nearest_names(std::string_view wrong, const std::vector<std::string>& names, std::size_t most = 1);
// "did you mean `sparsity`?", or "known: a, b, c".
std::string suggest(std::string_view wrong, const std::vector<std::string>& names);

}  // namespace dsc
