// Replacing words of a text by others of similar meaning.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/random.h"

namespace dsc {

// What may stand in a word's place; keys are lower case.
using WordChoices = std::unordered_map<std::string, std::vector<std::string>>;

// `word synonym` a line (PPDB), or for .tsv files `word TAB part of speech TAB synonym,synonym` (WordNet).
// errors: data with file and line; io.
WordChoices read_synonyms(const std::string& path);
// JSON {word: [numbers]}: the `nearest` words by cosine of their vectors. errors: data; io.
WordChoices read_neighbours(const std::string& path, std::int64_t nearest);

// The text with each word as `change` gives it; what lies between words stays.
std::string change_words(const std::string& text, const std::function<void(std::string& word)>& change);

// Each word that has choices is replaced with probability `share` by one of them; a capital first letter stays one.
std::string replace_words(const std::string& text, const WordChoices& choices, double share, Random& random);

}  // namespace dsc
