#include "train/distill/layer_terms.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "ir/describe.h"
#include "train/distill/layer_loss.h"

namespace dsc {
namespace {

SiteKind kind_of(const LossConfig& loss) {
  if (const auto* attention = std::get_if<AttentionLoss>(&loss)) {
    return attention->distance == AttentionDistance::probabilities ? SiteKind::attention_probabilities : SiteKind::attention_scores;
  }
  if (const auto* relation = std::get_if<RelationLoss>(&loss)) {
    return relation->of == Relation::value ? SiteKind::value : relation->of == Relation::query ? SiteKind::query : SiteKind::key;
  }
  return SiteKind::hidden;
}

using SitePairs = std::vector<std::pair<Site, Site>>;

SitePairs embedding_pair(const Anatomy& student, const Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  if (student.embedding() && teacher.embedding()) return {{{"embedding", student.embedding()}, {"embedding", teacher.embedding()}}};
  const std::string whose = student.embedding() ? "teacher" : "student";
  problems.push_back({"no embedding was found in the " + whose + ": it has no layer with a residual stream", {.pointer = pointer}, "remove this loss"});
  return {};
}

SitePairs mapped_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  const SiteKind kind = kind_of(loss);
  const auto ours = student.sites(kind), theirs = teacher.sites(kind);
  for (const auto& [whose, sites] : {std::pair{"student", &ours}, std::pair{"teacher", &theirs}}) {
    if (!sites->empty()) continue;
    problems.push_back({std::string("no ") + describe(kind) + " found in the " + whose, {.pointer = pointer},
                        kind == SiteKind::hidden ? "name modules under `layers`, or remove this loss" : "remove this loss: it needs a network with attention"});
    return {};
  }
  if (ours.size() > theirs.size()) {
    problems.push_back({"the student has " + std::to_string(ours.size()) + " layers with " + describe(kind) + ", more than the teacher's " + std::to_string(theirs.size()),
                        {.pointer = pointer}, "name pairs under `layers`"});
    return {};
  }
  SitePairs pairs;
  for (const auto& [i, j] : map_layers(layer_map_of(loss)->mapping, ours.size(), theirs.size())) pairs.emplace_back(ours[i], theirs[j]);
  return pairs;
}

SitePairs named_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  SitePairs pairs;
  for (const auto& [ours, theirs] : layer_map_of(loss)->layers) {
    Problem student_problem, teacher_problem;
    const auto a = student.find(kind_of(loss), ours, student_problem);
    const auto b = teacher.find(kind_of(loss), theirs, teacher_problem);
    if (a && b) pairs.emplace_back(*a, *b);
    for (auto& [whose, found, problem] : {std::tuple{"student", a.has_value(), student_problem}, std::tuple{"teacher", b.has_value(), teacher_problem}}) {
      if (!found) problems.push_back({std::string("in the ") + whose + ": " + problem.message, {.pointer = pointer + "/layers/" + ours}, problem.hint});
    }
  }
  return pairs;
}

SitePairs find_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  const LayerMap* map = layer_map_of(loss);
  if (!map) return embedding_pair(student, teacher, pointer, problems);
  return map->layers.empty() ? mapped_pairs(loss, student, teacher, pointer, problems) : named_pairs(loss, student, teacher, pointer, problems);
}

// The uniform distribution of a linear layer without bias, from our own generator.
at::Tensor make_projection(std::int64_t to, std::int64_t from, std::uint64_t seed, const at::Device& device) {
  auto weight = at::empty({to, from}, at::kFloat);
  Random random(seed);
  const double bound = 1 / std::sqrt(static_cast<double>(from));
  for (std::int64_t i = 0; i < weight.numel(); ++i) weight.data_ptr<float>()[i] = static_cast<float>((2 * random.uniform() - 1) * bound);
  return weight.to(device).set_requires_grad(true);
}

}  // namespace

std::size_t TapList::add(const std::string& value) {
  const auto found = std::find(names_.begin(), names_.end(), value);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  names_.push_back(value);
  return names_.size() - 1;
}

std::vector<std::pair<std::size_t, std::size_t>> map_layers(Mapping mapping, std::size_t students, std::size_t teachers) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  if (mapping == Mapping::final) return {{students - 1, teachers - 1}};
  for (std::size_t m = 0; m < students; ++m) {
    pairs.emplace_back(m, mapping == Mapping::last ? teachers - students + m : (2 * (m + 1) * teachers + students) / (2 * students) - 1);
  }
  return pairs;
}

LayerTerm::LayerTerm(const LossConfig& loss, Anatomy& student, Anatomy& teacher, TapList& student_taps, TapList& teacher_taps,
                     const std::string& pointer, std::vector<Problem>& problems)
    : loss_(loss), pointer_(pointer) {
  for (const auto& [ours, theirs] : find_pairs(loss, student, teacher, pointer, problems)) {
    if (!ours.value || !theirs.value) {
      problems.push_back({"the attention of " + (ours.value ? theirs : ours).layer + " is spelled out in the graph, where queries and keys cannot be told apart",
                          {.pointer = pointer}, "use of: value"});
      continue;
    }
    pairs_.push_back({ours.layer, theirs.layer, student_taps.add(ours.value->name()), teacher_taps.add(theirs.value->name()), {}});
  }
}

