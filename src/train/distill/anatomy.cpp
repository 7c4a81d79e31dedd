#include "train/distill/anatomy.h"

#include <algorithm>

#include "core/names.h"
#include "ops/arguments.h"
#include "ops/attention_patterns.h"
#include "ops/blocks.h"
#include "ops/modules.h"
#include "ops/open_attention.h"

namespace dsc {
namespace {

bool is_number(const std::string& text) { return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }); }

// Whether the glob names the path or a module around it.
bool names_module_around(const std::string& glob, const std::string& path) {
  if (matches_glob(glob, path)) return true;
  for (auto dot = path.rfind('.'); dot != std::string::npos && dot > 0; dot = path.rfind('.', dot - 1)) {
    if (matches_glob(glob, path.substr(0, dot))) return true;
  }
  return false;
}

std::optional<Site> only_one(std::vector<Site> found, const std::string& glob, const std::string& what, Problem& problem) {
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    problem = {"`" + glob + "` names " + std::to_string(found.size()) + " layers, among them " + found[0].layer + " and " + found[1].layer, {}, "name one"};
  } else {
    problem.message = "`" + glob + "` names no " + what;
  }
  return std::nullopt;
}

}  // namespace

std::string describe(SiteKind kind) { return kind == SiteKind::hidden ? "hidden states" : "attention"; }

Anatomy::Anatomy(Model& model) : model_(model) {
  const auto blocks = find_blocks(model.graph);
  for (const Block& block : blocks) hidden_.push_back({block.name, block.output});
  if (!blocks.empty()) embedding_ = blocks.front().input;
  for (const Attention& attention : find_attention(model.graph)) {
    attentions_.push_back({place_of(*attention.node), attention.is_whole ? attention.node : nullptr, attention.query, attention.key, attention.value,
                           attention.scores, attention.is_whole ? nullptr : attention.node->output()});
  }
}

void Anatomy::open() {
  for (auto& attention : attentions_) {
    if (!attention.whole) continue;
    const OpenedAttention opened = open_attention(model_.graph, attention.whole);
    attention.whole = nullptr;
    attention.scores = opened.scores;
    attention.probabilities = opened.softmax->output();
    opened_ = true;
  }
}

std::vector<Site> Anatomy::sites(SiteKind kind) {
  if (kind == SiteKind::hidden) return hidden_;
  if (kind == SiteKind::attention_scores || kind == SiteKind::attention_probabilities) open();
  std::vector<Site> found;
  for (const auto& attention : attentions_) {
    Value* value = kind == SiteKind::attention_scores ? attention.scores
                   : kind == SiteKind::attention_probabilities ? attention.probabilities
                   : kind == SiteKind::query ? attention.query
                   : kind == SiteKind::key ? attention.key : attention.value;
    found.push_back({attention.place, value});
  }
  return found;
}

std::optional<Site> Anatomy::find(SiteKind kind, const std::string& selector, Problem& problem) {
  if (!is_number(selector)) return kind == SiteKind::hidden ? find_module(selector, problem) : find_attention_in(kind, selector, problem);
  const auto all = sites(kind);
  if (selector.size() < 6 && std::stoul(selector) < all.size()) return all[std::stoul(selector)];
  problem = {"there is no layer " + selector + ": " + describe(kind) + " were found for " + std::to_string(all.size()) + " layers, counted from 0", {}, ""};
  return std::nullopt;
}

std::optional<Site> Anatomy::find_module(const std::string& glob, Problem& problem) const {
  std::vector<Site> found;
  const auto paths = module_paths(model_.graph);
  for (const auto& path : paths) {
    if (matches_glob(glob, path)) found.push_back({path, find_module_output(model_.graph, path)});
  }
  auto site = only_one(found, glob, "module", problem);
  if (found.empty()) problem.hint = suggest(glob, paths);
  if (site && !site->value) {
    problem = {"the module `" + site->layer + "` does not give exactly one floating-point tensor to the rest of the network", {}, "name a module around it or inside it"};
    return std::nullopt;
  }
  return site;
}

std::optional<Site> Anatomy::find_attention_in(SiteKind kind, const std::string& glob, Problem& problem) {
  auto found = sites(kind);
  std::vector<std::string> places;
  for (const auto& site : found) places.push_back(site.layer);
  std::erase_if(found, [&](const Site& site) { return !names_module_around(glob, site.layer); });
  if (found.empty()) problem.hint = suggest(glob, places);
  return only_one(found, glob, "module with attention", problem);
}

}  // namespace dsc
