// Globs over module paths and parameter names.
#include <algorithm>

#include "core/names.h"
#include "train/train.h"

namespace dsc {
namespace {

bool selects(const std::string& glob, const std::string& parameter) {
  if (matches_glob(glob, parameter)) return true;
  for (auto dot = parameter.rfind('.'); dot != std::string::npos && dot > 0; dot = parameter.rfind('.', dot - 1)) {
    if (matches_glob(glob, parameter.substr(0, dot))) return true;  // a module around it
  }
  return false;
}

std::vector<std::string> parameter_names(const Model& model) {
  std::vector<std::string> names;
  for (const auto& input : model.graph.inputs()) {
    if (input.kind == InputKind::parameter) names.push_back(input.target);
  }
  return names;
}

}  // namespace

std::vector<std::string> select_parameters(const Model& model, const std::vector<std::string>& selectors) {
  auto names = parameter_names(model);
  std::erase_if(names, [&](const auto& name) {
    return std::none_of(selectors.begin(), selectors.end(), [&](const auto& glob) { return selects(glob, name); });
  });
  return names;
}

std::vector<Problem> check_selectors(const Model& model, const std::vector<std::string>& selectors, std::string_view option) {
  std::vector<Problem> problems;
  const auto names = parameter_names(model);
  auto known = names;
  for (const auto& name : names) {
    for (auto dot = name.rfind('.'); dot != std::string::npos && dot > 0; dot = name.rfind('.', dot - 1)) known.push_back(name.substr(0, dot));
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (std::size_t i = 0; i < selectors.size(); ++i) {
    if (std::any_of(names.begin(), names.end(), [&](const auto& name) { return selects(selectors[i], name); })) continue;
    problems.push_back({"`" + selectors[i] + "` matches no module and no parameter of the model",
                        {.pointer = "/" + std::string(option) + "/" + std::to_string(i)}, suggest(selectors[i], known)});
  }
  return problems;
}

std::vector<std::string> frozen_parameters(const Model& model, const TrainOptions& options) {
  if (options.train_only.empty()) return select_parameters(model, options.freeze);
  auto frozen = select_parameters(model, {"**"});
  const auto trained = select_parameters(model, options.train_only);
  std::erase_if(frozen, [&](const auto& name) { return std::find(trained.begin(), trained.end(), name) != trained.end(); });
  return frozen;
}

std::vector<Problem> check_frozen(const Model& model, const TrainOptions& options) {
  auto problems = check_selectors(model, options.freeze, "freeze");
  for (auto& problem : check_selectors(model, options.train_only, "train_only")) problems.push_back(std::move(problem));
  if (problems.empty() && !options.freeze.empty() && frozen_parameters(model, options).size() == parameter_names(model).size()) {
    problems.push_back({"there is nothing to train: every parameter is frozen", {.pointer = "/freeze"}, "freeze fewer modules"});
  }
  return problems;
}

}  // namespace dsc
