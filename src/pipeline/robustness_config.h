// The `evaluate.robustness` list of a recipe: what the model is tried on besides clean data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attack/attack.h"
#include "dscompress/fields.h"

namespace dsc {

// Whose gradients an attack follows: those of the model that it is tried on, or of the base model (transfer).
enum class GradientsOf : std::uint8_t { model, base };
std::span<const std::string_view> enum_names(GradientsOf);

// One entry: `jpeg`, or `pgd: {options}`; a row of the table of corruptions (data/corruption.h), or an attack.
struct RobustnessTest {
  std::string kind;
  std::string name;  // unique in the recipe; the kind, numbered, unless given
  // Of corruptions:
  std::vector<std::int64_t> severities = {1, 2, 3, 4, 5};
  FilePath path;  // of synonyms
  // Of attacks:
  std::optional<Attack> attack;
  GradientsOf gradients_of = GradientsOf::model;
  // Of both:
  std::int64_t examples = 0;  // at most so many of data.eval, at even distances; 0: all
  void describe(ValueVisitor& visit);

 private:
  void fields(FieldVisitor& visit);
};

// After which steps these tests are made, besides the baseline.
enum class RobustnessSteps : std::uint8_t { all, last };
std::span<const std::string_view> enum_names(RobustnessSteps);

// Names the tests that the recipe leaves without one.
void name_tests(std::vector<RobustnessTest>& tests);

// The figures that such tests give, for gates, each with the metric that it is one of: worst_top1 (of all tests), corrupted_top1 (mean
// over corruptions and severities), and pgd_top1 (of one test, mean over its severities).
std::vector<std::pair<std::string, std::string>> robustness_figures(const std::vector<RobustnessTest>& tests, const std::vector<std::string>& metrics);

}  // namespace dsc
