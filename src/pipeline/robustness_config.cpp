#include "pipeline/robustness_config.h"

#include <algorithm>
#include <array>
#include <set>
#include <type_traits>

#include "data/corruption.h"
#include "report/report.h"

namespace dsc {
namespace {

struct AttackKind {
  std::string_view name, summary;
  Attack made;
};

template <class... A>
std::vector<AttackKind> list_attacks(std::type_identity<std::variant<A...>>) {
  return {{A::kName, A::kSummary, A{}}...};
}

const std::vector<AttackKind>& attack_kinds() {
  static const auto kinds = list_attacks(std::type_identity<Attack>{});
  return kinds;
}

RobustnessTest make_test(std::size_t alternative) {
  RobustnessTest test;
  const auto corruptions = corruption_kinds();
  if (alternative < corruptions.size()) {
    test.kind = corruptions[alternative].name;
  } else {
    const auto& kind = attack_kinds()[alternative - corruptions.size()];
    test.kind = kind.name;
    test.attack = kind.made;
  }
  return test;
}

}  // namespace

std::span<const std::string_view> enum_names(GradientsOf) {
  static constexpr std::array<std::string_view, 2> kNames{"model", "base"};
  return kNames;
}

std::span<const std::string_view> enum_names(RobustnessSteps) {
  static constexpr std::array<std::string_view, 2> kNames{"all", "last"};
  return kNames;
}

void RobustnessTest::fields(FieldVisitor& visit) {
  if (attack) {
    std::visit([&](auto& options) { options.fields(visit); }, *attack);
    visit("gradients_of", gradients_of, {.text = "Whose gradients are followed: the model's that is tried, or the base model's (a transferred attack)."});
  } else {
    visit("severities", severities, {.text = "Which of the five severities.", .minimum = 1, .maximum = kSeverities});
    const std::set<std::int64_t> different(severities.begin(), severities.end());
    visit.check(severities.empty() ? "severities is empty: name some of 1 to 5" : "");
    visit.check(different.size() < severities.size() ? "severities names one twice" : "");
    if (const auto* corruption = find_corruption(kind); corruption && corruption->needs_synonyms) {
      visit("path", path, {.text = "Pairs of words (`word synonym` a line) or WordNet's table (.tsv: word, part of speech, synonyms).", .required = true});
    }
  }
  visit("examples", examples, {.text = "At most so many of data.eval, at even distances; 0: all.", .unit = "examples", .minimum = 0});
  visit("name", name, {.text = "Name in report and gates; empty: the kind."});
}

void RobustnessTest::describe(ValueVisitor& visit) {
  VariantAccess access;
  const auto add = [&](std::string_view name, std::string_view summary) {
    const auto i = access.alternatives.size();
    access.alternatives.push_back({std::string(name), std::string(summary), [i](FieldVisitor& inner) { make_test(i).fields(inner); }});
    if (name == kind) access.current = i;
  };
  for (const auto& corruption : corruption_kinds()) add(corruption.name, corruption.summary);
  for (const auto& attack_kind : attack_kinds()) add(attack_kind.name, attack_kind.summary);
  access.choose = [this](std::size_t i) { *this = make_test(i); };
  access.fields = [this](FieldVisitor& inner) { fields(inner); };
  visit.variant(std::move(access));
}

void name_tests(std::vector<RobustnessTest>& tests) {
  std::set<std::string> taken;
  for (const auto& test : tests) taken.insert(test.name);
  for (auto& test : tests) {
    if (!test.name.empty()) continue;
    test.name = test.kind;
    for (int number = 2; !taken.insert(test.name).second; ++number) test.name = test.kind + "_" + std::to_string(number);
  }
}

std::vector<std::pair<std::string, std::string>> robustness_figures(const std::vector<RobustnessTest>& tests, const std::vector<std::string>& metrics) {
  std::vector<RobustnessRecord> records;
  for (const auto& test : tests) {
    RobustnessRecord record{.test = test.name, .severity = test.attack ? 0 : 1, .metrics = {}};
    for (const auto& metric : metrics) record.metrics[metric] = 0;
    records.push_back(std::move(record));
  }
  std::vector<std::pair<std::string, std::string>> figures;
  for (const auto& figure : figures_of(records)) figures.emplace_back(figure.name, figure.metric);
  return figures;
}

}  // namespace dsc