void LayerTerm::fit(const Readings& student, const Readings& teacher, const at::Tensor& mask, std::uint64_t seed, std::vector<Problem>& problems) {
  for (auto& pair : pairs_) {
    const auto &s = student.taps.at(pair.student_tap), &t = teacher.taps.at(pair.teacher_tap);
    fit_pair(pair, s, t, seed, problems);
    const std::int64_t positions = kind_of(loss_) == SiteKind::hidden ? 1 : 2;
    const bool fits = s.dim() > positions && mask.defined() && mask.size(1) == s.size(positions);
    if (mask.defined() && !fits && !std::holds_alternative<SpatialAttention>(loss_)) {
      problems.push_back({"`mask` " + describe_sizes(mask) + " does not fit " + pair.student + " " + describe_sizes(s), {.pointer = pointer_}, "remove `mask`"});
    }
  }
}

void LayerTerm::fit_pair(LayerPair& pair, const at::Tensor& student, const at::Tensor& teacher, std::uint64_t seed, std::vector<Problem>& problems) {
  const auto refuse = [&](const std::string& hint) {
    problems.push_back({pair.student + " of the student gives " + describe_sizes(student) + ", " + pair.teacher + " of the teacher " + describe_sizes(teacher),
                        {.pointer = pointer_}, hint});
  };
  if (const auto* relation = std::get_if<RelationLoss>(&loss_)) {
    if (student.dim() != 4 || teacher.dim() != 4 || student.size(2) != teacher.size(2)) return refuse("relations need values [examples, heads, positions, size]");
    if (relation->heads == 0 && student.size(1) != teacher.size(1)) return refuse("the heads differ in number: set `heads` to a number that both widths can be split into");
    const bool splits = relation->heads == 0 || (student.size(1) * student.size(3) % relation->heads == 0 && teacher.size(1) * teacher.size(3) % relation->heads == 0);
    if (!splits) refuse("`heads` " + std::to_string(relation->heads) + " does not divide both widths");
    return;
  }
  if (std::holds_alternative<SpatialAttention>(loss_)) {
    const bool fits = student.dim() == 4 && teacher.dim() == 4 && student.sizes().slice(2) == teacher.sizes().slice(2);
    if (!fits) refuse("spatial_attention needs feature maps [examples, channels, height, width] of one size: name other layers");
    return;
  }
  if (student.sizes() == teacher.sizes()) return;
  if (!may_project()) return refuse("attention needs as many heads in both networks: use the loss `relation` with `heads`, or name other layers");
  std::int64_t differing = 0;
  for (std::int64_t dim = 1; student.dim() == teacher.dim() && dim < student.dim(); ++dim) {
    if (student.size(dim) == teacher.size(dim)) continue;
    pair.projected_dim = dim;
    ++differing;
  }
  if (differing != 1) return refuse("only a difference in one dimension can be projected: name other layers");
  // Layers of one width share a projection, as the paper's W_h: they add to one residual stream.
  const auto to = teacher.size(pair.projected_dim), from = student.size(pair.projected_dim);
  for (const auto& other : pairs_) {
    if (other.projection.defined() && other.projection.size(0) == to && other.projection.size(1) == from) pair.projection = other.projection;
  }
  if (!pair.projection.defined()) {
    pair.projection = make_projection(to, from, derive_seed(seed, "projection" + pointer_, static_cast<std::uint64_t>(parameters().size())), student.device());
  }
}

std::vector<std::pair<std::string, at::Tensor>> LayerTerm::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> made;
  for (const auto& pair : pairs_) {
    const bool known = std::ranges::any_of(made, [&](const auto& entry) { return entry.second.is_same(pair.projection); });
    if (pair.projection.defined() && !known) made.emplace_back("projection." + std::to_string(made.size()), pair.projection);
  }
  return made;
}

at::Tensor LayerTerm::loss(const Readings& student, const Readings& teacher, const at::Tensor& mask) const {
  at::Tensor sum;
  for (const auto& pair : pairs_) {
    auto s = student.taps[pair.student_tap];
    if (pair.projection.defined()) s = project(s, pair.projection, pair.projected_dim);
    const auto part = compare(s, teacher.taps[pair.teacher_tap], mask);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

at::Tensor LayerTerm::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const {
  if (const auto* attention = std::get_if<AttentionLoss>(&loss_)) {
    switch (attention->distance) {
      case AttentionDistance::scores: return attention_score_loss(student, teacher, mask);
      case AttentionDistance::probabilities: return attention_probability_loss(student, teacher, mask);
      case AttentionDistance::divergence: return attention_divergence(student, teacher, mask);
    }
  }
  if (const auto* relation = std::get_if<RelationLoss>(&loss_)) return value_relation_loss(student, teacher, relation->heads, mask);
  if (std::holds_alternative<SpatialAttention>(loss_)) return spatial_attention_loss(student, teacher);
  return state_loss(student, teacher, mask);
}

}  // namespace dsc
