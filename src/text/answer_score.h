// How well a predicted answer matches one, as SQuAD's official script scores it.
#pragma once

#include <string>

namespace dsc {

// Lower case, without ASCII punctuation and the articles a, an, the, words separated by single spaces.
// source: SQuAD's evaluate-v1.1.py.
std::string normalize_answer(const std::string& text);
double exact_match(const std::string& predicted, const std::string& answer);  // 1 or 0
double answer_f1(const std::string& predicted, const std::string& answer);    // of the words they share

}  // namespace dsc
