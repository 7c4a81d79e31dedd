#include "pipeline/robustness.h"

#include <algorithm>
#include <array>
#include <memory>

#include "attack/adversary.h"
#include "core/random.h"
#include "exec/foreign_error.h"
#include "pipeline/prepare.h"

namespace dsc {
namespace {

std::string pointer_of(std::size_t test) { return "/evaluate/robustness/" + std::to_string(test); }

// All tests share a seed: what differs between models is the models.
std::uint64_t robustness_seed(const Recipe& recipe) { return derive_seed(static_cast<std::uint64_t>(recipe.seed), "robustness"); }

std::int64_t smaller_limit(std::int64_t a, std::int64_t b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

// data.eval as this test has it; severity 0: clean.
std::unique_ptr<Dataset> open_test(const Recipe& recipe, const Model& model, const RobustnessTest& test, std::int64_t severity, std::int64_t limit) {
  const auto sections = data_sections(recipe);
  auto split = std::ranges::find(sections, Split::eval, &DataSection::split)->config;
  if (severity > 0) split.corruption = {.name = test.kind, .severity = severity, .seed = robustness_seed(recipe), .synonyms = test.path};
  return bind_inputs(open_dataset(split, recipe.data.normalize, limit), model);
}

std::vector<std::int64_t> severities_of(const RobustnessTest& test) { return test.attack ? std::vector<std::int64_t>{0} : test.severities; }

std::unique_ptr<Adversary> make_adversary(const Recipe& recipe, const Model& model, const DatasetInfo& info, Attack attack) {
  return std::make_unique<Adversary>(model.graph, model.weights, info, std::move(attack), recipe.device);
}

RobustnessRecord try_one(const Recipe& recipe, const Model& model, const Model& base, const RunResources& resources, const RobustnessTest& test, std::int64_t severity,
                         const RobustnessProgress& progress) {
  const auto data = open_test(recipe, model, test, severity, smaller_limit(recipe.limit, test.examples));
  std::unique_ptr<Adversary> adversary;
  if (test.attack) adversary = make_adversary(recipe, test.gradients_of == GradientsOf::base ? base : model, data->info(), *test.attack);
  const auto title = test.attack ? test.name : test.name + " " + std::to_string(severity);
  const auto evaluation = evaluate_model(model, &base, *data, resources, 0, [&](std::int64_t done, std::int64_t total) { progress(title, done, total); },
                                         adversary ? Disturb([&](const Batch& batch) { return adversary->inputs(batch, robustness_seed(recipe)); }) : Disturb());
  return {.test = test.name, .severity = severity, .metrics = evaluation.metrics};
}

// Calls make(test, its index); errors lead to the test's place in the recipe.
template <class Make>
void for_each_test(const Recipe& recipe, Make make) {
  const auto& tests = recipe.evaluate.robustness;
  for (std::size_t i = 0; i < tests.size(); ++i) {
    try {
      make(tests[i]);
    } catch (const std::exception&) {
      throw place_below(recipe, pointer_of(i), to_error(std::current_exception()));
    }
  }
}

Attack with_one_step(Attack attack) {
  std::visit(
      [](auto& options) {
        if constexpr (requires { options.steps; }) options.steps = 1;
      },
      attack);
  return attack;
}

}  // namespace

bool tries_robustness(const Recipe& recipe, std::int64_t step) {
  if (recipe.evaluate.robustness.empty()) return false;
  const bool is_last = step == static_cast<std::int64_t>(recipe.passes.steps.size());
  return recipe.evaluate.robustness_steps == RobustnessSteps::all || is_last || step == baseline_index(recipe);
}

std::vector<RobustnessRecord> try_robustness(const Recipe& recipe, const Model& model, const Model& base, const RunResources& resources, const RobustnessProgress& progress) {
  std::vector<RobustnessRecord> records;
  for_each_test(recipe, [&](const RobustnessTest& test) {
    for (const auto severity : severities_of(test)) records.push_back(try_one(recipe, model, base, resources, test, severity, progress));
  });
  return records;
}

void check_robustness(const Recipe& recipe, const Model& model) {
  std::vector<Problem> problems;
  const auto& tests = recipe.evaluate.robustness;
  for (std::size_t i = 0; i < tests.size(); ++i) {
    try {
      const auto data = open_test(recipe, model, tests[i], severities_of(tests[i]).front(), 1);
      const auto problem = tests[i].attack ? problem_with_attack(tests[i].kind, data->info()) : std::nullopt;
      if (problem) throw Error(ErrorCode::data, std::vector<Problem>{*problem});
    } catch (const Error& error) {
      // Its own pointers lead into a data split, which others than the corruption have passed already.
      for (auto problem : error.problems()) {
        if (problem.place.file.empty()) problem.place = recipe.place_of(pointer_of(i));
        problems.push_back(std::move(problem));
      }
    }
  }
  if (!problems.empty()) throw Error(ErrorCode::data, std::move(problems));
}

void rehearse_attacks(const Recipe& recipe, const Model& model, const RunResources& resources) {
  const auto& data = resources.data;
  for_each_test(recipe, [&](const RobustnessTest& test) {
    if (!test.attack || test.gradients_of == GradientsOf::base) return;
    const Dataset& eval = *data.at(Split::eval);
    std::vector<std::int64_t> examples(static_cast<std::size_t>(std::min<std::int64_t>(eval.size(), std::max<std::int64_t>(2, eval.info().fixed_batch))));
    for (std::size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<std::int64_t>(i);
    if (eval.info().fixed_batch > static_cast<std::int64_t>(examples.size())) return;  // a filled-up batch: the run itself will tell
    make_adversary(recipe, model, eval.info(), with_one_step(*test.attack))->inputs(eval.batch(examples, std::nullopt), robustness_seed(recipe));
  });
}

}  // namespace dsc
